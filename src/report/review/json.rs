//! The report as JSON: `dsenv-report/1`. Money is a decimal in a text; what has no price is `null`.

use super::figures::percent;
use super::{Changed, Report};
use crate::diff::Action;
use crate::drive::Surveyed;
use crate::estimate::{Bounds, Total};
use crate::report::cost::json as cost;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

/// The name of the format; a change of it that readers would notice changes the number.
pub const FORMAT: &str = "dsenv-report/1";

/// Makes the document of `report --format json`.
pub fn json(report: &Report) -> Json {
    let Report { after, before, .. } = report;
    json!({
        "format": FORMAT,
        "dsenv": report.tool_version,
        "blueprint": report.blueprint,
        "environment": report.environment,
        "provider": after.provider,
        "region": after.region,
        "made": report.made.map(|day| day.to_string()),
        "currency": after.currency.code(),
        "price_book": cost::book(after),
        "verdict": verdict(report),
        "total": cost::total(&report.total()),
        "before": cost::total(&before.total()),
        "environments": report.environments.iter().map(environment).collect::<Vec<_>>(),
        "changes": report.changes.iter().map(change).collect::<Vec<_>>(),
        "resources": after.resources.iter().map(cost::resource).collect::<Vec<_>>(),
        "drivers": drivers(report),
        "spot": spot(report),
        "gpus": gpus(report),
        "schedules": schedules(report),
        "budgets": budgets(report),
        "policies": policies(report),
        "objections": objections(report),
        "advice": advice(report),
        "assumptions": assumptions(report),
        "usage": usage(report),
        "sources": sources(report),
        "missing": cost::missing(after),
        "groups": groups(report),
    })
}

fn money(figure: Option<Decimal>) -> Json {
    cost::decimal(figure)
}

fn verdict(report: &Report) -> Json {
    let was = report.before.total().monthly.now;
    let percent = percent(report.difference(), was).filter(|_| report.runs());
    json!({
        "standing": report.standing().word(),
        "difference": money(Some(report.difference())),
        "percent": money(percent),
        "missing": report.total().missing,
    })
}

fn environment(surveyed: &Surveyed) -> Json {
    let (total, resources, problem) = match &surveyed.cost {
        Ok(Some(estimate)) => {
            let each = estimate.resources.iter();
            let each = each.map(|it| (it.addr.to_string(), cost::total(&it.total())));
            let resources: serde_json::Map<String, Json> = each.collect();
            (cost::total(&estimate.total()), Json::from(resources), Json::Null)
        }
        Ok(None) => (cost::total(&Total::default()), json!({}), Json::Null),
        Err(why) => (Json::Null, Json::Null, json!(why)),
    };
    json!({
        "name": surveyed.environment,
        "provider": surveyed.provider,
        "region": surveyed.region,
        "is_charged": matches!(surveyed.cost, Ok(Some(_))),
        "total": total,
        "resources": resources,
        "problem": problem,
    })
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Forget => "forget",
        Action::Resume => "resume",
        Action::NoOp => "no-op",
    }
}

fn change(change: &Changed) -> Json {
    let now = |total: &Option<Total>| total.as_ref().map_or(Decimal::ZERO, |it| it.monthly.now);
    let total = |total: &Option<Total>| total.as_ref().map_or(Json::Null, cost::total);
    json!({
        "address": change.addr.to_string(),
        "kind": change.kind,
        "action": action(change.action),
        "what": change.what,
        "before": total(&change.before),
        "after": total(&change.after),
        "difference": money(Some(now(&change.after) - now(&change.before))),
    })
}

fn drivers(report: &Report) -> Json {
    let whole = report.total().monthly.now;
    let driver = |it: &super::Driver| {
        json!({
            "address": it.addr.to_string(),
            "name": it.name,
            "monthly": money(Some(it.monthly)),
            "percent": money(percent(it.monthly, whole)),
        })
    };
    report.drivers.iter().map(driver).collect()
}

fn bounds(figures: Bounds<Option<Decimal>>) -> Json {
    json!({"floor": money(figures.floor), "now": money(figures.now), "ceiling": money(figures.ceiling)})
}

