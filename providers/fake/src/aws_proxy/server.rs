//! Takes requests on loopback, and the order in which one call meets what the proxy adds.
//!
//! ```text
//! request --> named, logged --> latency --> faults --> client token --> visible? --> rules
//!         --> moto --> what became of it is learnt, states rewritten --> token kept --> reply
//! ```
//! Faults come before the token, so that a retry of a lost reply meets the token; the rules come
//! after it, so that a repeated create is not refused for what it made itself. A caller that goes
//! away does not stop its call: the cloud has it, and finishes it.
//!
//! What must not be here: what a rule says.

use crate::aws_proxy::asked::{self, Asked};
use crate::aws_proxy::backend::{Answer, Backend};
use crate::aws_proxy::log::Outcome;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::state::State;
use crate::aws_proxy::view::View;
use crate::aws_proxy::{answers, forgotten, groups, rules};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The largest body that is taken.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) backend: Backend,
    state: Mutex<State>,
    /// Held from the rules to the end of a call that changes something: a rule would otherwise
    /// judge by what another call is about to change.
    turn: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(super) fn new(backend: Backend) -> Shared {
        Shared { backend, state: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Returns what is set and known. Never held while something is waited for.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }
}

/// Takes connections for ever.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, shared.clone()))),
            // Given up by its caller, or no descriptor is free until a call that runs has ended.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // The answer to a small request would otherwise wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, shared.clone()));
    // An error is a caller that went away, or a reply that was to be lost.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Answers one request; an error closes its connection.
async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(io::Error::other)?;
    let body = body.to_bytes();
    // A task of its own: the connection drops this future when the caller goes away.
    let call = tokio::spawn(async move { call(&shared, &head, body).await });
    let answer = call.await.map_err(io::Error::other)?;
    let answer = answer.ok_or_else(|| io::Error::other("the reply is lost"))?;
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

/// Returns the answer to one call; `None` when it is lost.
async fn call(shared: &Shared, head: &Parts, body: Bytes) -> Option<Answer> {
    let asked = asked::asked(head, &body);
    let (number, request_id, latency_ms, struck) = {
        let mut state = shared.state();
        let number = state.log.begin(&asked);
        let struck = state.faults.strike(&asked);
        (number, state.next_request_id(), state.latency_ms, struck)
    };
    wait(latency_ms).await;
    let outcome = match struck.refusal {
        _ if struck.request_lost => None,
        Some(refusal) => Some(Err(refusal)),
        None => Some(once(shared, &asked, number, head, body).await),
    };
    wait(struck.late_ms).await;
    let answer = outcome.filter(|_| !struck.reply_lost).map(|outcome| {
        outcome.unwrap_or_else(|refusal| refusal.answer(&asked, &head.method, &request_id))
    });
    let ended = answer.as_ref().map_or(Outcome::Lost, |answer| Outcome::Answered {
        status: answer.status.as_u16(),
        code: answers::error_code(answer),
    });
    shared.state().log.end(number, ended);
    answer
}

async fn wait(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// Does a call, unless its token was seen before.
async fn once(
    shared: &Shared,
    asked: &Asked,
    number: u64,
    head: &Parts,
    body: Bytes,
) -> Result<Answer, Refusal> {
    let place = shared.state().tokens.place(asked);
    let Some(place) = place else { return act(shared, asked, number, head, body).await };
    let held = place.hold().await;
    if let Some(answered) = held.answered(asked) {
        return answered;
    }
    let answer = act(shared, asked, number, head, body).await?;
    held.keep(asked, &answer);
    Ok(answer)
}

/// Does a call, unless a rule refuses it.
async fn act(
    shared: &Shared,
    asked: &Asked,
    number: u64,
    head: &Parts,
    body: Bytes,
) -> Result<Answer, Refusal> {
    let _turn = match asked.is_mutating() {
        true => Some(shared.turn.lock().await),
        false => None,
    };
    let view = View::new(shared);
    rules::judge(&view, asked).await?;
    if let Some(answer) = answers::own(&shared.state(), asked) {
        return answer;
    }
    let body = answers::body_to_pass(&shared.state(), asked, body);
    let before = groups::before(&view, asked).await?;
    shared.state().log.made(number);
    let passed = shared.backend.pass(head, body).await;
    let answer = passed.map_err(|error| Refusal::internal(asked.protocol, error))?;
    forgotten::mend(&view, asked, &answer).await?;
    answers::learnt_and_rewritten(&mut shared.state(), asked, before, answer)
}
