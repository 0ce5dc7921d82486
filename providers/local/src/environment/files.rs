//! Files that must be on disk before anything is done that relies on them.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// How the names of files begin that are written and not yet renamed to what they are.
const DRAFT: &str = ".draft-";

/// Writes a file so that after a crash it holds either the old text or the new one: a draft in the same
/// folder, synced, renamed over it, and the folder synced. For the owner alone. A process that is killed
/// in between leaves its draft behind, for [`remove_drafts`].
pub(crate) fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a file stands in a folder");
    create_private(folder)?;
    let mut file = draft_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Makes an empty file that goes with the process unless it is renamed, but not with a killed one.
pub(super) fn draft_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)
}

/// Removes the drafts that killed processes left in a folder; one that is gone has none. The caller keeps
/// others from writing there: the draft of a living process would go with them.
pub(super) fn remove_drafts(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()) {
            remove_durably(&entry.path())?;
        }
    }
    Ok(())
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
