//! What the provider says of a plan before anybody sees it.
//!
//! In: a plan, and a connection whose account was verified. Out: findings: what refuses the plan stands
//! among its verdicts, as a guard's does. Changes nothing.
//!
//! ## A first plan
//! Where nothing was ever applied, a plan needs neither credentials nor a network (law 1). It connects
//! all the same when the provider has something to say, and whatever fails on the way is a note beside
//! the plan. Only a wrong account refuses: that is a mistake whose plan would be worthless.

use super::compile::Compiled;
use super::look::verify;
use super::{Options, Planned, Problem, Site};
use crate::diag::{Code, Diagnostic, Findings};
use crate::diff::{Action, Change};
use crate::lower::Native;
use crate::retry;
use crate::state::State;
use crate::store::Loaded;
use crate::world::World;
use dsenv_sdk::preflight::{Intended, Intent, Preflight, Remark, Verdict};
use dsenv_sdk::provider::{Connection, Owned};
use dsenv_sdk::seal::SealKey;
use dsenv_sdk::{Addr, OpError, Provider, Term};
use futures::future::{Either, select};
use std::collections::BTreeMap;
use std::pin::pin;

/// How long a first plan waits for the account.
const FIRST_LOOK_MS: u64 = 10_000;

/// Has the provider look a plan over. What it cannot look over is noted, unless that was asked for.
pub(super) async fn preflight(
    planned: &mut Planned,
    native: &Native,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
    options: &Options,
) -> Result<(), Problem> {
    if !provider.looks_ahead() {
        return refuse_to_check(provider, options);
    }
    let nothing = BTreeMap::new();
    let changes = planned.plan.changes.iter();
    let intended: Vec<_> =
        changes.filter_map(|change| intended(change, provider, &nothing)).collect();
    if intended.is_empty() {
        return Ok(());
    }
    let check_permissions = options.check_permissions;
    let request = Preflight { intended: &intended, check_permissions };
    match retry::read(world, || connection.preflight(request)).await {
        Ok(remarks) => {
            let findings = remarks.into_iter().map(|remark| finding(remark, native));
            planned.verdicts.extend(findings);
            Ok(())
        }
        Err(source) if check_permissions => {
            Err(Problem::Provider { doing: "looking the plan over".to_owned(), source })
        }
        Err(error) => {
            planned.diagnostics.push(not_checked("looking the plan over", error));
            Ok(())
        }
    }
}

/// Warns where the state knows nothing and the account has objects of this environment: then the state
/// is lost or elsewhere, and an apply would make everything a second time. What an earlier environment of
/// this very state left on purpose is not meant.
pub(super) async fn warn_of_unknown(
    planned: &mut Planned,
    state: &State,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
) {
    let begins = state.resources.is_empty() && planned.plan.has_changes();
    if !begins || !provider.looks_ahead() {
        return;
    }
    match retry::read(world, || connection.inventory(None)).await {
        Ok(mut listed) => {
            listed.retain(|owned| owned.lineage != state.lineage);
            planned.verdicts.extend(unknown(&listed));
        }
        Err(error) => {
            planned.diagnostics.push(not_checked("listing what there is already", error));
        }
    }
}

fn unknown(listed: &[Owned]) -> Option<Diagnostic> {
    let first = listed.first()?;
    let message = format!(
        "the state knows nothing, and {} objects carry the tags of this environment, among them `{}` \
         ({})",
        listed.len(),
        first.addr,
        first.remote_id
    );
    let help = "if the state is lost, `dsenv state rebuild` makes it anew; if somebody else has it, use \
                theirs, or an environment of your own";
    Some(Diagnostic::warning(Code::E0820, message).help(help))
}

/// What is done with the object of a change, when the provider has a part in it. An interrupted create
/// is finished: it may be counted already.
fn intended<'a>(
    change: &'a Change,
    provider: &dyn Provider,
    nothing: &'a BTreeMap<String, Term>,
) -> Option<Intended<'a>> {
    let (intent, args) = match change.action {
        Action::Create => (Intent::Create, &*change.after),
        Action::Update => (Intent::Update, &*change.after),
        Action::Replace => (Intent::Replace, &*change.after),
        Action::Delete => (Intent::Delete, nothing),
        Action::Forget | Action::Resume | Action::NoOp => return None,
    };
    let ty = provider.native_type(&change.ty).filter(|ty| !ty.state_only)?;
    Some(Intended { addr: &change.addr, ty, intent, args })
}

