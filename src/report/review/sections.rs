//! The words and tables of a report, section by section, in the order of a reader's questions: what does it
//! come to, what changes, where does the money go, what may it become, can it be less, and how sure is that.

use super::build::part_of;
use super::figures::{amount, price, quantity, share, signed};
use super::page::{Bars, Cell, Page, Range, Row, Section, Table, Weight};
use super::{Kept, Outcome, Report, Rule, Spot, Standing};
use crate::diff::Action;
use crate::drive::Surveyed;
use crate::estimate::{BUILT_IN, Bounds, Costed, Line, Total};
use crate::report::cost::money;
use dsenv_sdk::Addr;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// How many lines have a bar; the rest are one.
const BARS_MAX: usize = 8;
/// How many resources a cell names.
const NAMES_MAX: usize = 4;

/// Writes a whole page.
pub(super) fn page(report: &Report) -> Page {
    let total = report.total();
    let Bounds { floor, now, ceiling } = total.monthly;
    let range = Range { floor, now, ceiling, at_least: total.missing > 0 };
    let sections = [
        Some(environments(report)),
        changes(report),
        lines(report),
        drivers(report),
        basis(report),
        spot(report),
        gpus(report),
        schedules(report),
        Some(budgets(report)),
        advice(report),
        groups(report),
        assumptions(report),
        Some(provenance(report)),
        Some(coverage(report)),
        Some(machine_part(report)),
    ];
    Page {
        title: format!("{} in {}", report.blueprint, report.environment),
        facts: facts(report),
        headline: Cell::Amount { exact: now, at_least: total.missing > 0 },
        headline_unit: "a month".to_owned(),
        verdict: verdict(report),
        standing: report.standing().word(),
        range: (floor != now || ceiling != now).then_some(range),
        sections: sections.into_iter().flatten().collect(),
    }
}

fn facts(report: &Report) -> Vec<String> {
    let mut facts = vec![match &report.after.region {
        Some(region) => format!("{}, {region}", report.after.provider),
        None => report.after.provider.clone(),
    }];
    if let Some((oldest, newest)) = report.after.as_of {
        let days =
            if oldest == newest { newest.to_string() } else { format!("{oldest} to {newest}") };
        facts.push(format!("price book of {days}"));
    }
    if let Some(made) = report.made {
        facts.push(format!("made on {made}"));
    }
    facts
}

/// `1 figure is`, `3 figures are`.
fn figures_are(count: usize) -> String {
    if count == 1 { "1 figure is".to_owned() } else { format!("{count} figures are") }
}

/// `1 line`, `3 lines`.
fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The verdict: what it is against what runs, what refuses it, what it lacks.
pub(super) fn verdict(report: &Report) -> Vec<String> {
    let currency = report.after.currency;
    let (before, after) = (report.before.total(), report.total());
    let mut text = Vec::new();
    if !report.is_charged() && !report.runs() {
        text.push("Nothing of it is charged.".to_owned());
    } else if report.runs() {
        let (was, difference) = (before.monthly.now, report.difference());
        let lead = if before.missing > 0 { "at least " } else { "" };
        let percent = super::figures::percent(difference, was);
        let sign = if difference > Decimal::ZERO { "+" } else { "" };
        let percent = percent.map_or_else(String::new, |it| format!(" ({sign}{it:.1} %)"));
        text.push(match difference.is_zero() {
            true => format!("It costs what runs costs: {lead}{} a month.", amount(was, currency)),
            false => format!(
                "{} a month{percent} against what runs, which costs {lead}{}.",
                signed(difference, currency),
                amount(was, currency)
            ),
        });
    } else {
        text.push("Nothing of it runs yet, so all of it is new.".to_owned());
    }
    if after.missing > 0 {
        text.push(format!(
            "{} without a price: every sum with it is what it comes to at least.",
            figures_are(after.missing)
        ));
    }
    for budget in &report.budgets {
        text.push(format!(
            "The budget of {}, {} a month, {}.",
            budget.name,
            price(budget.limit.amount, budget.limit.currency),
            outcome(budget.outcome)
        ));
    }
    let refusing = report.objections.iter().filter(|it| it.refuses).count();
    if report.standing() == Standing::Refused {
        text.push(format!("The plan is refused for {}.", count(refusing, "reason")));
    }
    text
}

