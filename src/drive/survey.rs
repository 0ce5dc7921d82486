//! What every environment of a blueprint costs, side by side, offline.
//!
//! In: the blueprint and what is typed. Out: a [`Surveyed`] an environment, in the order of the file. One
//! that cannot be compiled is in it with the reason: a row that is missing would read as one that is free.

use super::{Options, Problem, Request, Site};
use crate::blueprint;
use crate::diag::Severity;
use crate::estimate::Estimate;

/// One environment of a survey.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// Its name.
    pub environment: String,
    /// The provider that it names.
    pub provider: String,
    /// The region that it names.
    pub region: Option<String>,
    /// What it costs once its plan is applied; `None` where nothing is charged; else why nobody can say.
    pub cost: Result<Option<Estimate>, String>,
}

impl Site {
    /// Estimates every environment of the blueprint by the figures of `options`. Changes nothing and
    /// connects to nobody.
    pub fn survey(&self, request: &Request, options: &Options) -> Result<Vec<Surveyed>, Problem> {
        let (blueprint, findings) = blueprint::parse(&self.source()?);
        let Some(blueprint) = blueprint else { return Err(Problem::Refused(findings)) };
        let mut environments: Vec<_> = blueprint.environments.values().collect();
        environments.sort_by_key(|environment| environment.name.span.start);
        let surveyed = environments.into_iter().map(|environment| {
            let name = &environment.name.text;
            let request = Request { environment: Some(name.clone()), ..request.clone() };
            Surveyed {
                environment: name.clone(),
                provider: environment.provider.text.clone(),
                region: environment.region.clone(),
                cost: self.cost_of(&request, options).map_err(reason),
            }
        });
        Ok(surveyed.collect())
    }

    fn cost_of(&self, request: &Request, options: &Options) -> Result<Option<Estimate>, Problem> {
        let (compiled, _) = self.compile(request)?;
        let planned = self.foresee(&compiled, options)?;
        Ok(planned.cost.map(|effect| effect.after))
    }
}

/// The first error, and how many more there are.
fn reason(problem: Problem) -> String {
    let findings = problem.into_findings();
    let more = findings.error_count().saturating_sub(1);
    let first = findings.iter().find(|found| found.severity == Severity::Error);
    let first = first.map_or_else(|| "it is refused".to_owned(), |found| found.message.clone());
    if more == 0 { first } else { format!("{first}, and {more} more") }
}
