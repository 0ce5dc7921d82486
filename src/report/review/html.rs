//! The page as HTML: what the template shows is put together here, and escaped there.

use super::figures::{amount, percent, price, signed};
use super::json::FORMAT;
use super::page::{Bars, Cell, Page, Range, Row, Section, Table, Weight};
use super::{Report, Standing, sections};
use dsenv_sdk::prices::Currency;
use handlebars::Handlebars;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

const TEMPLATE: &str = include_str!("../../../templates/report/page.html.hbs");

/// Pixels from one bar of a picture to the next, from its top to the foot of its text, and to its bar.
const BAR_STEP: usize = 38;
const BAR_TEXT: usize = 14;
const BAR_TOP: usize = 20;
/// How long a name beside an amount may be, so that both fit on a phone.
const LABEL_CHARACTERS: usize = 38;
/// Up to here a name is kept on one line, and from here on a text gets a column that is wide enough for it.
const WHOLE_BYTES: usize = 28;
const WORDS_BYTES: usize = 40;

/// Renders a report as one HTML page that needs nothing else.
pub fn html(report: &Report) -> String {
    let page = sections::page(report);
    let view = View { currency: report.after.currency };
    let mut engine = Handlebars::new();
    engine.set_strict_mode(false);
    engine.register_template_string("page", TEMPLATE).expect("the template is part of dsenv");
    let data = view.page(report, &page);
    let text = engine.render("page", &data).expect("the template knows its data");
    text.trim_start().to_owned()
}

struct View {
    currency: Currency,
}

/// A text, cut where backticks are: every second piece is code.
fn rich(text: &str) -> Json {
    let pieces = text.split('`').enumerate().filter(|(_, piece)| !piece.is_empty());
    pieces.map(|(at, piece)| json!({"code": at % 2 == 1, "text": piece})).collect()
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn exact(figure: Decimal) -> String {
    figure.normalize().to_string()
}

fn lead(at_least: bool) -> &'static str {
    if at_least { "at least" } else { "" }
}

impl View {
    fn page(&self, report: &Report, page: &Page) -> Json {
        let standing_text = match report.standing() {
            Standing::Priced => "Every line has a price",
            Standing::Incomplete => "Some prices are missing",
            Standing::Refused => "The plan is refused",
        };
        let texts = |texts: &[String]| texts.iter().map(|text| rich(text)).collect::<Vec<_>>();
        json!({
            "generator": format!("dsenv {}; {FORMAT}", report.tool_version),
            "title": page.title,
            "facts": page.facts,
            "standing": page.standing,
            "standing_text": standing_text,
            "headline": self.cell(&page.headline, false),
            "unit": page.headline_unit,
            "verdict": texts(&page.verdict),
            "range": page.range.as_ref().map(|range| self.range(range)),
            "sections": page.sections.iter().map(|it| self.section(it)).collect::<Vec<_>>(),
            "footer": format!("dsenv {}, price book {}", report.tool_version, report.after.book),
        })
    }

    fn section(&self, section: &Section) -> Json {
        json!({
            "id": section.id,
            "title": section.title,
            "text": section.text.iter().map(|text| rich(text)).collect::<Vec<_>>(),
            "bars": section.bars.as_ref().map(|bars| self.bars(section.id, bars)),
            "tables": section.tables.iter().map(|table| self.table(table)).collect::<Vec<_>>(),
        })
    }

    fn range(&self, range: &Range) -> Json {
        let Range { floor, now, ceiling, at_least } = *range;
        let figures =
            [("floor", "floor", floor), ("now", "now", now), ("ceiling", "ceiling", ceiling)];
        let shown = |figure: Decimal| {
            let amount = amount(figure, self.currency);
            if at_least { format!("at least {amount}") } else { amount }
        };
        let share = |part: Decimal| exact(percent(part, ceiling).unwrap_or_default());
        let figure = |(key, name, exact): (&str, &str, Decimal)| json!({"key": key, "name": name, "cell": self.cell(&Cell::Amount { exact, at_least }, true)});
        json!({
            "desc": format!("Floor {}, now {}, ceiling {}.", shown(floor), shown(now), shown(ceiling)),
            "floor_share": share(floor),
            "now_share": share(now),
            "figures": figures.map(figure),
        })
    }

