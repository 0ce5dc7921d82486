//! `dsenv status`: how services stand; with `--wait`, until they stand well.
//!
//! Machines of a cloud set themselves up after an apply has made them, so `dsenv apply --wait` ends here
//! too. Waiting ends when all is well, when something has failed, or when the time is over; it changes
//! nothing but what a status itself mends. What failed is left as it is, to be looked at.

use super::setting::{Setting, duration_ms};
use super::workspace::{connection, failed, operate};
use super::{Exit, terminal};
use crate::drive::Problem;
use crate::{report, retry};
use clap::Args;
use dsenv_sdk::provider::ServiceStatus;

const LOOK_AGAIN_MS: u64 = 5_000;
/// After so long without news, what is waited for is said again.
const REMIND_MS: u64 = 60_000;

#[derive(Args)]
pub(super) struct Wait {
    /// Waits until every service is well or one has failed; 20 minutes at most unless a time is said.
    ///
    /// What failed is left as it is, to be looked at: `dsenv logs`, `dsenv ssh`.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
        default_missing_value = "20m", value_parser = duration_ms)]
    pub(super) wait: Option<u64>,
}

/// Shows how the services stand; fails when one is not well.
pub(super) async fn run(setting: &Setting, typed: &Wait) -> Result<Exit, Problem> {
    let services = look(setting, typed.wait.unwrap_or(0)).await?;
    setting.answer(
        || report::status::json(&services),
        || report::status::text(&services, &setting.style(false)),
    );
    Ok(verdict(&services))
}

/// Waits behind an apply. Its answer is given already: what is to be said of services goes beside it.
pub(super) async fn wait(setting: &Setting, limit_ms: u64) -> Result<Exit, Problem> {
    let services = look(setting, limit_ms).await?;
    let verdict = verdict(&services);
    if verdict != Exit::Done {
        terminal::err(&report::status::text(&services, &setting.style(false)));
    } else if !setting.general.quiet {
        terminal::err("All services are well.\n");
    }
    Ok(verdict)
}

fn verdict(services: &[ServiceStatus]) -> Exit {
    if services.iter().all(|service| service.well) { Exit::Done } else { Exit::Failed }
}

/// Looks, again and again while there is something to wait for and time left.
async fn look(setting: &Setting, limit_ms: u64) -> Result<Vec<ServiceStatus>, Problem> {
    let connection = connection(setting).await?;
    let operate = operate(&*connection)?;
    let world = &*setting.site.world;
    let now_ms = || u64::try_from(world.now().as_millisecond()).unwrap_or(0);
    let begun_ms = now_ms();
    let mut said: Option<(String, u64)> = None;
    loop {
        let services = retry::read(world, || operate.status()).await;
        let services = services.map_err(failed("asking for the status"))?;
        let waited_ms = now_ms().saturating_sub(begun_ms);
        let left_ms = limit_ms.saturating_sub(waited_ms);
        let Some(waits_for) = waits_for(&services).filter(|_| left_ms > 0) else {
            return Ok(services);
        };
        let is_known = |(text, at_ms): &(String, u64)| {
            *text == waits_for && waited_ms.saturating_sub(*at_ms) < REMIND_MS
        };
        if !said.as_ref().is_some_and(is_known) && !setting.general.quiet {
            terminal::err(&format!("Waiting for {waits_for} ({} s).\n", waited_ms / 1_000));
            said = Some((waits_for, waited_ms));
        }
        world.sleep(LOOK_AGAIN_MS.min(left_ms)).await;
    }
}

/// Says what is worth waiting for; nothing when all is well, or when something has failed.
fn waits_for(services: &[ServiceStatus]) -> Option<String> {
    const NAMED_MAX: usize = 3;
    if services.iter().any(|service| service.state == "failed") {
        return None;
    }
    let waiting: Vec<String> = services
        .iter()
        .filter(|service| !service.well)
        .map(|service| format!("`{}` {}, {}", service.addr, service.service, service.state))
        .collect();
    match waiting.len() {
        0 => None,
        count if count <= NAMED_MAX => Some(waiting.join("; ")),
        count => {
            Some(format!("{}; and {} more", waiting[..NAMED_MAX].join("; "), count - NAMED_MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::Addr;

    fn service(name: &str, state: &str) -> ServiceStatus {
        ServiceStatus {
            addr: Addr::resource(name),
            service: "web".to_owned(),
            state: state.to_owned(),
            well: state == "healthy",
            pid: None,
            restarts: 0,
            url: None,
            detail: None,
        }
    }

    #[test]
    fn waiting_ends_when_all_is_well_or_something_has_failed() {
        let starting = |count: usize| {
            (0..count).map(|at| service(&format!("m{at}"), "starting")).collect::<Vec<_>>()
        };
        assert_eq!(waits_for(&[]), None);
        assert_eq!(waits_for(&[service("a", "healthy")]), None);
        assert_eq!(waits_for(&[service("a", "failed"), service("b", "starting")]), None);
        let one = [service("a", "healthy"), service("b", "starting")];
        assert_eq!(waits_for(&one).as_deref(), Some("`b` web, starting"));
        let many = waits_for(&starting(5)).expect("something is waited for");
        assert!(many.ends_with("`m2` web, starting; and 2 more"), "{many}");
    }
}
