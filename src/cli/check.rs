//! `dsenv check`: all diagnostics, offline.

use super::{Exit, setting::Setting, terminal};

pub(super) fn run(setting: &Setting) -> Exit {
    match setting.site.compile(&setting.request) {
        Err(problem) => setting.refuse(problem),
        Ok((compiled, findings)) if setting.general.json => {
            drop(compiled);
            setting.print_report(&findings);
            Exit::Done
        }
        Ok((compiled, findings)) => {
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
    }
}
