//! The folder for what was fetched and is not a book yet, so that a run that was stopped is gone on with.
//!
//! It is of one origin and at most a day old: prices of two days are no list. What is in it is whole or not
//! there: each file is put in its place at once, but for a download, whose length is asked for again.

use super::FetchError;
use crate::world::World;
use std::path::{Path, PathBuf};

const FORMAT: &str = "dsenv-partial/1";

/// What says of which origin and day the folder is.
const OF: &str = "of.txt";

/// How old it may be, in seconds.
const AGE_MAX_S: i64 = 24 * 60 * 60;

/// What is kept of a page or table is a few megabytes; one that is larger is not one.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The folder.
pub(super) struct Partial<'w> {
    world: &'w dyn World,
    folder: PathBuf,
}

impl<'w> Partial<'w> {
    /// Opens the folder; empties it when it is of another origin or too old.
    pub(super) fn open(
        world: &'w dyn World,
        folder: &Path,
        origin: &str,
    ) -> Result<Partial<'w>, FetchError> {
        let partial = Partial { world, folder: folder.to_owned() };
        let now = world.now().as_second();
        let head = format!("{FORMAT}\n{origin}\n");
        let fits = |text: String| {
            let began: Option<i64> = text.strip_prefix(&head)?.trim().parse().ok();
            began.filter(|began| (0..AGE_MAX_S).contains(&(now - began)))
        };
        if partial.get(OF)?.and_then(fits).is_none() {
            partial.clear()?;
            partial.put(OF, &format!("{head}{now}\n"))?;
        }
        Ok(partial)
    }

    /// Where a file of it is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns what was kept under a name; `None` where nothing was.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, FetchError> {
        let bytes = self.world.disk().read(&self.path(name), FILE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Keeps a text under a name.
    pub(super) fn put(&self, name: &str, text: &str) -> Result<(), FetchError> {
        Ok(self.world.disk().write_atomic(&self.path(name), text.as_bytes())?)
    }

    /// Removes one file.
    pub(super) fn remove(&self, name: &str) -> Result<(), FetchError> {
        Ok(self.world.disk().remove(&self.path(name))?)
    }

    /// Removes everything in it.
    pub(super) fn clear(&self) -> Result<(), FetchError> {
        for entry in self.world.disk().list(&self.folder)? {
            self.remove(&entry.name)?;
        }
        Ok(())
    }
}
