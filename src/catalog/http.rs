//! Asks the vendors' interfaces, with patience: what is busy is asked again, a download goes on where it
//! stopped.
//!
//! Addresses go in; whole texts come out, or a file that is whole. Nothing here knows what is in them.
//!
//! ## Why
//! The client is the one of the AWS SDK, which is compiled in already with its TLS, its proxy (`HTTPS_PROXY`)
//! and the system's certificates; `ureq` would be four more crates and a second store of certificates. Its time
//! limits need a sleeper of its own, so limits are kept here, with the world's clock.

use super::{FetchError, Say};
use crate::world::{AppendFile, World};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::http::{Request, Response};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use futures::future::{Either, select};
use std::future::Future;
use std::path::Path;
use std::pin::pin;

/// How often a request is tried that brings nothing.
const ATTEMPTS_MAX: u32 = 6;

/// How long a pause is before the second attempt; each one after is twice as long.
const PAUSE_MS: u64 = 500;

/// The longest pause, also where a server asks for more.
const PAUSE_MAX_MS: u64 = 120_000;

/// How long a server may say nothing.
const SILENCE_MAX_MS: u64 = 60_000;

/// How much of an answer is shown when it is refused.
const SHOWN_BYTES: usize = 200;

/// After so much more of a download it is said how far it is.
const SAID_BYTES: u64 = 32 << 20;

const MIB: u64 = 1 << 20;

/// Who asks.
pub(super) struct Client<'w> {
    world: &'w dyn World,
    connector: Connector,
}

/// Why one attempt brought nothing.
enum Lost {
    /// Another one may bring more; after this pause, where the server names one.
    Again { why: String, pause_ms: Option<u64> },
    /// No other one would.
    Never(FetchError),
}

