//! Who has which loopback address.
//!
//! Every network of an environment, and the environment itself for what is in none, has a block of
//! 256 addresses out of 127.64.0.0/10. The environment's own file says who has what and is what
//! counts; a small registry in the user's cache keeps the environments of one user apart. Both are
//! written durably before an address is used, and kept until it is released.
//!
//! ## Why
//! With an address of its own a service has the port that it has in the cloud, and two notebooks
//! both listen on 8888. The block comes from a hash, so an environment that is destroyed and made
//! again has the same addresses. Only Linux has all of 127/8: elsewhere everything is on 127.0.0.1
//! and each port is a free one that is picked once and kept.

use super::files::{create_private, remove_drafts, remove_durably, write_durably};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Blocks in 127.64.0.0/10 whose second number is from 64 to 127.
const BLOCKS: u32 = 64 * 256;
/// The first address that holders get; those below are the provider's own.
const FIRST_HOST: u8 = 10;
const LAST_HOST: u8 = 254;
/// The name of the environment's own block among those of networks.
const OWN: &str = "";
/// How long another command may have the files; it has them for milliseconds.
const LOCKED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// 256 loopback addresses, `127.x.y.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block(u8, u8);

impl Block {
    fn host(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, self.1, host)
    }

    /// Says whether an address is one of the block's.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if v4.octets()[..3] == [127, self.0, self.1])
    }

    fn number(index: u32) -> Block {
        let index = index % BLOCKS;
        Block(64 + (index / 256) as u8, (index % 256) as u8)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/24", self.host(0))
    }
}

impl FromStr for Block {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Block> {
        let wrong = || {
            let text = format!("`{text}` is not a block of loopback addresses, `127.x.y.0/24`");
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let address: Ipv4Addr =
            text.strip_suffix("/24").ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
        match address.octets() {
            [127, b, c, 0] => Ok(Block(b, c)),
            _ => Err(wrong()),
        }
    }
}

/// What a holder listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assigned {
    /// Its address: its own on Linux.
    pub(crate) address: Ipv4Addr,
    /// Its ports, by the port asked for: the same on Linux.
    pub(crate) ports: BTreeMap<u16, u16>,
}