// ---------------------------------------------------------------- environments

fn environments(report: &Report) -> Section {
    let section = Section::new("environments", "Environments");
    let cannot = report.environments.iter().filter_map(|it| {
        let why = it.cost.as_ref().err()?;
        Some(format!("`{}` cannot be compiled, so it has no figures: {why}.", it.environment))
    });
    let cannot: Vec<String> = cannot.collect();
    if report.environments.len() == 1 {
        return section
            .says(format!("The blueprint has one environment, `{}`.", report.environment));
    }
    let sound: Vec<&Surveyed> = report.environments.iter().filter(|it| it.cost.is_ok()).collect();
    let mut section = Section { text: cannot, ..section };
    let charged = sound.iter().filter(|it| is_charged(&total_of(it)));
    let bars: Vec<(String, Decimal, bool)> = charged
        .map(|it| {
            let total = total_of(it);
            (it.environment.clone(), total.monthly.now, total.missing > 0)
        })
        .collect();
    if bars.len() > 1 {
        let title = "A month of each environment".to_owned();
        section.bars = Some(Bars { title, bars });
    }
    section.table(matrix(report, &sound))
}

fn total_of(surveyed: &Surveyed) -> Total {
    let estimate = surveyed.cost.as_ref().ok().and_then(Option::as_ref);
    estimate.map(|it| it.total()).unwrap_or_default()
}

fn matrix(report: &Report, sound: &[&Surveyed]) -> Table {
    let mut rows: BTreeMap<(Addr, String), Vec<Cell>> = BTreeMap::new();
    let estimates = sound.iter().map(|it| it.cost.as_ref().ok().and_then(Option::as_ref));
    for (at, estimate) in estimates.enumerate() {
        for resource in estimate.iter().flat_map(|estimate| &estimate.resources) {
            if is_charged(&resource.total()) {
                let key = (resource.addr.clone(), resource.kind.clone());
                let row = rows.entry(key).or_insert_with(|| vec![Cell::dash(); sound.len()]);
                row[at] = Cell::from(&resource.total());
            }
        }
    }
    let row = |((addr, kind), cells): ((Addr, String), Vec<Cell>)| {
        let name = Cell::text(format!("`{addr}` {kind}"));
        Row::plain(std::iter::once(name).chain(cells).collect())
    };
    let mut rows: Vec<Row> = rows.into_iter().map(row).collect();
    let sums = |name: &str, figure: &dyn Fn(&Surveyed) -> Cell| {
        let cells = std::iter::once(Cell::text(name)).chain(sound.iter().map(|it| figure(it)));
        Row { weight: Weight::Sum, cells: cells.collect() }
    };
    let mine = report.total().monthly.now;
    rows.push(sums("A month", &|it| match it.cost {
        Ok(None) => Cell::text("not charged"),
        _ => Cell::from(&total_of(it)),
    }));
    type Bound = fn(&Bounds<Decimal>) -> Decimal;
    let bounds: [(&str, Bound); 2] =
        [("Floor", |monthly| monthly.floor), ("Ceiling", |monthly| monthly.ceiling)];
    for (name, which) in bounds {
        rows.push(sums(name, &|it| match it.cost {
            Ok(None) => Cell::dash(),
            _ => bound(&total_of(it), which),
        }));
    }
    rows.push(sums(&format!("Against {}", report.environment), &|it| {
        if it.environment == report.environment {
            return Cell::Empty;
        }
        Cell::Difference(total_of(it).monthly.now - mine)
    }));
    let place = |it: &&Surveyed| match &it.region {
        Some(region) => format!("{}: {}, {region}#", it.environment, it.provider),
        None => format!("{}: {}#", it.environment, it.provider),
    };
    let places: Vec<String> = sound.iter().map(place).collect();
    let mut head = vec!["Resource"];
    head.extend(places.iter().map(String::as_str));
    Table::new("What a month of each resource costs in each environment", &head, rows)
}

