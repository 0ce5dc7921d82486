//! Offers of the price book: a table for people, `dsenv-catalog/1` for programs.
//!
//! What has no price says so and stands last; a figure that no source says is `null` or `-`, never zero.

use super::cost::money;
use super::table::table;
use crate::catalog::{Outcome, Skipped};
use dsenv_sdk::prices::compile::Comparison;
use dsenv_sdk::prices::place::Offer;
use dsenv_sdk::prices::{Book, Decimal, Gpu, Money, Price, Shape};
use serde_json::{Value as Json, json};
use std::path::Path;

/// The name of the format; a change of it that readers would notice changes the number.
pub const FORMAT: &str = "dsenv-catalog/1";

/// Shares of a price have so many decimals, as many as published prices have.
const SHARE_DECIMALS: u32 = 10;

const MIB_A_GIB: u32 = 1_024;

/// What was found: the first offers, and how many there are in all.
#[derive(Clone, Debug)]
pub struct Found<'b> {
    /// The book they are from.
    pub book: &'b Book,
    /// How the book is called: `built in`, or its file.
    pub book_from: &'b str,
    /// How they are bought: `on_demand` or `spot`.
    pub purchase: &'static str,
    /// The offers that are shown.
    pub offers: &'b [Offer<'b>],
    /// How many there are.
    pub total: usize,
}

/// Lists offers as text, with a line on how many there are and where the prices are from.
pub fn text(found: &Found<'_>) -> String {
    if found.offers.is_empty() {
        return format!("No offer satisfies this. {}\n", provenance(found));
    }
    let headings = [
        "TYPE",
        "PROVIDER",
        "REGION",
        "PRICE/H",
        "PER GPU/H",
        "VCPU",
        "MEMORY",
        "GPU",
        "INTERRUPTED",
    ];
    let mut text = table(&headings, found.offers.iter().map(row).collect());
    text.push('\n');
    if found.total > found.offers.len() {
        let (shown, total) = (found.offers.len(), found.total);
        text += &format!("{shown} of {total} offers; `--limit {total}` shows all. ");
    }
    text + &provenance(found) + "\n"
}

fn row(offer: &Offer<'_>) -> Vec<String> {
    let Shape { cpus, memory_mib, gpu, .. } = offer.shape;
    let shown = |price: Option<Money>| {
        price.map_or_else(String::new, |it| money(it.amount.round_dp(SHARE_DECIMALS), it.currency))
    };
    let price = offer.hourly.map(|hourly| hourly.price.money());
    let price = if price.is_none() { "no price".to_owned() } else { shown(price) };
    vec![
        offer.name.to_owned(),
        offer.cloud.to_string(),
        offer.region.unwrap_or_default().to_owned(),
        price,
        shown(offer.per_gpu()),
        cpus.to_string(),
        format!("{} GiB", gib(memory_mib)),
        gpu.map_or_else(String::new, |gpu| accelerators(&gpu)),
        offer.interruption.map_or_else(String::new, |it| it.band.to_string()),
    ]
}

/// `A100:8 (40 GiB)`.
fn accelerators(gpu: &Gpu<'_>) -> String {
    match gpu.memory_mib {
        Some(mib) => format!("{gpu} ({} GiB)", gib(mib)),
        None => gpu.to_string(),
    }
}

fn gib(mib: u32) -> Decimal {
    (Decimal::from(mib) / Decimal::from(MIB_A_GIB)).round_dp(2).normalize()
}

fn provenance(found: &Found<'_>) -> String {
    let digest = &found.book.digest()[..12];
    let days = match found.book.as_of() {
        Some((oldest, newest)) if oldest == newest => format!(" of {newest}"),
        Some((oldest, newest)) => format!(" of {oldest} to {newest}"),
        None => String::new(),
    };
    format!("List prices{days}, price book {digest} ({}).", found.book_from)
}

