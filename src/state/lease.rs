//! The lock of an environment: who may change its state now.
//!
//! `lock.json` names the holder, when the lease ends, and a fence, which grows by one with every
//! holder. The file changes only under `lock.guard`, an advisory lock held for a millisecond. A
//! holder renews its lease; whoever finds it ended, or its process dead, takes over. From then on
//! [`Lease::check`] fails for the old holder, also when it was merely asleep.
//!
//! ## Why not just an advisory lock for the whole apply
//! It says nothing to whoever waits, and a stopped process keeps it for ever.
//!
//! ## What it relies on
//! Clocks of hosts that share a folder differ by less than the lease lasts. If they do not, two
//! may call the cloud at once; the state is still written by one of them only.

use crate::world::{Disk, DiskError, DiskErrorKind, DiskGuard, ProcessFacts, World};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long a lease lasts when it is not renewed.
pub const LEASE_MS: u64 = 30_000;
/// How often a holder renews it.
pub const RENEW_EVERY_MS: u64 = LEASE_MS / 3;
const POLL_MS: u64 = 200;
const GUARD_WAIT_MS: u64 = 2_000;
const LOCK_BYTES_MAX: u64 = 64 * 1024;
const FORMAT: &str = "dsenv-lock/1";

/// Why the lock is not to be had, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("the state is locked by {holder}; waited {waited_ms} ms")]
    Held {
        /// Who.
        holder: Box<Holder>,
        /// How long was waited.
        waited_ms: u64,
    },
    /// It was taken over: nothing that this process still has to say is written.
    #[error("this process lost its lock on the state (`{}`){}", .path.display(), taken_by(.by))]
    FencedOut {
        /// The lock's file.
        path: PathBuf,
        /// Who has it now, when somebody has.
        by: Option<Box<Holder>>,
    },
    /// The lock's file is not one.
    #[error(
        "the lock `{}` is damaged: if no other dsenv works on this environment, \
         `dsenv state unlock --force` replaces it", .path.display()
    )]
    Damaged {
        /// The lock's file.
        path: PathBuf,
    },
    /// The files of the lock cannot be used.
    #[error("the state cannot be locked")]
    Disk(#[from] DiskError),
}

fn taken_by(holder: &Option<Box<Holder>>) -> String {
    holder.as_ref().map(|holder| format!(": it was taken over by {holder}")).unwrap_or_default()
}

/// Who holds a lock, as its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// This lease's own name, random.
    pub id: String,
    /// What the holder does: `apply`, `state mv`.
    pub operation: String,
    /// The user.
    pub user: String,
    /// The host.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The command line.
    pub command: String,
    /// Since when.
    #[serde(with = "super::wire::time")]
    pub since: jiff::Timestamp,
    /// When the lease ends unless it is renewed.
    #[serde(with = "super::wire::time")]
    pub expires: jiff::Timestamp,
    start: String,
    boot_id: String,
    namespace: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { user, host, pid, since, operation, .. } = self;
        write!(f, "`{user}` on `{host}` (process {pid}) for `{operation}` since {since}")
    }
}

impl Holder {
    fn process(&self) -> ProcessFacts {
        ProcessFacts {
            host: self.host.clone(),
            pid: self.pid,
            user: self.user.clone(),
            start: self.start.clone(),
            boot_id: self.boot_id.clone(),
            namespace: self.namespace.clone(),
            command: self.command.clone(),
        }
    }

    /// Says whether it still counts: its lease runs and its process is not known to be dead.
    fn is_live(&self, world: &dyn World) -> bool {
        world.now() < self.expires && world.is_alive(&self.process()) != Some(false)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    format: String,
    fence: u64,
    holder: Option<Box<Holder>>,
}

/// The right to change one environment's state. Clones are the same right; the last one that is
/// dropped gives it back.
#[derive(Clone)]
pub struct Lease(Arc<Held>);

struct Held {
    world: Arc<dyn World>,
    lock: Lock,
    id: String,
    fence: u64,
    /// When it was last written, by the clock of this process.
    renewed_ms: AtomicU64,
    released: AtomicBool,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({}, fence {})", self.0.lock.path.display(), self.0.fence)
    }
}

struct Lock {
    path: PathBuf,
    guard: PathBuf,
}

impl Lock {
    fn of(dir: &Path) -> Lock {
        Lock { path: dir.join("lock.json"), guard: dir.join("lock.guard") }
    }

    fn read(&self, disk: &dyn Disk) -> Result<LockFile, LeaseError> {
        let Some(bytes) = disk.read(&self.path, LOCK_BYTES_MAX)? else {
            return Ok(LockFile { format: FORMAT.to_owned(), fence: 0, holder: None });
        };
        let file: Option<LockFile> = serde_json::from_slice(&bytes).ok();
        let file = file.filter(|file| file.format == FORMAT);
        file.ok_or_else(|| LeaseError::Damaged { path: self.path.clone() })
    }

