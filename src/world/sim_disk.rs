//! A disk in memory that keeps what is synced apart from what is not.
//!
//! It behaves as a journalling file system does: contents are durable once synced, names once
//! their folder is synced, and names become durable in the order in which they were given.
//! Folders themselves are durable at once.
//!
//! ## Why stricter than most disks
//! At a power failure every unsynced write and name may be gone, there, or (a write) there in
//! part: whoever needs more must have synced.

use super::disk::{AppendFile, Disk, DiskError, DiskErrorKind, DiskGuard, Entry, parent_of};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A shared handle; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Content>>);

/// What a power failure leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOff {
    /// Nothing.
    DropsAll,
    /// Everything.
    KeepsAll,
    /// A prefix of the names, and of each content none, all, a prefix, or zeros: from this seed.
    Tears(u64),
}

#[derive(Clone, Default)]
struct Content {
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<Rename>,
    folders: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
    /// How many operations that change something were done.
    done: u64,
    syncs: u64,
    faults: Faults,
}

#[derive(Clone, Default)]
struct Faults {
    off_after: Option<u64>,
    free_bytes: Option<u64>,
    read_only: bool,
    fail_sync: Option<u64>,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

/// One change of names: `None` removes, `from` is a name that ends.
#[derive(Clone)]
struct Rename {
    from: Option<PathBuf>,
    to: PathBuf,
    file: Option<usize>,
}

impl SimDisk {
    /// Makes an empty disk without faults.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// Returns how many operations changed something since the disk was made or revived.
    pub fn operations(&self) -> u64 {
        self.content().done
    }

    /// Lets this many more changing operations succeed, then every operation fails.
    pub fn cut_power_after(&self, operations: u64) {
        let mut content = self.content();
        content.faults.off_after = Some(content.done + operations);
    }

    /// Lets this many more bytes be written, then the disk is full.
    pub fn fill_after(&self, bytes: u64) {
        self.content().faults.free_bytes = Some(bytes);
    }

    /// Refuses every change, or allows it again.
    pub fn set_read_only(&self, read_only: bool) {
        self.content().faults.read_only = read_only;
    }

    /// Lets the sync after this many more fail once.
    pub fn fail_sync_after(&self, syncs: u64) {
        let mut content = self.content();
        content.faults.fail_sync = Some(content.syncs + syncs);
    }

    /// Returns the disk as the next boot finds it. Locks and faults are gone.
    pub fn power_off(&self, fate: PowerOff) -> SimDisk {
        let content = self.content();
        let mut dice = Dice(match fate {
            PowerOff::Tears(seed) => seed,
            PowerOff::DropsAll | PowerOff::KeepsAll => 0,
        });
        let kept = match fate {
            PowerOff::DropsAll => 0,
            PowerOff::KeepsAll => content.pending.len(),
            PowerOff::Tears(_) => dice.below(content.pending.len() + 1),
        };
        let mut names = content.durable.clone();
        content.pending[..kept].iter().for_each(|change| change.apply(&mut names));
        let survive = |file: &Inode| match fate {
            PowerOff::DropsAll => file.synced.clone(),
            PowerOff::KeepsAll => file.bytes.clone(),
            PowerOff::Tears(_) => file.torn(&mut dice),
        };
        let bytes: Vec<Vec<u8>> = content.files.iter().map(survive).collect();
        let files = bytes.into_iter().map(|b| Inode { synced: b.clone(), bytes: b }).collect();
        SimDisk(Arc::new(Mutex::new(Content {
            files,
            durable: names.clone(),
            names,
            folders: content.folders.clone(),
            ..Content::default()
        })))
    }

    /// Returns every file as it is now, for looking for what must not be there.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let content = self.content();
        let file =
            |(path, at): (&PathBuf, &usize)| (path.clone(), content.files[*at].bytes.clone());
        content.names.iter().map(file).collect()
    }

    /// Puts a file there, synced, beside every fault: what a user's editor does.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut content = self.content();
        let at = content.files.len();
        content.files.push(Inode { bytes: bytes.to_vec(), synced: bytes.to_vec() });
        content.names.insert(path.to_owned(), at);
        content.durable.insert(path.to_owned(), at);
        content.folders.insert(parent_of(path).to_owned());
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().expect("no operation panics while it holds the disk")
    }
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        match self.file {
            Some(file) => names.insert(self.to.clone(), file),
            None => names.remove(&self.to),
        };
    }

    fn touches(&self, folder: &Path) -> bool {
        parent_of(&self.to) == folder
            || self.from.as_deref().is_some_and(|from| parent_of(from) == folder)
    }
}

