//! Placement against an oracle that knows nothing of the book: it reads the tables by itself, filters every
//! row of a region and sorts what is left. Both must name the same offers in the same order.

use crate::{compile, small};
use dsenv_prices::need::{Amount, Arches, Burstable, Generations, GpuNeed, Gpus, Need, PriceMax};
use dsenv_prices::place::place;
use dsenv_prices::search::{Query, SortBy, search};
use dsenv_prices::{Arch, Band, Book, Cloud, Money, Os, Purchase};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

type Row = BTreeMap<String, String>;

fn rows(table: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let names = reader.headers().expect("names of columns").clone();
    let row = |record: csv::StringRecord| {
        names.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()
    };
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

type Fit<'o> = (usize, bool, Decimal, &'o Row);

/// The tables, by what a need asks for.
struct Oracle {
    types: BTreeMap<String, Vec<Row>>,
    /// By provider, region, system and market: type and price.
    prices: BTreeMap<[String; 4], BTreeMap<String, Decimal>>,
    bands: BTreeMap<(String, String), String>,
    /// Provider, letters, architecture: the generations, newest first.
    lines: BTreeMap<(String, String, String), Vec<u32>>,
}

impl Oracle {
    fn new(instances: &str, compute: &str, interruptions: &str) -> Oracle {
        let mut types: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        let mut lines: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
        for row in rows(instances) {
            let (line, generation) = line(&row);
            lines.entry(line).or_default().insert(generation);
            types.entry(row["provider"].clone()).or_default().push(row);
        }
        let mut prices: BTreeMap<[String; 4], BTreeMap<String, Decimal>> = BTreeMap::new();
        for row in rows(compute) {
            let key = ["provider", "region", "os", "market"].map(|column| row[column].clone());
            let price = row["price_usd_hour"].parse().expect("a price");
            prices.entry(key).or_default().insert(row["instance_type"].clone(), price);
        }
        let band = |row: Row| {
            let key = (row["region"].clone(), row["instance_type"].clone());
            (key, row["interruption_band_monthly"].clone())
        };
        let bands = rows(interruptions).into_iter().map(band).collect();
        let newest = |(line, all): (_, BTreeSet<u32>)| (line, all.into_iter().rev().collect());
        Oracle { types, prices, bands, lines: lines.into_iter().map(newest).collect() }
    }

    fn is_previous(&self, row: &Row) -> bool {
        let (line, generation) = line(row);
        self.lines[&line].iter().position(|one| *one == generation).expect("it is there") >= 3
    }

    fn is_cheap(
        &self,
        key: &[String; 4],
        row: &Row,
        price: Decimal,
        most: Option<PriceMax>,
    ) -> bool {
        match most {
            None => true,
            Some(PriceMax::Hour(most)) => price <= most.amount,
            Some(PriceMax::OfOnDemand(percent)) => {
                let [provider, region, os, _] = key.clone();
                let on_demand = self.prices.get(&[provider, region, os, "on_demand".to_owned()]);
                let on_demand = on_demand.and_then(|prices| prices.get(&row["instance_type"]));
                on_demand.is_some_and(|whole| price <= whole * Decimal::new(percent.into(), 2))
            }
        }
    }

