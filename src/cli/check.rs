//! `dsenv check`: all diagnostics, offline.
//!
//! What is only advice does not change the exit code, as linters have it; `--deny` makes it refuse.

use super::{Exit, setting::Setting, terminal};
use crate::diag::{Findings, Severity};
use crate::{blueprint, policy};
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// Looks for what makes software hard to move, scale or replace, too (https://12factor.net).
    #[arg(long = "twelve-factor")]
    twelve_factor: bool,
    /// Refuses what is only warned of.
    #[arg(long)]
    deny: bool,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Exit {
    let (compiled, mut findings) = match setting.site.compile(&setting.request) {
        Err(problem) => return setting.refuse(problem),
        Ok(compiled) => compiled,
    };
    if typed.twelve_factor
        && let (Some(blueprint), _) = blueprint::parse(&setting.source())
    {
        findings.append(policy::factors::judge(&blueprint));
    }
    if typed.deny && findings.iter().any(|found| found.severity == Severity::Warning) {
        setting.show_findings(&refused(findings));
        return Exit::Failed;
    }
    if setting.general.json {
        setting.print_report(&findings);
        return Exit::Done;
    }
    setting.say_findings(&findings);
    let resolved = &compiled.front.resolved;
    let count = resolved.resources.len();
    let plural = if count == 1 { "resource" } else { "resources" };
    terminal::out(&format!(
        "`{}` is sound: {count} {plural} in environment `{}` on provider `{}`.\n",
        resolved.blueprint, resolved.environment, resolved.provider
    ));
    Exit::Done
}

/// The same findings, with every warning an error.
fn refused(findings: Findings) -> Findings {
    let mut refused = Findings::new();
    for mut found in findings {
        if found.severity == Severity::Warning {
            found.severity = Severity::Error;
        }
        refused.push(found);
    }
    refused
}
