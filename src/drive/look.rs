//! Looking and planning: what is there, what differs, and what would be done.
//!
//! In: what was compiled, the state, a connection. Out: [`Planned`]. Changes nothing, not even the
//! state: what recovery finds is believed for this plan only, and written by the next apply.

use super::compile::{Compiled, Front};
use super::preflight::preflight;
use super::site::TOOL_VERSION;
use super::{Figures, Problem, Site};
use crate::apply::{self, OnError, Recovered};
use crate::diag::{Code, Diagnostic, Findings};
use crate::diff::{self, Action, Change, Mode, Reason, Wishes};
use crate::estimate::{self, Effect};
use crate::guard;
use crate::lower::Native;
use crate::plan::{self, Allowed, BoundTo, Plan};
use crate::refresh::{self, Refreshed};
use crate::retry;
use crate::state::lease::Holder;
use crate::state::{Binding, State};
use crate::vault::Identity;
use crate::world::World;
use dsenv_sdk::provider::{Connection, OpError};
use dsenv_sdk::{Addr, Provider};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the command line says about one plan or apply.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is asked for.
    pub wishes: Wishes,
    /// What is allowed.
    pub allowed: Allowed,
    /// Whether to look at what is there before planning.
    pub refresh: bool,
    /// Whether to refuse when something is not pinned yet.
    pub locked: bool,
    /// How long to wait for the lock, in milliseconds.
    pub lock_timeout_ms: u64,
    /// How many calls run at once.
    pub parallelism: usize,
    /// What is done after a step failed.
    pub on_error: OnError,
    /// Whether each permission that the plan takes is asked for.
    pub check_permissions: bool,
    /// What it is priced with.
    pub figures: Arc<Figures>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            wishes: Wishes::default(),
            allowed: Allowed::default(),
            refresh: true,
            locked: false,
            lock_timeout_ms: 0,
            parallelism: apply::PARALLELISM,
            on_error: OnError::Continue,
            check_permissions: false,
            figures: Arc::default(),
        }
    }
}
/// A plan, with everything that was noticed on the way.
#[derive(Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Why it may not be applied, if so, and what the provider warns of.
    pub verdicts: Findings,
    /// What could not be looked at.
    pub diagnostics: Findings,
    /// What recovery found of an interrupted run.
    pub recovered: Recovered,
    /// What it costs; `None` where nothing is charged.
    pub cost: Option<Box<Effect>>,
    /// Who is applying at this moment: the plan shows the middle of that, and counts for nothing.
    pub amid: Option<Box<Holder>>,
}
impl Site {
    /// Looks and plans. Changes nothing, not even the state. Where nothing was ever applied, it needs
    /// no connection; it makes one when the provider looks ahead and is to be had.
    pub async fn plan(&self, compiled: &Compiled, options: &Options) -> Result<Planned, Problem> {
        let store = self.store(&compiled.front)?;
        let identity = Identity::find(&*self.world)?;
        let mut loaded = store.load(identity.as_ref())?;
        // A journal that is not put away is of an interrupted run, or of one that goes on.
        let amid = if loaded.leftover.is_some() { store.live_holder()? } else { None };
        if loaded.state.resources.is_empty() {
            let refreshed = Refreshed::unread();
            let (state, nothing) = (&loaded.state, Recovered::default());
            let mut planned = plan_for(compiled, state, &refreshed, None, options, nothing)?;
            self.look_ahead(compiled, &loaded, &mut planned, options).await?;
            return Ok(planned);
        }
        let connection = self.connect(&compiled.front, &store, &loaded).await?;
        let world = &*self.world;
        let binding = verify(&compiled.front, &loaded.state, &*connection, world).await?;
        let provider = &*compiled.front.provider;
        let recovered = match &amid {
            Some(_) => Recovered::default(),
            None => recover(&mut loaded.state, provider, &*connection, world).await?,
        };
        let refreshed = look(&loaded.state, provider, &*connection, world, options).await?;
        let bound = Some(binding);
        let mut planned = plan_for(compiled, &loaded.state, &refreshed, bound, options, recovered)?;
        let native = &compiled.native;
        preflight(&mut planned, native, provider, &*connection, world, options).await?;
        Ok(Planned { amid, ..planned })
    }
}
impl Site {
    /// Plans from the state alone: looks at nothing, connects to nobody, and says what nobody may apply.
    pub fn foresee(&self, compiled: &Compiled, options: &Options) -> Result<Planned, Problem> {
        let store = self.store(&compiled.front)?;
        let identity = Identity::find(&*self.world)?;
        let loaded = store.load(identity.as_ref())?;
        let nothing = Recovered::default();
        plan_for(compiled, &loaded.state, &Refreshed::unread(), None, options, nothing)
    }
}