impl Assigned {
    /// Returns the port that stands for the one asked for.
    pub(crate) fn port(&self, wanted: u16) -> u16 {
        self.ports.get(&wanted).copied().unwrap_or(wanted)
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Book {
    /// By network; [`OWN`] is the environment's.
    blocks: BTreeMap<String, String>,
    /// By holder.
    holders: BTreeMap<String, Assigned>,
}

#[derive(Default, Serialize, Deserialize)]
struct Registry {
    /// By block.
    blocks: BTreeMap<String, Registered>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Registered {
    /// The environment's folder; once it is gone, the block is free.
    dir: PathBuf,
    network: String,
}

/// Whether each holder can have an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It can: Linux answers on all of 127/8.
    Own,
    /// All of them are 127.0.0.1, with ports of their own.
    Shared,
}

/// The addresses of one environment. The mutex keeps the calls of this process apart, and a lock on the
/// environment's folder those of others: `status` works beside an apply.
pub(crate) struct AddressBook {
    dir: PathBuf,
    registry: PathBuf,
    lineage: String,
    mode: Mode,
    lock: Mutex<()>,
}

impl AddressBook {
    /// Names the files; makes nothing.
    pub(crate) fn new(dir: &Path, cache: &Path, lineage: &str) -> AddressBook {
        AddressBook {
            dir: dir.to_owned(),
            registry: cache.join("addresses"),
            lineage: lineage.to_owned(),
            mode: if cfg!(target_os = "linux") { Mode::Own } else { Mode::Shared },
            lock: Mutex::new(()),
        }
    }

    /// Returns the block of a network, taken now when it has none.
    pub(crate) async fn block(&self, network: &str) -> io::Result<Block> {
        // The registry frees what belongs to folders that are gone.
        create_private(&self.dir)?;
        let _lock = self.locked().await?;
        let mut book: Book = load(&self.file())?;
        self.block_in(&mut book, network).await
    }

    /// Returns what a holder listens on: in the block with this id, or in the environment's own. The
    /// same holder has the same address each time, and further ports on demand.
    pub(crate) async fn assign(
        &self,
        block: Option<&str>,
        holder: &str,
        name: &str,
        ports: &[u16],
    ) -> io::Result<Assigned> {
        create_private(&self.dir)?;
        let _lock = self.locked().await?;
        let mut book: Book = load(&self.file())?;
        let block = match block {
            Some(id) => id.parse()?,
            None => self.block_in(&mut book, OWN).await?,
        };
        let mut assigned = match book.holders.get(holder) {
            Some(assigned) => assigned.clone(),
            None => {
                Assigned { address: self.free_host(&book, block, name)?, ports: BTreeMap::new() }
            }
        };
        for port in ports {
            if !assigned.ports.contains_key(port) {
                let actual = self.pick_port(&book, *port)?;
                assigned.ports.insert(*port, actual);
            }
        }
        if book.holders.get(holder) != Some(&assigned) {
            book.holders.insert(holder.to_owned(), assigned.clone());
            self.save(&book)?;
        }
        Ok(assigned)
    }

    /// Returns what a holder listens on; `None` when it has nothing.
    pub(crate) fn assigned(&self, holder: &str) -> io::Result<Option<Assigned>> {
        let book: Book = load(&self.file())?;
        Ok(book.holders.get(holder).cloned())
    }

    /// Frees what a holder had; one that had nothing is free.
    pub(crate) async fn release(&self, holder: &str) -> io::Result<()> {
        let _lock = self.locked().await?;
        let mut book: Book = load(&self.file())?;
        match book.holders.remove(holder) {
            Some(_) => self.save(&book),
            None => Ok(()),
        }
    }

    /// Gives what one holder has to another name for it.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let _lock = self.locked().await?;
        let mut book: Book = load(&self.file())?;
        let mut changed = false;
        if let Some(assigned) = book.holders.remove(from) {
            book.holders.insert(to.to_owned(), assigned);
            changed = true;
        }
        if let Some(block) = book.blocks.remove(from) {
            book.blocks.insert(to.to_owned(), block);
            changed = true;
        }
        if changed { self.save(&book) } else { Ok(()) }
    }

    /// Frees the block of a network.
    pub(crate) async fn release_block(&self, network: &str) -> io::Result<()> {
        let _lock = self.locked().await?;
        let mut book: Book = load(&self.file())?;
        if book.blocks.remove(network).is_none() {
            return Ok(());
        }
        self.save(&book)?;
        self.with_registry(|registry| registry.retain(|it| it.network != network)).await
    }

    /// Returns every block of the environment.
    pub(crate) fn blocks(&self) -> io::Result<Vec<Block>> {
        let book: Book = load(&self.file())?;
        book.blocks.values().map(|id| id.parse()).collect()
    }

    /// Takes this environment out of the registry of the user.
    pub(crate) async fn forget(&self) -> io::Result<()> {
        if !self.registry.exists() {
            return Ok(());
        }
        self.with_registry(|registry| registry.retain(|_| false)).await
    }

    /// Forgets all that the environment has, and removes its file with what killed writers left of it.
    pub(crate) async fn clear(&self) -> io::Result<()> {
        let _lock = self.locked().await?;
        self.forget().await?;
        remove_drafts(&self.dir)?;
        remove_durably(&self.file())
    }

    /// Keeps the environment's own file from changing under a change; where the folder is not there,
    /// nothing can be changed.
    async fn locked(&self) -> io::Result<Held<'_>> {
        let calls = self.lock.lock().await;
        let folder = match File::open(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(lock_within(opened?, &self.dir, LOCKED_WITHIN).await?),
        };
        Ok(Held { _calls: calls, _folder: folder })
    }

    fn file(&self) -> PathBuf {
        self.dir.join("addresses.json")
    }

    fn save(&self, book: &Book) -> io::Result<()> {
        write_durably(&self.file(), &serde_json::to_vec_pretty(book)?)
    }

    async fn block_in(&self, book: &mut Book, network: &str) -> io::Result<Block> {
        if let Some(id) = book.blocks.get(network) {
            return id.parse();
        }
        let hash = blake3::hash(format!("{}\n{network}", self.lineage).as_bytes());
        let start = u32::from_le_bytes(hash.as_bytes()[..4].try_into().expect("four bytes"));
        let busy = listeners();
        let mut taken = None;
        self.with_registry(|registry| {
            let free = (0..BLOCKS).map(|step| Block::number(start.wrapping_add(step))).find(|it| {
                !registry.registry.blocks.contains_key(&it.to_string())
                    && !busy.iter().any(|(address, _)| it.contains(*address))
            });
            if let Some(block) = free {
                let entry = Registered { dir: self.dir.clone(), network: network.to_owned() };
                registry.registry.blocks.insert(block.to_string(), entry);
            }
            taken = free;
        })
        .await?;
        let block = taken.ok_or_else(|| {
            let text = "every block of loopback addresses is taken; destroy an environment";
            io::Error::new(io::ErrorKind::QuotaExceeded, text)
        })?;
        book.blocks.insert(network.to_owned(), block.to_string());
        self.save(book)?;
        Ok(block)
    }