fn bound(total: &Total, which: impl Fn(&Bounds<Decimal>) -> Decimal) -> Cell {
    Cell::sum(which(&total.monthly), total.missing > 0)
}

fn is_charged(total: &Total) -> bool {
    total.missing > 0 || total.monthly != Bounds::default()
}

// ---------------------------------------------------------------- changes and lines

fn changes(report: &Report) -> Option<Section> {
    let section = Section::new("changes", "Changes");
    if report.changes.is_empty() {
        return Some(section.says("Nothing: what was applied last is what the blueprint says."));
    }
    let free = report.changes.iter().filter(|it| !is_priced(it)).count();
    let mut section = section.table(change_table(report));
    if free > 0 {
        section.text.push(format!(
            "{} and costs nothing by itself: {}.",
            if free == 1 { "1 more changes".to_owned() } else { format!("{free} more change") },
            names(report.changes.iter().filter(|it| !is_priced(it)).map(|it| &it.addr))
        ));
    }
    Some(section)
}

fn is_priced(change: &super::Changed) -> bool {
    [&change.before, &change.after].into_iter().flatten().any(is_charged)
}

/// Says whether a figure of it has no price.
fn lacks(change: &super::Changed) -> bool {
    [&change.before, &change.after].into_iter().flatten().any(|total| total.missing > 0)
}

/// What changes and is charged: also the table of the Markdown.
pub(super) fn change_table(report: &Report) -> Table {
    let cell = |total: &Option<Total>| total.as_ref().map_or_else(Cell::dash, Cell::from);
    let rows = report.changes.iter().filter(|it| is_priced(it)).map(|change| {
        let now = |total: &Option<Total>| total.map_or(Decimal::ZERO, |it| it.monthly.now);
        Row::plain(vec![
            Cell::text(format!("`{}` {}", change.addr, change.kind)),
            cell(&change.before),
            cell(&change.after),
            Cell::difference(now(&change.after) - now(&change.before), lacks(change)),
            Cell::text(format!("{} {}", sign(change.action), change.what)),
        ])
    });
    let mut rows: Vec<Row> = rows.collect();
    if !rows.is_empty() {
        let cells = vec![
            Cell::text("The whole environment"),
            Cell::from(&report.before.total()),
            Cell::from(&report.total()),
            Cell::difference(report.difference(), report.total().missing > 0),
            Cell::Empty,
        ];
        rows.push(Row { weight: Weight::Sum, cells });
    }
    let head = ["Resource", "Before#", "After#", "Difference#", "What and why"];
    Table::new("Resources that change, by the month", &head, rows)
}

/// What `dsenv plan` puts in front.
fn sign(action: Action) -> &'static str {
    match action {
        Action::Create | Action::Resume => "+",
        Action::Update => "~",
        Action::Replace => "-/+",
        Action::Delete => "-",
        Action::Forget => ".",
        Action::NoOp => "*",
    }
}

fn lines(report: &Report) -> Option<Section> {
    let mut rows = Vec::new();
    for resource in report.after.resources.iter().filter(|it| is_charged(&it.total())) {
        let lead = Cell::text(format!("`{}` {}", resource.addr, resource.kind));
        rows.push(line_cells(Weight::Lead, lead, Cell::from(&resource.total())));
        rows.extend(resource.lines.iter().map(|line| line_row(report, resource, line)));
        for (addr, ty) in &resource.unpriced {
            let name = part_of(addr, &resource.addr)
                .map_or_else(|| ty.clone(), |it| format!("{it}: {ty}"));
            rows.push(line_cells(Weight::Part, Cell::text(name), Cell::NoPrice));
        }
    }
    if rows.is_empty() {
        return None;
    }
    rows.push(line_cells(Weight::Sum, Cell::text("All of it"), Cell::from(&report.total())));
    let head = ["What", "A month#", "How many", "Price of one#", "Before"];
    let mut table = Table::new("Every line: how many, times what one costs", &head, rows);
    if !report.runs() {
        table.without(4);
    }
    let text = "A month has 730 hours. Count times price is the amount of a line, exactly; amounts are \
                rounded only where they are shown. An asterisk marks what was assumed.";
    Some(Section::new("lines", "Line by line").says(text).table(table))
}