    /// Everything that satisfies, in order: which accelerator, whether an old one, price, row.
    fn fits(&self, cloud: &str, region: &str, need: &Need) -> Vec<Fit<'_>> {
        let market = need.purchase.text().to_owned();
        let key = [cloud.to_owned(), region.to_owned(), need.os.text().to_owned(), market];
        let none = BTreeMap::new();
        let prices = self.prices.get(&key).unwrap_or(&none);
        let mut fits: Vec<Fit<'_>> = Vec::new();
        for row in &self.types[cloud] {
            let Some(price) = prices.get(&row["instance_type"]) else { continue };
            let Some(alternative) = alternative(row, &need.gpus) else { continue };
            let previous = self.is_previous(row);
            if !self.is_cheap(&key, row, *price, need.price_max)
                || !is_amount(need.cpus, row["vcpu"].parse().expect("a number"))
                || !is_amount(need.memory_mib, mib(&row["memory_gib"]))
                || !arches(need.arch).contains(&row["arch"].as_str())
                || need.burstable == Burstable::Refused && is_burstable(row)
                || need.generations == Generations::CurrentOnly && previous
            {
                continue;
            }
            if let Some(most) = need.band_max {
                let key = (region.to_owned(), row["instance_type"].clone());
                let order = ["<5%", "5-10%", "10-15%", "15-20%", ">20%"];
                let place = |band: &str| order.iter().position(|one| *one == band);
                let band = self.bands.get(&key).filter(|_| cloud == "aws");
                if band.is_none_or(|band| place(band) > place(most.text())) {
                    continue;
                }
            }
            let old = previous && need.generations == Generations::CurrentFirst;
            fits.push((alternative, old, *price, row));
        }
        fits.sort_by_key(|(alternative, old, price, row)| {
            (*alternative, *old, *price, row["instance_type"].clone())
        });
        fits
    }

    /// The offers in the order in which they are tried.
    fn place(&self, cloud: &str, region: &str, need: &Need) -> Vec<String> {
        let mut fits = self.fits(cloud, region, need);
        fits.retain(|fit| !fit.3["instance_type"].contains("metal") && !is_special(fit.3));
        let mut names = Vec::new();
        for (alternative, old, _, row) in &fits {
            let first = fits.iter().find(|one| one.0 == *alternative).expect("at least itself");
            let number = |row: &Row, column: &str| mib(&row[column]);
            let larger = |column| number(row, column) > 2 * number(first.3, column);
            let left_out = *old && !first.1 || larger("vcpu") || larger("memory_gib");
            if !left_out {
                names.push(row["instance_type"].clone());
            }
        }
        names
    }
}

fn mib(gib: &str) -> u64 {
    let gib: f64 = gib.parse().expect("a number");
    (gib * 1_024.0).round() as u64
}

fn is_amount(needed: Option<Amount>, there: u64) -> bool {
    match needed {
        None => true,
        Some(Amount::Exactly(number)) => there == number,
        Some(Amount::AtLeast(number)) => there >= number,
    }
}

fn arches(need: Arches) -> Vec<&'static str> {
    match need {
        Arches::Usual => vec!["x86_64"],
        Arches::Any => vec!["x86_64", "arm64", ""],
        Arches::Only(arch) => vec![arch.text()],
    }
}

fn is_special(row: &Row) -> bool {
    let name = row["instance_type"].as_str();
    let aws = ["f1.", "f2.", "vt1.", "dl2q."].iter().any(|start| name.starts_with(start));
    row["provider"] == "aws" && aws || name.starts_with("Standard_NP")
}

fn is_burstable(row: &Row) -> bool {
    let name = row["instance_type"].as_str();
    match row["provider"].as_str() {
        "aws" => name.starts_with('t') && !name.starts_with("trn"),
        "azure" => name.starts_with("Standard_B"),
        _ => ["f1-micro", "g1-small", "e2-micro", "e2-small", "e2-medium"].contains(&name),
    }
}

/// Letters and number of a name, found from the other end than the crate does.
fn line(row: &Row) -> ((String, String, String), u32) {
    let (provider, arch) = (row["provider"].clone(), row["arch"].clone());
    let name = row["instance_type"].as_str();
    let (letters, generation) = if provider == "azure" {
        let letters: String = name["Standard_".len()..]
            .split(|c: char| !c.is_ascii_uppercase())
            .next()
            .unwrap_or_default()
            .to_owned();
        let letters = if ["DS", "GS"].contains(&letters.as_str()) {
            letters[..1].to_owned()
        } else {
            letters
        };
        let version = name.rfind("_v").map(|at| &name[at + 2..]);
        let version = version.map(|rest| rest.split('_').next().unwrap_or_default());
        (letters, version.map_or(1, |version| version.parse().expect("a version")))
    } else {
        let family = row["family"].as_str();
        let at = family.find(|c: char| !c.is_ascii_lowercase()).expect("a number behind letters");
        let rest = &family[at..];
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let generation = if rest.starts_with('-') {
            let end = rest.trim_end_matches(|c: char| !c.is_ascii_digit());
            digits(&end[end.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1)..])
        } else {
            digits(&rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())])
        };
        (family[..at].to_owned(), generation.parse().expect("a generation"))
    };
    ((provider, letters, arch), generation)
}

