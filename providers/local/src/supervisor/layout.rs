//! Where the supervisor keeps what it needs, all of it below one folder.
//!
//! ```text
//! start.lock      held by a command that is starting a supervisor
//! guard.lock      held by the guard for its life
//! daemon.lock     held by the daemon for its life; its inode tells a deleted folder
//! id              names this supervisor in the marks of its processes
//! supervisor.sock
//! supervisor.log  what guard and daemon have to say
//! units/NAME.json what should run, sealed
//! run/NAME.json   what was started: {pid, start time, boot id, ...}
//! run/NAME.lock   inherited, locked, by every process of the unit
//! ```

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket: 104 bytes with the closing zero on macOS, 108 on Linux.
pub(super) const SOCKET_PATH_BYTES_MAX: usize = 103;

/// The folder of one supervisor, and the names in it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    dir: PathBuf,
}

/// The identity of a file, which survives renames of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &std::fs::Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Returns the identity of what is at `path` now; `None` when nothing is.
    pub(crate) fn at(path: &Path) -> Option<FileId> {
        std::fs::metadata(path).ok().map(|metadata| FileId::of(&metadata))
    }
}

impl Layout {
    /// Names the folder; `dir` must be absolute, because guard and daemon run in `/`.
    pub(super) fn new(dir: &Path) -> Layout {
        debug_assert!(dir.is_absolute(), "{} is absolute", dir.display());
        Layout { dir: dir.to_path_buf() }
    }

    /// Makes the folders, readable by the owner alone. What exists stays.
    pub(super) fn create(&self) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for dir in [self.units(), self.runs()] {
            builder.create(dir)?;
        }
        std::fs::set_permissions(&self.dir, std::fs::Permissions::from_mode(0o700))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn start_lock(&self) -> PathBuf {
        self.dir.join("start.lock")
    }

    pub(super) fn guard_lock(&self) -> PathBuf {
        self.dir.join("guard.lock")
    }

    pub(super) fn daemon_lock(&self) -> PathBuf {
        self.dir.join("daemon.lock")
    }

    pub(super) fn id(&self) -> PathBuf {
        self.dir.join("id")
    }

    pub(super) fn own_log(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }

    pub(super) fn units(&self) -> PathBuf {
        self.dir.join("units")
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.dir.join("run")
    }

    pub(super) fn unit(&self, name: &str) -> PathBuf {
        self.units().join(file_name(name, "json"))
    }

    pub(super) fn run_record(&self, name: &str) -> PathBuf {
        self.runs().join(file_name(name, "json"))
    }

    pub(super) fn run_lock(&self, name: &str) -> PathBuf {
        self.runs().join(file_name(name, "lock"))
    }

    /// Returns where the socket is: in the folder, or, when that path is too long for a socket,
    /// in a folder under `/tmp` that is named by user and hash of the path.
    ///
    /// Not under `XDG_RUNTIME_DIR`: it differs between a login, a cron job and the guard, and all
    /// of them must find one socket.
    pub(super) fn socket(&self) -> PathBuf {
        let inside = self.dir.join("supervisor.sock");
        if inside.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return inside;
        }
        let hash = blake3::hash(self.dir.as_os_str().as_bytes()).to_hex();
        let user = rustix::process::geteuid().as_raw();
        PathBuf::from(format!("/tmp/dsenv-{user}-{}", &hash[..16])).join("supervisor.sock")
    }

    /// Makes the socket's folder when it is not the supervisor's own, and refuses one that
    /// somebody else could write to: `/tmp` belongs to everybody.
    pub(super) fn create_socket_dir(&self) -> io::Result<()> {
        let socket = self.socket();
        let dir = socket.parent().expect("a socket has a folder");
        if dir == self.dir {
            return Ok(());
        }
        match std::fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = std::fs::symlink_metadata(dir)?;
        let own = found.uid() == rustix::process::geteuid().as_raw();
        if !found.is_dir() || !own || found.mode() & 0o077 != 0 {
            let text =
                format!("`{}` exists and is not a private folder of this user", dir.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    /// Removes the socket, and its folder under `/tmp` when there is one.
    pub(super) fn remove_socket(&self) {
        let socket = self.socket();
        // Both may be gone already; a folder that is not empty stays.
        let _ = std::fs::remove_file(&socket);
        if let Some(dir) = socket.parent().filter(|dir| *dir != self.dir) {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

/// Returns the path of a socket that stands beside the supervisor's, in a folder of the user's alone.
/// `name` is no longer than the supervisor's own.
pub(crate) fn socket_beside(dir: &Path, name: &str) -> PathBuf {
    Layout::new(dir).socket().with_file_name(name)
}

/// Encodes a unit's name so that two names never share a file and none leaves the folder.
fn file_name(name: &str, extension: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => text.push(char::from(byte)),
            // Upper case too: on macOS `A` and `a` are one file.
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text.push('.');
    text.push_str(extension);
    text
}

/// Reads the unit's name back from the path of one of its files; `None` for a file that no unit
/// has.
pub(super) fn unit_name(path: &Path) -> Option<String> {
    let mut rest = path.file_stem()?.to_str()?;
    let mut name = Vec::new();
    while let Some(byte) = rest.bytes().next() {
        let taken = if byte == b'%' { rest.get(..3)? } else { rest.get(..1)? };
        name.push(match taken.strip_prefix('%') {
            Some(hex) => u8::from_str_radix(hex, 16).ok()?,
            None => byte,
        });
        rest = &rest[taken.len()..];
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_file_and_stays_in_its_folder() {
        assert_eq!(file_name("notebook/jupyter", "json"), "notebook%2fjupyter.json");
        assert_eq!(file_name("../x", "json"), "%2e%2e%2fx.json");
        assert_ne!(file_name("a%2f", "json"), file_name("a/", "json"));
        for name in ["notebook/jupyter", "workers[0]/A.b", "%", "a_b-1"] {
            let path = Layout::new(Path::new("/x")).unit(name);
            assert_eq!(unit_name(&path).as_deref(), Some(name));
        }
        assert_eq!(unit_name(Path::new("/x/%2.json")), None);
    }

    #[test]
    fn a_long_folder_has_a_short_socket() {
        let long = format!("/{}", "x".repeat(200));
        let socket = Layout::new(Path::new(&long)).socket();
        assert!(socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        let other = Layout::new(Path::new(&format!("{long}y"))).socket();
        assert_ne!(socket, other);
        let short = Layout::new(Path::new("/a")).socket();
        assert_eq!(short, Path::new("/a/supervisor.sock"));
    }
}