impl Inode {
    fn torn(&self, dice: &mut Dice) -> Vec<u8> {
        let keeps = self.bytes.starts_with(&self.synced);
        let fresh = if keeps { &self.bytes[self.synced.len()..] } else { &self.bytes[..] };
        let mut left = if keeps { self.synced.clone() } else { Vec::new() };
        let cut = dice.below(fresh.len() + 1);
        match dice.below(4) {
            0 => return self.synced.clone(),
            1 => left.extend_from_slice(fresh),
            2 => left.extend_from_slice(&fresh[..cut]),
            // The length reached the disk and a page of the middle did not.
            _ => {
                left.extend_from_slice(&fresh[..cut]);
                left.resize(self.bytes.len().max(left.len()), 0);
            }
        }
        left
    }
}

/// Small numbers from a seed (SplitMix64); a test prints the seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("it is below a usize")
    }
}

impl Content {
    fn live(&self, doing: &'static str, path: &Path) -> Result<(), DiskError> {
        if self.faults.off_after.is_some_and(|limit| self.done >= limit) {
            return Err(DiskError::new(doing, path, io::Error::other("the power is off")));
        }
        Ok(())
    }

    fn change(&mut self, doing: &'static str, path: &Path) -> Result<(), DiskError> {
        self.live(doing, path)?;
        if self.faults.read_only {
            return Err(DiskError::refused(doing, path, DiskErrorKind::ReadOnly));
        }
        self.done += 1;
        Ok(())
    }

    fn needs_folder(&self, doing: &'static str, path: &Path) -> Result<(), DiskError> {
        if self.folders.contains(parent_of(path)) {
            return Ok(());
        }
        Err(DiskError::new(doing, path, io::ErrorKind::NotFound.into()))
    }

    fn find(&self, doing: &'static str, path: &Path) -> Result<usize, DiskError> {
        let missing = || DiskError::new(doing, path, io::ErrorKind::NotFound.into());
        self.names.get(path).copied().ok_or_else(missing)
    }

    fn rename(&mut self, change: Rename) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn add_file(&mut self, path: &Path) -> usize {
        let at = self.files.len();
        self.files.push(Inode::default());
        self.rename(Rename { from: None, to: path.to_owned(), file: Some(at) });
        at
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, DiskError> {
        let content = self.content();
        content.live("read", path)?;
        let Some(at) = content.names.get(path) else { return Ok(None) };
        let bytes = content.files[*at].bytes.clone();
        if bytes.len() as u64 > limit_bytes {
            return Err(DiskError::refused("read", path, DiskErrorKind::TooLarge { limit_bytes }));
        }
        Ok(Some(bytes))
    }

    fn open_read(&self, path: &Path) -> Result<Option<Box<dyn io::Read + Send>>, DiskError> {
        let bytes = self.read(path, u64::MAX)?;
        Ok(bytes.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn io::Read + Send>))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        let mut content = self.content();
        content.change("open", path)?;
        content.needs_folder("open", path)?;
        // Emptying is modelled as a new file: the old content is gone at once or not at all.
        let at = content.add_file(path);
        Ok(Box::new(SimFile { disk: self.clone(), at, path: path.to_owned() }))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        let mut content = self.content();
        content.live("open", path)?;
        content.needs_folder("open", path)?;
        let at = match content.names.get(path) {
            Some(at) => *at,
            None => {
                content.change("open", path)?;
                content.add_file(path)
            }
        };
        Ok(Box::new(SimFile { disk: self.clone(), at, path: path.to_owned() }))
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), DiskError> {
        let mut content = self.content();
        if content.folders.contains(path) {
            return content.live("create the folder", path);
        }
        content.change("create the folder", path)?;
        content.folders.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>, DiskError> {
        let content = self.content();
        content.live("list", path)?;
        let inside = content.names.iter().filter(|(name, _)| parent_of(name) == path);
        let entry = |(name, at): (&PathBuf, &usize)| Entry {
            name: name.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size_bytes: content.files[*at].bytes.len() as u64,
        };
        Ok(inside.map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut content = self.content();
        content.change("replace", to)?;
        content.needs_folder("replace", to)?;
        let file = Some(content.find("replace", from)?);
        content.rename(Rename { from: Some(from.to_owned()), to: to.to_owned(), file });
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut content = self.content();
        content.change("create", to)?;
        content.needs_folder("create", to)?;
        if content.names.contains_key(to) {
            return Err(DiskError::refused("create", to, DiskErrorKind::Exists));
        }
        let file = Some(content.find("create", from)?);
        content.rename(Rename { from: None, to: to.to_owned(), file });
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut content = self.content();
        content.change("remove", path)?;
        if content.names.contains_key(path) {
            content.rename(Rename { from: None, to: path.to_owned(), file: None });
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        let mut content = self.content();
        content.change("sync the folder", path)?;
        let last = content.pending.iter().rposition(|change| change.touches(path));
        let settled = last.map_or(0, |at| at + 1);
        let changes: Vec<Rename> = content.pending.drain(..settled).collect();
        changes.iter().for_each(|change| change.apply(&mut content.durable));
        Ok(())
    }

    fn lock(&self, path: &Path, _wait_ms: u64) -> Result<Box<dyn DiskGuard>, DiskError> {
        let mut content = self.content();
        content.change("lock", path)?;
        content.needs_folder("lock", path)?;
        if !content.locked.insert(path.to_owned()) {
            return Err(DiskError::refused("lock", path, DiskErrorKind::Busy));
        }
        Ok(Box::new(SimGuard { disk: self.clone(), path: path.to_owned() }))
    }
}

struct SimFile {
    disk: SimDisk,
    at: usize,
    path: PathBuf,
}

impl AppendFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let mut content = self.disk.content();
        content.change("write", &self.path)?;
        let free = content.faults.free_bytes.unwrap_or(u64::MAX);
        let fits = bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX));
        content.files[self.at].bytes.extend_from_slice(&bytes[..fits]);
        if let Some(left) = &mut content.faults.free_bytes {
            *left -= fits as u64;
        }
        if fits < bytes.len() {
            return Err(DiskError::refused("write", &self.path, DiskErrorKind::Full));
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        let mut content = self.disk.content();
        content.change("sync", &self.path)?;
        let number = content.syncs;
        content.syncs += 1;
        if content.faults.fail_sync == Some(number) {
            return Err(DiskError::new("sync", &self.path, io::Error::other("an I/O error")));
        }
        let file = &mut content.files[self.at];
        file.synced.clone_from(&file.bytes);
        Ok(())
    }
}

