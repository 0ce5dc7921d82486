//! What the command asks of the running S3 endpoint: to make, read and delete buckets, and to read the
//! keys again.
//!
//! The endpoint has the store open and holds its lock, so nobody else can. One JSON line a request
//! and one a reply, over a Unix socket beside the supervisor's, in a folder of the user's alone. No
//! secret crosses it: keys are read from the sealed records by the endpoint itself.

use super::endpoint;
use crate::environment::{Environment, disk_error, store_error};
use crate::s3::{BucketSettings, Contents, Expire, Store, StoreError};
use crate::supervisor::{self, FileId};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Longest line that either side reads.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// How long a command may take to say what it wants: the next one waits behind it.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take; commands are answered one after the other.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// The same for a deletion, of a bucket with any number of objects.
const DELETED_WITHIN: Duration = Duration::from_secs(600);

/// How often a store that is being opened is looked at again, and when.
const LOOKS_MAX: u32 = 200;
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// How often the endpoint looks whether its socket is still there.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long to wait when the system has no descriptor left for a command.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Ensure { bucket: String, settings: Settings },
    Read { buckets: Vec<String> },
    Delete { bucket: String },
    ReadKeys,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done,
    Settings(Vec<Option<Settings>>),
    Refused { what: Refusal, why: String },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    Invalid,
    InUse,
    DiskFull,
}

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    versioning: bool,
    /// Prefix and days.
    expire: Vec<(String, u32)>,
}

impl From<&BucketSettings> for Settings {
    fn from(settings: &BucketSettings) -> Settings {
        let expire = settings.expire.iter().map(|it| (it.prefix.clone(), it.days)).collect();
        Settings { versioning: settings.versioning, expire }
    }
}

impl From<Settings> for BucketSettings {
    fn from(settings: Settings) -> BucketSettings {
        let expire = settings.expire.into_iter().map(|(prefix, days)| Expire { prefix, days });
        BucketSettings { versioning: settings.versioning, expire: expire.collect() }
    }
}

/// Where the endpoint of an environment's folder is asked.
fn socket(dir: &Path) -> PathBuf {
    supervisor::socket_beside(&dir.join("supervisor"), "s3.sock")
}

/// Makes a bucket, or gives one that exists these settings.
pub(super) async fn ensure_bucket(
    env: &Environment,
    bucket: &str,
    settings: &BucketSettings,
) -> Result<(), OpError> {
    let request = Request::Ensure { bucket: bucket.to_owned(), settings: settings.into() };
    done(ask(env, &request).await?)
}

