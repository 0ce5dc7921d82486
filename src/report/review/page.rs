//! A page before it is HTML or Markdown: sections of sentences, pictures and tables.
//!
//! Sentences may hold names in backticks; what shows them decides what becomes of these.

use rust_decimal::Decimal;

/// What a page says.
pub(super) struct Page {
    /// `workbench in prod`.
    pub(super) title: String,
    /// Provider, region, day and days of the prices.
    pub(super) facts: Vec<String>,
    /// The one figure: a month.
    pub(super) headline: Cell,
    /// What stands behind the figure: `a month`.
    pub(super) headline_unit: String,
    /// The verdict in a sentence or two.
    pub(super) verdict: Vec<String>,
    /// Whether the verdict is good news, a warning, or a refusal: `priced`, `incomplete`, `refused`.
    pub(super) standing: &'static str,
    /// From the least to the most, where these differ.
    pub(super) range: Option<Range>,
    /// The rest.
    pub(super) sections: Vec<Section>,
}

/// A part of a page with a heading.
pub(super) struct Section {
    /// The name for links.
    pub(super) id: &'static str,
    /// The heading.
    pub(super) title: &'static str,
    /// What is said before the tables.
    pub(super) text: Vec<String>,
    /// A picture of the first table.
    pub(super) bars: Option<Bars>,
    /// The figures.
    pub(super) tables: Vec<Table>,
}

/// Three figures on a line.
pub(super) struct Range {
    pub(super) floor: Decimal,
    pub(super) now: Decimal,
    pub(super) ceiling: Decimal,
    /// Whether these are lower bounds.
    pub(super) at_least: bool,
}

/// Amounts as bars.
pub(super) struct Bars {
    /// What it shows.
    pub(super) title: String,
    /// From top to bottom: a name, its amount, whether that is a lower bound.
    pub(super) bars: Vec<(String, Decimal, bool)>,
}

/// Rows of figures under one heading.
pub(super) struct Table {
    /// What stands above it.
    pub(super) caption: String,
    /// The heads of the columns.
    pub(super) head: Vec<Head>,
    /// The rows; never none.
    pub(super) rows: Vec<Row>,
}

/// The head of a column.
pub(super) struct Head {
    pub(super) text: String,
    /// Whether figures stand below it.
    pub(super) is_figure: bool,
}

/// A row.
pub(super) struct Row {
    pub(super) weight: Weight,
    /// The first one names the row.
    pub(super) cells: Vec<Cell>,
}

/// How a row stands out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Plain,
    /// It heads the rows below it.
    Lead,
    /// It is one of those below a lead.
    Part,
    /// It is a sum.
    Sum,
}

/// What stands in a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// A sentence or a few words.
    Text(String),
    /// A name of the blueprint or of a cloud.
    Name(String),
    /// An amount of money.
    Amount { exact: Decimal, at_least: bool },
    /// By how much something differs.
    Difference(Decimal),
    /// The price of one.
    Price(Decimal),
    /// Any other figure, as it is shown.
    Figure(String),
    /// A figure that nobody says.
    NoPrice,
    /// Nothing can stand here.
    Empty,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    pub(super) fn name(name: impl ToString) -> Cell {
        Cell::Name(name.to_string())
    }

    pub(super) fn amount(amount: Option<Decimal>) -> Cell {
        amount.map_or(Cell::NoPrice, |exact| Cell::Amount { exact, at_least: false })
    }

    /// A sum that may lack something; one of which nothing is known has no price.
    pub(super) fn sum(exact: Decimal, is_missing: bool) -> Cell {
        match is_missing && exact.is_zero() {
            true => Cell::NoPrice,
            false => Cell::Amount { exact, at_least: is_missing },
        }
    }

    /// By how much a sum differs that may lack something.
    pub(super) fn difference(exact: Decimal, is_missing: bool) -> Cell {
        if is_missing && exact.is_zero() { Cell::NoPrice } else { Cell::Difference(exact) }
    }

    /// Stands where there is nothing to have a figure.
    pub(super) fn dash() -> Cell {
        Cell::Figure("–".to_owned())
    }

    pub(super) fn price(price: Option<Decimal>) -> Cell {
        price.map_or(Cell::NoPrice, Cell::Price)
    }
}

impl From<&crate::estimate::Total> for Cell {
    /// A sum of which nothing is known has no price: `at least $0.00` would read as something.
    fn from(total: &crate::estimate::Total) -> Cell {
        Cell::sum(total.monthly.now, total.missing > 0)
    }
}

impl Row {
    pub(super) fn plain(cells: Vec<Cell>) -> Row {
        Row { weight: Weight::Plain, cells }
    }
}

impl Table {
    /// Makes a table; a head that ends with `#` is of a column of figures.
    pub(super) fn new(caption: impl Into<String>, head: &[&str], rows: Vec<Row>) -> Table {
        let head = head.iter().map(|text| Head {
            text: text.trim_end_matches('#').to_owned(),
            is_figure: text.ends_with('#'),
        });
        let table = Table { caption: caption.into(), head: head.collect(), rows };
        assert!(table.rows.iter().all(|row| row.cells.len() == table.head.len()));
        table
    }

    /// Takes a column out.
    pub(super) fn without(&mut self, column: usize) {
        self.head.remove(column);
        for row in &mut self.rows {
            row.cells.remove(column);
        }
    }
}

impl Section {
    pub(super) fn new(id: &'static str, title: &'static str) -> Section {
        Section { id, title, text: Vec::new(), bars: None, tables: Vec::new() }
    }

    pub(super) fn says(mut self, text: impl Into<String>) -> Section {
        self.text.push(text.into());
        self
    }

    /// Adds a table, unless it is empty.
    pub(super) fn table(mut self, table: Table) -> Section {
        if !table.rows.is_empty() {
            self.tables.push(table);
        }
        self
    }
}
