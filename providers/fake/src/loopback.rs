//! The cloud over loopback, so that its objects outlive a dsenv that is killed.
//!
//! One TCP connection a call: a line with the request, a line with the answer, end. A caller that
//! goes away in the middle does not stop the call: the cloud has it, and finishes it.
//!
//! A test starts [`Loopback`] in its own process, keeps the [`FakeCloud`] at hand and gives
//! [`Loopback::endpoint`] to the dsenv that it spawns and kills. The program `dsenv-fake` does the
//! same for a person.

use crate::cloud::FakeCloud;
use crate::request::{Reply, Request};
use crate::wire;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// A cloud that answers on loopback from a thread of this process, until this is dropped.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Starts to answer for this cloud on a free port of 127.0.0.1. Latencies are of real time
    /// from here on.
    pub fn start(cloud: Arc<FakeCloud>) -> io::Result<Loopback> {
        cloud.set_sleeper(Arc::new(|ms| Box::pin(tokio::time::sleep(Duration::from_millis(ms)))));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Bound without the runtime: a test may itself run in one, and those do not nest.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name("fake cloud".to_owned()).spawn(move || {
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).expect("it does not block");
                    tokio::select! {
                        () = accept(listener, cloud) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Loopback { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns what goes into [`ENDPOINT_VARIABLE`](crate::ENDPOINT_VARIABLE).
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Waits until the thread ends, which it does not by itself.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Loopback {
    /// Stops answering. Calls in flight are dropped, as when a cloud goes away.
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, cloud: Arc<FakeCloud>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(answer(stream, cloud.clone()))),
            // Given up by its caller, or no descriptor is free until a call that runs has ended.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn answer(mut stream: TcpStream, cloud: Arc<FakeCloud>) {
    let reply = match read_line(&mut stream).await {
        Ok(line) => match wire::parse_request(&line) {
            Ok(request) => cloud.serve(&request).await,
            // What cannot be read was not acted on.
            Err(malformed) => {
                Err(OpError { class: OpErrorClass::Invalid, ..OpError::from(malformed) })
            }
        },
        Err(_) => return,
    };
    let line = wire::reply_line(&reply) + "\n";
    // The caller may be gone: what it asked for is done all the same.
    let _ = stream.write_all(line.as_bytes()).await;
}

async fn read_line(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    match line.strip_suffix('\n') {
        Some(whole) => Ok(whole.to_owned()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the line has no end")),
    }
}

/// Asks a cloud in another process. What goes wrong before the request is sent did not happen;
/// what goes wrong later is [`OpErrorClass::Unknown`].
pub(crate) async fn ask(endpoint: &str, request: &Request) -> Result<Reply, OpError> {
    let mut stream = TcpStream::connect(endpoint).await.map_err(|error| {
        let message = format!("no fake cloud answers at {endpoint}");
        let class = OpErrorClass::Throttled { retry_after_ms: None };
        OpError::new(class, message).caused_by(&error)
    })?;
    let lost = |error: io::Error| {
        let message = format!("the connection to {endpoint} closed before the reply came");
        OpError::new(OpErrorClass::Unknown, message).caused_by(&error)
    };
    let line = wire::request_line(request) + "\n";
    stream.write_all(line.as_bytes()).await.map_err(lost)?;
    let line = read_line(&mut stream).await.map_err(lost)?;
    wire::parse_reply(&line)?
}
