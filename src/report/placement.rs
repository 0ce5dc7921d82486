//! Why a machine is what it is: `dsenv plan --explain ADDR`.

use super::cost::money;
use super::style::{Ink, Style, wrap};
use super::{Detail, table};
use crate::drive::Explained;
use dsenv_sdk::prices::place::{Offer, Placement, Verdict};
use dsenv_sdk::prices::{Gpu, Shape};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Renders it: what is tried, and how many fell out why; every single one where all is asked for.
pub fn text(explained: &Explained<'_>, style: &Style) -> String {
    let Explained { address, needs, offers, pinned, placement } = explained;
    let mut text = style.paint(Ink::Strong, &format!("{address} needs {needs}"));
    text.push_str("\n\n");
    let by_name: BTreeMap<&str, &Offer<'_>> =
        placement.chosen.iter().chain(&placement.fallbacks).map(|it| (it.name, it)).collect();
    let row = |name: &String| match by_name.get(name.as_str()) {
        Some(offer) => row(offer),
        None => vec![name.clone(), String::new(), String::new(), String::new(), String::new()],
    };
    let headings = ["TRIED IN THIS ORDER", "PRICE/H", "VCPU", "MEMORY", "GPU"];
    text.push_str(&table::table(&headings, offers.iter().map(row).collect()));
    let more = (placement.fallbacks.len() + 1).saturating_sub(offers.len());
    if more > 0 && placement.chosen.is_some() {
        text.push_str(&format!("and {more} more that would do\n"));
    }
    text.push('\n');
    let mut line = |said: &str| {
        text.push_str(&wrap(said, 0, 2, style.width).join("\n"));
        text.push('\n');
    };
    if *pinned {
        line("The lock has this list: newer prices change nothing of it.");
    }
    for unknown in &placement.unknown {
        line(&format!("Not in the price book: {unknown}."));
    }
    if style.detail == Detail::Full {
        let rows = placement.considered.iter().map(|it| {
            let price = it.price.map_or_else(|| "no price".to_owned(), |price| price.to_string());
            vec![it.name().to_owned(), price, it.verdict.to_string()]
        });
        text.push_str(&table::table(&["CONSIDERED", "PRICE/H", "VERDICT"], rows.collect()));
        return text;
    }
    for (reason, names) in reasons(placement) {
        let (count, first) = (names.len(), names[0]);
        let which =
            if count == 1 { first.to_owned() } else { format!("{count} types, {first} first") };
        line(&format!("Fell out, {reason}: {which}."));
    }
    text
}

fn row(offer: &Offer<'_>) -> Vec<String> {
    let Shape { cpus, memory_mib, gpu, .. } = offer.shape;
    let price = offer.hourly.map_or_else(
        || "no price".to_owned(),
        |hourly| money(hourly.price.decimal(), hourly.price.money().currency),
    );
    let memory = f64::from(memory_mib) / 1_024.0;
    let gpu = gpu.map(|gpu: Gpu<'_>| gpu.to_string()).unwrap_or_default();
    vec![offer.name.to_owned(), price, cpus.to_string(), format!("{memory} GiB"), gpu]
}

/// Why types fell out, the commonest reason first, with their names. What differs in its figures alone is
/// one reason.
fn reasons<'b>(placement: &Placement<'b>) -> Vec<(String, Vec<&'b str>)> {
    let mut reasons: BTreeMap<String, Vec<&'b str>> = BTreeMap::new();
    for considered in &placement.considered {
        if let Verdict::FallsOut(reason) = &considered.verdict {
            let text = reason.to_string();
            // `2 vCPU, 4 vCPU needed`: what is there differs by type, what is needed does not.
            let is_amount = |needed: &str| {
                needed.ends_with(" needed")
                    && (needed.starts_with("exactly")
                        || needed.starts_with(|c: char| c.is_ascii_digit()))
            };
            let kept = text.split_once(", ").filter(|(_, needed)| is_amount(needed));
            let text = kept.map_or(text.as_str(), |(_, needed)| needed).to_owned();
            reasons.entry(text).or_default().push(considered.name());
        }
    }
    let mut reasons: Vec<(String, Vec<&str>)> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    reasons
}

/// Makes the document of `plan --explain --json`.
pub fn json(explained: &Explained<'_>) -> Json {
    let considered = explained.placement.considered.iter().map(|it| {
        let price = it.price.map(|price| price.decimal().to_string());
        json!({"name": it.name(), "region": it.region(), "hourly": price,
            "fits": it.verdict == Verdict::Fits, "verdict": it.verdict.to_string()})
    });
    json!({
        "format": "dsenv-placement/1",
        "address": explained.address,
        "needs": explained.needs,
        "offers": explained.offers,
        "pinned": explained.pinned,
        "unknown": explained.placement.unknown,
        "considered": considered.collect::<Vec<_>>(),
    })
}
