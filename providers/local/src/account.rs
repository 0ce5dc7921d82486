//! Unix accounts, and which paths one of them can reach.
//!
//! PostgreSQL refuses to run as root. Where dsenv is root (a container, CI), its server runs as
//! another account, and then every folder on the way to its data and its programs must be open to
//! that account: a project below a home of mode 0700 is not. [`reach`] names the folder that is
//! closed, [`reachable_or`] picks a place that is open. Nothing here changes a permission of a
//! folder that dsenv did not make, and no account is ever created: dsenv leaves a machine as it was.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An account that a program can run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name; for one that stands in no list, a word that says so.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// A folder that keeps an account from what lies below it.
#[derive(Debug, thiserror::Error)]
#[error("`{}` (mode {mode:04o}) is closed to the account `{account}` (uid {uid})", folder.display())]
pub struct Unreachable {
    /// The folder that cannot be entered.
    pub folder: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Who cannot enter it.
    pub account: String,
    /// Its user id.
    pub uid: u32,
}

/// Returns the accounts of a passwd file; lines that are not accounts are passed over.
///
/// Only this file is read, not the name service: accounts of services stand in it.
pub fn accounts(passwd: &str) -> Vec<Account> {
    passwd.lines().filter_map(account_of_line).collect()
}

fn account_of_line(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Account { name, uid, gid })
}

/// Says whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Checks that the account can enter every existing folder on the way to `path`, and `path` itself
/// when it is a folder.
///
/// Access lists beyond the permission bits are not read: they can only make this too strict.
pub fn reach(path: &Path, account: &Account) -> Result<(), Unreachable> {
    // The resolved path too: a link may lead through a closed folder.
    let real = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    for start in [Some(path.to_owned()), real].into_iter().flatten() {
        for folder in start.ancestors() {
            let Ok(found) = folder.metadata() else { continue };
            if found.is_dir() && !may_enter(&found, account) {
                return Err(Unreachable {
                    folder: folder.to_owned(),
                    mode: found.mode() & 0o7777,
                    account: account.name.clone(),
                    uid: account.uid,
                });
            }
        }
    }
    Ok(())
}

fn may_enter(folder: &std::fs::Metadata, account: &Account) -> bool {
    let execute = if folder.uid() == account.uid {
        0o100
    } else if folder.gid() == account.gid {
        0o010
    } else {
        0o001
    };
    folder.mode() & execute != 0
}

/// Returns `wanted` when the account can reach it, else a folder of its own below `shared`.
///
/// The name below `shared` is derived from `wanted`, so that the same question has the same answer
/// as long as permissions stay; whoever stores data there records the answer. Nothing is created.
/// Without an account the caller itself runs the program, and `wanted` is right.
pub fn reachable_or(wanted: &Path, shared: &Path, account: Option<&Account>) -> PathBuf {
    let Some(account) = account else { return wanted.to_owned() };
    if reach(wanted, account).is_ok() {
        return wanted.to_owned();
    }
    let digest = blake3::hash(wanted.as_os_str().as_encoded_bytes()).to_hex();
    let last = wanted.file_name().unwrap_or_default().to_string_lossy();
    shared.join(format!("{}-{last}", &digest.as_str()[..16]))
}

/// Creates the folder and those above it that are missing, each open to be entered by everybody.
///
/// The mode does not depend on the umask of the caller. Folders that exist are left alone.
pub fn create_enterable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_enterable(parent)?;
    }
    let made = match std::fs::create_dir(folder) {
        Ok(()) => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)),
        Err(error) => Err(error),
    };
    match made {
        // Another one made it in the meantime, or removed it again: whoever opens it will see.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match folder.metadata() {
            Ok(found) if !found.is_dir() => Err(error),
            _ => Ok(()),
        },
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && folder.parent().is_some_and(Path::is_dir) =>
        {
            Ok(())
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn stranger() -> Account {
        Account { name: "stranger".into(), uid: 4_000_001, gid: 4_000_001 }
    }

    fn closed_home() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("ours");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a home");
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("ours");
        (folder, home)
    }

    #[test]
    fn a_project_below_a_closed_home_is_out_of_reach_and_the_home_is_named() {
        let (folder, home) = closed_home();
        let refused = reach(&home.join("project/not/yet/made"), &stranger()).expect_err("closed");
        assert_eq!(refused.folder, home);
        assert_eq!(refused.mode, 0o700);
        assert!(reach(&folder.path().join("project"), &stranger()).is_ok());
    }

    #[test]
    fn a_link_through_a_closed_folder_is_out_of_reach() {
        let (folder, home) = closed_home();
        std::fs::create_dir(home.join("data")).expect("made");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(home.join("data"), &link).expect("linked");
        assert!(reach(&link.join("x"), &stranger()).is_err());
    }

    #[test]
    fn what_is_out_of_reach_gets_the_same_other_place_each_time() {
        let (_folder, home) = closed_home();
        let (wanted, shared) = (home.join("features"), Path::new("/shared"));
        let placed = reachable_or(&wanted, shared, Some(&stranger()));
        assert!(placed.starts_with(shared) && placed.to_string_lossy().ends_with("-features"));
        assert_eq!(placed, reachable_or(&wanted, shared, Some(&stranger())));
        assert_ne!(placed, reachable_or(&home.join("b/features"), shared, Some(&stranger())));
        assert_eq!(reachable_or(&wanted, shared, None), wanted);
    }

    #[test]
    fn accounts_are_read_and_other_lines_passed_over() {
        let text = "root:x:0:0:root:/root:/bin/bash\n# note\n+::::::\npostgres:x:101:104::/v:/b\n";
        let names: Vec<_> = accounts(text).into_iter().map(|account| account.name).collect();
        assert_eq!(names, ["root", "postgres"]);
    }
}