    fn write(&self, disk: &dyn Disk, file: &LockFile) -> Result<(), LeaseError> {
        let mut text = serde_json::to_vec_pretty(file).expect("a lock has a form in JSON");
        text.push(b'\n');
        Ok(disk.write_atomic(&self.path, &text)?)
    }

    fn guard(&self, disk: &dyn Disk) -> Result<Box<dyn DiskGuard>, DiskError> {
        disk.lock(&self.guard, GUARD_WAIT_MS)
    }
}

/// Waits up to `wait_ms` for the lock of the environment in `dir`, which must exist. `operation`
/// is what others are told. A `wait_ms` of 0 tries once.
pub async fn acquire(
    world: &Arc<dyn World>,
    dir: &Path,
    operation: &str,
    wait_ms: u64,
) -> Result<Lease, LeaseError> {
    let began_ms = world.monotonic_ms();
    // The last expiry seen, and since when by the clock of this process.
    let mut watched: Option<(jiff::Timestamp, u64)> = None;
    loop {
        let now_ms = world.monotonic_ms();
        let since_ms = watched.map_or(now_ms, |(_, since_ms)| since_ms);
        let stale = watched.filter(|_| now_ms - since_ms > LEASE_MS).map(|(expires, _)| expires);
        let holder = match take(world, dir, operation, stale)? {
            Ok(lease) => return Ok(lease),
            Err(holder) => holder,
        };
        if watched.is_none_or(|(expires, _)| expires != holder.expires) {
            watched = Some((holder.expires, now_ms));
        }
        let waited_ms = now_ms - began_ms;
        if waited_ms >= wait_ms {
            return Err(LeaseError::Held { holder, waited_ms });
        }
        world.sleep(POLL_MS.min(wait_ms - waited_ms)).await;
    }
}

/// Tries once; `stale` is an expiry that was watched for a whole lease without being renewed,
/// which ends it even when the holder's clock is ahead of this one's.
fn take(
    world: &Arc<dyn World>,
    dir: &Path,
    operation: &str,
    stale: Option<jiff::Timestamp>,
) -> Result<Result<Lease, Box<Holder>>, LeaseError> {
    let lock = Lock::of(dir);
    let disk = world.disk();
    let guard = match lock.guard(disk) {
        Ok(guard) => guard,
        Err(error) if error.kind == DiskErrorKind::Busy => {
            let holder = lock.read(disk)?.holder;
            return holder.map(Err).ok_or_else(|| error.into());
        }
        Err(error) => return Err(error.into()),
    };
    let found = lock.read(disk)?;
    if let Some(holder) = found.holder
        && holder.is_live(&**world)
        && stale != Some(holder.expires)
    {
        return Ok(Err(holder));
    }
    let fence = found.fence + 1;
    let holder = new_holder(&**world, operation);
    let id = holder.id.clone();
    lock.write(
        disk,
        &LockFile { format: FORMAT.to_owned(), fence, holder: Some(Box::new(holder)) },
    )?;
    drop(guard);
    let (world, released) = (world.clone(), AtomicBool::new(false));
    let renewed_ms = AtomicU64::new(world.monotonic_ms());
    Ok(Ok(Lease(Arc::new(Held { world, lock, id, fence, renewed_ms, released }))))
}

fn new_holder(world: &dyn World, operation: &str) -> Holder {
    let process = world.process();
    let since = world.now();
    Holder {
        id: world.fresh_id(),
        operation: operation.to_owned(),
        user: process.user,
        host: process.host,
        pid: process.pid,
        command: process.command,
        since,
        expires: end_of_lease(since),
        start: process.start,
        boot_id: process.boot_id,
        namespace: process.namespace,
    }
}

fn end_of_lease(from: jiff::Timestamp) -> jiff::Timestamp {
    from + jiff::SignedDuration::from_millis(LEASE_MS.cast_signed())
}

/// Says who holds the lock of the environment in `dir`, whether or not it still counts.
pub fn holder(world: &dyn World, dir: &Path) -> Result<Option<Box<Holder>>, LeaseError> {
    Ok(Lock::of(dir).read(world.disk())?.holder)
}

/// Says who holds the lock of the environment in `dir` and still counts.
pub fn live_holder(world: &dyn World, dir: &Path) -> Result<Option<Box<Holder>>, LeaseError> {
    Ok(holder(world, dir)?.filter(|holder| holder.is_live(world)))
}

/// Takes the lock from whoever has it and leaves it free; returns who it was. A holder that still
/// counts is refused with [`LeaseError::Held`].
pub fn unlock(world: &dyn World, dir: &Path) -> Result<Option<Box<Holder>>, LeaseError> {
    let lock = Lock::of(dir);
    let _guard = lock.guard(world.disk())?;
    let found = lock.read(world.disk())?;
    if let Some(holder) = &found.holder
        && holder.is_live(world)
    {
        return Err(LeaseError::Held { holder: holder.clone(), waited_ms: 0 });
    }
    free(world, &lock, found.fence)?;
    Ok(found.holder)
}

