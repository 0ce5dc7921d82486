//! One line of a bill: so many of one thing, at a price with its source. Pure.

use super::rates::{Gives, PRICE_DECIMALS, Rates, Rule, Sold};
use super::service::{self, Service};
use super::sum::Bounds;
use dsenv_sdk::Addr;
use dsenv_sdk::cost::{Charge, HOURS_A_MONTH, Rate, Time};
use dsenv_sdk::prices::{self, Book, Cloud, Currency, Date, Money, Origin, Os, Purchase};
use rust_decimal::Decimal;

/// Quantities have so many decimals at most: a byte is a billionth of a GiB. With the ten of a price,
/// their product can be kept exactly.
const QUANTITY_DECIMALS: u32 = 9;

/// So many of one thing at one price.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The native node that it is for.
    pub addr: Addr,
    /// What is charged: `compute, t3.large`.
    pub name: String,
    /// What is counted: `hour`, `GB-month`.
    pub unit: String,
    /// How many a month.
    pub quantity: Bounds<Decimal>,
    /// What one costs now, own prices taken into account; `None` when nobody says.
    pub unit_price: Option<Decimal>,
    /// What one costs by the public list; `None` when the price book does not say.
    pub list_price: Option<Decimal>,
    /// The own price or discount by which the two differ.
    pub discount: Option<Discount>,
    /// What one costs at most, where that is another price.
    pub ceiling_price: Option<Decimal>,
    /// What a month costs; `None` where a price is missing.
    pub monthly: Bounds<Option<Decimal>>,
    /// What an hour costs in which it runs, of what is charged by the hour; else nothing.
    pub hourly: Bounds<Option<Decimal>>,
    /// What published the price, with the revision; `None` where there is none.
    pub source: Option<String>,
    /// The day of the price, when the source names one.
    pub as_of: Option<Date>,
    /// The source may have rounded the price, mostly to the cent.
    pub rounded: bool,
    /// The licence of the source, as SPDX has it.
    pub licence: Option<String>,
    /// Where the price can be looked up.
    pub url: Option<String>,
    /// What was assumed, in words.
    pub assumed: Vec<String>,
    /// The native type of the node.
    pub ty: &'static str,
    /// What it is for, whatever its cloud calls that.
    pub service: Service,
    /// How its count becomes that of a month.
    pub time: Time,
    /// Hours of a month in which each counts; `None` of what is counted by the month.
    pub hours: Option<Decimal>,
    /// Whether it comes from what happens in use: requests, data that is stored or leaves.
    pub in_use: bool,
    /// The machine whose hours it counts.
    pub machine: Option<Machine>,
}

/// A machine whose hours are charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The cloud's name of the type.
    pub ty: String,
    /// With which system's licence.
    pub os: Os,
    /// How it is bought.
    pub purchase: Purchase,
}

/// Which own price holds for a line, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Discount {
    /// How many percent off; `None` for a price of its own.
    pub percent: Option<Decimal>,
    /// Who says so.
    pub source: String,
    /// As of which day.
    pub as_of: Date,
    /// What else must be known of it.
    pub note: Option<String>,
}

impl Line {
    /// A line of so much a month that stands for others, for tests.
    #[cfg(test)]
    pub(crate) fn of_month(addr: &Addr, monthly: Bounds<Decimal>) -> Line {
        Line {
            addr: addr.clone(),
            name: "all".to_owned(),
            unit: "month".to_owned(),
            quantity: monthly.map(|_| Decimal::ONE),
            unit_price: Some(monthly.now),
            list_price: Some(monthly.now),
            discount: None,
            ceiling_price: None,
            monthly: monthly.map(Some),
            hourly: Bounds::default(),
            source: None,
            as_of: None,
            licence: None,
            url: None,
            rounded: false,
            assumed: Vec::new(),
            ty: "x.y",
            service: Service::Other,
            time: Time::Month,
            hours: None,
            in_use: false,
            machine: None,
        }
    }

    /// Returns what a month costs by the public price, where an own one holds too; `None` when the price book
    /// does not say.
    pub fn list_cost(&self) -> Option<Decimal> {
        match &self.discount {
            None => self.monthly.now,
            Some(_) => self.list_price?.checked_mul(self.quantity.now),
        }
    }

    /// Says whether a price is missing: then a sum with it is a lower bound.
    pub fn is_missing(&self) -> bool {
        [self.monthly.floor, self.monthly.now, self.monthly.ceiling].contains(&None)
    }
}

/// Where prices are found.
pub(super) struct Pricing<'b> {
    pub(super) book: &'b Book,
    pub(super) rates: &'b Rates,
    pub(super) provider: &'b str,
    /// Of every figure that comes out.
    pub(super) currency: Currency,
    pub(super) cloud: Option<Cloud>,
    pub(super) region: Option<&'b str>,
}

