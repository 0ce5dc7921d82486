//! Calls to moto: those that are passed on as they are, and the proxy's own.
//!
//! What must not be here: a change to what is asked or answered.

use crate::aws_proxy::xml::Element;
use crate::moto::REGION;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What belongs to one connection and not to a request or a reply.
const OF_CONNECTION: &[HeaderName] = &[
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Returns the same with another body.
    pub(crate) fn with_document(mut self, document: &Element) -> Answer {
        self.body = Bytes::from(document.document());
        self
    }

    /// Reads its body as XML; `None` when it is something else.
    pub(crate) fn document(&self) -> Option<Element> {
        Element::parse(&self.body)
    }
}

/// A moto server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
}

impl Backend {
    /// Passes a request on. The host that was asked for stays: moto writes it into links.
    ///
    /// A page of the web server that moto runs in is an error: no SDK can read it.
    pub(crate) async fn pass(&self, head: &Parts, body: Bytes) -> Result<Answer, String> {
        let target = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(head.method.clone()).uri(target);
        let headers = request.headers_mut().expect("a method and a path are no error");
        headers.extend(head.headers.clone());
        // Set from the body, which is whole and may have become another.
        headers.remove(header::CONTENT_LENGTH);
        OF_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let answer = self.send(request, &head.method).await;
        let answer = answer.map_err(|error| format!("moto at {}: {error}", self.address))?;
        match answer.status.is_server_error() && answer.body.starts_with(b"<!doctype html>") {
            true => Err(format!("moto at {}: its standard error says what", self.address)),
            false => Ok(answer),
        }
    }

    /// Asks a question of the proxy's own, of a service with the query protocol. moto checks no
    /// signature; it reads from it which service is meant.
    pub(crate) async fn ask(
        &self,
        service: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let version = match service {
            "ec2" => "2016-11-15",
            "rds" => "2014-10-31",
            "autoscaling" => "2011-01-01",
            "iam" => "2010-05-08",
            other => return Err(format!("the proxy asks {other} nothing")),
        };
        let form = {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("Action", action).append_pair("Version", version);
            form.extend_pairs(params).finish()
        };
        let scope = format!("AKIAPROXY/20260101/{REGION}/{service}/aws4_request");
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={}",
            "0".repeat(64)
        );
        let request = Request::post("/")
            .header(header::HOST, format!("{service}.{REGION}.amazonaws.com"))
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-amz-date", "20260101T000000Z")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| error.to_string())?;
        let answer = self.send(request, &Method::POST).await;
        answer.map_err(|error| format!("moto at {}: {service} {action}: {error}", self.address))
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        method: &Method,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its errors reach the one who sends as well.
        tokio::spawn(connection);
        let (mut head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        OF_CONNECTION.iter().for_each(|name| drop(head.headers.remove(name)));
        if *method != Method::HEAD {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}