/// A row that says what something comes to, and no more.
fn line_cells(weight: Weight, name: Cell, monthly: Cell) -> Row {
    Row { weight, cells: vec![name, monthly, Cell::Empty, Cell::Empty, Cell::Empty] }
}

fn line_row(report: &Report, resource: &Costed, line: &Line) -> Row {
    let name = super::build::name(resource, line);
    let mark = if line.assumed.is_empty() { "" } else { " *" };
    let was = before(report, resource, line);
    let was = match was {
        Some(was) if was.quantity.now == line.quantity.now && was.unit_price == line.unit_price => {
            Cell::text("the same")
        }
        Some(was) => {
            let currency = report.after.currency;
            let price = was.unit_price.map(|it| price(it, currency));
            let price = price.unwrap_or_else(|| "no price".to_owned());
            Cell::text(format!("{} × {price}", counted(was)))
        }
        None => Cell::Empty,
    };
    let cells = vec![
        Cell::text(format!("{name}{mark}")),
        Cell::amount(line.monthly.now),
        Cell::Figure(counted(line)),
        Cell::price(line.unit_price),
        was,
    ];
    Row { weight: Weight::Part, cells }
}

/// The line as it was applied last.
fn before<'a>(report: &'a Report, resource: &Costed, line: &Line) -> Option<&'a Line> {
    let was = report.before.resources.iter().find(|it| it.addr == resource.addr)?;
    was.lines.iter().find(|it| it.addr == line.addr && it.name == line.name)
}

/// `2 × 730 hours`, `50 GB-month`.
pub(super) fn counted(line: &Line) -> String {
    let all = line.quantity.now;
    match line.hours.filter(|hours| !hours.is_zero()) {
        Some(hours) => format!("{} × {} hours", quantity(all / hours), quantity(hours)),
        None => format!("{} {}", quantity(all), line.unit),
    }
}

// ---------------------------------------------------------------- where the money goes

fn drivers(report: &Report) -> Option<Section> {
    let whole = report.total().monthly.now;
    let (first, rest) = report.drivers.split_at(report.drivers.len().min(BARS_MAX));
    if first.len() < 2 {
        return None;
    }
    let mut bars: Vec<(String, Decimal, bool)> =
        first.iter().map(|it| (format!("{}: {}", it.addr, it.name), it.monthly, false)).collect();
    if !rest.is_empty() {
        let sum = rest.iter().map(|it| it.monthly).sum();
        let lines = if rest.len() == 1 { "line" } else { "lines" };
        bars.push((format!("{} more {lines}", rest.len()), sum, false));
    }
    let rows = bars.iter().map(|(name, monthly, _)| {
        Row::plain(vec![
            Cell::text(&**name),
            Cell::amount(Some(*monthly)),
            Cell::Figure(share(*monthly, whole)),
        ])
    });
    let head = ["Line", "A month#", "Share#"];
    let table = Table::new("The dearest lines and their share", &head, rows.collect());
    let mut section = Section::new("drivers", "Top costs").table(table);
    let missing = report.total().missing;
    if missing > 0 {
        let text = format!("{} without a price, and may be among these.", figures_are(missing));
        section.text.push(text);
    }
    let title = "The dearest lines by the month".to_owned();
    section.bars = Some(Bars { title, bars });
    Some(section)
}