fn spot(report: &Report) -> Json {
    let spot = |it: &super::Spot| {
        json!({
            "address": it.addr.to_string(),
            "type": it.ty,
            "hours": money(Some(it.hours)),
            "hourly": money(it.price),
            "on_demand_hourly": money(it.on_demand),
            "ceiling_hourly": money(it.ceiling),
            "saving_monthly": money(it.saving()),
            "interrupted": it.interrupted.as_ref().map(|(band, _)| band.text()),
            "interrupted_source": it.interrupted.as_ref().map(|(_, source)| source),
            "monthly": bounds(it.monthly),
        })
    };
    report.spot.iter().map(spot).collect()
}

fn gpus(report: &Report) -> Json {
    let gpus = |it: &super::Gpus| {
        json!({
            "address": it.addr.to_string(),
            "name": it.name,
            "accelerator": it.gpu,
            "count": money(Some(it.each)),
            "accelerator_hours": money(Some(it.hours)),
            "accelerator_hourly": money(it.price),
            "monthly": money(it.monthly),
        })
    };
    report.gpus.iter().map(gpus).collect()
}

fn schedules(report: &Report) -> Json {
    let schedule = |it: &super::Schedule| {
        json!({
            "address": it.addr.to_string(),
            "hours": money(Some(it.hours)),
            "monthly": money(Some(it.monthly)),
            "monthly_always": money(Some(it.always)),
            "is_missing": it.is_missing,
        })
    };
    report.schedules.iter().map(schedule).collect()
}

fn budgets(report: &Report) -> Json {
    let budget = |it: &super::Budget| {
        json!({
            "name": it.name,
            "limit": money(Some(it.limit.amount)),
            "currency": it.limit.currency.code(),
            "ceiling": money(Some(it.total.monthly.ceiling)),
            "missing": it.total.missing,
            "outcome": it.outcome.word(),
            "waived": it.waived,
        })
    };
    report.budgets.iter().map(budget).collect()
}

fn policies(report: &Report) -> Json {
    let waived = |it: &super::Waived| {
        let address = it.addr.as_ref().map(ToString::to_string);
        json!({"address": address, "reason": it.reason, "until": it.until.to_string()})
    };
    let rule = |it: &super::Rule| {
        let waived: Vec<Json> = it.waived.iter().map(waived).collect();
        json!({"name": it.name, "message": it.message, "outcome": it.kept.word(), "waived": waived})
    };
    report.rules.iter().map(rule).collect()
}

fn objections(report: &Report) -> Json {
    let objection = |it: &super::Objection| json!({"code": it.code, "message": it.message, "refuses": it.refuses});
    report.objections.iter().map(objection).collect()
}

fn advice(report: &Report) -> Json {
    let advice = |it: &crate::drive::Advice| {
        json!({
            "address": it.addr.to_string(),
            "edit": it.edit,
            "because": it.because,
            "gives_up": it.gives_up,
            "difference": money(Some(it.after.monthly.now - it.before.monthly.now)),
            "after": cost::total(&it.after),
        })
    };
    report.advice.iter().map(advice).collect()
}

fn assumptions(report: &Report) -> Json {
    let assumption = |it: &super::Assumption| {
        let addrs: Vec<String> = it.addrs.iter().map(ToString::to_string).collect();
        json!({"text": it.text, "addresses": addrs, "total": cost::total(&it.total)})
    };
    report.assumptions.iter().map(assumption).collect()
}

fn usage(report: &Report) -> Json {
    let said = |it: &super::Said| {
        json!({
            "address": it.addr.to_string(),
            "field": it.field,
            "amount": money(Some(it.amount)),
        })
    };
    report.usage.iter().map(said).collect()
}

fn sources(report: &Report) -> Json {
    let source = |it: &super::Published| {
        let (oldest, newest) = it.as_of.unzip();
        json!({
            "source": it.source,
            "licence": it.licence,
            "url": it.url,
            "oldest": oldest.map(|day| day.to_string()),
            "newest": newest.map(|day| day.to_string()),
            "age_days": oldest.and_then(|day| report.age_days(day)),
            "lines": it.lines,
            "rounded": it.rounded,
            "monthly": money(Some(it.monthly)),
        })
    };
    report.sources.iter().map(source).collect()
}

fn groups(report: &Report) -> Json {
    let group =
        |(name, total): &(String, Total)| json!({"name": name, "total": cost::total(total)});
    let grouping = |it: &super::Grouping| json!({"by": it.by, "groups": it.groups.iter().map(group).collect::<Vec<_>>()});
    report.groups.iter().map(grouping).collect()
}