/// Deletes a bucket with its objects; one that does not exist is deleted. Where no endpoint runs, the
/// store is opened for a moment: one that cannot run is not needed to take its buckets away.
pub(super) async fn delete_bucket(env: &Environment, bucket: &str) -> Result<(), OpError> {
    let request = Request::Delete { bucket: bucket.to_owned() };
    let mut looks = 0;
    loop {
        if let Some(reply) = ask_running(env, &request).await? {
            return done(reply);
        }
        match delete_closed(env, bucket).await {
            // The endpoint came up in between, or another command reads.
            Err(StoreError::Busy(_)) if looks < LOOKS_MAX => {
                looks += 1;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            deleted => return deleted.map_err(store_error),
        }
    }
}

async fn delete_closed(env: &Environment, bucket: &str) -> Result<(), StoreError> {
    // Buckets that are deleted at once take turns.
    let _lock = env.endpoint.lock().await;
    let (store, name) = (env.dir.join(endpoint::STORE), bucket.to_owned());
    let deleted = tokio::task::spawn_blocking(move || {
        Store::open(&store)?.delete_bucket(&name, Contents::Delete)
    });
    deleted.await.expect("deleting a bucket does not panic")
}

/// Has the endpoint read the keys from the records again.
pub(super) async fn read_keys(env: &Environment) -> Result<(), OpError> {
    endpoint::ensure(env).await?;
    done(ask(env, &Request::ReadKeys).await?)
}

/// The same where it runs. One that does not reads them when it starts.
pub(super) async fn read_keys_if_running(env: &Environment) -> Result<(), OpError> {
    match ask_running(env, &Request::ReadKeys).await? {
        Some(reply) => done(reply),
        None => Ok(()),
    }
}

/// Asks the endpoint when it runs; `None` when it does not. One that is just starting is waited for.
async fn ask_running(env: &Environment, request: &Request) -> Result<Option<Reply>, OpError> {
    match exchange(env, request).await {
        Ok(reply) => return Ok(Some(reply)),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(disk_error(error)),
        Err(_) => {}
    }
    if !endpoint::runs(env).await? {
        return Ok(None);
    }
    match ask(env, request).await {
        Ok(reply) => Ok(Some(reply)),
        Err(error) => match endpoint::runs(env).await? {
            true => Err(error),
            false => Ok(None),
        },
    }
}

/// Reads buckets, `None` for one that does not exist. Starts and changes nothing: where no endpoint
/// answers, the store is read, which nobody else has open then.
pub(super) async fn settings_of(
    env: &Environment,
    buckets: &[&str],
) -> Result<Vec<Option<BucketSettings>>, OpError> {
    let store = env.dir.join(endpoint::STORE);
    let buckets: Vec<String> = buckets.iter().map(|name| (*name).to_owned()).collect();
    let mut looks = 0;
    loop {
        match exchange(env, &Request::Read { buckets: buckets.clone() }).await {
            Ok(Reply::Settings(all)) => {
                return Ok(all.into_iter().map(|it| it.map(Into::into)).collect());
            }
            Ok(reply) => return Err(unexpected(reply)),
            // It is there, and has been waited for.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(disk_error(error)),
            Err(_) => {}
        }
        match read_closed(store.clone(), buckets.clone()).await {
            // The endpoint came up in between, or another command reads.
            Err(StoreError::Busy(_)) if looks < LOOKS_MAX => {
                looks += 1;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            read => return read.map_err(store_error),
        }
    }
}

async fn read_closed(
    store: PathBuf,
    buckets: Vec<String>,
) -> Result<Vec<Option<BucketSettings>>, StoreError> {
    let read = tokio::task::spawn_blocking(move || Store::settings_in(&store, &buckets));
    read.await.expect("reading buckets does not panic")
}

/// Asks; while the endpoint does not answer, sees to it that it runs and asks again. One that has lost
/// its socket takes a moment to notice.
async fn ask(env: &Environment, request: &Request) -> Result<Reply, OpError> {
    let mut looks = 0;
    loop {
        match exchange(env, request).await {
            Ok(reply) => return Ok(reply),
            Err(error) if error.kind() == io::ErrorKind::TimedOut || looks == LOOKS_MAX => {
                return Err(disk_error(error));
            }
            Err(_) if looks > 0 => tokio::time::sleep(LOOK_AGAIN).await,
            Err(_) => {}
        }
        looks += 1;
        endpoint::ensure(env).await?;
    }
}

async fn exchange(env: &Environment, request: &Request) -> io::Result<Reply> {
    let within = match request {
        Request::Delete { .. } => DELETED_WITHIN,
        Request::Ensure { .. } | Request::Read { .. } | Request::ReadKeys => ANSWER_WITHIN,
    };
    let answer = tokio::time::timeout(within, send_and_receive(env, request)).await;
    answer.unwrap_or_else(|_| {
        let text = format!("the S3 endpoint has not answered within {} s", within.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

async fn send_and_receive(env: &Environment, request: &Request) -> io::Result<Reply> {
    let mut stream = BufReader::new(UnixStream::connect(socket(&env.dir)).await?);
    check_peer(stream.get_ref())?;
    send(&mut stream, request).await?;
    receive(&mut stream).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn done(reply: Reply) -> Result<(), OpError> {
    match reply {
        Reply::Done => Ok(()),
        reply => Err(unexpected(reply)),
    }
}

fn unexpected(reply: Reply) -> OpError {
    match reply {
        Reply::Refused { what, why } => {
            let class = match what {
                Refusal::InUse => OpErrorClass::InUse,
                Refusal::DiskFull => OpErrorClass::Quota,
                Refusal::Invalid => OpErrorClass::Invalid,
            };
            OpError::new(class, why)
        }
        Reply::Done | Reply::Settings(_) => {
            OpError::new(OpErrorClass::Invalid, "the S3 endpoint answered what was not asked")
        }
    }
}

/// Under `/tmp`, somebody else's socket may have the name.
fn check_peer(stream: &UnixStream) -> io::Result<()> {
    let (peer, own) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    if peer == own {
        return Ok(());
    }
    let text = format!("the socket of the S3 endpoint belongs to user {peer}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

async fn send(stream: &mut BufReader<UnixStream>, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    stream.get_mut().write_all(&text).await
}

async fn receive<T: serde::de::DeserializeOwned>(
    stream: &mut BufReader<UnixStream>,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    stream.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// The endpoint's side. Dropping it removes the socket, when that is still its own.
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    socket: Option<FileId>,
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may be gone with its folder, or be that of the endpoint after this one.
        if self.is_in_place() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Control {
    /// Listens for the commands of an environment's folder.
    pub(super) fn bind(dir: &Path) -> io::Result<Control> {
        let path = socket(dir);
        // What a daemon that was killed left; the store's lock says that no other one lives.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let socket = FileId::at(&path);
        Ok(Control { listener, path, socket })
    }

    fn is_in_place(&self) -> bool {
        self.socket.is_some() && FileId::at(&self.path) == self.socket
    }

    /// Answers, one command after the other, until no command finds the way any more; returns why.
    pub(super) async fn answer(
        &self,
        store: &Arc<Store>,
        read_keys: &(dyn Fn() -> Result<(), String> + Sync),
    ) -> String {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = look.tick() => match self.is_in_place() {
                    true => continue,
                    // Something cleans up /tmp, say: without its socket the endpoint is deaf.
                    false => return format!("its socket `{}` is gone", self.path.display()),
                },
            };
            let Ok((stream, _)) = accepted else {
                // No descriptor is left for it; in a moment there may be.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if check_peer(&stream).is_err() {
                continue;
            }
            let mut stream = BufReader::new(stream);
            let request = tokio::time::timeout(REQUEST_WITHIN, receive(&mut stream)).await;
            if let Ok(Ok(Some(request))) = request {
                let reply = match request {
                    Request::ReadKeys => match read_keys() {
                        Ok(()) => Reply::Done,
                        Err(why) => Reply::Refused { what: Refusal::Invalid, why },
                    },
                    request => on_store(Arc::clone(store), request).await,
                };
                // A command that is gone asks again.
                let _ = tokio::time::timeout(REQUEST_WITHIN, send(&mut stream, &reply)).await;
            }
        }
    }
}

async fn on_store(store: Arc<Store>, request: Request) -> Reply {
    let worked = tokio::task::spawn_blocking(move || work(&store, request));
    match worked.await.expect("work on the store does not panic") {
        Ok(reply) => reply,
        Err(error) => {
            let what = match error {
                StoreError::BucketNotEmpty { .. } => Refusal::InUse,
                _ if error.is_disk_full() => Refusal::DiskFull,
                _ => Refusal::Invalid,
            };
            Reply::Refused { what, why: error.to_string() }
        }
    }
}

fn work(store: &Store, request: Request) -> Result<Reply, StoreError> {
    match request {
        Request::Ensure { bucket, settings } => {
            store.ensure_bucket(&bucket, &settings.into())?;
            Ok(Reply::Done)
        }
        Request::Read { buckets } => {
            let read = |name: &String| Ok(store.bucket(name)?.map(|it| (&it.settings).into()));
            Ok(Reply::Settings(buckets.iter().map(read).collect::<Result<_, StoreError>>()?))
        }
        Request::Delete { bucket } => {
            store.delete_bucket(&bucket, Contents::Delete)?;
            Ok(Reply::Done)
        }
        Request::ReadKeys => unreachable!("keys are no affair of the store"),
    }
}
