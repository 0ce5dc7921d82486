//! The same environment in several places, side by side: `dsenv cost compare`.

use super::json::total;
use super::line::at_least;
use super::money;
use crate::diag::Findings;
use crate::drive::{Compared, Elsewhere, Spec};
use crate::report::Style;
use crate::report::style::{Ink, wrap};
use crate::report::table;
use dsenv_sdk::Addr;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// What came of each place, in the order that was asked for.
pub type Places = [(Elsewhere, Result<Compared, Findings>)];

/// Renders the places, the cheapest first; those with a figure missing behind those without; then what each
/// machine would be there, and why it cannot be elsewhere.
pub fn text(places: &Places, style: &Style) -> String {
    let mut fine: Vec<&Compared> =
        places.iter().filter_map(|(_, compared)| compared.as_ref().ok()).collect();
    fine.sort_by_key(|it| {
        let total = it.estimate.total();
        (total.missing > 0, total.monthly.now, name(&it.place))
    });
    let row = |it: &&Compared| {
        let (total, currency) = (it.estimate.total(), it.estimate.currency);
        let of = |amount| money(amount, currency);
        let missing = if total.missing == 0 { String::new() } else { total.missing.to_string() };
        vec![
            name(&it.place),
            format!("{}{}", at_least(&total), of(total.monthly.now)),
            of(total.monthly.floor),
            of(total.monthly.ceiling),
            missing,
        ]
    };
    let headings = ["PLACE", "A MONTH", "FLOOR", "CEILING", "WITHOUT A PRICE"];
    let mut text = table::table(&headings, fine.iter().map(row).collect());
    text.push_str(&specs(&fine));
    for (place, compared) in places {
        let Err(findings) = compared else { continue };
        text.push_str(&style.paint(Ink::Danger, &format!("\n{} cannot have it:\n", name(place))));
        for finding in findings.iter().filter(|it| it.severity == crate::diag::Severity::Error) {
            let what = finding.address.as_ref().map_or(String::new(), |it| format!("{it}: "));
            let line = wrap(&format!("  {what}{}", finding.message), 0, 4, style.width);
            text.push_str(&line.join("\n"));
            text.push('\n');
        }
    }
    if fine.iter().any(|it| it.estimate.total().missing > 0) {
        let note = "Sums of which something has no price are what it comes to at least: they are not to be \
                    compared with the others.";
        text.push_str(&format!("\n{}\n", wrap(note, 0, 2, style.width).join("\n")));
    }
    text
}

/// What each machine would be in each place: whether like is compared with like.
fn specs(places: &[&Compared]) -> String {
    let machines: BTreeSet<&Addr> = places.iter().flat_map(|it| it.specs.keys()).collect();
    let mut rows = Vec::new();
    for machine in machines {
        for it in places {
            let Some(Spec { name: offer, shape }) = it.specs.get(machine) else { continue };
            let (cpus, memory, gpu) = match shape {
                Some((cpus, mib, gpu)) => (
                    cpus.to_string(),
                    format!("{} GiB", f64::from(*mib) / 1_024.0),
                    gpu.clone().unwrap_or_default(),
                ),
                None => ("not known".to_owned(), "not known".to_owned(), String::new()),
            };
            rows.push(vec![machine.to_string(), name(&it.place), offer.clone(), cpus, memory, gpu]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let headings = ["MACHINE", "PLACE", "OFFER", "VCPU", "MEMORY", "GPU"];
    format!("\n{}", table::table(&headings, rows))
}

fn name(place: &Elsewhere) -> String {
    let region = place.region.as_ref();
    region.map_or_else(|| place.provider.clone(), |region| format!("{} {region}", place.provider))
}

/// Makes the document of `cost compare --json`.
pub fn json(places: &Places) -> Json {
    let each = places.iter().map(|(place, compared)| match compared {
        Ok(it) => {
            let specs = it.specs.iter().map(|(addr, spec)| {
                let shape = spec.shape.as_ref();
                json!({"address": addr.to_string(), "offer": spec.name,
                    "cpus": shape.map(|it| it.0), "memory_mib": shape.map(|it| it.1),
                    "gpu": shape.and_then(|it| it.2.clone())})
            });
            json!({"provider": place.provider, "region": place.region,
                "currency": it.estimate.currency.code(), "total": total(&it.estimate.total()),
                "machines": specs.collect::<Vec<_>>(), "refused": []})
        }
        Err(findings) => {
            let errors = findings.iter().filter(|it| it.severity == crate::diag::Severity::Error);
            let said = errors.map(|it| {
                json!({"code": it.code.to_string(), "address": it.address,
                "message": it.message})
            });
            json!({"provider": place.provider, "region": place.region, "total": null,
                "machines": [], "refused": said.collect::<Vec<_>>()})
        }
    });
    json!({"format": "dsenv-compare/1", "places": each.collect::<Vec<_>>()})
}
