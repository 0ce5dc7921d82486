//! An estimate as JSON: `dsenv-cost/1`.

use crate::estimate::{
    Bounds, Conversion, Costed, Discount, Effect, Estimate, Line, Service, Total,
};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

/// The name of the format; a change of it that readers would notice changes the number.
pub const FORMAT: &str = "dsenv-cost/1";

/// Makes the document of `cost --json`. Money is a decimal in a text; what has no price is `null`.
pub fn json(estimate: &Estimate) -> Json {
    json!({
        "format": FORMAT,
        "provider": estimate.provider,
        "region": estimate.region,
        "currency": estimate.currency.code(),
        "price_book": book(estimate),
        "exchange": exchange(estimate),
        "total": total(&estimate.total()),
        "resources": estimate.resources.iter().map(resource).collect::<Vec<_>>(),
        "missing": missing(estimate),
        "assumed": estimate.assumed(),
    })
}

/// Makes what a plan's document says of its cost.
pub fn effect(effect: &Effect) -> Json {
    let (after, before) = (effect.after.total(), effect.before.total());
    let missing = missing(&effect.after);
    json!({
        "currency": effect.after.currency.code(),
        "price_book": book(&effect.after),
        "exchange": exchange(&effect.after),
        "total": total(&after),
        "before": total(&before),
        "difference": decimal(Some(after.monthly.now - before.monthly.now)),
        "missing": missing,
    })
}

pub(in crate::report) fn missing(estimate: &Estimate) -> Json {
    let missing = estimate.missing().into_iter();
    missing.map(|(addr, name)| json!({"address": addr.to_string(), "name": name})).collect()
}

pub(in crate::report) fn book(estimate: &Estimate) -> Json {
    let (oldest, newest) = estimate.as_of.unzip();
    json!({
        "digest": estimate.book,
        "from": estimate.book_from,
        "as_of": newest.map(|day| day.to_string()),
        "oldest": oldest.map(|day| day.to_string()),
    })
}

/// The rates by which other currencies became that of the sums; empty where there is one currency.
fn exchange(estimate: &Estimate) -> Json {
    let each = |Conversion { exchange, source }: &Conversion| {
        json!({
            "from": exchange.from.code(),
            "to": exchange.to.code(),
            "rate": decimal(Some(exchange.rate)),
            "on": exchange.as_of.to_string(),
            "source": source,
        })
    };
    estimate.exchanges.iter().map(each).collect()
}

/// Why what is paid is not what the list says; `null` where it is.
fn discount(discount: &Discount) -> Json {
    json!({
        "percent": decimal(discount.percent),
        "source": discount.source,
        "as_of": discount.as_of.to_string(),
        "note": discount.note,
    })
}

/// What a total is as JSON: where something is missing, each figure is what it is at least.
pub fn total(total: &Total) -> Json {
    json!({
        "hourly": bounds(total.hourly().map(Some)),
        "monthly": bounds(total.monthly.map(Some)),
        "missing": total.missing,
    })
}

fn bounds(figures: Bounds<Option<Decimal>>) -> Json {
    let figures = figures.map(|figure| figure.map(|amount| amount.normalize().to_string()));
    json!({"floor": figures.floor, "now": figures.now, "ceiling": figures.ceiling})
}

pub(in crate::report) fn decimal(figure: Option<Decimal>) -> Json {
    figure.map_or(Json::Null, |figure| Json::String(figure.normalize().to_string()))
}

pub(in crate::report) fn resource(resource: &Costed) -> Json {
    let sum = resource.total();
    let free = resource.free.iter();
    let free = free.map(|(addr, why)| json!({"address": addr.to_string(), "reason": why}));
    json!({
        "address": resource.addr.to_string(),
        "kind": resource.kind,
        "tier": resource.tier,
        "owner": resource.owner,
        "tags": resource.tags,
        "monthly": decimal(Some(sum.monthly.now)),
        "total": total(&sum),
        "components": resource.lines.iter().map(component).collect::<Vec<_>>(),
        "free": free.collect::<Vec<_>>(),
    })
}

fn component(line: &Line) -> Json {
    json!({
        "address": line.addr.to_string(),
        "type": line.ty,
        "name": line.name,
        "service": service(line.service),
        "in_use": line.in_use,
        "hours": decimal(line.hours),
        "unit": line.unit,
        "quantity": decimal(Some(line.quantity.now)),
        "quantities": bounds(line.quantity.map(Some)),
        "unit_price": decimal(line.unit_price),
        "list_price": decimal(line.list_price),
        "discount": line.discount.as_ref().map(discount),
        "ceiling_price": decimal(line.ceiling_price),
        "monthly": decimal(line.monthly.now),
        "monthlies": bounds(line.monthly),
        "source": line.source,
        "as_of": line.as_of.map(|day| day.to_string()),
        "rounded": line.rounded,
        "assumed": !line.assumed.is_empty(),
        "assumptions": line.assumed,
    })
}

fn service(service: Service) -> &'static str {
    match service {
        Service::Compute => "compute",
        Service::Storage => "storage",
        Service::Network => "network",
        Service::Database => "database",
        Service::Other => "other",
    }
}