fn finding(remark: Remark, native: &Native) -> Diagnostic {
    let Remark { addr, verdict, message, help } = remark;
    let mut finding = match verdict {
        Verdict::Refuses => Diagnostic::error(Code::E0817, message),
        Verdict::Warns => Diagnostic::warning(Code::E0817, message),
    };
    if let Some(addr) = addr {
        finding.span = node_span(native, &addr);
        finding = finding.address(addr.to_string());
    }
    finding.help.extend(help);
    finding
}

fn node_span(native: &Native, addr: &Addr) -> Option<crate::diag::Span> {
    native.nodes.get(addr).map(|node| node.span)
}

fn not_checked(doing: &str, error: OpError) -> Diagnostic {
    let mut message = format!("{doing}: {error}");
    for cause in &error.causes {
        message.push_str(&format!(": {cause}"));
    }
    let mut note = Diagnostic::note(Code::E0818, message);
    note.help.extend(error.help);
    note
}

/// `--check-permissions` where there are none.
fn refuse_to_check(provider: &dyn Provider, options: &Options) -> Result<(), Problem> {
    if !options.check_permissions {
        return Ok(());
    }
    let message = format!("provider `{}` has no permissions to check", provider.name());
    let help = "leave `--check-permissions` out";
    Err(Problem::refused(Diagnostic::error(Code::E0817, message).help(help)))
}

impl Site {
    /// Looks the first plan of an environment over, when the provider has something to say and is to
    /// be had.
    pub(super) async fn look_ahead(
        &self,
        compiled: &Compiled,
        loaded: &Loaded,
        planned: &mut Planned,
        options: &Options,
    ) -> Result<(), Problem> {
        let provider = &*compiled.front.provider;
        if !provider.looks_ahead() {
            return refuse_to_check(provider, options);
        }
        if !options.refresh && !options.check_permissions {
            return Ok(());
        }
        let looking = self.first_look(compiled, loaded, planned, options);
        let looked = match select(pin!(looking), self.world.sleep(FIRST_LOOK_MS)).await {
            Either::Left((looked, _)) => looked,
            Either::Right(_) => {
                let message = format!("no answer within {} s", FIRST_LOOK_MS / 1_000);
                let source = OpError::new(dsenv_sdk::provider::OpErrorClass::Unknown, message);
                Err(Problem::Provider { doing: "asking for the account".to_owned(), source })
            }
        };
        match looked {
            Err(Problem::Provider { doing, source }) if !options.check_permissions => {
                planned.diagnostics.push(not_checked(&doing, source));
                Ok(())
            }
            looked => looked,
        }
    }

    async fn first_look(
        &self,
        compiled: &Compiled,
        loaded: &Loaded,
        planned: &mut Planned,
        options: &Options,
    ) -> Result<(), Problem> {
        let front = &compiled.front;
        let state = &loaded.state;
        // Nothing is made yet, so a provider keeps nothing that this key would have to open again.
        let key = loaded.vault().map_or_else(
            |_| SealKey::generate(),
            |vault| vault.provider_key(&state.lineage, &front.resolved.environment),
        );
        let store = self.store(front)?;
        let connection = self.connect_as(front, &store, &state.lineage, key).await?;
        let world = &*self.world;
        planned.plan.bound.binding = Some(verify(front, state, &*connection, world).await?);
        let provider = &*front.provider;
        warn_of_unknown(planned, state, provider, &*connection, world).await;
        preflight(planned, &compiled.native, provider, &*connection, world, options).await
    }
}

/// Whether there is anything to say besides the plan: what people see after it.
pub fn remarks(planned: &Planned) -> Findings {
    planned.diagnostics.iter().chain(planned.verdicts.iter()).cloned().collect()
}