/// A price for quantities between two marks, within a month.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    from: Decimal,
    to: Option<Decimal>,
    /// What is paid.
    price: Option<Decimal>,
    /// What the list says.
    list: Option<Decimal>,
}

/// What one unit costs, by quantity, and where that is from.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    steps: Vec<Step>,
    unit: String,
    /// What published the price.
    source: Option<Published>,
    rounded: bool,
    discount: Option<Discount>,
}

/// What published a price: the list, or an agreement.
#[derive(Clone, Debug, PartialEq)]
struct Published {
    name: String,
    as_of: Option<Date>,
    licence: Option<String>,
    url: Option<String>,
}

impl Found {
    fn missing(unit: &str) -> Found {
        Found::listed(vec![flat(None)], unit, None, false)
    }

    fn listed(steps: Vec<Step>, unit: &str, origin: Option<Origin<'_>>, rounded: bool) -> Found {
        let source = origin.map(|origin| Published {
            name: origin.source.to_owned(),
            as_of: origin.as_of,
            licence: Some(origin.licence.to_owned()),
            url: Some(origin.url.to_owned()),
        });
        Found { steps, unit: unit.to_owned(), source, rounded, discount: None }
    }

    /// The one price that there is, whatever the quantity.
    fn flat(&self) -> Option<Decimal> {
        match self.steps.as_slice() {
            [Step { price, .. }] => *price,
            _ => None,
        }
    }
}

fn flat(price: Option<Decimal>) -> Step {
    Step { from: Decimal::ZERO, to: None, price, list: price }
}

impl Pricing<'_> {
    /// Makes the lines of a charge: one, or one for each step of a rate that changes with the quantity.
    pub(super) fn lines(&self, charge: &Charge, ty: &'static str, hours: Decimal) -> Vec<Line> {
        let factor = match charge.time {
            Time::Running => hours,
            Time::Always => Decimal::from(HOURS_A_MONTH),
            Time::Month => Decimal::ONE,
        };
        let counts = Bounds {
            floor: charge.floor.count,
            now: charge.now.count,
            ceiling: charge.ceiling.count,
        }
        .map(|count| count.round_dp(QUANTITY_DECIMALS).normalize());
        let quantity = counts.map(|count| count * factor);
        let found = self.find(&charge.now.rate);
        let most = match charge.ceiling.rate == charge.now.rate {
            true => found.clone(),
            false => self.find(&charge.ceiling.rate),
        };
        let several = found.steps.len() > 1;
        let mut lines = Vec::new();
        for (at, step) in found.steps.iter().enumerate() {
            let within = quantity.map(|quantity| step.portion(quantity));
            if at > 0 && within.ceiling.is_zero() {
                break;
            }
            // A rate with another one for its ceiling has no steps: machines have none.
            let top = if several { step.price } else { most.flat() };
            let prices = Bounds { floor: step.price, now: step.price, ceiling: top };
            let cost = |count: Decimal, price: Option<Decimal>| match count.is_zero() {
                true => Some(Decimal::ZERO),
                false => price.map(|price| (count * price).normalize()),
            };
            let hours = (charge.time != Time::Month).then_some(factor);
            let an_hour = if hours.is_none() { Bounds::default() } else { counts };
            let source = found.source.as_ref().or(most.source.as_ref());
            let source = source.filter(|_| step.price.is_some()).cloned();
            let (name_of_source, as_of) =
                source.as_ref().map(|it| (it.name.clone(), it.as_of)).unzip();
            lines.push(Line {
                addr: charge.addr.clone(),
                name: name(charge, step, several),
                unit: found.unit.clone(),
                quantity: within,
                unit_price: step.price,
                ceiling_price: top.filter(|top| Some(*top) != step.price),
                monthly: within.zip(prices, cost),
                hourly: an_hour.zip(prices, cost),
                licence: source.as_ref().and_then(|it| it.licence.clone()),
                url: source.as_ref().and_then(|it| it.url.clone()),
                ty,
                service: service::of(&charge.now.rate),
                time: charge.time,
                hours,
                in_use: service::is_use(&charge.now.rate),
                machine: machine(&charge.now.rate),
                list_price: step.list,
                discount: found.discount.clone(),
                source: name_of_source,
                as_of: as_of.flatten(),
                rounded: found.rounded,
                assumed: charge.assumed.clone(),
            });
        }
        lines
    }

    /// What one costs to whoever has these own prices, in the currency that they chose.
    fn find(&self, rate: &Rate) -> Found {
        let mut found = match rate {
            Rate::Dearest(rates) => return self.dearest(rates),
            Rate::Machine { .. } | Rate::Key(_) | Rate::Said(_) => self.listed(rate),
        };
        for step in &mut found.steps {
            let listed = |amount| Money { amount, currency: self.book.currency() };
            step.list = step.list.and_then(|it| self.rates.convert(listed(it), self.currency));
            step.price = step.list;
        }
        let sold = Sold { provider: self.provider, region: self.region, rate };
        match self.rates.rule(sold) {
            Some(rule) => self.agreed(found, rule),
            None => found,
        }
    }

    /// What the list says, in the currency of the book.
    fn listed(&self, rate: &Rate) -> Found {
        match rate {
            Rate::Machine { ty, os, purchase } => {
                let priced = self.place().and_then(|(cloud, region)| {
                    self.book.compute(cloud, region, ty, *os, *purchase)
                });
                priced.map_or_else(
                    || Found::missing("hour"),
                    |it| {
                        let price = flat(Some(it.price.decimal()));
                        Found::listed(vec![price], it.unit, Some(it.origin), it.rounded)
                    },
                )
            }
            Rate::Key(key) => {
                let unit = key.rsplit('/').next().unwrap_or(key);
                let rate = self
                    .place()
                    .and_then(|(cloud, region)| self.book.rate_by_key(cloud, region, key));
                rate.map_or_else(|| Found::missing(unit), |rate| stepped(&rate, unit))
            }
            Rate::Said(price) => Found::listed(vec![flat(Some(*price))], "hour", None, false),
            Rate::Dearest(_) => unreachable!("each of them is asked for by itself"),
        }
    }

    /// The same by an own price. A share of what nobody says is what nobody says; a price of its own needs
    /// no list.
    fn agreed(&self, mut found: Found, rule: &Rule) -> Found {
        let percent = match &rule.gives {
            Gives::Off(percent) => {
                let paid = (Decimal::ONE_HUNDRED - percent) / Decimal::ONE_HUNDRED;
                let less = |list: Decimal| match percent.is_zero() {
                    true => list,
                    false => (list * paid).round_dp(PRICE_DECIMALS).normalize(),
                };
                for step in &mut found.steps {
                    step.price = step.list.map(less);
                }
                Some(*percent)
            }
            Gives::Price(money) => {
                let list = found.flat();
                let price = self.rates.convert(*money, self.currency);
                found.steps = vec![Step { price, list, ..flat(None) }];
                found.source = Some(Published {
                    name: rule.source.clone(),
                    as_of: Some(rule.as_of),
                    licence: None,
                    url: None,
                });
                found.rounded = false;
                None
            }
        };
        let (source, as_of, note) = (rule.source.clone(), rule.as_of, rule.note.clone());
        found.discount = Some(Discount { percent, source, as_of, note });
        found
    }

    fn place(&self) -> Option<(Cloud, &str)> {
        self.cloud.zip(self.region)
    }

    /// One that is not known could be the dearest.
    fn dearest(&self, rates: &[Rate]) -> Found {
        let mut dearest: Option<Found> = None;
        for found in rates.iter().map(|rate| self.find(rate)) {
            let Some(price) = found.flat() else { return Found::missing(&found.unit) };
            if dearest.as_ref().and_then(Found::flat).is_none_or(|most| price > most) {
                dearest = Some(found);
            }
        }
        dearest.unwrap_or_else(|| Found::missing("hour"))
    }
}