impl<'w> Client<'w> {
    /// Makes a client. Connects to nobody yet.
    pub(super) fn new(world: &'w dyn World) -> Client<'w> {
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let proxy = ProxyConfig::from_env();
        let connector = Connector::builder().proxy_config(proxy).tls_provider(tls).build();
        Client { world, connector }
    }

    /// Fetches a text of at most so many bytes; one that ends too early is fetched again.
    pub(super) async fn text(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        limit_bytes: u64,
        say: &mut Say<'_>,
    ) -> Result<Vec<u8>, FetchError> {
        let mut attempt = 1;
        loop {
            let lost = match self.whole(url, headers, limit_bytes).await {
                Ok(bytes) => return Ok(bytes),
                Err(lost) => lost,
            };
            self.pause(url, lost, attempt, say).await?;
            attempt += 1;
        }
    }

    async fn whole(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        limit_bytes: u64,
    ) -> Result<Vec<u8>, Lost> {
        let answer = self.ask(url, headers).await?;
        if answer.status().as_u16() != 200 {
            return Err(refused(url, answer).await);
        }
        let expected = number(answer.headers().get("content-length"));
        let mut body = ByteStream::new(answer.into_body());
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut body).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit_bytes {
                let (url, limit_bytes) = (url.to_owned(), limit_bytes);
                return Err(Lost::Never(FetchError::TooLarge { url, limit_bytes }));
            }
        }
        is_whole(bytes.len() as u64, expected)?;
        Ok(bytes)
    }

    /// Fetches a file, going on where an earlier attempt or an earlier run stopped, if it is still the same
    /// file. Returns how many bytes it has.
    pub(super) async fn download(
        &self,
        url: &str,
        path: &Path,
        say: &mut Say<'_>,
    ) -> Result<u64, FetchError> {
        let mut attempt = 1;
        loop {
            let before = size_of(self.world, path)?;
            let lost = match self.go_on(url, path, before, say).await {
                Ok(bytes) => return Ok(bytes),
                Err(lost) => lost,
            };
            // What brings something may go on for as long as it does.
            if size_of(self.world, path)? > before {
                attempt = 1;
            }
            self.pause(url, lost, attempt, say).await?;
            attempt += 1;
        }
    }

    async fn go_on(
        &self,
        url: &str,
        path: &Path,
        have: u64,
        say: &mut Say<'_>,
    ) -> Result<u64, Lost> {
        let disk = self.world.disk();
        let tag_path = path.with_extension("etag");
        let tag = disk.read(&tag_path, 4_096).map_err(broken)?;
        let tag = tag.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|_| have > 0);
        let range = format!("bytes={have}-");
        let headers: Vec<(&'static str, &str)> = match &tag {
            Some(tag) => vec![("range", &range), ("if-range", tag)],
            None => Vec::new(),
        };
        let answer = self.ask(url, &headers).await?;
        let header = |name: &str| answer.headers().get(name).map(str::to_owned);
        let length = number(header("content-length").as_deref());
        let (mut file, mut size, expected): (Box<dyn AppendFile>, u64, Option<u64>) =
            match answer.status().as_u16() {
                206 if starts_at(header("content-range").as_deref(), have) => {
                    let total = header("content-range").and_then(|it| total_of(&it));
                    let expected = total.or(length.map(|length| have + length));
                    (disk.open_append(path).map_err(broken)?, have, expected)
                }
                200 => {
                    // Without a name for this very file nothing may be put behind it later.
                    disk.remove(&tag_path).map_err(broken)?;
                    let file = disk.create(path).map_err(broken)?;
                    let strong = header("etag").filter(|tag| tag.starts_with('"'));
                    if let Some(tag) = strong {
                        disk.write_atomic(&tag_path, tag.as_bytes()).map_err(broken)?;
                    }
                    (file, 0, length)
                }
                // Nothing is behind what is there: it is whole, or of another file.
                416 if header("content-range").and_then(|it| total_of(&it)) == Some(have) => {
                    return Ok(have);
                }
                206 | 416 => {
                    disk.remove(&tag_path).map_err(broken)?;
                    let why = "the server answers for another part".to_owned();
                    return Err(Lost::Again { why, pause_ms: None });
                }
                _ => return Err(refused(url, answer).await),
            };
        let mut body = ByteStream::new(answer.into_body());
        let mut said = size;
        while let Some(chunk) = self.chunk(&mut body).await? {
            file.append(&chunk).map_err(broken)?;
            size += chunk.len() as u64;
            if size >= said + SAID_BYTES {
                said = size;
                let of = expected.map_or_else(String::new, |of| format!(" of {}", of / MIB));
                say(&format!("  {}{of} MiB\n", size / MIB));
            }
        }
        file.sync().map_err(broken)?;
        is_whole(size, expected)?;
        Ok(size)
    }

    async fn ask(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<SdkBody>, Lost> {
        let unfit = |why: String| {
            let url = url.to_owned();
            Lost::Never(FetchError::Answer { url, why })
        };
        let mut request = Request::get(url).map_err(|error| unfit(error.to_string()))?;
        let agent = concat!("dsenv/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert("user-agent", agent);
        for (name, value) in headers {
            let set = request.headers_mut().try_insert(*name, (*value).to_owned());
            set.map_err(|error| unfit(error.to_string()))?;
        }
        let answer = self.within(self.connector.call(request)).await?;
        answer.map_err(|error| Lost::Again { why: chain(&error), pause_ms: None })
    }

    async fn chunk(&self, body: &mut ByteStream) -> Result<Option<Vec<u8>>, Lost> {
        let next = self.within(body.try_next()).await?;
        let lost = |why: String| Lost::Again { why, pause_ms: None };
        Ok(next.map_err(|error| lost(chain(&error)))?.map(|bytes| bytes.to_vec()))
    }

    /// What comes before the server has been silent for too long.
    async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, Lost> {
        match select(pin!(future), pin!(self.world.sleep(SILENCE_MAX_MS))).await {
            Either::Left((value, _)) => Ok(value),
            Either::Right(_) => {
                let why = format!("nothing came for {} seconds", SILENCE_MAX_MS / 1_000);
                Err(Lost::Again { why, pause_ms: None })
            }
        }
    }

    /// Waits before the next attempt, or gives up.
    async fn pause(
        &self,
        url: &str,
        lost: Lost,
        attempt: u32,
        say: &mut Say<'_>,
    ) -> Result<(), FetchError> {
        let (why, asked_ms) = match lost {
            Lost::Never(error) => return Err(error),
            Lost::Again { why, pause_ms } => (why, pause_ms),
        };
        if attempt >= ATTEMPTS_MAX {
            return Err(FetchError::Answer { url: url.to_owned(), why });
        }
        let pause_ms = asked_ms.unwrap_or(PAUSE_MS << attempt.min(16)).min(PAUSE_MAX_MS);
        say(&format!("  {why}; again in {} s\n", pause_ms.div_ceil(1_000)));
        self.world.sleep(pause_ms).await;
        Ok(())
    }
}

/// Says what a refusal means: a server that is busy or ill is asked again, one that says no is not.
async fn refused(url: &str, answer: Response<SdkBody>) -> Lost {
    let status = answer.status().as_u16();
    let asked = number(answer.headers().get("retry-after")).map(|seconds| seconds * 1_000);
    if status == 429 || status == 408 || status >= 500 {
        let why = format!("the server answers {status}");
        return Lost::Again { why, pause_ms: asked };
    }
    let mut body = ByteStream::new(answer.into_body());
    let first = body.try_next().await.ok().flatten().unwrap_or_default();
    let shown = String::from_utf8_lossy(&first[..first.len().min(SHOWN_BYTES)]).into_owned();
    let why = format!("the server answers {status}: {}", shown.trim());
    Lost::Never(FetchError::Answer { url: url.to_owned(), why })
}

fn broken(error: crate::world::DiskError) -> Lost {
    Lost::Never(FetchError::Disk(error))
}

fn is_whole(size: u64, expected: Option<u64>) -> Result<(), Lost> {
    match expected {
        Some(expected) if expected != size => {
            let why = format!("{size} of {expected} bytes came");
            Err(Lost::Again { why, pause_ms: None })
        }
        _ => Ok(()),
    }
}

/// How large a file is; nothing where there is none.
fn size_of(world: &dyn World, path: &Path) -> Result<u64, FetchError> {
    let folder = path.parent().expect("it is in the folder for what was fetched");
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let entries = world.disk().list(folder)?;
    let entry = entries.into_iter().find(|entry| Some(&entry.name) == name.as_ref());
    Ok(entry.map_or(0, |entry| entry.size_bytes))
}

/// An error and what led to it; the client says little in the first one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// Whether `bytes 100-199/200` begins there.
fn starts_at(range: Option<&str>, from: u64) -> bool {
    let start = range.and_then(|it| it.strip_prefix("bytes ")).and_then(|it| it.split_once('-'));
    start.is_some_and(|(start, _)| start.trim().parse() == Ok(from))
}

/// The whole length in `bytes 100-199/200` and `bytes */200`.
fn total_of(range: &str) -> Option<u64> {
    range.rsplit_once('/')?.1.trim().parse().ok()
}