    /// Picks an address by a hash of the name, so that what is made again has the same one.
    fn free_host(&self, book: &Book, block: Block, name: &str) -> io::Result<Ipv4Addr> {
        if self.mode == Mode::Shared {
            return Ok(Ipv4Addr::LOCALHOST);
        }
        let taken: BTreeSet<Ipv4Addr> = book.holders.values().map(|it| it.address).collect();
        let hosts = u32::from(LAST_HOST - FIRST_HOST) + 1;
        let start = u32::from(blake3::hash(name.as_bytes()).as_bytes()[0]);
        let free = (0..hosts)
            .map(|step| block.host(FIRST_HOST + ((start + step) % hosts) as u8))
            .find(|address| !taken.contains(address));
        free.ok_or_else(|| {
            let text = format!("the network {block} has no address left of its {hosts}");
            io::Error::new(io::ErrorKind::QuotaExceeded, text)
        })
    }

    fn pick_port(&self, book: &Book, wanted: u16) -> io::Result<u16> {
        if self.mode == Mode::Own {
            return Ok(wanted);
        }
        let taken: BTreeSet<u16> =
            book.holders.values().flat_map(|it| it.ports.values().copied()).collect();
        loop {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            if !taken.contains(&port) {
                return Ok(port);
            }
        }
    }

    /// Works on the user's registry under its lock, without what belongs to folders that are gone.
    async fn with_registry(&self, work: impl FnOnce(&mut Own<'_>)) -> io::Result<()> {
        create_private(&self.registry)?;
        let path = self.registry.join("lock");
        let lock = File::options().append(true).create(true).open(&path)?;
        let _lock = lock_within(lock, &path, LOCKED_WITHIN).await?;
        remove_drafts(&self.registry)?;
        let file = self.registry.join("blocks.json");
        let mut registry: Registry = load(&file)?;
        registry.blocks.retain(|_, it| it.dir.is_dir());
        work(&mut Own { registry: &mut registry, dir: &self.dir });
        write_durably(&file, &serde_json::to_vec_pretty(&registry)?)
    }
}

/// What keeps others from an environment's file; dropped, they go on.
struct Held<'a> {
    _calls: MutexGuard<'a, ()>,
    _folder: Option<File>,
}

/// Takes a lock that another command has for a moment. A wait in the system would hold up everything
/// else that this process does, and would have no end.
async fn lock_within(file: File, path: &Path, within: Duration) -> io::Result<File> {
    let taken = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_EVERY).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    };
    match tokio::time::timeout(within, taken).await {
        Ok(taken) => taken?,
        Err(_) => {
            let (path, within) = (path.display(), within.as_secs());
            let text = format!("another dsenv has had `{path}` locked for more than {within} s");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    }
    Ok(file)
}

/// The registry as one environment sees it.
struct Own<'a> {
    registry: &'a mut Registry,
    dir: &'a Path,
}

impl Own<'_> {
    /// Keeps of this environment's entries those that `keep` says; all of others' stay.
    fn retain(&mut self, keep: impl Fn(&Registered) -> bool) {
        let dir = self.dir;
        self.registry.blocks.retain(|_, it| it.dir != dir || keep(it));
    }
}

/// Reads a file of ours; one that is not there is empty.
fn load<T: Default + serde::de::DeserializeOwned>(path: &Path) -> io::Result<T> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let text = format!("`{}` cannot be read: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error),
    }
}

/// Returns what listens on loopback addresses of this machine; nothing where that cannot be seen.
#[cfg(target_os = "linux")]
pub(crate) fn listeners() -> Vec<(IpAddr, u16)> {
    use procfs::net::{TcpState, tcp};
    tcp()
        .into_iter()
        .flatten()
        .filter(|socket| socket.state == TcpState::Listen)
        .map(|socket| (socket.local_address.ip(), socket.local_address.port()))
        .filter(|(address, _)| address.is_loopback())
        .collect()
}