pub(super) async fn recover(
    state: &mut State,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<Recovered, Problem> {
    let found = apply::recover(state, provider, connection, world).await;
    let doing = "finding what an interrupted run made".to_owned();
    found.map_err(|source| Problem::Provider { doing, source })
}

pub(super) async fn look(
    state: &State,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
    options: &Options,
) -> Result<Refreshed, Problem> {
    if !options.refresh {
        return Ok(Refreshed::unread());
    }
    let seen = refresh::refresh(state, provider, connection, world).await;
    let doing = "looking at what is there".to_owned();
    seen.map_err(|source| Problem::Provider { doing, source })
}

/// Compares the connection's account with the environment's and the state's (law 8).
pub(super) async fn verify(
    front: &Front,
    state: &State,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<Binding, Problem> {
    let failed =
        |source: OpError| Problem::Provider { doing: "asking for the account".to_owned(), source };
    let identity = retry::read(world, || connection.identity()).await.map_err(failed)?;
    let found = Binding {
        provider: front.provider.name().to_owned(),
        account: identity.account,
        region: identity.region,
    };
    let refuse = |what: &str, wanted: &str, found: &str| {
        let message = format!("the credentials belong to {what} `{found}`, and this is `{wanted}`");
        Problem::refused(Diagnostic::error(Code::E0813, message))
    };
    if let Some(wanted) = front.resolved.account.as_ref().filter(|wanted| **wanted != found.account)
    {
        return Err(refuse("account", wanted, &found.account));
    }
    let bound = state.bound.as_ref().filter(|_| !state.resources.is_empty());
    match bound {
        Some(bound) if bound.provider != found.provider => {
            let message = format!(
                "the state was applied to provider `{}`, and the environment is on `{}`",
                bound.provider, found.provider
            );
            let help = "destroy it there first; one environment lives on one provider";
            Err(Problem::refused(Diagnostic::error(Code::E0813, message).help(help)))
        }
        Some(bound) if bound.account != found.account => {
            Err(refuse("account", &bound.account, &found.account))
        }
        Some(bound) if bound.region != found.region => {
            Err(refuse("region", &bound.region, &found.region))
        }
        _ => Ok(found),
    }
}
/// Diffs, builds the steps and judges them. Pure.
pub(super) fn plan_for(
    compiled: &Compiled,
    state: &State,
    refreshed: &Refreshed,
    binding: Option<Binding>,
    options: &Options,
    recovered: Recovered,
) -> Result<Planned, Problem> {
    let Front { resolved, provider, digest, .. } = &compiled.front;
    let native = &compiled.native;
    check_addresses(native, state, &options.wishes, &options.allowed)?;
    let nothing = BTreeMap::new();
    let destroys = options.wishes.mode == Mode::Destroy;
    let outputs = if destroys { &nothing } else { &resolved.outputs };
    let (mut changes, outputs) =
        diff::diff(native, &resolved.scope, outputs, state, refreshed, &options.wishes).map_err(
            |unsettled| {
                let node = native.nodes.get(&unsettled.addr);
                let mut diagnostic = Diagnostic::error(Code::E0402, unsettled.message)
                    .address(unsettled.addr.to_string());
                diagnostic.span = node.map(|node| node.span);
                Problem::refused(diagnostic)
            },
        )?;
    refuse_under_what_stays(&changes, state, native)?;
    let sources = plan::Sources {
        native,
        state,
        provider: provider.name(),
        delete_data: &options.allowed.delete_data,
        forgotten: &resolved.forgotten,
        record: options.refresh,
        mode: options.wishes.mode,
    };
    let (steps, nodes) = plan::build(&mut changes, &sources);
    let plan = Plan {
        bound: BoundTo {
            tool_version: TOOL_VERSION.to_owned(),
            blueprint: resolved.blueprint.clone(),
            blueprint_digest: digest.clone(),
            environment: resolved.environment.clone(),
            binding,
            lineage: state.lineage.clone(),
            serial: state.serial,
        },
        mode: options.wishes.mode,
        changes,
        steps,
        nodes,
        scope: resolved.scope.clone(),
        arguments: native.arguments.clone(),
        outputs,
        protect: match options.wishes.mode {
            Mode::Apply => native.protect.difference(&state.protected).cloned().collect(),
            Mode::Destroy | Mode::RefreshOnly => Default::default(),
        },
        // What is chosen from a list leaves no hole in the plan, and is pinned all the same.
        not_locked: match options.wishes.mode {
            Mode::Apply => native.not_locked.iter().cloned().collect(),
            Mode::Destroy | Mode::RefreshOnly => Vec::new(),
        },
        allowed: options.allowed.clone(),
    };
    let cost = cost(&plan, &compiled.front, &options.figures);
    let verdicts = judge(&plan, state, &compiled.front, cost.as_deref());
    Ok(Planned { plan, verdicts, diagnostics: Findings::new(), recovered, cost, amid: None })
}

/// Says whether a plan may be applied: data, protection, budgets, and what rules say of it. What rules say of
/// the blueprint and does not refuse it stands there too, so that whoever agrees to the plan sees it.
pub(super) fn judge(plan: &Plan, state: &State, front: &Front, cost: Option<&Effect>) -> Findings {
    let mut verdicts = guard::judge(plan, state, &*front.provider);
    // What destroys spends nothing.
    let spends = plan.mode == Mode::Apply;
    if let (Some(cost), Some(budget), true) = (cost, &front.resolved.budget, spends) {
        verdicts.append(guard::budget::judge(&cost.after, budget));
    }
    if spends {
        verdicts.append(front.remarks.clone());
        verdicts.append(guard::policies::judge(plan, &front.resolved, cost, front.today));
    }
    verdicts
}

/// What a plan costs by these figures; `None` where nothing is charged.
pub fn cost(plan: &Plan, front: &Front, figures: &Figures) -> Option<Box<Effect>> {
    let terms = figures.terms();
    estimate::effect(plan, &front.resolved, &*front.provider, &terms).map(Box::new)
}

/// An object that something else stands on is not replaced when that is left out.
fn refuse_under_what_stays(
    changes: &[Change],
    state: &State,
    native: &Native,
) -> Result<(), Problem> {
    let left_out = |change: &&Change| change.reason == Reason::LeftOut;
    if !changes.iter().any(|change| left_out(&change)) {
        return Ok(());
    }
    let replaced: BTreeSet<&Addr> = changes
        .iter()
        .filter(|change| change.action == Action::Replace)
        .map(|change| &change.addr)
        .collect();
    let mut findings = Findings::new();
    for change in changes.iter().filter(left_out) {
        let Some(prior) = state.resources.get(&change.addr) else { continue };
        for ground in prior.depends_on.iter().filter(|ground| replaced.contains(ground)) {
            let message = format!(
                "the plan replaces `{ground}`, and `{}`, which stands on it, is left out",
                change.addr
            );
            let mut refused = Diagnostic::error(Code::E0816, message).address(ground.to_string());
            refused.span = native.nodes.get(ground).map(|node| node.span);
            let owner = change.addr.owner();
            findings.push(refused.help(format!("take it along: `--target '{owner}'`")));
        }
    }
    if findings.has_errors() { Err(Problem::Refused(findings)) } else { Ok(()) }
}

/// Every address on the command line names something.
pub(super) fn check_addresses(
    native: &Native,
    state: &State,
    wishes: &Wishes,
    allowed: &Allowed,
) -> Result<(), Problem> {
    let known = || native.nodes.keys().chain(state.resources.keys());
    let named = wishes
        .replace
        .iter()
        .chain(&wishes.target)
        .chain(&wishes.exclude)
        .chain(&allowed.delete_data);
    let unknown: Vec<&Addr> = named.filter(|name| !known().any(|addr| name.covers(addr))).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    let message = format!("neither the blueprint nor the state has `{first}`");
    let names: Vec<String> = known().map(|addr| addr.owner().to_string()).collect();
    let near = crate::diag::suggest(&first.to_string(), names.iter().map(String::as_str));
    Err(Problem::refused(Diagnostic::error(Code::E0814, message).did_you_mean(near)))
}
