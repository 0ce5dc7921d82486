//! From what a machine needs to the offers that satisfy it: the same for every cloud with a price list. Pure.
//!
//! A choice is made from the price book and pinned in the lock by the first apply, as a list: the first one
//! is taken if it is to be had, the others are fallbacks in their order. So neither a newer price nor a newer
//! book moves what runs.

use crate::provider::{Finding, Neutral, Surroundings, Want, refuses};
use crate::term::Term;
use crate::value::{Map, Value};
use dsenv_prices::need::{GpuNeed, Gpus, Need, NeedError, parse_count, parse_memory};
use dsenv_prices::place::{self, Placement};
use dsenv_prices::{Book, Cloud, Purchase};

/// What the lock pins, in a word.
pub const OFFERS: &str = "offers";

/// A field that says no need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its name.
    pub field: &'static str,
    /// What is wrong, with what is valid.
    pub message: String,
}

fn known<'a>(resource: &'a Neutral, field: &str) -> Option<&'a Value> {
    resource.fields.get(field).and_then(Term::known).filter(|value| **value != Value::Null)
}

fn text(value: &Value) -> String {
    value.as_text().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads what a machine or a pool needs, bought on demand; `type` names an offer outright.
pub fn need(resource: &Neutral) -> Result<Need, Wrong> {
    let wrong =
        |field: &'static str| move |error: NeedError| Wrong { field, message: error.to_string() };
    let mut need = Need::default();
    if let Some(cpus) = known(resource, "cpus").map(text) {
        need.cpus = Some(parse_count(&cpus).map_err(wrong("cpus"))?);
    }
    if let Some(memory) = known(resource, "memory").map(text) {
        need.memory_mib = Some(parse_memory(&memory).map_err(wrong("memory"))?);
    }
    need.gpus = gpus(known(resource, "gpu")).map_err(wrong("gpu"))?;
    need.named = known(resource, "type").and_then(Value::as_text).map(str::to_owned);
    Ok(need)
}

fn gpus(said: Option<&Value>) -> Result<Gpus, NeedError> {
    let all = |items: &[Value]| -> Result<Vec<GpuNeed>, NeedError> {
        // A list of none is no need that anything could satisfy.
        if items.is_empty() {
            return Err(NeedError::Gpu("[]".to_owned()));
        }
        items.iter().map(|item| GpuNeed::parse(&text(item))).collect()
    };
    let list =
        |map: &Map, name: &str| map.get(name).and_then(Value::as_list).map(<[Value]>::to_vec);
    Ok(match said {
        None | Some(Value::Null) => Gpus::Without,
        Some(Value::List(items)) => Gpus::Ordered(all(items)?),
        Some(Value::Map(map)) => match (list(map, "any_of"), list(map, "ordered")) {
            (Some(items), _) => Gpus::AnyOf(all(&items)?),
            (None, Some(items)) => Gpus::Ordered(all(&items)?),
            (None, None) => {
                let text = Value::Map(map.clone()).to_string();
                return Err(NeedError::Gpu(text));
            }
        },
        Some(single) => Gpus::AnyOf(vec![GpuNeed::parse(&text(single))?]),
    })
}

/// Where a need is placed.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    /// Whose offers.
    pub cloud: Cloud,
    /// A region whose prices are known: for one of which nobody says what it charges.
    pub usual_region: &'static str,
    /// How many offers are kept.
    pub most: usize,
    /// By which price they are put in order.
    pub by: Purchase,
}

/// What a want has besides the fields of a resource.
const REGION: &str = "region";
const BY: &str = "by";