fn basis(report: &Report) -> Option<Section> {
    if !report.is_charged() {
        return None;
    }
    let (mut aside, mut used) = (Total::default(), Total::default());
    for (_, line) in super::build::lines(&report.after) {
        if line.in_use { used.add(line) } else { aside.add(line) }
    }
    aside.missing += report.after.resources.iter().map(|it| it.unpriced.len()).sum::<usize>();
    let whole = report.total().monthly.now;
    let row = |name: &str, total: &Total| {
        Row::plain(vec![
            Cell::text(name),
            bound(total, |it| it.floor),
            Cell::from(total),
            bound(total, |it| it.ceiling),
            Cell::Figure(share(total.monthly.now, whole)),
        ])
    };
    let rows = vec![
        row("There as soon as it is applied: machines, disks, gateways", &aside),
        row("Comes with use: requests, data stored and moved", &used),
    ];
    let head = ["Basis", "Floor#", "Now#", "Ceiling#", "Share#"];
    let own = report.after.discounts();
    let text = match own.is_empty() {
        true => "Nothing is committed to: no line is a reservation or a savings plan, and list prices are \
                 without any discount."
            .to_owned(),
        false => format!(
            "Own prices hold for some lines, by {}; by list prices the same would cost {} a month.",
            own.iter().map(|it| format!("{} of {}", it.source, it.as_of)).collect::<Vec<_>>().join(", "),
            list_total(report),
        ),
    };
    let table =
        Table::new("What is there anyway, and what comes with use, by the month", &head, rows);
    Some(Section::new("basis", "Baseline, use, commitment").table(table).says(text))
}

/// What a month would cost without own prices; "at least" where a line has no list price.
fn list_total(report: &Report) -> String {
    let (mut sum, mut at_least) = (Decimal::ZERO, "");
    for (_, line) in super::build::lines(&report.after) {
        match line.list_cost() {
            Some(amount) => sum += amount,
            None => at_least = "at least ",
        }
    }
    format!("{at_least}{}", money(sum, report.after.currency))
}

fn groups(report: &Report) -> Option<Section> {
    let whole = report.total().monthly.now;
    let mut section = Section::new("groups", "Groups");
    for grouping in report.groups.iter().filter(|it| !it.groups.is_empty()) {
        let rows = grouping.groups.iter().map(|(name, total)| {
            let share = Cell::Figure(share(total.monthly.now, whole));
            Row::plain(vec![Cell::text(&**name), Cell::from(total), share])
        });
        let head = ["Group", "A month#", "Share#"];
        let by = match grouping.by.split_once(':') {
            Some((_, tag)) => format!("By tag `{tag}`"),
            None => format!("By {}", grouping.by),
        };
        section = section.table(Table::new(by, &head, rows.collect()));
    }
    (!section.tables.is_empty()).then_some(section)
}

// ---------------------------------------------------------------- what it may become

fn spot(report: &Report) -> Option<Section> {
    if report.spot.is_empty() {
        return None;
    }
    let row = |spot: &Spot| {
        let saving = spot.saving().map_or(Cell::NoPrice, |it| Cell::Difference(-it));
        let band = spot.interrupted.as_ref().map_or("nobody says", |(band, _)| band.text());
        Row::plain(vec![
            Cell::name(&spot.addr),
            Cell::name(&spot.ty),
            Cell::price(spot.price),
            Cell::price(spot.on_demand),
            saving,
            Cell::price(spot.ceiling),
            Cell::amount(spot.monthly.ceiling),
            Cell::Figure(band.to_owned()),
        ])
    };
    let head = [
        "Resource",
        "Type",
        "Spot, an hour#",
        "On demand, an hour#",
        "Saving, a month#",
        "At most, an hour#",
        "At most, a month#",
        "Taken back in a month#",
    ];
    let rows = report.spot.iter().map(row).collect();
    let mut text =
        "Spot prices move; the ceiling is what is paid when there is no spot and the dearest type \
                    that would do is taken."
            .to_owned();
    if let Some(source) = report.spot.iter().find_map(|it| it.interrupted.as_ref()) {
        text += &format!(
            " How many machines were taken back in the month before is from `{}`.",
            source.1
        );
    }
    let table = Table::new("What is bought as spot, and what it may come to", &head, rows);
    Some(Section::new("spot", "Spot").says(text).table(table))
}

