//! `dsenv cost compare`: the same environment elsewhere, priced side by side.

use super::Exit;
use super::cost::FigureArgs;
use super::setting::Setting;
use crate::diag::{Code, Diagnostic};
use crate::drive::{Elsewhere, Problem};
use crate::report::cost::compare;
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// The providers; all that have prices when nothing is said.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    providers: Vec<String>,
    /// Regions, each as `PROVIDER:REGION`; the environment's own, or the provider's usual one, where none of
    /// a provider is named.
    #[arg(long, value_delimiter = ',', value_name = "REGIONS")]
    regions: Vec<String>,
}

pub(super) fn run(setting: &Setting, typed: &Typed, figures: &FigureArgs) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let names: Vec<&str> = front.resolved.resources.keys().map(|addr| &*addr.name).collect();
    let figures = setting.figures(figures, &names)?;
    let terms = figures.terms();
    let places = places(setting, typed)?;
    let compared: Vec<_> = places
        .into_iter()
        .map(|place| {
            let compared = setting.site.compare(&setting.request, &place, &terms);
            (place, compared)
        })
        .collect();
    setting.answer(|| compare::json(&compared), || compare::text(&compared, &setting.style(false)));
    let any = compared.iter().any(|(_, compared)| compared.is_ok());
    Ok(if any { Exit::Done } else { Exit::Failed })
}

/// The places that were asked for, by provider and in the order of its regions.
fn places(setting: &Setting, typed: &Typed) -> Result<Vec<Elsewhere>, Problem> {
    let refused = |message: String, help: &str| {
        Problem::refused(Diagnostic::error(Code::E0814, message).help(help))
    };
    let registry = &setting.site.registry;
    let markets = |name: &str| registry.get(name).and_then(|provider| provider.market());
    let known: Vec<&str> =
        registry.names().into_iter().filter(|it| markets(it).is_some()).collect();
    let listed = format!("these have prices: {}", known.join(", "));
    let wanted: Vec<&str> = match typed.providers.is_empty() {
        true => known.clone(),
        false => typed.providers.iter().map(String::as_str).collect(),
    };
    let front = setting.front()?;
    let own = (front.provider.name(), front.resolved.region.as_deref());
    let mut regions: Vec<(&str, &str)> = Vec::new();
    for typed in &typed.regions {
        let help = "write `--regions aws:us-east-1,gcp:us-central1`";
        let Some((provider, region)) = typed.split_once(':') else {
            return Err(refused(format!("`{typed}` does not say whose region it is"), help));
        };
        if !wanted.contains(&provider) {
            return Err(refused(format!("`{provider}` is not among the providers"), &listed));
        }
        regions.push((provider, region));
    }
    let mut places = Vec::new();
    for name in wanted {
        let Some(market) = markets(name) else {
            return Err(refused(format!("provider `{name}` has no prices"), &listed));
        };
        let mut named: Vec<&str> =
            regions.iter().filter(|(provider, _)| *provider == name).map(|it| it.1).collect();
        if named.is_empty() {
            named.push(own.1.filter(|_| own.0 == name).unwrap_or(market.usual_region));
        }
        places.extend(named.into_iter().map(|region| Elsewhere {
            provider: name.to_owned(),
            region: Some(region.to_owned()),
        }));
    }
    Ok(places)
}