impl Market {
    /// Places a need, in the region whose prices are nearest to it: its own, else the usual one. The
    /// purchase of the need decides, and not [`Market::by`].
    pub fn place<'b>(&self, book: &'b Book, region: Option<&str>, need: &Need) -> Placement<'b> {
        let placed = place::place(book, self.cloud, region.unwrap_or(self.usual_region), need);
        let knows_none = placed.chosen.is_none() && !placed.unknown.is_empty();
        match knows_none && region != Some(self.usual_region) {
            true => place::place(book, self.cloud, self.usual_region, need),
            false => placed,
        }
    }

    /// Returns the offers of a resource, in the order in which they are tried: those of the lock, else those
    /// of the book. None when nothing satisfies, or a need is not known or makes no sense.
    pub fn offers(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
        if let Some(named) = known(resource, "type").and_then(Value::as_text) {
            return vec![named.to_owned()];
        }
        let pinned = self.want(resource, around).and_then(|want| around.pins.get(&*want.pin));
        if let Some(names) = pinned.and_then(Value::as_list) {
            return names.iter().filter_map(Value::as_text).map(str::to_owned).collect();
        }
        self.need(resource).map_or_else(|_| Vec::new(), |need| self.names(around.region, &need))
    }

    fn need(&self, resource: &Neutral) -> Result<Need, Wrong> {
        need(resource).map(|need| Need { purchase: self.by, ..need })
    }

    fn names(&self, region: Option<&str>, need: &Need) -> Vec<String> {
        let book = Book::builtin();
        let placed = self.place(&book, region, need);
        let offers = placed.chosen.iter().chain(&placed.fallbacks);
        offers.take(self.most).map(|offer| offer.name.to_owned()).collect()
    }

    /// What the lock pins of a resource: the same need has the same pin wherever it stands. `None` for one
    /// that names its offer, or whose need makes no sense.
    pub fn want(&self, resource: &Neutral, around: &Surroundings<'_>) -> Option<Want> {
        if known(resource, "type").is_some() || need(resource).is_err() {
            return None;
        }
        let region = around.region.unwrap_or(self.usual_region);
        let mut pin = format!("{}-offers-{region}", self.cloud.text());
        let mut asked = Map::from([(REGION.to_owned(), Value::text(region))]);
        for field in ["cpus", "memory", "gpu"] {
            if let Some(value) = known(resource, field) {
                pin.push_str(&format!("-{field}-{}", plain(&text(value))));
                asked.insert(field.to_owned(), value.clone());
            }
        }
        if self.by != Purchase::OnDemand {
            pin.push_str(&format!("-by-{}", self.by));
            asked.insert(BY.to_owned(), Value::text(self.by.to_string()));
        }
        Some(Want { pin: pin.into(), what: OFFERS, need: Value::Map(asked) })
    }

    /// Pins a want of [`Market::want`], whichever market of the cloud it is from: the offers of the book, in
    /// their order. `None` for a want of something else.
    pub fn pin(&self, want: &Want) -> Option<Value> {
        let need = Market::need_of(want)?;
        let region = want.need.as_map()?.get(REGION).and_then(Value::as_text);
        let names = self.names(region, &need);
        Some(Value::List(names.iter().map(Value::text).collect()))
    }

    /// The need that a want of [`Market::want`] was made of; `None` for a want of something else.
    pub fn need_of(want: &Want) -> Option<Need> {
        let asked = want.need.as_map().filter(|_| want.what == OFFERS)?;
        let fields = asked.iter().map(|(name, value)| (name.clone(), Term::Known(value.clone())));
        let resource = Neutral { fields: fields.collect(), ..Neutral::nameless() };
        let by = asked.get(BY).and_then(Value::as_text);
        let by = by.map_or(Some(Purchase::OnDemand), Purchase::parse)?;
        need(&resource).ok().map(|need| Need { purchase: by, ..need })
    }

    /// What the needs of a resource are refused for. `example` is an offer by its cloud's name.
    pub fn check(
        &self,
        resource: &Neutral,
        around: &Surroundings<'_>,
        example: &str,
    ) -> Vec<Finding> {
        for field in ["cpus", "memory", "gpu", "type"] {
            if resource.fields.get(field).is_some_and(|term| term.known().is_none()) {
                let message = format!("`{field}` must be known before apply");
                return vec![refuses(&[field], message, "take it from an input, or write it out")];
            }
        }
        match self.need(resource) {
            Err(Wrong { field, message }) => {
                let help = "write counts as `2` or `2+`, sizes as `8GiB` or `8GiB+`";
                vec![refuses(&[field], message, help)]
            }
            Ok(need) if self.offers(resource, around).is_empty() => {
                vec![self.nothing(resource, around, &need, example)]
            }
            Ok(_) => Vec::new(),
        }
    }

    fn nothing(
        &self,
        resource: &Neutral,
        around: &Surroundings<'_>,
        need: &Need,
        example: &str,
    ) -> Finding {
        let field = ["gpu", "memory", "cpus"].into_iter().find(|it| known(resource, it).is_some());
        let book = Book::builtin();
        let placed = self.place(&book, around.region, need);
        let mut message =
            "no type that this version knows a price of has what is needed".to_owned();
        if !placed.unknown.is_empty() {
            message.push_str(&format!("; not known: {}", placed.unknown.join(", ")));
        }
        let help =
            format!("ask for `+` instead of an exact number, or name one: `type: {example}`");
        refuses(field.as_slice(), message, help)
    }
}