    fn bars(&self, id: &str, bars: &Bars) -> Json {
        let most = bars.bars.iter().map(|(_, amount, _)| *amount).max().unwrap_or_default();
        let shown = |at_least: bool, figure: Decimal| {
            let amount = amount(figure, self.currency);
            if at_least { format!("at least {amount}") } else { amount }
        };
        let row = |(at, (name, figure, at_least)): (usize, &(String, Decimal, bool))| {
            let mut label: String = name.chars().take(LABEL_CHARACTERS).collect();
            if label.len() < name.len() {
                label.push('…');
            }
            json!({
                "label": label,
                "amount": shown(*at_least, *figure),
                "share": exact(percent(*figure, most).unwrap_or_default()),
                "text_y": at * BAR_STEP + BAR_TEXT,
                "bar_y": at * BAR_STEP + BAR_TOP,
            })
        };
        let each =
            bars.bars.iter().map(|(name, it, least)| format!("{name} {}", shown(*least, *it)));
        json!({
            "id": id,
            "title": bars.title,
            "desc": format!("{}.", each.collect::<Vec<_>>().join("; ")),
            "height": bars.bars.len() * BAR_STEP,
            "rows": bars.bars.iter().enumerate().map(row).collect::<Vec<_>>(),
        })
    }

    fn table(&self, table: &Table) -> Json {
        let figure = |at: usize| table.head.get(at).is_some_and(|head| head.is_figure);
        let row = |row: &Row| {
            let cells = row.cells.iter().enumerate();
            json!({
                "class": match row.weight {
                    Weight::Plain => "plain",
                    Weight::Lead => "lead-row",
                    Weight::Part => "part",
                    Weight::Sum => "sum",
                },
                "cells": cells.map(|(at, cell)| self.cell(cell, figure(at))).collect::<Vec<_>>(),
            })
        };
        let head = table.head.iter().map(
            |head| json!({"text": head.text, "class": if head.is_figure { "figure" } else { "" }}),
        );
        json!({
            "caption": rich(&table.caption),
            "caption_text": plain(&table.caption),
            "head": head.collect::<Vec<_>>(),
            "rows": table.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    fn cell(&self, cell: &Cell, is_figure: bool) -> Json {
        let base = if is_figure { "figure" } else { "" };
        let class = |more: &str| format!("{base} {more}").trim().to_owned();
        match cell {
            Cell::Text(text) => {
                let class = class(if text.len() > WORDS_BYTES { "words" } else { "" });
                json!({"rich": rich(text), "class": class})
            }
            Cell::Name(name) => {
                // What is short stands on one line; an edit may take several.
                let class = class(if name.len() <= WHOLE_BYTES { "whole" } else { "words" });
                json!({"rich": [{"code": true, "text": name}], "class": class})
            }
            Cell::Amount { exact: figure, at_least } => json!({
                "value": exact(*figure),
                "text": amount(*figure, self.currency),
                "lead": lead(*at_least),
                "class": class(""),
            }),
            Cell::Difference(figure) => json!({
                "value": exact(*figure),
                "text": signed(*figure, self.currency),
                "class": class(match figure {
                    it if it.is_zero() => "",
                    it if it.is_sign_negative() => "down",
                    _ => "up",
                }),
            }),
            Cell::Price(figure) => json!({
                "value": exact(*figure),
                "text": price(*figure, self.currency),
                "class": class(""),
            }),
            Cell::Figure(text) => {
                json!({"rich": [{"code": false, "text": text}], "class": class("whole")})
            }
            Cell::NoPrice => {
                json!({"rich": [{"code": false, "text": "no price"}], "class": class("none")})
            }
            Cell::Empty => json!({"rich": [], "class": class("")}),
        }
    }
}