fn gpus(report: &Report) -> Option<Section> {
    if report.gpus.is_empty() {
        return None;
    }
    let rows = report.gpus.iter().map(|gpus| {
        Row::plain(vec![
            Cell::name(&gpus.addr),
            Cell::text(&*gpus.name),
            Cell::text(gpus.gpu.as_deref().unwrap_or("an accelerator")),
            Cell::Figure(quantity(gpus.each)),
            Cell::price(gpus.price.map(|price| price.round_dp(4))),
            Cell::Figure(quantity(gpus.hours)),
            Cell::amount(gpus.monthly),
        ])
    });
    let head = [
        "Resource",
        "Line",
        "Accelerator",
        "In a machine#",
        "An accelerator-hour#",
        "Accelerator-hours#",
        "A month#",
    ];
    let text =
        "An hour of an accelerator is an hour of its machine, divided by how many the machine has.";
    let table = Table::new("Machines with accelerators", &head, rows.collect());
    Some(Section::new("gpus", "Accelerators").says(text).table(table))
}

fn schedules(report: &Report) -> Option<Section> {
    if !report.is_charged() {
        return None;
    }
    let section = Section::new("schedule", "Hours");
    if report.schedules.is_empty() {
        let text = "Everything is counted as running for all 730 hours of a month; `usage: {hours: 160}` of a \
                    resource says otherwise.";
        return Some(section.says(text));
    }
    let rows = report.schedules.iter().map(|it| {
        Row::plain(vec![
            Cell::name(&it.addr),
            Cell::Figure(quantity(it.hours)),
            Cell::sum(it.monthly, it.is_missing),
            Cell::sum(it.always, it.is_missing),
            Cell::difference(it.monthly - it.always, it.is_missing),
        ])
    });
    let head = ["Resource", "Hours a month#", "Costs#", "If it always ran#", "Effect#"];
    let table = Table::new("What does not run all the time, by the month", &head, rows.collect());
    let text = "The hours are what the blueprint says; nothing stops a machine because of them.";
    Some(section.says(text).table(table))
}

// ---------------------------------------------------------------- judging it

fn budgets(report: &Report) -> Section {
    let mut section = Section::new("budgets", "Budgets and policies");
    match report.budgets.is_empty() {
        true => section.text.push("No budget is set for this environment.".to_owned()),
        false => section = section.table(budget_table(report)),
    }
    if report.rules.is_empty() {
        section.text.push("The blueprint has no policies.".to_owned());
    }
    let rows = report.rules.iter().map(|rule| {
        let message = rule.message.as_deref().unwrap_or("no message");
        Row::plain(vec![Cell::name(&rule.name), Cell::text(message), Cell::text(kept(rule))])
    });
    let head = ["Policy", "Says", "Outcome"];
    section = section.table(Table::new("Policies of the blueprint", &head, rows.collect()));
    let rows = report.objections.iter().map(|objection| {
        let outcome = if objection.refuses { "refuses the plan" } else { "warns" };
        Row::plain(vec![
            Cell::name(&objection.code),
            Cell::text(&*objection.message),
            Cell::text(outcome),
        ])
    });
    let head = ["Code", "Says", "Outcome"];
    section.table(Table::new("What is said against the plan", &head, rows.collect()))
}

/// What came of a rule, in words, with all that is waived.
fn kept(rule: &Rule) -> String {
    let outcome = match rule.kept {
        Kept::Held => "holds",
        Kept::Waived => "is broken and waived",
        Kept::Advised => "is broken, and advice",
        Kept::Broken => "is broken, and refuses the plan",
    };
    let waived = rule.waived.iter().map(|it| {
        let by = it.addr.as_ref().map_or(String::new(), |addr| format!("`{addr}` "));
        format!("; {by}until {}: {}", it.until, it.reason)
    });
    format!("{outcome}{}", waived.collect::<String>())
}