/// The letters that a pin's name may have.
fn plain(text: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "+-.:_".contains(c);
    text.chars().filter(|c| fine(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const AWS: Market =
        Market { cloud: Cloud::Aws, usual_region: "us-east-1", most: 3, by: Purchase::OnDemand };

    fn machine(fields: &[(&str, Value)]) -> Neutral {
        let fields = fields.iter().map(|(name, it)| ((*name).to_owned(), Term::Known(it.clone())));
        Neutral { fields: fields.collect(), ..Neutral::nameless() }
    }

    fn offers(fields: &[(&str, Value)]) -> Vec<String> {
        let pins = BTreeMap::new();
        AWS.offers(&machine(fields), &Surroundings::new("b", "e", &pins))
    }

    #[test]
    fn the_cheapest_that_satisfies_comes_first() {
        let two = [("cpus", Value::text("2+")), ("memory", Value::text("4GiB+"))];
        assert_eq!(offers(&two)[0], "t3a.medium");
        assert_eq!(offers(&[("type", Value::text("m5.large"))]), ["m5.large"]);
        let exact = [("cpus", Value::Int(4)), ("memory", Value::text("16GiB"))];
        assert_eq!(offers(&exact)[0], "t3a.xlarge");
    }

    #[test]
    fn accelerators_are_taken_in_order_of_preference() {
        let gpu = |value: Value| offers(&[("gpu", value)]);
        assert_eq!(gpu(Value::text("A100:8"))[0], "p4d.24xlarge");
        let ordered = Value::List(vec![Value::text("H100:8"), Value::text("T4")]);
        assert_eq!(gpu(ordered)[..2], ["p5.48xlarge", "g4dn.xlarge"]);
    }

    #[test]
    fn what_the_lock_has_is_taken_and_pins_what_the_book_says() {
        let need = [("cpus", Value::text("2+"))];
        let want = AWS.want(&machine(&need), &Surroundings::new("b", "e", &BTreeMap::new()));
        let want = want.expect("it is pinned");
        assert_eq!(&*want.pin, "aws-offers-us-east-1-cpus-2+");
        let pinned = AWS.pin(&want).expect("the book has some");
        let names: Vec<Value> = offers(&need).iter().map(Value::text).collect();
        assert_eq!(pinned, Value::List(names));
        let older = Value::List(vec![Value::text("m1.old")]);
        let pins = BTreeMap::from([(want.pin.to_string(), older)]);
        let around = Surroundings::new("b", "e", &pins);
        assert_eq!(AWS.offers(&machine(&need), &around), ["m1.old"]);
    }

    #[test]
    fn an_order_by_another_price_has_a_pin_of_its_own() {
        let spot = Market { by: Purchase::Spot, ..AWS };
        let (machine, pins) = (machine(&[("cpus", Value::text("2+"))]), BTreeMap::new());
        let around = Surroundings::new("b", "e", &pins);
        let want = spot.want(&machine, &around).expect("it is pinned");
        assert_eq!(&*want.pin, "aws-offers-us-east-1-cpus-2+-by-spot");
        assert_eq!(Market::need_of(&want).map(|need| need.purchase), Some(Purchase::Spot));
        let pinned = AWS.pin(&want).expect("any market of the cloud pins it");
        let names: Vec<Value> = spot.offers(&machine, &around).iter().map(Value::text).collect();
        assert_eq!(pinned, Value::List(names));
        let on_demand = AWS.want(&machine, &around).and_then(|want| AWS.pin(&want));
        assert_ne!(Some(pinned), on_demand);
        assert_eq!(AWS.pin(&Want { what: "packages", ..want }), None);
    }

    #[test]
    fn what_says_nothing_is_no_need() {
        let nothing = [("cpus", Value::Null), ("gpu", Value::Null), ("type", Value::Null)];
        let need = need(&machine(&nothing)).expect("a need");
        assert_eq!((need.cpus, need.gpus, need.named), (None, Gpus::Without, None));
        for empty in [Value::List(Vec::new()), Value::Map(Map::new())] {
            let wrong = super::need(&machine(&[("gpu", empty)])).expect_err("none is named");
            assert_eq!(wrong.field, "gpu");
        }
    }

    #[test]
    fn what_nobody_has_is_refused() {
        let check = |fields: &[(&str, Value)]| {
            let pins = BTreeMap::new();
            AWS.check(&machine(fields), &Surroundings::new("b", "e", &pins), "m7i.large").len()
        };
        assert_eq!(check(&[("cpus", Value::text("9999+"))]), 1);
        assert_eq!(check(&[("gpu", Value::text("A100:3"))]), 1);
        assert_eq!(check(&[("gpu", Value::text("nothing-such"))]), 1);
        assert_eq!(check(&[("cpus", Value::text("2+"))]), 0);
    }
}
