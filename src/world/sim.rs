//! A world for tests: virtual time, ids from a seed, a disk in memory. Not for anything else.
//!
//! Time is tokio's. In a runtime with paused time it stands still while a task runs and jumps when
//! every task sleeps; outside a runtime it stands still unless [`SimWorld::advance_ms`] is called.

pub use super::sim_disk::{PowerOff, SimDisk};

use super::{Disk, ProcessFacts, World};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Where simulated time begins: 2026-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// One simulated process. Several of them may share one disk, clock and set of dead processes:
/// see [`SimWorld::fork`].
pub struct SimWorld {
    shared: Arc<Shared>,
    process: ProcessFacts,
    disk: SimDisk,
    seed: u64,
    ids: AtomicU64,
    variables: BTreeMap<String, String>,
}

#[derive(Default)]
struct Shared {
    started: OnceLock<tokio::time::Instant>,
    skew_ms: AtomicU64,
    forks: AtomicU64,
    dead: Mutex<BTreeSet<(String, u32)>>,
}

impl SimWorld {
    /// Makes process 1 of host `sim` with this disk.
    pub fn new(seed: u64, disk: SimDisk) -> SimWorld {
        SimWorld {
            shared: Arc::default(),
            process: ProcessFacts {
                host: "sim".into(),
                pid: 1,
                user: "tester".into(),
                start: "1".into(),
                boot_id: "boot".into(),
                namespace: String::new(),
                command: "dsenv apply".into(),
            },
            disk,
            seed,
            ids: AtomicU64::new(0),
            variables: BTreeMap::new(),
        }
    }

    /// Makes another process with the same clock and disk on `host`.
    pub fn fork(&self, host: &str) -> SimWorld {
        let number = self.shared.forks.fetch_add(1, Ordering::Relaxed) + 2;
        let pid = u32::try_from(number).expect("a simulation has few processes");
        SimWorld {
            shared: self.shared.clone(),
            process: ProcessFacts { host: host.into(), pid, ..self.process.clone() },
            disk: self.disk.clone(),
            seed: self.seed ^ number << 32,
            ids: AtomicU64::new(0),
            variables: self.variables.clone(),
        }
    }

    /// Makes process 1 of the next boot with the disk as the power failure left it. The clock goes
    /// on; every process of the boot before is dead.
    pub fn reboot(&self, disk: SimDisk) -> SimWorld {
        let number = self.shared.forks.fetch_add(1, Ordering::Relaxed) + 2;
        SimWorld {
            process: ProcessFacts { boot_id: format!("boot {number}"), ..self.process.clone() },
            disk,
            ..self.fork("sim")
        }
    }

    /// Makes another process of the same boot that finds the disk as this handle has it.
    pub fn restart(&self, disk: SimDisk) -> SimWorld {
        SimWorld { disk, ..self.fork("sim") }
    }

    /// The same world with an environment variable.
    pub fn with_variable(mut self, name: &str, text: &str) -> SimWorld {
        self.variables.insert(name.into(), text.into());
        self
    }

    /// Lets time pass at once, beside what sleeping does.
    pub fn advance_ms(&self, ms: u64) {
        self.shared.skew_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Declares this process dead, as `kill -9` does; its code goes on only if the test lets it.
    pub fn kill(&self) {
        let mut dead = self.shared.dead.lock().expect("no test panics while it holds this");
        dead.insert((self.process.host.clone(), self.process.pid));
    }

    /// Returns the disk, for faults.
    pub fn sim_disk(&self) -> &SimDisk {
        &self.disk
    }
}

#[async_trait]
impl World for SimWorld {
    fn now(&self) -> jiff::Timestamp {
        let ms = EPOCH_MS + i64::try_from(self.monotonic_ms()).expect("simulations are short");
        jiff::Timestamp::from_millisecond(ms).expect("simulations are short")
    }

    fn monotonic_ms(&self) -> u64 {
        let mut ms = self.shared.skew_ms.load(Ordering::Relaxed);
        if tokio::runtime::Handle::try_current().is_ok() {
            let started = self.shared.started.get_or_init(tokio::time::Instant::now);
            ms += u64::try_from(started.elapsed().as_millis()).expect("simulations are short");
        }
        ms
    }

    async fn sleep(&self, ms: u64) {
        self.monotonic_ms();
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn fresh_id(&self) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes()).update(&number.to_le_bytes());
        hash.finalize().to_hex()[..32].to_owned()
    }

    fn process(&self) -> ProcessFacts {
        self.process.clone()
    }

    fn is_alive(&self, process: &ProcessFacts) -> Option<bool> {
        if process.host != self.process.host {
            return None;
        }
        let dead = self.shared.dead.lock().expect("no test panics while it holds this");
        let same_boot = process.boot_id == self.process.boot_id;
        Some(same_boot && !dead.contains(&(process.host.clone(), process.pid)))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn temp_dir(&self) -> PathBuf {
        PathBuf::from("/tmp")
    }

    fn disk(&self) -> &dyn Disk {
        &self.disk
    }
}
