//! A venv folder that is either complete or made again.
//!
//! A venv cannot be built aside and renamed (its scripts name its path), so completeness is a file
//! that is written last: it holds a text of the maker's choice, and a venv without it is cleared
//! and rebuilt. The folder itself is locked while it is looked at or built, so that two processes
//! that want the same venv build it once.
//!
//! Nothing is ever cleared that does not carry one of the two marks: a folder that a user filled
//! stays.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Present from the first moment of a build to its end.
const BUILDING: &str = ".dsenv-building";
/// Present once everything is on disk.
const COMPLETE: &str = ".dsenv-complete";

/// A venv's folder, locked by this process until dropped.
pub(crate) struct VenvFolder {
    path: PathBuf,
    /// The open folder: the lock is on its inode.
    lock: File,
}

impl VenvFolder {
    /// Creates the folder when it is missing and waits until no other process works on it.
    pub(crate) async fn claim(path: &Path) -> io::Result<VenvFolder> {
        let path = path.to_owned();
        blocking(move || {
            loop {
                crate::account::create_enterable(&path)?;
                let lock = match File::open(&path) {
                    // Removed again by who gave its build up.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    opened => opened?,
                };
                lock.lock()?;
                // Whoever held it may have removed it: then this lock is on a folder without a name.
                let named = path.metadata().ok();
                if named.is_some_and(|it| lock.metadata().is_ok_and(|mine| mine.ino() == it.ino()))
                {
                    return Ok(VenvFolder { path, lock });
                }
            }
        })
        .await
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the interpreter inside, whether it is there or not.
    pub(crate) fn python(&self) -> PathBuf {
        self.path.join("bin").join("python")
    }

    /// Returns the text that the finished build left; none when it was not finished, or when the
    /// interpreter that it links to is gone.
    pub(crate) fn complete(&self) -> Option<String> {
        if self.path.join(BUILDING).exists() || !self.python().exists() {
            return None;
        }
        std::fs::read_to_string(self.path.join(COMPLETE)).ok()
    }

    /// Empties the folder and marks it as being built.
    pub(crate) fn begin(&self) -> io::Result<()> {
        self.clear()?;
        let mark = File::create(self.path.join(BUILDING))?;
        mark.sync_all()?;
        self.lock.sync_all()
    }

    /// Marks the venv as complete, after all of it is on disk.
    ///
    /// Without the sync a power failure could keep the mark and lose the contents of packages.
    pub(crate) async fn finish(&self, text: String) -> io::Result<()> {
        let folder = self.lock.try_clone()?;
        let path = self.path.clone();
        blocking(move || {
            sync_file_system(&folder)?;
            let temporary = path.join(format!("{COMPLETE}.new"));
            let mut mark = File::create(&temporary)?;
            mark.write_all(text.as_bytes())?;
            mark.sync_all()?;
            std::fs::rename(&temporary, path.join(COMPLETE))?;
            std::fs::remove_file(path.join(BUILDING))?;
            folder.sync_all()
        })
        .await
    }

    /// Removes a build that failed, folder and all. What cannot be removed now is still marked as
    /// unfinished, and cleared by the next build.
    pub(crate) fn abandon(self) {
        if self.clear().is_ok() {
            let _ = std::fs::remove_file(self.path.join(BUILDING));
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    /// Removes everything but the mark of the build.
    fn clear(&self) -> io::Result<()> {
        let marked = [BUILDING, COMPLETE].iter().any(|mark| self.path.join(mark).exists());
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            entries.push(entry?);
        }
        if !marked && !entries.is_empty() {
            let reason = format!(
                "`{}` holds files that dsenv did not put there; move them away",
                self.path.display()
            );
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
        }
        if entries.is_empty() {
            return Ok(());
        }
        File::create(self.path.join(BUILDING))?.sync_all()?;
        for entry in entries {
            if entry.file_name() == BUILDING {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Brings to disk what was written to the file system of this folder.
pub(crate) fn sync_file_system(folder: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::fs::syncfs(folder)?);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        rustix::fs::sync();
        Ok(())
    }
}

/// Runs file work away from the threads that serve futures.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn claimed() -> (tempfile::TempDir, VenvFolder) {
        let folder = tempfile::tempdir().expect("a folder");
        let venv = VenvFolder::claim(&folder.path().join("deep/venv")).await.expect("claimed");
        (folder, venv)
    }

    #[tokio::test]
    async fn only_a_finished_build_is_complete() {
        let (_folder, venv) = claimed().await;
        venv.begin().expect("begun");
        std::fs::create_dir(venv.path().join("bin")).expect("made");
        std::fs::write(venv.python(), "").expect("written");
        assert_eq!(venv.complete(), None);
        venv.finish("digest".into()).await.expect("finished");
        assert_eq!(venv.complete().as_deref(), Some("digest"));
        venv.begin().expect("begun again");
        assert_eq!(venv.complete(), None);
        assert!(!venv.python().exists());
    }

    #[tokio::test]
    async fn the_files_of_others_stay() {
        let (_folder, venv) = claimed().await;
        std::fs::write(venv.path().join("thesis.tex"), "").expect("written");
        let refused = venv.begin().expect_err("not ours");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert!(venv.path().join("thesis.tex").exists());
    }

    #[test]
    fn a_folder_that_comes_and_goes_is_claimed_all_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("venv");
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for round in 0..300 {
                let claimed = runtime.block_on(VenvFolder::claim(&path));
                claimed.unwrap_or_else(|error| panic!("round {round}: {error}")).abandon();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
    }

    #[tokio::test]
    async fn a_failed_build_leaves_nothing_and_the_next_one_waits_for_it() {
        let (_folder, venv) = claimed().await;
        let path = venv.path().to_owned();
        venv.begin().expect("begun");
        let second = tokio::spawn({
            let path = path.clone();
            async move { VenvFolder::claim(&path).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!second.is_finished());
        venv.abandon();
        let second = second.await.expect("no panic").expect("claimed");
        assert!(path.is_dir());
        assert_eq!(second.complete(), None);
        second.abandon();
        assert!(!path.exists());
    }
}