struct SimGuard {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimGuard {
    fn drop(&mut self) {
        self.disk.content().locked.remove(&self.path);
    }
}

impl DiskGuard for SimGuard {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
        disk.read(Path::new(path), 1_000).expect("readable")
    }

    #[test]
    fn only_what_was_synced_survives_for_certain() {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/d")).expect("made");
        disk.write_atomic(Path::new("/d/old"), b"old").expect("written");
        let mut file = disk.open_append(Path::new("/d/old")).expect("there");
        file.append(b"+new").expect("appended");
        disk.create(Path::new("/d/fresh")).expect("made").sync().expect("synced");
        disk.rename(Path::new("/d/old"), Path::new("/d/renamed")).expect("renamed");
        let lost = disk.power_off(PowerOff::DropsAll);
        assert_eq!(read(&lost, "/d/old").as_deref(), Some(&b"old"[..]));
        assert_eq!((read(&lost, "/d/fresh"), read(&lost, "/d/renamed")), (None, None));
        let kept = disk.power_off(PowerOff::KeepsAll);
        assert_eq!(read(&kept, "/d/renamed").as_deref(), Some(&b"old+new"[..]));
        let torn: BTreeSet<_> = (0..200)
            .filter_map(|seed| read(&disk.power_off(PowerOff::Tears(seed)), "/d/renamed"))
            .collect();
        assert!(torn.len() > 4 && torn.iter().all(|bytes| bytes.starts_with(b"old")), "{torn:?}");
    }

    #[test]
    fn an_atomic_write_is_old_or_new_at_every_cut() {
        let base = SimDisk::new();
        base.create_dir_all(Path::new("/d")).expect("made");
        base.write_atomic(Path::new("/d/f"), b"old").expect("written");
        for operations in 0..6 {
            for seed in 0..50 {
                let disk = base.power_off(PowerOff::KeepsAll);
                disk.cut_power_after(operations);
                let done = disk.write_atomic(Path::new("/d/f"), b"new").is_ok();
                let found = read(&disk.power_off(PowerOff::Tears(seed)), "/d/f");
                let found = found.expect("it is never gone");
                assert!(found == b"new" || found == b"old" && !done, "{operations} {seed}");
            }
        }
    }
}