/// Does the same to a holder that still counts, and to a damaged lock. The holder is fenced out:
/// what it does in the cloud meanwhile is found by its tokens.
pub fn unlock_by_force(world: &dyn World, dir: &Path) -> Result<Option<Box<Holder>>, LeaseError> {
    let lock = Lock::of(dir);
    let _guard = lock.guard(world.disk())?;
    let found = match lock.read(world.disk()) {
        Ok(found) => found,
        Err(LeaseError::Damaged { .. }) => {
            LockFile { format: FORMAT.to_owned(), fence: 0, holder: None }
        }
        Err(error) => return Err(error),
    };
    free(world, &lock, found.fence)?;
    Ok(found.holder)
}

fn free(world: &dyn World, lock: &Lock, fence: u64) -> Result<(), LeaseError> {
    lock.write(world.disk(), &LockFile { format: FORMAT.to_owned(), fence, holder: None })
}

impl Lease {
    /// Returns the fence: larger than that of every holder before.
    pub fn fence(&self) -> u64 {
        self.0.fence
    }

    /// Fails when another has taken over since. Cheap: reads one small file.
    pub fn check(&self) -> Result<(), LeaseError> {
        self.current().map(drop)
    }

    /// Holds the guard and checks: while the guard lives, nobody can take over. For a write of
    /// milliseconds.
    pub(crate) fn guard(&self) -> Result<Box<dyn DiskGuard>, LeaseError> {
        let guard = self.0.lock.guard(self.0.world.disk())?;
        self.check()?;
        Ok(guard)
    }

    /// Lets the lease last for [`LEASE_MS`] from now. Succeeds late too, as long as nobody else
    /// has taken over.
    pub fn renew(&self) -> Result<(), LeaseError> {
        let disk = self.0.world.disk();
        let _guard = self.0.lock.guard(disk)?;
        let mut file = self.current()?;
        if let Some(holder) = &mut file.holder {
            holder.expires = end_of_lease(self.0.world.now());
        }
        self.0.lock.write(disk, &file)?;
        self.0.renewed_ms.store(self.0.world.monotonic_ms(), Ordering::Relaxed);
        Ok(())
    }

    /// Renews it when that is due, and checks it otherwise: what begins now begins under a lease
    /// that runs.
    pub fn refresh(&self) -> Result<(), LeaseError> {
        if self.due_in_ms() == 0 { self.renew() } else { self.check() }
    }

    fn due_in_ms(&self) -> u64 {
        let due_ms = self.0.renewed_ms.load(Ordering::Relaxed) + RENEW_EVERY_MS;
        due_ms.saturating_sub(self.0.world.monotonic_ms())
    }

    /// Renews for ever; to be polled beside the work. Renews at once when that is due, so that the
    /// lease does not run out over many short pieces of work. Ends only with the error that ends
    /// the work: a lease that cannot be renewed is tried again until it is lost.
    pub async fn keep(&self) -> LeaseError {
        let mut failed_at_ms = None;
        let mut pause_ms = self.due_in_ms();
        loop {
            self.0.world.sleep(pause_ms).await;
            pause_ms = RENEW_EVERY_MS;
            let now_ms = self.0.world.monotonic_ms();
            match self.renew() {
                Ok(()) => failed_at_ms = None,
                Err(LeaseError::Disk(error)) => {
                    let since_ms = *failed_at_ms.get_or_insert(now_ms);
                    if now_ms - since_ms >= RENEW_EVERY_MS {
                        return error.into();
                    }
                }
                Err(error) => return error,
            }
        }
    }

    /// Gives the lock back. A second call does nothing.
    pub fn release(&self) -> Result<(), LeaseError> {
        self.0.release()
    }

    fn current(&self) -> Result<LockFile, LeaseError> {
        self.0.current()
    }
}

impl Held {
    fn current(&self) -> Result<LockFile, LeaseError> {
        let file = self.lock.read(self.world.disk())?;
        let mine = file.fence == self.fence
            && file.holder.as_ref().is_some_and(|holder| holder.id == self.id)
            && !self.released.load(Ordering::Relaxed);
        if mine {
            return Ok(file);
        }
        Err(LeaseError::FencedOut { path: self.lock.path.clone(), by: file.holder })
    }

    fn release(&self) -> Result<(), LeaseError> {
        if self.released.load(Ordering::Relaxed) {
            return Ok(());
        }
        let _guard = self.lock.guard(self.world.disk())?;
        self.current()?;
        free(&*self.world, &self.lock, self.fence)?;
        self.released.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Whoever comes next sees that this process is dead, so a failure costs them nothing.
        let _ = self.release();
    }
}
