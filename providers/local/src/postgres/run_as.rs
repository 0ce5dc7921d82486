//! Which account a PostgreSQL server runs as.
//!
//! PostgreSQL refuses to run as root. A caller that is not root runs it as itself; for root there
//! is an account to find, and none is ever created: `destroy` could not take it away safely.
//!
//! ## Why
//! The account `postgres` of the system's package is made for this. Where there is none, the server
//! runs under a user id that no account has. `nobody` will not do: every daemon that gave up its
//! rights runs as `nobody`, and each could read the data and trace the server. initdb alone wants its
//! user in the passwd file (the server does not), so for its one second it borrows an account; it
//! is given a SCRAM verifier and not the password, and its files then change hands.

use crate::account::{Account, accounts, is_root};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// User ids that Debian and systemd leave free; the first one without an account is taken.
const FREE_IDS: std::ops::Range<u32> = 60_832..60_848;
/// Accounts that every system has and that own nothing.
const BORROWED: [&str; 2] = ["nobody", "daemon"];

/// The accounts of a server that root starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAccounts {
    /// Who the server runs as and who owns its data.
    pub server: Account,
    /// Who initdb runs as: the same, unless that one has no entry in the passwd file.
    pub setup: Account,
}

/// Root has nobody to run a server as.
#[derive(Debug, thiserror::Error)]
pub enum NoAccount {
    /// The passwd file cannot be read.
    #[error(
        "cannot read `/etc/passwd` to find an account for PostgreSQL, which refuses to run as root"
    )]
    Unreadable(#[source] io::Error),
    /// It has no account that can be used.
    #[error(
        "PostgreSQL refuses to run as root, and `/etc/passwd` has no `postgres`, `nobody` or \
         `daemon`; run dsenv as another user"
    )]
    None,
}

impl ServerAccounts {
    /// Finds the accounts when this process is root; `None` means that the caller itself will do.
    pub fn find() -> Result<Option<ServerAccounts>, NoAccount> {
        if !is_root() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(NoAccount::Unreadable)?;
        ServerAccounts::choose(&passwd).map(Some)
    }

    /// Returns the accounts of a server whose data is there: who owns it runs it, whatever accounts
    /// came or went since it was made. Where there is no data yet, these are [`ServerAccounts::find`]'s.
    pub fn of_data(data_dir: &Path) -> Result<Option<ServerAccounts>, NoAccount> {
        let owner = data_dir.join("PG_VERSION").metadata().ok();
        let Some(owner) = owner.filter(|owner| is_root() && owner.uid() != 0) else {
            return ServerAccounts::find();
        };
        // The name is for people; a server runs without one.
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = (owner.uid(), owner.gid());
        let named = accounts(&passwd).into_iter().find(|account| account.uid == uid);
        let name = named.map_or_else(|| nameless(uid), |account| account.name);
        let server = Account { name, uid, gid };
        // Its initdb is done.
        Ok(Some(ServerAccounts { setup: server.clone(), server }))
    }

    /// Chooses from the text of a passwd file.
    pub fn choose(passwd: &str) -> Result<ServerAccounts, NoAccount> {
        let known = accounts(passwd);
        let named = |name: &str| known.iter().find(|it| it.name == name && it.uid != 0).cloned();
        if let Some(postgres) = named("postgres") {
            return Ok(ServerAccounts { server: postgres.clone(), setup: postgres });
        }
        let setup = BORROWED.into_iter().find_map(named).ok_or(NoAccount::None)?;
        let is_free = |id: &u32| known.iter().all(|it| it.uid != *id && it.gid != *id);
        let id = FREE_IDS.clone().find(is_free).ok_or(NoAccount::None)?;
        let server = Account { name: nameless(id), uid: id, gid: id };
        Ok(ServerAccounts { server, setup })
    }
}

fn nameless(id: u32) -> String {
    format!("without a name, {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_the_package_comes_first() {
        let text = "root:x:0:0::/:/\nnobody:x:65534:65534::/:/\npostgres:x:101:104::/:/\n";
        let chosen = ServerAccounts::choose(text).expect("an account");
        assert_eq!((chosen.server.uid, chosen.server.gid), (101, 104));
        assert_eq!(chosen.server, chosen.setup);
    }

    #[test]
    fn without_it_the_server_is_never_nobody_and_never_another_account() {
        let text = "nobody:x:65534:65534::/:/\ntaken:x:60832:60832::/:/\n";
        let chosen = ServerAccounts::choose(text).expect("an account");
        assert_eq!((chosen.server.uid, chosen.setup.uid), (60_833, 65_534));
    }

    #[test]
    fn a_server_with_data_runs_as_who_owns_it() {
        let data = tempfile::tempdir().expect("a folder");
        let version = data.path().join("PG_VERSION");
        std::fs::write(&version, "15").expect("written");
        let chosen = ServerAccounts::of_data(data.path()).expect("an account");
        assert_eq!(chosen, ServerAccounts::find().expect("an account"), "root's data is nobody's");
        if is_root() {
            // An id that the search would not take.
            std::os::unix::fs::chown(&version, Some(61_234), Some(61_235)).expect("given away");
            let chosen = ServerAccounts::of_data(data.path()).expect("an account");
            let server = chosen.expect("root needs one").server;
            assert_eq!((server.uid, server.gid), (61_234, 61_235));
        }
    }

    #[test]
    fn root_under_the_name_postgres_will_not_do() {
        assert!(matches!(ServerAccounts::choose("postgres:x:0:0::/:/\n"), Err(NoAccount::None)));
    }
}
