//! The file of own prices.
//!
//! ```yaml
//! currency: EUR
//! exchange: {from: USD, rate: 0.92, on: 2026-11-30, source: ECB}
//! rates:
//!   - {provider: aws, service: "bucket/*", percent: 10, source: contract 7, as_of: 2026-01-01}
//!   - {provider: aws, type: "m7i.*", purchase: on_demand, price: 0.05 USD, source: plan, as_of: 2026-01-01}
//!   - {provider: local, price: 0.10 EUR, energy: {watts: 180, kwh: 0.31 EUR}, source: meter, as_of: 2026-10-01}
//! ```
//! Every figure names who says it and as of which day. An amount in a currency that no exchange leads to the
//! chosen one is refused, and so are two rules that are equally specific for one charge.

use super::super::rates::{Conversion, Gives, PRICE_DECIMALS, Rates, Rule};
use super::Reader;
use crate::diag::{Code, Diagnostic, Findings, Source, Span, suggest};
use crate::yaml::{Map, Node};
use dsenv_sdk::cost::MACHINE_HOUR;
use dsenv_sdk::prices::{Currency, Date, Exchange, Money, Purchase};
use rust_decimal::Decimal;

const TOP: &[&str] = &["currency", "exchange", "rates"];
const EXCHANGE: &[&str] = &["from", "rate", "on", "source"];
const RULE: &[&str] = &[
    "provider", "region", "service", "type", "purchase", "percent", "price", "energy", "source",
    "as_of", "note",
];
const DAY: &str = "a day such as `2026-01-01`";
const AMOUNT: &str = "an amount such as `0.05 USD`";
const WATTS_A_KILOWATT: i64 = 1_000;

/// What a file of own prices is read against.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The currency of the price book.
    pub listed: Currency,
    /// The names of every provider.
    pub providers: &'a [&'a str],
    /// Those of them that have no price list: machines of one's own.
    pub own: &'a [&'a str],
}

/// Reads a file of own prices; a rule that has a mistake is not among those that come out.
pub fn rates(source: &Source, around: Around<'_>) -> (Rates, Findings) {
    let (mut reader, node) = Reader::parse(source);
    let mut rates = Rates::default();
    let mut spans = Vec::new();
    if let Some(node) = node
        && let Some(whole) = reader.fields(&node, "a rates file", TOP)
    {
        let code = "three capital letters such as `EUR`";
        rates.currency = reader.read(whole, "currency", code, Currency::parse);
        let to = rates.currency.unwrap_or(around.listed);
        for node in items(whole.value("exchange")) {
            rates.exchanges.extend(exchange(&mut reader, node, to));
        }
        for node in list(&mut reader, whole) {
            if let Some(rule) = rule(&mut reader, node, around) {
                rates.rules.push(rule);
                spans.push(node.span);
            }
        }
        let end = whole.get("currency").map_or(node.span, |entry| entry.key_span);
        currencies(&mut reader, &rates, &spans, around.listed, end);
        if let Some((one, other)) = rates.tie() {
            let message = "two rules are equally specific, and both can be for one charge";
            let tie = Diagnostic::error(Code::E1004, message).at(spans[other]);
            let help = "name one more thing in the one that should win, or write a longer pattern";
            reader.findings.push(tie.label(spans[one], "the other one").help(help));
        }
    }
    (rates, reader.findings)
}

/// A list, or one item for it.
fn items(node: Option<&Node>) -> &[Node] {
    node.map_or(&[], |node| node.as_list().unwrap_or(std::slice::from_ref(node)))
}

fn list<'n>(reader: &mut Reader, whole: &'n Map) -> &'n [Node] {
    let Some(node) = whole.value("rates") else { return &[] };
    let list = node.as_list();
    if list.is_none() {
        reader.wrong(node.span, format!("`rates` is a list, not {}", node.kind_name()));
    }
    list.unwrap_or_default()
}

fn exchange(reader: &mut Reader, node: &Node, to: Currency) -> Option<Conversion> {
    let map = reader.fields(node, "an exchange", EXCHANGE)?;
    let code = "three capital letters such as `USD`";
    let from = reader.must(map, node.span, "from", code, Currency::parse);
    let valid = "how many of the chosen currency one of it is, such as `0.92`";
    let rate = reader
        .must(map, node.span, "rate", valid, |text| decimal(text).filter(|rate| !rate.is_zero()));
    let as_of = reader.must(map, node.span, "on", DAY, Date::parse);
    let source = reader.must(map, node.span, "source", "who published it", said);
    let (from, rate, as_of, source) = (from?, rate?, as_of?, source?);
    Some(Conversion { exchange: Exchange { from, to, rate, as_of }, source })
}

