//! Figures as text, so that what was read of a list is kept until the rest has been fetched.

use super::{AWS, AZURE, Figure, GCP, ListError, What};
use crate::date::Date;
use crate::money::Currency;
use crate::price::Price;
use crate::shape::{Cloud, Os, Purchase};

/// What such a text begins with, before the number of its lines; another version of it is read anew from its list.
const HEAD: &str = "dsenv-figures/1";

/// Writes figures as text, each on a line; [`kept`] reads it.
pub fn keep(figures: &[Figure]) -> String {
    let mut text = format!("{HEAD} {}\n", figures.len());
    for Figure { cloud, region, what, price, source, as_of } in figures {
        let what = match what {
            What::Machine { ty, os, purchase } => format!("machine\t{ty}\t{os}\t{purchase}"),
            What::Rate { key, unit, from, to } => {
                let to = to.map_or_else(|| "-".to_owned(), |to| to.to_string());
                format!("rate\t{key}\t{unit}\t{from}\t{to}")
            }
        };
        let price = price.decimal();
        text += &format!("{cloud}\t{region}\t{source}\t{as_of}\t{price}\t{what}\n");
    }
    text
}

/// Reads figures that were kept; a text that was cut off or changed is an error.
pub fn kept(text: &str) -> Result<Vec<Figure>, ListError> {
    let whole = text.strip_prefix(HEAD).and_then(|rest| rest.split_once('\n'));
    let whole = whole.and_then(|(count, lines)| {
        let count: usize = count.trim_start().parse().ok()?;
        let ends = lines.is_empty() || lines.ends_with('\n');
        (ends && lines.lines().count() == count).then_some(lines)
    });
    let lines = whole.ok_or_else(|| ListError::Table("not figures that were kept".to_owned()))?;
    let wrong = |line: &str| ListError::Table(format!("`{line}` is no figure"));
    lines.lines().map(|line| figure(line).ok_or_else(|| wrong(line))).collect()
}

fn figure(line: &str) -> Option<Figure> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [cloud, region, source, as_of, price, what @ ..] = cells.as_slice() else { return None };
    let what = match what {
        ["machine", ty, os, purchase] => What::Machine {
            ty: (*ty).to_owned(),
            os: Os::parse(os)?,
            purchase: Purchase::parse(purchase)?,
        },
        ["rate", key, unit, from, to] => What::Rate {
            key: (*key).to_owned(),
            unit: (*unit).to_owned(),
            from: from.parse().ok()?,
            to: if *to == "-" { None } else { Some(to.parse().ok()?) },
        },
        _ => return None,
    };
    Some(Figure {
        cloud: Cloud::parse(cloud)?,
        region: (*region).to_owned(),
        what,
        price: Price::parse(price, Currency::USD)?,
        source: [AWS, AZURE, GCP].into_iter().find(|known| known == source)?,
        as_of: Date::parse(as_of)?,
    })
}
