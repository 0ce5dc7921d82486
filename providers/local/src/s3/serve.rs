//! The listener: connections on loopback, each spoken to by s3s over HTTP/1.

use super::access::Access;
use super::endpoint::Endpoint;
use super::keys::{Keys, Signatures};
use super::store::Store;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, HttpResponse};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Fewer than tokio has threads for blocking work, of which each upload holds one: reads never wait
/// for uploads to end.
const CONNECTIONS_MAX: usize = 256;

/// How long requests in flight may take to end once the endpoint is told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A client that has not sent its headers by then is taken to be gone.
const HEADERS_MAX: Duration = Duration::from_secs(30);

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// s3s keeps the file of a browser's POST form in memory.
const FORM_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Serves the store to the holders of `keys` until `shutdown` completes, then drains for a while.
///
/// # Panics
///
/// If the listener is not on loopback: what is served here must never leave the machine.
pub async fn serve(
    listener: TcpListener,
    store: Arc<Store>,
    keys: Arc<Keys>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    assert!(
        address.ip().is_loopback(),
        "the S3 endpoint listens on loopback only, not on {address}"
    );
    let service = service(store, keys);
    let graceful = GracefulShutdown::new();
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let seat =
                Arc::clone(&seats).acquire_owned().await.expect("the semaphore is never closed");
            listener.accept().await.map(|(stream, _)| (stream, seat))
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            // Ended connections are collected as they end, so that the set does not grow.
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accepted => accepted,
        };
        let Ok((stream, seat)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small answers must not wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADERS_MAX);
        let service = service.clone();
        let answer = service_fn(move |request| answer(service.clone(), request));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), answer));
        connections.spawn(async move {
            // An error is a client that broke off: it has nobody left to be told.
            let _ = connection.await;
            drop(seat);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await;
    connections.shutdown().await;
    Ok(())
}

/// Answers one request.
///
/// A refusal that comes before the body closes the connection, as that of S3 does: botocore, told
/// by `Expect: 100-continue` that its body is not wanted, sends the next request in its place, and
/// the first bytes of that would be taken for the body.
async fn answer(service: S3Service, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
    let withholds_body = request.headers().contains_key(EXPECT);
    let mut response = hyper::service::Service::call(&service, request).await?;
    if withholds_body && !response.status().is_success() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn service(store: Arc<Store>, keys: Arc<Keys>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Endpoint { store, keys: Arc::clone(&keys) });
    builder.set_auth(Signatures(Arc::clone(&keys)));
    builder.set_access(Access(keys));
    let mut config = S3Config::default();
    config.post_object_max_file_size = FORM_FILE_BYTES_MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.build()
}