/// Steps of a rate of the book; a hole between two is a step without a price.
fn stepped(rate: &prices::Rate<'_>, unit: &str) -> Found {
    let mut steps: Vec<Step> = Vec::new();
    let mut reached = Decimal::ZERO;
    for tier in rate.tiers.tiers() {
        let from = Decimal::from(tier.from);
        if from > reached {
            steps.push(Step { from: reached, to: Some(from), price: None, list: None });
        }
        let to = tier.to.map(Decimal::from);
        let price = Some(tier.price.decimal());
        steps.push(Step { from, to, price, list: price });
        reached = to.unwrap_or(Decimal::MAX);
    }
    if reached < Decimal::MAX {
        steps.push(Step { from: reached, to: None, price: None, list: None });
    }
    Found::listed(steps, unit, Some(rate.origin), rate.rounded)
}

impl Step {
    /// How much of a quantity falls into it.
    fn portion(&self, quantity: Decimal) -> Decimal {
        let end = self.to.map_or(quantity, |to| quantity.min(to));
        (end - self.from).max(Decimal::ZERO)
    }
}

fn machine(rate: &Rate) -> Option<Machine> {
    match rate {
        Rate::Machine { ty, os, purchase } => {
            Some(Machine { ty: ty.clone(), os: *os, purchase: *purchase })
        }
        Rate::Key(_) | Rate::Said(_) | Rate::Dearest(_) => None,
    }
}

fn name(charge: &Charge, step: &Step, several: bool) -> String {
    let mut name = charge.name.clone();
    if let Rate::Machine { ty, .. } = &charge.now.rate {
        name = format!("{name}, {ty}");
    }
    match (several, step.to) {
        (false, _) => name,
        (true, Some(to)) if step.from.is_zero() => format!("{name}, up to {to}"),
        (true, Some(to)) => format!("{name}, from {} to {to}", step.from),
        (true, None) => format!("{name}, above {}", step.from),
    }
}
