//! What is said over the supervisor's socket: one JSON line a request, one a reply.
//!
//! Every line carries the version. A daemon refuses a request of another version, save for
//! [`Request::Retire`], whose form never changes: it is how a newer dsenv takes over from the
//! daemon of an older one without stopping a service.

use super::unit::{Exit, State, Unit, UnitStatus};
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// Changes with any type that crosses the socket.
pub(super) const VERSION: u32 = 1;

/// Longest line that either side reads.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What a command asks of the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Ping,
    Put {
        unit: Unit,
    },
    Remove {
        name: String,
    },
    Restart {
        name: String,
    },
    List,
    WaitHealthy {
        name: String,
        timeout_ms: u64,
    },
    /// Stop every unit, then the daemon and the guard.
    Shutdown,
    /// End daemon and guard, leave the units running.
    Retire,
}

/// What the daemon answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Pong(Pong),
    Done,
    Units(Vec<UnitStatus>),
    Unhealthy(Unhealthy),
    /// The request cannot be met; nothing was changed unless the text says so.
    Refused(String),
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The daemon's process.
    pub daemon_pid: u32,
    /// The guard's process.
    pub guard_pid: u32,
    /// Whether that guard still lives, and would restart the daemon.
    pub guarded: bool,
}

/// Why a unit did not become healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unhealthy {
    /// The unit's name.
    pub name: String,
    /// What stands in the way, in a sentence's form.
    pub why: String,
    /// Where it stands now.
    pub state: State,
    /// How it last ended, when it did.
    pub last_exit: Option<Exit>,
    /// The last lines of its log, oldest first.
    pub log: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u32,
    #[serde(rename = "say")]
    content: T,
}

/// Why a line could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    /// The other side speaks this version, not [`VERSION`].
    Version(u32),
    Malformed(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

/// A connection of either side.
#[derive(Debug)]
pub(super) struct Channel {
    stream: BufReader<UnixStream>,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Channel {
        Channel { stream: BufReader::new(stream) }
    }

    /// Writes one line.
    pub(super) async fn send<T: Serialize>(&mut self, content: T) -> io::Result<()> {
        let envelope = Envelope { v: VERSION, content };
        // Overwritten when dropped: units carry secrets.
        let mut line = Zeroizing::new(serde_json::to_vec(&envelope)?);
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await
    }

    /// Reads a request; `None` when the other side has closed.
    pub(super) async fn request(&mut self) -> Result<Option<Request>, ReadError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let envelope: Envelope<&serde_json::value::RawValue> = parse(&line)?;
        match envelope.content.get() {
            "\"retire\"" => Ok(Some(Request::Retire)),
            _ if envelope.v != VERSION => Err(ReadError::Version(envelope.v)),
            request => parse(request.as_bytes()).map(Some),
        }
    }

    /// Reads a reply; `None` when the other side has closed, as a dying daemon does.
    pub(super) async fn reply(&mut self) -> Result<Option<Reply>, ReadError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let envelope: Envelope<&serde_json::value::RawValue> = parse(&line)?;
        if envelope.v != VERSION {
            return Err(ReadError::Version(envelope.v));
        }
        parse(envelope.content.get().as_bytes()).map(Some)
    }

    async fn line(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
        let mut line = Zeroizing::new(Vec::new());
        (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        match line.last() {
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() as u64 == LINE_BYTES_MAX => {
                Err(ReadError::Malformed(format!("a line is longer than {LINE_BYTES_MAX} bytes")))
            }
            // A line without its end is a peer that died while writing it.
            Some(_) | None => Ok(None),
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ReadError> {
    serde_json::from_slice(bytes).map_err(|error| ReadError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_retire_is_understood_across_versions() {
        let (near, far) = UnixStream::pair().expect("a socket pair");
        let mut daemon = Channel::new(near);
        let mut newer = far;
        newer
            .write_all(b"{\"v\":2,\"say\":\"retire\"}\n{\"v\":2,\"say\":\"list\"}\n")
            .await
            .expect("sent");
        assert!(matches!(daemon.request().await, Ok(Some(Request::Retire))));
        assert!(matches!(daemon.request().await, Err(ReadError::Version(2))));
    }

    #[tokio::test]
    async fn a_half_line_is_a_closed_connection() {
        let (near, mut far) = UnixStream::pair().expect("a socket pair");
        far.write_all(b"{\"v\":1,").await.expect("sent");
        drop(far);
        assert!(matches!(Channel::new(near).reply().await, Ok(None)));
    }
}
