//! `dsenv plan`: shows what apply would do, and keeps it for later.

use super::Exit;
use super::cost::FigureArgs;
use super::setting::{Setting, address, addresses, refusal};

use crate::diag::{Code, Diagnostic};
use crate::diff::{Mode, Wishes};
use crate::drive::{Options, Planned, Problem, remarks};
use crate::plan::{Allowed, wire};
use crate::report::{self, Style, cost};
use crate::vault;
use crate::vault::{Vault, WrappedKey};
use clap::{Args, ValueEnum};
use dsenv_sdk::prices::Book;
use dsenv_sdk::value::wire::SEALED;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Typed {
    /// Keeps the plan in a file, for `dsenv apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exits with 2 when there are changes.
    #[arg(long = "detailed-exitcode")]
    detailed_exitcode: bool,
    /// Plans to delete everything.
    #[arg(long)]
    destroy: bool,
    /// Asks the account for each permission that the plan takes.
    #[arg(long = "check-permissions")]
    check_permissions: bool,
    /// Says why this machine or pool is what it is, instead of planning: what was considered, what fell
    /// out.
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["out", "destroy", "check_permissions"])]
    explain: Option<String>,
    /// Shows every line, however many there are.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    figures: FigureArgs,
    #[command(flatten)]
    pub(super) scope: Scope,
}

/// What a plan is about: the same for plan, apply and destroy.
#[derive(Args, Clone)]
pub(super) struct Scope {
    /// Plans only this resource and what it needs; may be repeated.
    #[arg(long, value_name = "ADDR", conflicts_with = "exclude")]
    pub(super) target: Vec<String>,
    /// Leaves this resource and what needs it out; may be repeated.
    #[arg(long, value_name = "ADDR")]
    pub(super) exclude: Vec<String>,
    /// Creates this resource anew; may be repeated.
    #[arg(long, value_name = "ADDR")]
    pub(super) replace: Vec<String>,
    /// Allows the data of this resource to be deleted; may be repeated.
    #[arg(long = "delete-data", value_name = "ADDR")]
    pub(super) delete_data: Vec<String>,
    /// Whether to look at what is there first, or to do nothing else.
    #[arg(long, value_enum, default_value_t = Look::True)]
    pub(super) refresh: Look,
    /// Refuses when something is not pinned in the lock yet.
    #[arg(long)]
    pub(super) locked: bool,
}

/// `--refresh`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum Look {
    /// Look, then plan.
    True,
    /// Trust the state.
    False,
    /// Look, and take what is there over into the state.
    Only,
}

impl Scope {
    /// Turns what was typed into what is meant.
    pub(super) fn options(&self, mode: Mode) -> Result<Options, Problem> {
        let mode = if self.refresh == Look::Only { Mode::RefreshOnly } else { mode };
        let replace = addresses(&self.replace)?;
        Ok(Options {
            wishes: Wishes {
                mode,
                replace: replace.clone(),
                target: addresses(&self.target)?,
                exclude: addresses(&self.exclude)?,
            },
            allowed: Allowed { replace, delete_data: addresses(&self.delete_data)? },
            refresh: self.refresh != Look::False,
            locked: self.locked,
            ..Options::default()
        })
    }
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    if let Some(addr) = &typed.explain {
        return explain(setting, addr, typed.full);
    }
    let compiled = setting.compile()?;
    let mode = if typed.destroy { Mode::Destroy } else { Mode::Apply };
    let mut options = typed.scope.options(mode)?;
    options.check_permissions = typed.check_permissions;
    options.figures = setting.figures_for(&typed.figures, &compiled)?;
    let planned = setting.site.plan(&compiled, &options).await?;
    if options.locked && !planned.plan.not_locked.is_empty() {
        let message = "the plan needs pins that the lock lacks";
        return Err(Problem::refused(Diagnostic::error(Code::E0810, message)));
    }
    if let Some(holder) = &planned.amid {
        setting.say(&format!("{holder} is at work: this is the middle of it.\n"));
        if typed.out.is_some() {
            let message =
                format!("{holder} is at work, and will have changed what is planned from");
            let help = "plan again when it has ended";
            return Err(Problem::refused(Diagnostic::error(Code::E0801, message).help(help)));
        }
    }
    show(setting, &planned, typed.full);
    // What is refused now would be judged again by nobody: a saved plan has no blueprint beside it.
    if let Some(file) = typed.out.as_ref().filter(|_| !planned.verdicts.has_errors()) {
        keep(setting, &planned, file)?;
    }
    say_remarks(setting, &planned);
    if planned.verdicts.has_errors() {
        return Ok(refusal(&planned.verdicts));
    }
    let changes = planned.plan.has_changes();
    Ok(if typed.detailed_exitcode && changes { Exit::Changes } else { Exit::Done })
}

fn explain(setting: &Setting, typed: &str, full: bool) -> Result<Exit, Problem> {
    let compiled = setting.compile()?;
    let book = Book::builtin();
    let explained = setting.site.explain(&compiled.front, &address(typed)?, &book)?;
    setting.answer(
        || report::placement::json(&explained),
        || report::placement::text(&explained, &setting.style(full)),
    );
    Ok(Exit::Done)
}

/// Says what refuses a plan, what is warned of and what could not be checked; in JSON it is part of the
/// answer.
pub(super) fn say_remarks(setting: &Setting, planned: &Planned) {
    if !setting.general.json {
        setting.say_findings(&remarks(planned));
    }
}

