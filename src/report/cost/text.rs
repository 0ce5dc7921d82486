//! An estimate as text.

use super::groups::{By, groups};
use super::line::at_least;
use super::money;
use crate::estimate::{Bounds, Conversion, Costed, Discount, Estimate, Line, Total};
use crate::report::Style;
use crate::report::style::{Ink, wrap};
use dsenv_sdk::prices::Exchange;
use rust_decimal::Decimal;
use unicode_width::UnicodeWidthStr;

/// Renders an estimate: each resource with its lines, or groups of them; then the sum, what lacks a price,
/// what was assumed, and where the prices are from.
pub fn text(estimate: &Estimate, title: &str, by: Option<&By>, style: &Style) -> String {
    let mut page = Page { estimate, style, text: String::new() };
    page.line(title, 2);
    page.text.push('\n');
    match by {
        Some(by) => page.groups(by),
        None => page.resources(),
    }
    page.total();
    page.remarks();
    page.text
}

struct Page<'a> {
    estimate: &'a Estimate,
    style: &'a Style,
    text: String,
}

/// A row: what, how it is counted, what it comes to.
type Row = [String; 3];

impl Page<'_> {
    fn line(&mut self, text: &str, indent: usize) {
        self.text.push_str(&wrap(text, 0, indent, self.style.width).join("\n"));
        self.text.push('\n');
    }

    fn of(&self, amount: Decimal) -> String {
        money(amount, self.estimate.currency)
    }

    fn resources(&mut self) {
        let charged =
            |resource: &&Costed| !resource.lines.is_empty() || !resource.unpriced.is_empty();
        let charged: Vec<&Costed> = self.estimate.resources.iter().filter(charged).collect();
        let mut rows: Vec<(Row, Ink)> = Vec::new();
        for resource in charged {
            let total = resource.total();
            let what = format!("{} ({})", resource.addr, resource.kind);
            let sum = format!("{}{}", at_least(&total), self.of(total.monthly.now));
            rows.push(([what, String::new(), sum], Ink::Strong));
            // Of what there can be nothing is only assumed that it is nothing, which is said below.
            for line in resource.lines.iter().filter(|line| !line.quantity.ceiling.is_zero()) {
                rows.push((self.row(resource, line), Ink::None));
            }
            for (addr, ty) in &resource.unpriced {
                let name =
                    part(addr, resource).map_or_else(|| ty.clone(), |it| format!("{it}: {ty}"));
                rows.push((
                    [format!("  {name}"), String::new(), "no price".to_owned()],
                    Ink::Danger,
                ));
            }
        }
        self.rows(&rows);
    }

    fn row(&self, resource: &Costed, line: &Line) -> Row {
        let part = part(&line.addr, resource).map_or_else(String::new, |part| format!("{part}: "));
        let price = line
            .unit_price
            .map_or_else(|| "no price".to_owned(), |price| money(price, self.estimate.currency));
        let listed = self.listed(line);
        let counted = format!("{} {} x {price}{listed}", line.quantity.now, line.unit);
        let cost = line.monthly.now.map_or_else(|| "no price".to_owned(), |it| self.of(it));
        let marked = if line.assumed.is_empty() { "" } else { " *" };
        [format!("  {part}{}{marked}", line.name), counted, cost]
    }

    /// What the list says, where something else is paid: ` (list $0.0832, 10 % off)`.
    fn listed(&self, line: &Line) -> String {
        let Some(discount) = &line.discount else { return String::new() };
        let list = line.list_price.map_or_else(
            || "no list price".to_owned(),
            |price| format!("list {}", money(price, self.estimate.currency)),
        );
        match discount.percent {
            Some(percent) => format!(" ({list}, {} % off)", percent.normalize()),
            None => format!(" ({list})"),
        }
    }

    fn groups(&mut self, by: &By) {
        let rows = groups(self.estimate, by).into_iter().map(|(name, total)| {
            let sum = format!("{}{}", at_least(&total), self.of(total.monthly.now));
            ([name, String::new(), sum], Ink::None)
        });
        let rows: Vec<(Row, Ink)> = rows.collect();
        self.rows(&rows);
    }

    /// Columns where there is room for them; in a narrow terminal, what is counted stands below.
    fn rows(&mut self, rows: &[(Row, Ink)]) {
        let width = |at: usize| rows.iter().map(|(row, _)| row[at].width()).max().unwrap_or(0);
        let (what, counted, cost) = (width(0), width(1), width(2));
        let fits = what + 2 + counted + 2 + cost <= self.style.width;
        for (row, ink) in rows {
            let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
            let text = if fits {
                let lead = format!("{}{}  {}", row[0], pad(&row[0], what), row[1]);
                let gap = pad(&row[2], cost) + &pad(&row[1], counted);
                format!("{lead}{gap}  {}", row[2])
            } else if row[1].is_empty() {
                format!("{}  {}", row[0], row[2])
            } else {
                format!("{}\n      {} = {}", row[0], row[1], row[2])
            };
            self.text.push_str(&self.style.paint(*ink, text.trim_end()));
            self.text.push('\n');
        }
        if !rows.is_empty() {
            self.text.push('\n');
        }
    }

    fn total(&mut self) {
        let total = self.estimate.total();
        if total.monthly == Bounds::default() && total.missing == 0 {
            self.line("Nothing of it is charged.", 2);
            return;
        }
        let (lead, monthly, hourly) = (at_least(&total), total.monthly, total.hourly());
        let text =
            format!("Total: {lead}{} a month, {}/h.", self.of(monthly.now), self.of(hourly.now));
        self.text.push_str(&self.style.paint(Ink::Strong, &text));
        self.text.push('\n');
        if monthly.floor != monthly.now || monthly.ceiling != monthly.now {
            self.bounds(&total);
        }
    }

    fn bounds(&mut self, total: &Total) {
        let (monthly, hourly) = (total.monthly, total.hourly());
        let text = format!(
            "Floor: {} a month, {}/h. Ceiling: {} a month, {}/h.",
            self.of(monthly.floor),
            self.of(hourly.floor),
            self.of(monthly.ceiling),
            self.of(hourly.ceiling)
        );
        self.line(&text, 2);
    }

    fn remarks(&mut self) {
        let missing = self.estimate.missing();
        if !missing.is_empty() {
            let each: Vec<String> =
                missing.iter().map(|(addr, name)| format!("`{addr}` {name}")).collect();
            let text = format!(
                "No price is known for {}: each sum with it is what it comes to at least.",
                each.join("; ")
            );
            self.line(&text, 2);
        }
        let assumed = self.estimate.assumed();
        if !assumed.is_empty() {
            let each: Vec<&str> = assumed.into_iter().collect();
            self.line(&format!("* Assumed, since nobody says: {}.", each.join("; ")), 2);
        }
        self.own_prices();
        if let Some((oldest, newest)) = self.estimate.as_of {
            let digest = &self.estimate.book[..12.min(self.estimate.book.len())];
            let days =
                if oldest == newest { oldest.to_string() } else { format!("{oldest} to {newest}") };
            let from = &self.estimate.book_from;
            self.line(&format!("List prices of {days}, price book {digest} ({from})."), 2);
        }
    }

    /// Who says that something else is paid than the list says, and what other currencies are worth.
    fn own_prices(&mut self) {
        let each = |discount: &Discount| {
            let Discount { percent, source, as_of, note } = discount;
            let what = percent.map_or_else(
                || "a price".to_owned(),
                |percent| format!("{} % off", percent.normalize()),
            );
            let note = note.as_ref().map_or_else(String::new, |note| format!(", {note}"));
            format!("{what} by {source} of {as_of}{note}")
        };
        let own: Vec<String> = self.estimate.discounts().into_iter().map(each).collect();
        if !own.is_empty() {
            self.line(&format!("Own prices: {}.", own.join("; ")), 2);
        }
        let each = |Conversion { exchange, source }: &Conversion| {
            let Exchange { from, to, rate, as_of } = exchange;
            format!("1 {from} is {} {to} on {as_of} ({source})", rate.normalize())
        };
        let exchanges: Vec<String> = self.estimate.exchanges.iter().map(each).collect();
        if !exchanges.is_empty() {
            self.line(&format!("{}.", exchanges.join("; ")), 2);
        }
    }
}

/// Which part of a resource a node is, in words; `None` for its main node.
fn part(addr: &dsenv_sdk::Addr, resource: &Costed) -> Option<String> {
    let text = addr.to_string();
    let rest = text.strip_prefix(&resource.addr.to_string())?;
    let rest = rest.trim_start_matches('.');
    (!rest.is_empty()).then(|| rest.to_owned())
}
