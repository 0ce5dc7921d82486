//! Files that must be on disk before anything is done that relies on them.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Writes a file so that after a crash it holds either the old text or the new one: a temporary file
/// in the same folder, synced, renamed over it, and the folder synced. For the owner alone.
pub(crate) fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a file stands in a folder");
    create_private(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Removes a file and syncs its folder; one that is gone is removed.
pub(super) fn remove_durably(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    File::open(path.parent().expect("a file stands in a folder"))?.sync_all()
}

/// Makes a folder, and those above it, for the owner alone. What exists stays as it is.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes a folder and all that is in it; follows no link. One that is gone is removed.
pub(crate) fn remove_tree(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let text = format!("cannot remove `{}`: {error}", folder.display());
            Err(io::Error::new(error.kind(), text))
        }
        Ok(()) => Ok(()),
    }
}