/// Missing here: macOS has no /proc to look in.
#[cfg(not(target_os = "linux"))]
pub(crate) fn listeners() -> Vec<(IpAddr, u16)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        dir: PathBuf,
        cache: PathBuf,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let (dir, cache) = (folder.path().join("env"), folder.path().join("cache"));
        Place { _folder: folder, dir, cache }
    }

    #[tokio::test]
    async fn a_holder_keeps_its_address_and_two_never_share_one() {
        let place = place();
        let book = AddressBook::new(&place.dir, &place.cache, "lineage");
        let first = book.assign(None, "token1", "a", &[8888]).await.expect("assigned");
        let second = book.assign(None, "token2", "a", &[8888]).await.expect("assigned");
        assert_ne!(first.address, second.address);
        let again = AddressBook::new(&place.dir, &place.cache, "lineage");
        assert_eq!(again.assign(None, "token1", "a", &[8888]).await.expect("assigned"), first);
        book.release("token1").await.expect("released");
        assert_eq!(
            book.assign(None, "token3", "a", &[]).await.expect("assigned").address,
            first.address
        );
    }

    #[tokio::test]
    async fn two_environments_with_one_hash_have_two_blocks_until_one_is_gone() {
        let place = place();
        let other = place.dir.with_file_name("other");
        let one = AddressBook::new(&place.dir, &place.cache, "lineage");
        let two = AddressBook::new(&other, &place.cache, "lineage");
        let first = one.block(OWN).await.expect("a block");
        assert_ne!(two.block(OWN).await.expect("a block"), first);
        std::fs::remove_dir_all(&place.dir).expect("removed");
        let three = AddressBook::new(&place.dir.with_file_name("3"), &place.cache, "lineage");
        assert_eq!(three.block(OWN).await.expect("a block"), first);
    }

    #[tokio::test]
    async fn what_killed_writers_left_goes_with_the_environment_and_the_next_change() {
        use crate::environment::files::draft_in;
        let place = place();
        let book = AddressBook::new(&place.dir, &place.cache, "lineage");
        book.assign(None, "token1", "a", &[8888]).await.expect("assigned");
        draft_in(&place.dir).expect("a draft").keep().expect("left");
        draft_in(&book.registry).expect("a draft").keep().expect("left");
        book.clear().await.expect("cleared");
        std::fs::remove_dir(&place.dir).expect("empty");
        let left = std::fs::read_dir(&book.registry).expect("a folder");
        let left: BTreeSet<_> = left.map(|entry| entry.expect("read").file_name()).collect();
        assert_eq!(left, BTreeSet::from(["blocks.json".into(), "lock".into()]));
    }

    #[tokio::test]
    async fn a_block_that_somebody_listens_in_is_not_taken() {
        let place = place();
        let book = AddressBook::new(&place.dir, &place.cache, "lineage");
        let block = book.block(OWN).await.expect("a block");
        book.release_block(OWN).await.expect("released");
        let _listener = TcpListener::bind((block.host(77), 0)).expect("a free port");
        if cfg!(target_os = "linux") {
            assert_ne!(book.block(OWN).await.expect("a block"), block);
        }
    }

    #[tokio::test]
    async fn where_there_is_one_address_each_holder_has_ports_of_its_own() {
        let place = place();
        let mut book = AddressBook::new(&place.dir, &place.cache, "lineage");
        book.mode = Mode::Shared;
        let first = book.assign(None, "token1", "a", &[8888]).await.expect("assigned");
        let second = book.assign(None, "token2", "b", &[8888]).await.expect("assigned");
        assert_eq!(first.address, second.address);
        assert_ne!(first.port(8888), second.port(8888));
        assert_eq!(book.assign(None, "token1", "a", &[8888]).await.expect("assigned"), first);
    }

    #[test]
    fn a_block_is_read_as_it_is_written_and_nothing_else_is() {
        let block: Block = "127.64.3.0/24".parse().expect("a block");
        assert_eq!(block.to_string(), "127.64.3.0/24");
        assert!(block.contains(IpAddr::from([127, 64, 3, 9])));
        for bad in ["10.0.0.0/24", "127.64.3.1/24", "127.64.3.0/16", ""] {
            assert!(bad.parse::<Block>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_lock_that_is_not_given_back_is_named() {
        let place = place();
        let book = AddressBook::new(&place.dir, &place.cache, "lineage");
        book.block(OWN).await.expect("a block");
        let open = || File::open(&place.dir).expect("a folder");
        let held = open();
        held.lock().expect("locked");
        let within = Duration::from_millis(20);
        let refused = lock_within(open(), &place.dir, within).await.expect_err("it is locked");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        assert!(refused.to_string().contains("another dsenv"), "{refused}");
        // A wait holds nothing else up: on this one thread, who gives it back comes to its turn.
        let give_back = async { drop(held) };
        let (assigned, ()) = tokio::join!(book.assign(None, "token1", "a", &[]), give_back);
        assigned.expect("assigned");
    }
}