/// Prints a plan as the answer.
pub(super) fn show(setting: &Setting, planned: &Planned, full: bool) {
    let style = setting.style(full);
    setting.answer(
        || {
            let source = setting.source();
            let cost = planned.cost.as_ref().map_or(Json::Null, |it| cost::json::effect(it));
            let (verdicts, diagnostics) = (&planned.verdicts, &planned.diagnostics);
            let document = wire::shown(&planned.plan, verdicts, diagnostics, &source, cost);
            serde_json::to_value(document).expect("plain data is JSON")
        },
        || {
            let mut text = String::new();
            for (addr, remote_id) in &planned.recovered.adopted {
                text.push_str(&format!(
                    "Found `{addr}` ({remote_id}), made by a run that was interrupted; it is taken over.\n"
                ));
            }
            text + &said(planned, &style)
        },
    );
}

/// A plan as text, and what it costs.
pub(super) fn said(planned: &Planned, style: &Style) -> String {
    let mut text = report::plan(&planned.plan, style);
    if let Some(line) = planned.cost.as_ref().and_then(|effect| cost::line::line(effect)) {
        text.push_str(&format!("Cost: {line}.\n"));
    }
    text
}

/// What a secret in a plan's file is sealed under; the key is fresh for each file.
const PLAN_SECRET: &str = "plan";

/// Writes the plan's file. Secrets in it are sealed with a key of its own, which stands before each
/// of them, wrapped for this user: whoever else reads the file learns nothing.
fn keep(setting: &Setting, planned: &Planned, file: &Path) -> Result<(), Problem> {
    let world = &*setting.site.world;
    refuse_to_replace(setting, file)?;
    let mut secrets = 0usize;
    let mut bytes = wire::save(&planned.plan, &mut |_| {
        secrets += 1;
        json!({ SEALED: "" })
    });
    // Without a secret there is no need for an identity, which would be made on first need.
    if secrets > 0 {
        let identity = vault::Identity::find_or_create(world)?;
        let vault = Vault::create(&[identity.recipient()])?;
        bytes = wire::save(&planned.plan, &mut |secret| {
            let sealed = vault.seal(PLAN_SECRET, secret);
            json!({ SEALED: format!("{}.{sealed}", vault.wrapped().sealed) })
        });
    }
    world.disk().write_atomic(file, &bytes).map_err(|error| not_kept(file, &error))?;
    setting.say(&format!("The plan is kept in `{}`.\n", file.display()));
    Ok(())
}

/// A plan replaces a plan, and nothing else: `-o dsenv.yaml` would be the end of the blueprint.
fn refuse_to_replace(setting: &Setting, file: &Path) -> Result<(), Problem> {
    match setting.site.world.disk().read(file, wire::PLAN_FILE_BYTES_MAX as u64) {
        Ok(None) => Ok(()),
        Ok(Some(bytes)) if bytes.is_empty() || wire::is_plan(&bytes) => Ok(()),
        Ok(Some(_)) => {
            let message = format!("`{}` is there, and it is no plan", file.display());
            let help = "name a file that is not there yet: `-o plan.json`";
            Err(Problem::refused(Diagnostic::error(Code::E0906, message).help(help)))
        }
        Err(error) => Err(not_kept(file, &error)),
    }
}

/// It is the plan's own file that cannot be written, and nothing of the state.
fn not_kept(file: &Path, error: &crate::world::DiskError) -> Problem {
    let why = crate::drive::chain(error);
    let message = format!("the plan cannot be kept in `{}`: {why}", file.display());
    let help = "name a file in a folder that is there: `-o plan.json`";
    Problem::refused(Diagnostic::error(Code::E0906, message).help(help))
}

/// Opens the secrets of a plan's file for the user who made it.
struct Opener {
    identity: Option<vault::Identity>,
    vaults: BTreeMap<String, Vault>,
}

impl Opener {
    fn open(&mut self, text: &str) -> Result<dsenv_sdk::Secret, Box<dyn Error + Send + Sync>> {
        let (key, sealed) = text.split_once('.').ok_or("it has no key")?;
        if !self.vaults.contains_key(key) {
            let identity = self.identity.as_ref().ok_or("this user has no identity")?;
            let wrapped = WrappedKey { recipients: Vec::new(), sealed: key.to_owned() };
            let vault = Vault::open(&wrapped, identity)
                .map_err(|_| "the plan was made by somebody with another identity")?;
            self.vaults.insert(key.to_owned(), vault);
        }
        Ok(self.vaults[key].open_sealed(PLAN_SECRET, sealed)?)
    }
}

/// Reads a plan's file.
pub(super) fn load(setting: &Setting, file: &Path) -> Result<crate::plan::Plan, Problem> {
    let world = &*setting.site.world;
    let shown = file.display();
    let limit = wire::PLAN_FILE_BYTES_MAX as u64;
    let Some(bytes) = world.disk().read(file, limit)? else {
        let message = format!("there is no plan `{shown}`");
        return Err(Problem::refused(Diagnostic::error(Code::E0906, message)));
    };
    let identity = vault::Identity::find(world)?;
    let mut opener = Opener { identity, vaults: BTreeMap::new() };
    let mut open = |text: &str| opener.open(text);
    wire::load(&bytes, env!("CARGO_PKG_VERSION"), &mut open).map_err(|error| {
        let message = format!("`{shown}`: {}", crate::drive::chain(&error));
        Problem::refused(Diagnostic::error(Code::E0807, message).help("plan again"))
    })
}
