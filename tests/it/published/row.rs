//! One row of the table: what was specified, how it is used, and what it costs.

use rust_decimal::Decimal;

/// A line of a bill that was published.
pub(super) struct Row {
    /// Which line of the file it is.
    pub(super) number: usize,
    pub(super) provider: String,
    pub(super) region: String,
    pub(super) kind: String,
    /// The names and values of the specification, in order; a name may come twice.
    spec: Vec<(String, String)>,
    usage: String,
    pub(super) monthly: Decimal,
    /// How far the price of one may be off, and how many there are: for that alone.
    pub(super) tolerance: Decimal,
    pub(super) quantity: Decimal,
    pub(super) is_suspect: bool,
}

/// Reads the table.
pub(super) fn read(text: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().expect("the table has a head").clone();
    let row = |(at, record): (usize, csv::Result<csv::StringRecord>)| {
        let record = record.expect("a row");
        let cell = |name: &str| {
            let at = headers.iter().position(|header| header == name).expect("a column");
            record.get(at).expect("a cell").to_owned()
        };
        let amount = |name: &str| {
            let text = cell(name);
            Decimal::from_scientific(&text).or_else(|_| text.parse()).expect("an amount")
        };
        Row {
            // The head is the first.
            number: at + 2,
            provider: cell("provider"),
            region: cell("region"),
            kind: cell("resource_kind"),
            spec: spec(&cell("spec")),
            usage: cell("usage_assumptions"),
            monthly: amount("monthly_cost_usd"),
            tolerance: amount("unit_price_tolerance_usd"),
            quantity: amount("monthly_qty"),
            is_suspect: cell("caveat").contains("SUSPECT"),
        }
    };
    reader.records().enumerate().map(row).collect()
}

fn spec(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').expect("a name and a value");
        (name.to_owned(), value.to_owned())
    };
    text.split("; ").map(pair).collect()
}

/// The value behind `name=` in what may be nested.
fn within<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let starts = |at: &usize| {
        at.checked_sub(1).is_none_or(|before| matches!(text.as_bytes()[before], b'{' | b','))
    };
    let key = format!("{name}=");
    let at = text.match_indices(&key).map(|(at, _)| at).find(starts)?;
    text[at + key.len()..].split([',', '}']).next()
}

impl Row {
    /// A value of the specification.
    pub(super) fn said(&self, name: &str) -> Option<&str> {
        self.spec.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A value within one of the specification: `size` in `boot_disk={initialize_params={size=40}}`.
    pub(super) fn inner(&self, outer: &str, name: &str) -> Option<&str> {
        within(self.said(outer)?, name)
    }

    /// What the usage file says of something.
    pub(super) fn used(&self, name: &str) -> Option<u64> {
        within(self.usage.split("usage file: ").nth(1)?, name)?.parse().ok()
    }

    /// The discount for sustained use that is in the price, in percent.
    pub(super) fn discount(&self) -> Option<i64> {
        let (_, behind) = self.usage.split_once("sustained-use discount ")?;
        behind.split('%').next()?.parse().ok()
    }

    pub(super) fn component(&self) -> &str {
        self.said("component").expect("every row is of a component")
    }

    /// `aws_instance` of `aws_instance.web["a"]`.
    pub(super) fn resource(&self) -> &str {
        self.address().split('.').next().expect("a split has a first")
    }

    pub(super) fn address(&self) -> &str {
        self.said("address").expect("every row has an address")
    }

    /// How many run for the whole of the month: all hours of all of them are said together.
    pub(super) fn machines(&self) -> Option<u64> {
        let (hours, _) = self.usage.split_once(" h total")?;
        let hours: u64 = hours.replace(',', "").parse().ok()?;
        hours.is_multiple_of(730).then_some(hours / 730)
    }

    /// For how many hours it runs, as a field of `usage`.
    pub(super) fn hours(&self) -> String {
        let hours = self.used("monthly_hrs").or(self.used("monthly_hours"));
        hours.map_or_else(String::new, |hours| format!(", usage: {{hours: {hours}}}"))
    }

    /// It, in messages.
    pub(super) fn shown(&self) -> String {
        format!("row {} ({}, {}, {})", self.number, self.region, self.address(), self.component())
    }
}