fn budget_table(report: &Report) -> Table {
    let rows = report.budgets.iter().map(|it| {
        let ceiling = it.total.monthly.ceiling;
        // With a price that is missing there is no knowing how much room is left.
        let known = it.total.missing == 0 && it.outcome != Outcome::CannotTell;
        let room = known.then(|| Cell::amount(Some(it.limit.amount - ceiling)));
        let outcome = match &it.waived {
            Some(why) => format!("{}; missing prices are passed over: {why}", outcome(it.outcome)),
            None => outcome(it.outcome).to_owned(),
        };
        Row::plain(vec![
            Cell::text(&*it.name),
            Cell::Figure(price(it.limit.amount, it.limit.currency)),
            Cell::sum(ceiling, it.total.missing > 0),
            room.unwrap_or_else(Cell::dash),
            Cell::text(outcome),
        ])
    });
    let head = ["Budget of", "Limit#", "Ceiling#", "Headroom#", "Outcome"];
    Table::new("Budgets, by the month; the ceiling is judged", &head, rows.collect())
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "holds",
        Outcome::Near => "holds, and is nearly used",
        Outcome::Exceeded => "is exceeded, which refuses the plan",
        Outcome::CannotTell => "cannot be told, which refuses the plan",
    }
}

fn advice(report: &Report) -> Option<Section> {
    if !report.is_charged() {
        return None;
    }
    let section = Section::new("advice", "Savings");
    if report.advice.is_empty() {
        let text = "No edit that follows from the blueprint alone would cost less.";
        return Some(section.says(text));
    }
    let rows = report.advice.iter().map(|it| {
        Row::plain(vec![
            Cell::name(&it.addr),
            Cell::name(&it.edit),
            Cell::Difference(it.after.monthly.now - it.before.monthly.now),
            Cell::from(&it.after),
            Cell::text(&*it.because),
            Cell::text(it.gives_up),
        ])
    });
    let head =
        ["Resource", "Edit", "Difference, a month#", "All of it then#", "Because", "Gives up"];
    let text = "Each edit was made, compiled and priced by itself; two that touch the same thing do not add up.";
    let table = Table::new("Edits of the blueprint that save something", &head, rows.collect());
    Some(section.says(text).table(table))
}

// ---------------------------------------------------------------- how sure that is

fn names<'a>(addrs: impl Iterator<Item = &'a Addr>) -> String {
    let names: Vec<String> = addrs.map(|addr| format!("`{addr}`")).collect();
    crate::report::words::some(&names, NAMES_MAX)
}

fn assumptions(report: &Report) -> Option<Section> {
    if report.assumptions.is_empty() && report.usage.is_empty() {
        return None;
    }
    let mut section = Section::new("assumptions", "Assumptions");
    section = match report.assumptions.is_empty() {
        true => section.says("Nothing was assumed: the blueprint says how everything is used."),
        false => section.table(assumption_table(report)),
    };
    let rows = report.usage.iter().map(|said| {
        let unit = match said.field {
            "hours" => " hours",
            "reads" | "writes" => "",
            _ => " GiB",
        };
        Row::plain(vec![
            Cell::name(&said.addr),
            Cell::name(format!("usage.{}", said.field)),
            Cell::Figure(format!("{}{unit}", quantity(said.amount))),
        ])
    });
    let head = ["Resource", "Field", "A month#"];
    Some(section.table(Table::new("What the blueprint says of use", &head, rows.collect())))
}

/// What was assumed: also in the Markdown.
pub(super) fn assumption_table(report: &Report) -> Table {
    let rows = report.assumptions.iter().map(|it| {
        Row::plain(vec![
            Cell::text(&*it.text),
            Cell::text(names(it.addrs.iter())),
            Cell::from(&it.total),
        ])
    });
    let head = ["Assumed, since nobody says", "For", "Lines with it, a month#"];
    Table::new("Assumptions", &head, rows.collect())
}

