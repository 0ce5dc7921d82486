//! `dsenv env list`.

use super::{Exit, setting::Setting};
use crate::blueprint;
use crate::drive::Problem;
use clap::Subcommand;
use serde_json::json;

#[derive(Subcommand)]
pub(super) enum Typed {
    /// Lists the environments of the blueprint.
    List,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Exit {
    let Typed::List = typed;
    let source = match setting.site.source() {
        Ok(source) => source,
        Err(problem) => return setting.refuse(problem),
    };
    let (blueprint, findings) = blueprint::parse(&source);
    let Some(blueprint) = blueprint else { return setting.refuse(Problem::Refused(findings)) };
    let environments = || blueprint.environments.values();
    setting.answer(
        || {
            environments()
                .map(|e| {
                    let (name, provider) = (&e.name.text, &e.provider.text);
                    json!({"name": name, "provider": provider, "region": e.region, "ephemeral": e.ephemeral})
                })
                .collect()
        },
        || {
            let line = |name: &str, provider: &str, region: &str| {
                format!("{name:<16} {provider:<10} {region}").trim_end().to_owned() + "\n"
            };
            environments()
                .map(|e| line(&e.name.text, &e.provider.text, e.region.as_deref().unwrap_or("")))
                .collect()
        },
    );
    Exit::Done
}