/// Makes the document of `catalog search --json`. Money is a decimal in a text; what no source says is `null`.
pub fn json(found: &Found<'_>) -> Json {
    let (oldest, newest) = found.book.as_of().unzip();
    json!({
        "format": FORMAT,
        "currency": found.book.currency().code(),
        "price_book": {
            "digest": found.book.digest(),
            "from": found.book_from,
            "as_of": newest.map(|day| day.to_string()),
            "oldest": oldest.map(|day| day.to_string()),
        },
        "purchase": found.purchase,
        "total": found.total,
        "offers": found.offers.iter().map(offer).collect::<Vec<_>>(),
    })
}

/// The name of the format of an update.
pub const UPDATE_FORMAT: &str = "dsenv-catalog-update/1";

/// Says what came of an update: what was fetched, what changed, what was left out.
pub fn updated(outcome: &Outcome, path: &Path) -> String {
    let Outcome { figures, compared, skipped, digest, as_of, .. } = outcome;
    let each = figures.iter().filter(|(_, count)| *count > 0);
    let each: Vec<String> = each.map(|(cloud, count)| format!("{count} of {cloud}")).collect();
    let Comparison { same, changed, new, gone, leaps, .. } = compared;
    let mut text = format!(
        "Prices: {}; {same} as before, {changed} changed, {new} new, {gone} gone",
        each.join(", ")
    );
    if *leaps > 0 {
        text += &format!(", {leaps} of them tenfold");
    }
    text += ".\n";
    for example in &compared.examples {
        text += &format!("  {example}\n");
    }
    for Skipped { what, why } in skipped {
        text += &format!("Not fetched: {what}, {why}.\n");
    }
    let newest = as_of.map_or_else(String::new, |(_, newest)| format!(" of {newest}"));
    text + &format!("Price book {}{newest}: {}\n", &digest[..12], path.display())
}

/// Makes the document of `catalog update --json`.
pub fn update_json(outcome: &Outcome, path: &Path) -> Json {
    let Outcome { figures, compared, skipped, digest, as_of, bytes } = outcome;
    let (oldest, newest) = as_of.unzip();
    json!({
        "format": UPDATE_FORMAT,
        "price_book": {
            "digest": digest,
            "from": path.display().to_string(),
            "as_of": newest.map(|day| day.to_string()),
            "oldest": oldest.map(|day| day.to_string()),
        },
        "figures": figures.iter().map(|(cloud, count)| (cloud.text().to_owned(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "bytes": bytes,
        "same": compared.same,
        "changed": compared.changed,
        "new": compared.new,
        "gone": compared.gone,
        "leaps": compared.leaps,
        "examples": compared.examples,
        "skipped": skipped.iter().map(|it| json!({"what": it.what, "why": it.why})).collect::<Vec<_>>(),
    })
}

fn offer(offer: &Offer<'_>) -> Json {
    let decimal = |amount: Decimal| amount.round_dp(SHARE_DECIMALS).normalize().to_string();
    let price = |price: Price| decimal(price.decimal());
    let Shape { cpus, memory_mib, arch, gpu, local_nvme_gb, network_mbps, previous, .. } =
        offer.shape;
    let gpu = gpu.map(|gpu| {
        json!({
            "name": gpu.name,
            "count": gpu.count().to_string(),
            "memory_gib": gpu.memory_mib.map(|mib| gib(mib).to_string()),
        })
    });
    let interruption = offer.interruption.map(|it| {
        json!({
            "band": it.band.text(),
            "savings_percent": it.savings_percent,
            "source": it.origin.source,
        })
    });
    let origin = offer.hourly.map(|hourly| hourly.origin);
    json!({
        "provider": offer.cloud.text(),
        "region": offer.region,
        "type": offer.name,
        "hourly": offer.hourly.map(|hourly| price(hourly.price)),
        "gpu_hourly": offer.per_gpu().map(|money| decimal(money.amount)),
        "cpus": cpus,
        "memory_gib": gib(memory_mib).to_string(),
        "arch": arch.map(|arch| arch.text()),
        "gpu": gpu,
        "local_nvme_gb": local_nvme_gb,
        "network_mbps": network_mbps,
        "previous_generation": previous,
        "interruption": interruption,
        "source": origin.map(|origin| origin.source),
        "as_of": origin.and_then(|origin| origin.as_of).map(|day| day.to_string()),
    })
}