/// Which of the accelerators a row has; rows are compared by the names of the tables.
fn alternative(row: &Row, gpus: &Gpus) -> Option<usize> {
    let count: f64 = row["gpu_count"].parse().expect("a count");
    match gpus {
        Gpus::Without => (count == 0.0).then_some(0),
        Gpus::Whatever => Some(0),
        Gpus::AnyOf(needs) => needs.iter().any(|need| has(row, count, need)).then_some(0),
        Gpus::Ordered(needs) => needs.iter().position(|need| has(row, count, need)),
    }
}

fn has(row: &Row, count: f64, need: &GpuNeed) -> bool {
    let name = match row["gpu_name"].as_str() {
        "RTX PRO Server 6000" | "RTX PRO 6000" => "RTX-PRO-6000",
        "Gaudi HL-205" => "Gaudi",
        "Radeon Pro V520" => "V520",
        "T4g" => "T4G",
        name => name,
    };
    let memory: Option<f64> = row["gpu_memory_gib_each"].parse().ok();
    let no_cuda = [
        "",
        "Gaudi",
        "V520",
        "V620",
        "V710",
        "MI25",
        "MI300X",
        "Inferentia",
        "Inferentia2",
        "Trainium",
        "Trainium2",
    ];
    match need {
        GpuNeed::Named { accelerator, count: wanted, sold_gib } => {
            let size = |sold: u32| {
                memory
                    .is_some_and(|shown| shown <= f64::from(sold) && shown * 1.1 >= f64::from(sold))
            };
            accelerator.name == name && count == f64::from(*wanted) && sold_gib.is_none_or(size)
        }
        GpuNeed::Memory(amount) => {
            let (least, exact) = match amount {
                Amount::AtLeast(mib) => (*mib as f64 / 1_024.0, false),
                Amount::Exactly(mib) => (*mib as f64 / 1_024.0, true),
            };
            let enough = |shown: f64| shown * 1.1 >= least && (!exact || shown <= least);
            !no_cuda.contains(&name) && memory.is_some_and(enough)
        }
    }
}

/// Numbers that are the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    fn one<'l, T>(&mut self, of: &'l [T]) -> &'l T {
        &of[self.below(of.len())]
    }

    fn amount(&mut self, numbers: &[u64]) -> Option<Amount> {
        let number = *self.one(numbers);
        match self.below(4) {
            0 => None,
            1 => Some(Amount::Exactly(number)),
            _ => Some(Amount::AtLeast(number)),
        }
    }

    fn gpus(&mut self) -> Gpus {
        const TEXTS: &[&str] = &[
            "A100:8",
            "A100",
            "A100-80GB",
            "A100-40GB:8",
            "H100:8",
            "H100",
            "T4",
            "T4:4",
            "L4",
            "L4:8",
            "V100:4",
            "V100-32GB:8",
            "A10G",
            "A10",
            "L40S",
            "M60",
            "K80",
            "RTX PRO 6000",
            "MI300X:8",
            "Inferentia2",
            "Trainium:16",
            "T4g",
            "B200:8",
            "24GiB+",
            "40GiB+",
            "16GiB",
            "4GiB+",
            "80GiB+",
            "48GiB",
        ];
        let mut needs: Vec<GpuNeed> = Vec::new();
        for _ in 0..1 + self.below(3) {
            needs.push(GpuNeed::parse(self.one::<&str>(TEXTS)).expect("an accelerator"));
        }
        match self.below(8) {
            0..=3 => Gpus::Without,
            4 => Gpus::Whatever,
            5 => Gpus::AnyOf(needs),
            _ => Gpus::Ordered(needs),
        }
    }

    fn need(&mut self) -> Need {
        let maximum = ["0.01", "0.1", "0.5", "2", "10", "100"];
        let maximum = self.one(&maximum).parse().expect("a decimal");
        let arches =
            [Arches::Usual, Arches::Only(Arch::X86_64), Arches::Only(Arch::Arm64), Arches::Any];
        let generations = [Generations::CurrentFirst, Generations::CurrentOnly, Generations::Any];
        Need {
            named: None,
            cpus: self.amount(&[1, 2, 4, 6, 8, 16, 32, 64, 96, 192]),
            memory_mib: self
                .amount(&[512, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536, 262_144, 1_048_576]),
            arch: *self.one(&arches),
            gpus: self.gpus(),
            further_regions: Vec::new(),
            os: if self.below(8) == 0 { Os::Windows } else { Os::Linux },
            purchase: *self.one(Purchase::ALL),
            price_max: match self.below(8) {
                0 | 1 => Some(PriceMax::Hour(Money::usd(maximum))),
                2 => Some(PriceMax::OfOnDemand(10 * (1 + self.below(10) as u32))),
                _ => None,
            },
            band_max: (self.below(6) == 0).then(|| *self.one(Band::ALL)),
            generations: *self.one(&generations),
            burstable: if self.below(4) == 0 { Burstable::Refused } else { Burstable::Allowed },
        }
    }
}