fn rule(reader: &mut Reader, node: &Node, around: Around<'_>) -> Option<Rule> {
    let before = reader.findings.error_count();
    let map = reader.fields(node, "a rate", RULE)?;
    let provider = provider(reader, map, around.providers);
    let source = reader.must(map, node.span, "source", "who says so, such as `contract 7`", said);
    let as_of = reader.must(map, node.span, "as_of", DAY, Date::parse);
    let mut note = reader.text(map, "note").map(str::to_owned);
    let mut gives = gives(reader, map, node.span);
    if let Some(energy) = map.value("energy") {
        let own = provider.as_deref().is_some_and(|name| around.own.contains(&name));
        if own {
            gives = with_energy(reader, energy, gives, &mut note);
        } else {
            let message = "`energy` is for a machine of one's own: a cloud's price has it in";
            reader.wrong(energy.span, message);
        }
    }
    let purchase = "`on_demand` or `spot`";
    let rule = Rule {
        provider,
        region: reader.text(map, "region").map(str::to_owned),
        service: reader.text(map, "service").map(str::to_owned),
        ty: reader.text(map, "type").map(str::to_owned),
        purchase: reader.read(map, "purchase", purchase, Purchase::parse),
        gives: gives?,
        source: source?,
        as_of: as_of?,
        note,
        span: node.span,
    };
    if rule.contradicts_itself() {
        let message = format!(
            "`type` and `purchase` are of machines, which are `{MACHINE_HOUR}`, and the service is another"
        );
        reader.wrong(node.span, message);
    }
    (reader.findings.error_count() == before).then_some(rule)
}

fn provider(reader: &mut Reader, map: &Map, known: &[&str]) -> Option<String> {
    let name = reader.text(map, "provider")?;
    if known.contains(&name) {
        return Some(name.to_owned());
    }
    let span = map.value("provider").map(|node| node.span).unwrap_or_default();
    let message = format!("there is no provider `{name}`");
    let unknown = Diagnostic::error(Code::E1002, message).at(span);
    let near = suggest(name, known.iter().copied());
    let known = format!("known are {}", crate::blueprint::listed(known));
    reader.findings.push(match near {
        Some(_) => unknown.did_you_mean(near),
        None => unknown.help(known),
    });
    None
}

/// One of a discount and a price.
fn gives(reader: &mut Reader, map: &Map, whole: Span) -> Option<Gives> {
    let percent = reader.read(map, "percent", "a number from 0 to 100", |text| {
        decimal(text).filter(|percent| *percent <= Decimal::ONE_HUNDRED)
    });
    let price = reader.read(map, "price", AMOUNT, money);
    match (map.get("percent"), map.get("price")) {
        (Some(_), Some(price)) => {
            reader.wrong(price.key_span, "a rate is `percent` off the list or a `price`, not both");
            None
        }
        (None, None) => {
            let message = "a rate gives `percent` off the list price, or a `price` of its own";
            reader.wrong(whole, message);
            None
        }
        (Some(_), None) => percent.map(Gives::Off),
        (None, Some(_)) => price.map(Gives::Price),
    }
}

/// The hour of an own machine with what it draws.
fn with_energy(
    reader: &mut Reader,
    node: &Node,
    gives: Option<Gives>,
    note: &mut Option<String>,
) -> Option<Gives> {
    let map = reader.fields(node, "energy", &["watts", "kwh"])?;
    let watts = reader.must(map, node.span, "watts", "what the machine draws", decimal);
    let kwh = reader.must(map, node.span, "kwh", AMOUNT, money);
    let (watts, kwh) = (watts?, kwh?);
    let Gives::Price(hour) = gives? else {
        reader.wrong(node.span, "`energy` is added to a `price`");
        return None;
    };
    let drawn = watts / Decimal::from(WATTS_A_KILOWATT);
    let sum = kwh.times(drawn).and_then(|energy| hour.plus(energy));
    match sum {
        Ok(sum) => {
            let energy = format!("{hour} and {watts} W at {kwh} a kWh");
            *note = Some(note.as_ref().map_or(energy.clone(), |note| format!("{note}; {energy}")));
            Some(Gives::Price(Money { amount: sum.amount.round_dp(PRICE_DECIMALS), ..sum }))
        }
        Err(error) => {
            reader.wrong(node.span, format!("`energy` and `price`: {error}"));
            None
        }
    }
}

/// Every currency that figures are in must lead to the chosen one.
fn currencies(
    reader: &mut Reader,
    rates: &Rates,
    spans: &[Span],
    listed: Currency,
    chosen_at: Span,
) {
    let to = rates.currency.unwrap_or(listed);
    let mut missing = |from: Currency, what: &str, at: Span| {
        if rates.convert(Money::zero(from), to).is_some() {
            return;
        }
        let message = format!("{what} in {from}, sums are in {to}, and no exchange is given");
        let help = format!(
            "`exchange: {{from: {from}, rate: ..., on: 2026-01-01, source: ...}}` says what one {from} is in {to}"
        );
        reader.findings.push(Diagnostic::error(Code::E1003, message).at(at).help(help));
    };
    missing(listed, "list prices are", chosen_at);
    for (rule, span) in rates.rules.iter().zip(spans) {
        if let Gives::Price(money) = &rule.gives {
            missing(money.currency, "the price is", *span);
        }
    }
}

/// A plain decimal that is zero or more.
fn decimal(text: &str) -> Option<Decimal> {
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    let starts = text.starts_with(|c: char| c.is_ascii_digit());
    (starts && text.chars().all(plain)).then(|| Decimal::from_str_exact(text).ok()).flatten()
}

fn money(text: &str) -> Option<Money> {
    text.parse().ok()
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
