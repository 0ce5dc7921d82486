//! One environment on one machine: where its blueprint, lock and state are, and how to connect.
//!
//! Reads; changes nothing. The clock, the disk and the environment come with the [`Site`].

use super::Problem;
use super::compile::{Compiled, Front, Request, back, bare, front};
use crate::diag::{Code, Diagnostic, Findings, Source};
use crate::lock::{self, Lock};
use crate::registry::{self, Registry};
use crate::store::{Loaded, Store};
use crate::world::{DiskErrorKind, World};
use crate::yaml;
use dsenv_sdk::provider::{Connection, Owner, Setup};
use dsenv_sdk::seal::SealKey;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
/// The version that plans are bound to.
pub(super) const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a blueprint is, and what surrounds it.
#[derive(Clone)]
pub struct Site {
    /// The clock, the disk and the rest.
    pub world: Arc<dyn World>,
    /// The blueprint's file, as it was named.
    pub file: PathBuf,
    /// The folder that relative paths start from, absolute.
    pub here: PathBuf,
    /// A folder for what can be fetched again, shared by all environments of the user.
    pub cache: PathBuf,
    /// Environment variables that providers may use.
    pub variables: BTreeMap<String, String>,
    /// The providers.
    pub registry: Registry,
}
impl Site {
    /// Reads the blueprint.
    pub fn source(&self) -> Result<Source, Problem> {
        let shown = self.file.display().to_string();
        let missing = |why: String| {
            let help = "`-f FILE` names the blueprint; `./dsenv.yaml` is the default";
            let message = format!("`{shown}`: {why}");
            Problem::refused(Diagnostic::error(Code::E0906, message).help(help))
        };
        let bytes = match self.world.disk().read(&self.file, yaml::FILE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(missing("there is no such file".to_owned())),
            Err(error) if matches!(error.kind, DiskErrorKind::TooLarge { .. }) => {
                let message = format!(
                    "`{shown}` is larger than {} MiB",
                    yaml::FILE_BYTES_MAX / (1024 * 1024)
                );
                return Err(Problem::refused(Diagnostic::error(Code::E0001, message)));
            }
            Err(error) => return Err(missing(super::chain(&error))),
        };
        let (source, findings) = yaml::decode(&shown, &bytes);
        if findings.has_errors() { Err(Problem::Refused(findings)) } else { Ok(source) }
    }

    /// The day, as the world's clock has it in UTC: the same for everybody who plans.
    pub(super) fn today(&self) -> Date {
        self.world.now().to_zoned(TimeZone::UTC).date()
    }

    /// Reads, resolves and lowers.
    pub fn compile(&self, request: &Request) -> Result<(Compiled, Findings), Problem> {
        let source = self.source()?;
        let request = Request { today: request.today.or(Some(self.today())), ..request.clone() };
        let (front, mut findings) = front(&source, &request, &self.registry);
        let Some(front) = front else { return Err(Problem::Refused(findings)) };
        let lock = self.lock(&front.resolved.blueprint)?;
        let (compiled, found) = back(front, &lock);
        findings.append(found);
        match compiled {
            Some(compiled) => Ok((compiled, findings)),
            None => Err(Problem::Refused(findings)),
        }
    }

    /// Reads which environment it is, and no more of the blueprint than that.
    pub fn front(&self, request: &Request) -> Result<Front, Problem> {
        let (front, mut findings) = bare(&self.source()?, request, &self.registry);
        front.ok_or_else(|| {
            self.mention_abandoned(request, &mut findings);
            Problem::Refused(findings)
        })
    }

    /// An environment that is gone from the blueprint may have left its state.
    fn mention_abandoned(&self, request: &Request, findings: &mut Findings) {
        let (Some(environment), Some(blueprint)) = (&request.environment, self.blueprint_name())
        else {
            return;
        };
        let root = self.folder().join(".dsenv");
        let store = Store::open(self.world.clone(), &root, &blueprint, environment);
        let has_state = store.is_ok_and(|store| store.has_state().unwrap_or(false));
        if has_state {
            let dir = root.join(&blueprint).join(environment);
            let message = format!(
                "`{}` has the state of an environment `{environment}`, which the blueprint no longer has",
                dir.display()
            );
            let help = format!("to destroy it, put `{environment}:` back below `environments:`");
            findings.push(Diagnostic::warning(Code::E0505, message).help(help));
        }
    }

    fn blueprint_name(&self) -> Option<String> {
        let (blueprint, _) = crate::blueprint::parse(&self.source().ok()?);
        blueprint.map(|blueprint| blueprint.name.text)
    }

    /// Reads what is pinned; nothing is, where there is no lock.
    pub fn lock(&self, blueprint: &str) -> Result<Lock, Problem> {
        let path = self.lock_path(blueprint);
        match self.world.disk().read(&path, lock::LOCK_BYTES_MAX)? {
            None => Ok(Lock::default()),
            Some(bytes) => {
                lock::read(blueprint, &bytes).map_err(|source| Problem::Lock { path, source })
            }
        }
    }

    pub(super) fn lock_path(&self, blueprint: &str) -> PathBuf {
        self.folder().join(format!("{blueprint}.lock"))
    }

    fn folder(&self) -> &Path {
        match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Opens the folder of an environment's state.
    pub fn store(&self, front: &Front) -> Result<Store, Problem> {
        let root = self.folder().join(".dsenv");
        let Front { resolved, .. } = front;
        let world = self.world.clone();
        Ok(Store::open(world, &root, &resolved.blueprint, &resolved.environment)?)
    }

    /// Connects for the owner of a state. The state must have been established.
    pub async fn connect(
        &self,
        front: &Front,
        store: &Store,
        loaded: &Loaded,
    ) -> Result<Arc<dyn Connection>, Problem> {
        let lineage = &loaded.state.lineage;
        let key = loaded.vault()?.provider_key(lineage, &front.resolved.environment);
        self.connect_as(front, store, lineage, key).await
    }

    /// Connects for a lineage, with the key for what the provider keeps.
    pub(super) async fn connect_as(
        &self,
        front: &Front,
        store: &Store,
        lineage: &str,
        key: SealKey,
    ) -> Result<Arc<dyn Connection>, Problem> {
        let resolved = &front.resolved;
        let setup = Setup {
            dir: self.here.join(store.dir()).join(front.provider.name()),
            cache: self.cache.clone(),
            key,
            variables: self.variables.clone(),
            account: resolved.account.clone(),
            region: resolved.region.clone(),
            resolver: Some(registry::resolver(&self.variables, &self.cache)),
            owner: Owner {
                blueprint: resolved.blueprint.clone(),
                environment: resolved.environment.clone(),
                lineage: lineage.to_owned(),
            },
        };
        let doing = format!("connecting to provider `{}`", front.provider.name());
        front.provider.connect(setup).await.map_err(|source| Problem::Provider { doing, source })
    }
}