/// Places random needs both ways; returns how many found something.
fn agree(oracle: &Oracle, book: &Book, seed: u64, times: usize) -> usize {
    let mut random = Random(seed);
    let mut found = 0;
    for at in 0..times {
        let cloud = *random.one(Cloud::ALL);
        let regions: Vec<&str> = book.regions(cloud).collect();
        let region = *random.one(&regions);
        let need = random.need();
        let placement = place(book, cloud, region, &need);
        let offers = placement.chosen.iter().chain(&placement.fallbacks);
        let names: Vec<&str> = offers.map(|offer| offer.name).collect();
        let expected = oracle.place(cloud.text(), region, &need);
        assert_eq!(names, expected, "seed {seed}, need {at}: {cloud} {region} {need:?}");
        found += usize::from(!names.is_empty());
        if at % 4 == 0 {
            lists_agree(oracle, book, cloud, region, need);
        }
    }
    found
}

/// A list of one region has everything that satisfies and is cheap enough, of any generation.
fn lists_agree(oracle: &Oracle, book: &Book, cloud: Cloud, region: &str, need: Need) {
    let most = need.price_max.or(Some(PriceMax::Hour(Money::usd(Decimal::from(1_000)))));
    let gpus = match need.gpus {
        Gpus::Ordered(needs) => Gpus::AnyOf(needs),
        other => other,
    };
    let need = Need { price_max: most, gpus, generations: Generations::Any, ..need };
    let query = Query { cloud: Some(cloud), region: region.to_owned(), need, sort: SortBy::Price };
    let names: Vec<&str> = search(book, &query).iter().map(|offer| offer.name).collect();
    let fits = oracle.fits(cloud.text(), region, &query.need);
    let expected: Vec<&str> = fits.iter().map(|fit| fit.3["instance_type"].as_str()).collect();
    assert_eq!(names, expected, "{query:?}");
}

#[test]
fn placement_agrees_with_a_reader_of_the_small_tables() {
    let oracle = Oracle::new(small::INSTANCES, small::COMPUTE, small::INTERRUPTIONS);
    let found = agree(&oracle, &small::book(), 1, 3_000);
    assert!(found > 120, "only {found} needs found anything");
}

#[test]
fn placement_agrees_with_a_reader_of_the_whole_tables() {
    let Some(folder) = compile::catalogue() else { return compile::skipped() };
    let table = |name| compile::table(&folder, name);
    let oracle = Oracle::new(
        &table("instances.csv"),
        &table("compute_prices.csv"),
        &table("aws_spot_interruption.csv"),
    );
    let found = agree(&oracle, &Book::builtin(), 2, 3_000);
    assert!(found > 400, "only {found} needs found anything");
}
