//! The report as a comment on a pull request: short, and the first line is a mark by which a bot finds it.

use super::figures::{amount, price, signed};
use super::json::FORMAT;
use super::page::{Cell, Row, Table, Weight};
use super::{Report, sections};
use dsenv_sdk::prices::Currency;

/// How many rows a table has at most: a comment has an end, and its reader an hour.
const ROWS_MAX: usize = 40;

/// Renders a report as Markdown of GitHub's and GitLab's kind. Text of users is escaped: it is no markup,
/// no HTML, and calls nobody by `@`.
pub fn markdown(report: &Report) -> String {
    let currency = report.after.currency;
    let total = report.total();
    let headline = Cell::Amount { exact: total.monthly.now, at_least: total.missing > 0 };
    let headline = cell(&headline, currency);
    let title = format!("{} in {}", report.blueprint, report.environment);
    let mut text = format!(
        "<!-- {FORMAT} total={} {} -->\n### {}: {headline} a month\n\n",
        total.monthly.now.normalize(),
        report.after.currency,
        prose(&title)
    );
    for sentence in sections::verdict(report) {
        text += &format!("{}  \n", prose(&sentence));
    }
    if total.monthly.floor != total.monthly.now || total.monthly.ceiling != total.monthly.now {
        let lead = if total.missing > 0 { "at least " } else { "" };
        text += &format!(
            "Floor {lead}{}, ceiling {lead}{} a month.\n",
            amount(total.monthly.floor, currency),
            amount(total.monthly.ceiling, currency)
        );
    }
    for objection in report.objections.iter().filter(|it| it.refuses) {
        text += &format!("\n- refused, `{}`: {}", objection.code, prose(&objection.message));
    }
    text.push('\n');
    text += &table(&sections::change_table(report), currency);
    text += &table(&sections::missing_table(report), currency);
    for (summary, part) in [
        (format!("{} environments", report.environments.len()), environments(report)),
        ("What would cost less".to_owned(), advice(report)),
        (
            format!("{} assumptions", report.assumptions.len()),
            table(&sections::assumption_table(report), currency),
        ),
    ] {
        if !part.is_empty() {
            text += &format!("<details><summary>{summary}</summary>\n\n{part}</details>\n\n");
        }
    }
    if let Some((oldest, newest)) = report.after.as_of {
        let digest = &report.after.book[..12.min(report.after.book.len())];
        text += &format!("List prices of {oldest} to {newest}, price book {digest}.\n");
    }
    text
}

fn environments(report: &Report) -> String {
    if report.environments.len() < 2 {
        return String::new();
    }
    let rows = report.environments.iter().map(|it| {
        let cost = match &it.cost {
            Ok(Some(estimate)) => Cell::from(&estimate.total()),
            Ok(None) => Cell::text("not charged"),
            Err(why) => Cell::text(format!("cannot be compiled: {why}")),
        };
        Row::plain(vec![Cell::name(&it.environment), Cell::text(&*it.provider), cost])
    });
    let head = ["Environment", "Provider", "A month#"];
    table(&Table::new("", &head, rows.collect()), report.after.currency)
}

fn advice(report: &Report) -> String {
    let rows = report.advice.iter().map(|it| {
        Row::plain(vec![
            Cell::name(&it.addr),
            Cell::name(&it.edit),
            Cell::Difference(it.after.monthly.now - it.before.monthly.now),
            Cell::text(it.gives_up),
        ])
    });
    let head = ["Resource", "Edit", "Difference, a month#", "Gives up"];
    table(&Table::new("", &head, rows.collect()), report.after.currency)
}

fn table(table: &Table, currency: Currency) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(table.head.iter().map(|head| prose(&head.text)).collect());
    let rule = |head: &super::page::Head| if head.is_figure { "---:" } else { "---" }.to_owned();
    text += &line(table.head.iter().map(rule).collect());
    // Sums stand at the end, and are never left out.
    let (sums, rows): (Vec<&Row>, Vec<&Row>) =
        table.rows.iter().partition(|row| row.weight == Weight::Sum);
    for row in rows.iter().take(ROWS_MAX).chain(&sums) {
        text += &line(row.cells.iter().map(|it| cell(it, currency)).collect());
    }
    let more = rows.len().saturating_sub(ROWS_MAX);
    if more > 0 {
        text += &format!("\n{more} more rows are in the HTML report.\n");
    }
    text + "\n"
}

fn cell(cell: &Cell, currency: Currency) -> String {
    match cell {
        Cell::Text(text) => prose(text),
        Cell::Name(name) => code(name),
        Cell::Amount { exact, at_least } => {
            let lead = if *at_least { "at least " } else { "" };
            prose(&format!("{lead}{}", amount(*exact, currency)))
        }
        Cell::Difference(figure) => prose(&signed(*figure, currency)),
        Cell::Price(figure) => prose(&price(*figure, currency)),
        Cell::Figure(text) => prose(text),
        Cell::NoPrice => "no price".to_owned(),
        Cell::Empty => String::new(),
    }
}

/// A sentence: what is in backticks stays code, and the rest is text whatever stands in it.
fn prose(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    let piece = |(at, piece): (usize, &str)| match at % 2 == 1 && !piece.is_empty() {
        true => code(piece),
        false => escaped(piece),
    };
    pieces.map(piece).collect()
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|").replace(['\n', '\r'], " "))
}

fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '\n' | '\r' => safe.push(' '),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '@' => safe.push_str("&#64;"),
            '\\' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                safe.push('\\');
                safe.push(character);
            }
            other => safe.push(other),
        }
    }
    safe
}
