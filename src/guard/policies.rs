//! Rules over a plan: `on: plan`, with `changes` and `cost` beside what rules over the blueprint see.
//!
//! A change has `address`, `resource` (the address without the part), `kind`, `type`, `action`, `data` (what
//! becomes of the data of what is deleted), `loses_data`, `before` and `after`. Both hold what is known
//! and no secret; `before` is `null` for what is new, `after` for what goes. `cost` has `floor`, `now` and
//! `ceiling` of a month, the same under `before`, and `missing`; it is `null` where nothing is charged.
//!
//! What destroys is held against no rule: nothing may keep alive what costs money.

use crate::blueprint::Over;
use crate::diag::Findings;
use crate::diff::{Action, Mode};
use crate::estimate::{Effect, Estimate};
use crate::expr::amount;
use crate::plan::Plan;
use crate::plan::view::{self, Entry};
use crate::policy::{self, Item, Judged, View};
use crate::resolve::Resolved;
use dsenv_sdk::Term;
use dsenv_sdk::prices::Money;
use dsenv_sdk::provider::DataFate;
use dsenv_sdk::value::{Map, Value};
use jiff::civil::Date;

/// Judges a plan against every rule that is about plans.
pub fn judge(
    plan: &Plan,
    resolved: &Resolved,
    cost: Option<&Effect>,
    today: Option<Date>,
) -> Findings {
    if plan.mode != Mode::Apply || resolved.policies.iter().all(|it| it.over != Over::Plan) {
        return Findings::new();
    }
    policy::findings(&each(plan, resolved, cost, today), resolved)
}

/// Judges every rule that is about plans, also those that hold.
pub fn each<'a>(
    plan: &Plan,
    resolved: &'a Resolved,
    cost: Option<&Effect>,
    today: Option<Date>,
) -> Vec<Judged<'a>> {
    let mut seen = View::of(resolved);
    let entries = view::entries(plan);
    let items = entries.iter().filter(|entry| !entry.is_silent());
    let items = items.map(|it| Item { addr: it.change.addr.clone(), shown: change(it) });
    seen.list("changes", items.collect());
    seen.show("cost", cost.map_or(Value::Null, costs));
    policy::each(&seen, Over::Plan, today)
}

fn change(entry: &Entry<'_>) -> Value {
    let change = entry.change;
    let action = match entry.action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Forget => "forget",
        Action::Resume => "resume",
        Action::NoOp => "no-op",
    };
    let data = match entry.fate {
        Some(DataFate::Delete) => Value::text("delete"),
        Some(DataFate::Snapshot) => Value::text("snapshot"),
        None => Value::Null,
    };
    let goes = matches!(entry.action, Action::Delete | Action::Forget);
    let before = change.before.as_ref().map(|map| without_secrets(&Value::Map(map.clone())));
    let known = |(name, term): (&String, &Term)| match term {
        Term::Known(value) => Some((name.clone(), without_secrets(value)?)),
        Term::Ref(_) | Term::Expr(_) | Term::NotLocked(_) | Term::List(_) | Term::Map(_) => None,
    };
    let after = (!goes).then(|| Value::Map(change.after.iter().filter_map(known).collect()));
    Value::Map(Map::from([
        ("address".to_owned(), Value::text(change.addr.to_string())),
        ("resource".to_owned(), Value::text(change.addr.owner().to_string())),
        ("kind".to_owned(), Value::text(&*change.kind)),
        ("type".to_owned(), Value::text(&*change.ty)),
        ("action".to_owned(), Value::text(action)),
        ("data".to_owned(), data),
        ("loses_data".to_owned(), Value::Bool(entry.loses_data())),
        ("before".to_owned(), before.flatten().unwrap_or(Value::Null)),
        ("after".to_owned(), after.unwrap_or(Value::Null)),
    ]))
}

/// What is left of a value. A list with a secret in it goes as a whole: its other items would stand at
/// other positions.
fn without_secrets(value: &Value) -> Option<Value> {
    match value {
        Value::Secret(_) => None,
        Value::Map(map) => {
            let open =
                |(key, value): (&String, &Value)| Some((key.clone(), without_secrets(value)?));
            Some(Value::Map(map.iter().filter_map(open).collect()))
        }
        Value::List(_) if value.holds_secret() => None,
        other => Some(other.clone()),
    }
}

fn costs(effect: &Effect) -> Value {
    let mut costs = bounds(&effect.after);
    costs.insert("before".to_owned(), Value::Map(bounds(&effect.before)));
    let missing = effect.after.total().missing;
    let missing = Value::Int(i64::try_from(missing).unwrap_or(i64::MAX));
    costs.insert("missing".to_owned(), missing);
    Value::Map(costs)
}

fn bounds(estimate: &Estimate) -> Map {
    let total = estimate.total();
    let money =
        |figure| amount(Money { amount: figure, currency: estimate.currency }, total.missing);
    Map::from([
        ("floor".to_owned(), money(total.monthly.floor)),
        ("now".to_owned(), money(total.monthly.now)),
        ("ceiling".to_owned(), money(total.monthly.ceiling)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::Secret;

    #[test]
    fn a_rule_sees_no_secret_at_any_depth() {
        let secret = || Value::Secret(Secret::new("hush"));
        let map = |name: &str, value| Value::Map(Map::from([(name.to_owned(), value)]));
        let deep = map("a", map("b", secret()));
        assert_eq!(without_secrets(&deep), Some(map("a", Value::Map(Map::new()))));
        let beside = map("list", Value::List(vec![Value::Int(1), secret()]));
        assert_eq!(without_secrets(&beside), Some(Value::Map(Map::new())));
        assert_eq!(without_secrets(&secret()), None);
    }
}
