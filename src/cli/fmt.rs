//! `dsenv fmt`: tidies the text of a blueprint.

use super::{Exit, setting::Setting, terminal};
use crate::yaml;
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// Only says whether it would change something; exits with 1 if so.
    #[arg(long)]
    check: bool,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Exit {
    let source = match setting.site.source() {
        Ok(source) => source,
        Err(problem) => return setting.refuse(problem),
    };
    let tidy = match yaml::fmt(&source) {
        Ok(tidy) => tidy,
        Err(findings) => {
            setting.show_findings(&findings);
            return Exit::Failed;
        }
    };
    let file = setting.site.file.display();
    if tidy == source.text() {
        setting.say(&format!("`{file}` is tidy.\n"));
        return Exit::Done;
    }
    if typed.check {
        terminal::out(&format!("{file}\n"));
        return Exit::Failed;
    }
    match setting.site.world.disk().rewrite(&setting.site.file, tidy.as_bytes()) {
        Ok(()) => {
            setting.say(&format!("`{file}` is tidy now.\n"));
            Exit::Done
        }
        Err(error) => setting.refuse(error.into()),
    }
}