fn provenance(report: &Report) -> Section {
    let section = Section::new("sources", "Price sources");
    let digest = &report.after.book[..12.min(report.after.book.len())];
    let section = section.says(format!(
        "Published list prices from price book `{digest}`, which {}: nothing was asked over the network.",
        match report.after.book_from.as_str() {
            BUILT_IN => format!("is part of dsenv {}", report.tool_version),
            fetched => format!("`dsenv catalog update` fetched to `{fetched}`"),
        }
    ));
    let rows = report.sources.iter().map(|source| {
        let days = source.as_of.map(|(oldest, newest)| match oldest == newest {
            true => oldest.to_string(),
            false => format!("{oldest} to {newest}"),
        });
        let age = source.as_of.and_then(|(oldest, _)| report.age_days(oldest));
        let age =
            age.map_or_else(|| "–".to_owned(), |days| count(days.unsigned_abs() as usize, "day"));
        Row::plain(vec![
            Cell::name(&source.source),
            Cell::text(if source.licence.is_empty() { "–" } else { &*source.licence }),
            Cell::Figure(days.unwrap_or_else(|| "no day".to_owned())),
            Cell::Figure(age),
            Cell::Figure(source.lines.to_string()),
            Cell::Figure(source.rounded.to_string()),
            Cell::amount(Some(source.monthly)),
            Cell::text(&*source.url),
        ])
    });
    let head =
        ["Source", "Licence", "Prices of#", "Age#", "Lines#", "Rounded#", "A month#", "Where"];
    let caption =
        "What published the prices; `rounded` counts prices that the source may have rounded";
    section.table(Table::new(caption, &head, rows.collect()))
}

fn coverage(report: &Report) -> Section {
    let all: Vec<&Line> = super::build::lines(&report.after).map(|(_, line)| line).collect();
    let priced = all.iter().filter(|line| !line.is_missing()).count();
    let missing = report.after.missing();
    let free: Vec<(&Addr, &str)> = report
        .after
        .resources
        .iter()
        .flat_map(|it| it.free.iter().map(|(addr, why)| (addr, *why)))
        .collect();
    let mut section = Section::new("coverage", "Coverage").says(format!(
        "{} priced, {} without a price, {} free.",
        if priced == 1 { "1 line is".to_owned() } else { format!("{priced} lines are") },
        missing.len(),
        if free.len() == 1 { "1 part is".to_owned() } else { format!("{} parts are", free.len()) },
    ));
    section = section.table(missing_table(report));
    let mut by_reason: BTreeMap<&str, Vec<&Addr>> = BTreeMap::new();
    for (addr, why) in free {
        by_reason.entry(why).or_default().push(addr);
    }
    let rows = by_reason.into_iter().map(|(why, addrs)| {
        let parts = Cell::Figure(addrs.len().to_string());
        Row::plain(vec![Cell::text(why), parts, Cell::text(names(addrs.into_iter()))])
    });
    let head = ["Why it is free", "Parts#", "Which"];
    section.table(Table::new("Parts that cost nothing by themselves", &head, rows.collect()))
}

/// What has no price: also in the Markdown.
pub(super) fn missing_table(report: &Report) -> Table {
    let rows =
        report.after.missing().into_iter().map(|(addr, name)| {
            Row::plain(vec![Cell::name(addr), Cell::text(name), Cell::NoPrice])
        });
    Table::new("What no source has a price for", &["Part", "What", "A month#"], rows.collect())
}

fn machine_part(report: &Report) -> Section {
    let environment = &report.environment;
    Section::new("machines", "For programs")
        .says(format!(
            "`dsenv report -e {environment} --format json` prints these figures with all their digits; \
             `dsenv schema report` prints the JSON Schema. `--format csv` prints one row a line in columns of \
             FOCUS, `--format markdown` a comment for a pull request."
        ))
        .says(format!(
            "Exit code 0 says that the report was made, whatever it says; `dsenv plan -e {environment}` exits \
             with 1 when the plan is refused, and with 4 when nobody can tell."
        ))
}
