//! `dsenv catalog`: what the clouds offer at which price, without a blueprint.

use super::Exit;
use super::setting::Setting;
use crate::catalog::{Doubt, FetchError, Wish};
use crate::diag::{Code, Diagnostic, suggest};
use crate::drive::{BookChoice, Problem};
use crate::estimate::BUILT_IN;
use crate::report::catalog::{self, Found};
use clap::{Args, Subcommand, ValueEnum};
use dsenv_sdk::prices::need::{
    Amount, Arches, GpuNeed, Gpus, NeedError, PriceMax, parse_count, parse_memory,
};
use dsenv_sdk::prices::search::{Query, SortBy, is_like, search};
use dsenv_sdk::prices::{Arch, Book, Cloud, Os, Purchase, accelerators::ACCELERATORS};

#[derive(Subcommand)]
pub(super) enum Typed {
    /// Lists the machines that satisfy a need, cheapest first.
    Search(Search),
    /// Fetches newer prices from the vendors' public lists.
    ///
    /// They are used from then on, until a newer dsenv has newer ones. A run that was stopped goes on where
    /// it was. AWS has hundreds of megabytes a region: `--region` names fewer. Google Cloud asks for a key, in
    /// the variable GOOGLE_API_KEY.
    Update(Update),
}

/// What is fetched.
#[derive(Args)]
pub(super) struct Update {
    /// Whose lists.
    #[arg(long, value_enum, default_value_t = Provider::Any)]
    provider: Provider,
    /// Regions: `eu-west-1`, or a pattern such as `us-*`.
    #[arg(long, value_name = "REGION", default_value = "*")]
    region: String,
    /// Asks this address in the place of the vendors'.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Takes prices that differ too much from those in use.
    #[arg(long)]
    force: bool,
}

/// What is looked for.
#[derive(Args)]
pub(super) struct Search {
    /// The accelerators: `A100:8`, `A100-80GB`, `24GiB+`; given more than once, any of them.
    #[arg(long, value_name = "GPU")]
    gpu: Vec<String>,
    /// Processors: `4`, or `4+` for four and more.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    cpus: Option<Amount>,
    /// Memory: `16GiB`, or `16GiB+` for that and more.
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<Amount>,
    /// One type, by its name.
    #[arg(long = "type", value_name = "NAME")]
    named: Option<String>,
    /// Whose offers.
    #[arg(long, value_enum, default_value_t = Provider::Any)]
    provider: Provider,
    /// Regions: `eu-west-1`, or a pattern such as `us-*`.
    #[arg(long, value_name = "REGION", default_value = "*")]
    region: String,
    /// Prices of spot machines, which are taken back at times.
    #[arg(long)]
    spot: bool,
    /// The most that an hour may cost: `20`, or with `--spot` `60%` of the price on demand.
    #[arg(long = "max-price", value_name = "PRICE", value_parser = PriceMax::parse)]
    max_price: Option<PriceMax>,
    /// What programs are compiled for.
    #[arg(long, value_enum)]
    arch: Option<Compiled>,
    /// Which system's licence is in the price.
    #[arg(long, value_enum, default_value_t = System::Linux)]
    os: System,
    /// The order.
    #[arg(long, value_enum, default_value_t = Order::Price)]
    sort: Order,
    /// How many are shown.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    book: super::cost::WhichBook,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum Provider {
    Any,
    Aws,
    Azure,
    Gcp,
}

impl Provider {
    fn cloud(self) -> Option<Cloud> {
        match self {
            Provider::Any => None,
            Provider::Aws => Some(Cloud::Aws),
            Provider::Azure => Some(Cloud::Azure),
            Provider::Gcp => Some(Cloud::Gcp),
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Compiled {
    #[value(name = "x86_64")]
    X86,
    #[value(name = "arm64")]
    Arm,
}

#[derive(Clone, Copy, ValueEnum)]
enum System {
    Linux,
    Windows,
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    Price,
    Cpus,
    Memory,
    Name,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    match typed {
        Typed::Search(typed) => run_search(setting, typed),
        Typed::Update(typed) => setting.block_on(run_update(setting, typed)),
    }
}

async fn run_update(setting: &Setting, typed: &Update) -> Result<Exit, Problem> {
    let (book, _, findings) = setting.site.book(BookChoice::Newest);
    setting.say_findings(&findings);
    let cloud = typed.provider.cloud();
    check_region(&book, cloud, &typed.region)?;
    let wish = Wish {
        clouds: clouds(cloud).collect(),
        regions: typed.region.clone(),
        from: typed.from.clone(),
        doubt: if typed.force { Doubt::Take } else { Doubt::Refuse },
    };
    let path = setting.site.book_path();
    let world = &*setting.site.world;
    let mut say = |line: &str| setting.say(line);
    let outcome = crate::catalog::update(world, &path, &book, &wish, &mut say).await;
    let outcome = outcome.map_err(not_fetched)?;
    if setting.site.book(BookChoice::Newest).1 == BUILT_IN {
        setting.say("The book of this dsenv is newer still, and stays in use.\n");
    }
    setting.answer(|| catalog::update_json(&outcome, &path), || catalog::updated(&outcome, &path));
    Ok(Exit::Done)
}

fn not_fetched(error: FetchError) -> Problem {
    let (code, help) = match error {
        FetchError::Disk(error) => return Problem::Disk(error),
        FetchError::Doubtful(_) => {
            (Code::E1006, "if they are right, `dsenv catalog update --force` takes them")
        }
        _ => (Code::E1005, "run it again: it goes on where it stopped; the prices in use stay"),
    };
    Problem::refused(Diagnostic::error(code, crate::drive::chain(&error)).help(help))
}

fn run_search(setting: &Setting, typed: &Search) -> Result<Exit, Problem> {
    let (book, book_from) = setting.book(typed.book);
    let query = query(typed, &book)?;
    let offers = search(&book, &query);
    let shown = &offers[..offers.len().min(typed.limit as usize)];
    let purchase = query.need.purchase.text();
    let found =
        Found { book: &book, book_from: &book_from, purchase, offers: shown, total: offers.len() };
    setting.answer(|| catalog::json(&found), || catalog::text(&found));
    Ok(Exit::Done)
}

/// Turns what was typed into what is looked for; a name that the book does not know is refused, because an
/// empty answer would read as "nobody offers this".
fn query(typed: &Search, book: &Book) -> Result<Query, Problem> {
    let cloud = typed.provider.cloud();
    check_region(book, cloud, &typed.region)?;
    if let Some(name) = &typed.named {
        check_type(book, cloud, name)?;
    }
    let mut query = Query { cloud, region: typed.region.clone(), ..Query::default() };
    query.sort = match typed.sort {
        Order::Price => SortBy::Price,
        Order::Cpus => SortBy::Cpus,
        Order::Memory => SortBy::Memory,
        Order::Name => SortBy::Name,
    };
    let need = &mut query.need;
    need.named = typed.named.clone();
    (need.cpus, need.memory_mib, need.price_max) = (typed.cpus, typed.memory, typed.max_price);
    need.arch = match typed.arch {
        None => Arches::Any,
        Some(Compiled::X86) => Arches::Only(Arch::X86_64),
        Some(Compiled::Arm) => Arches::Only(Arch::Arm64),
    };
    need.os = match typed.os {
        System::Linux => Os::Linux,
        System::Windows => Os::Windows,
    };
    need.purchase = if typed.spot { Purchase::Spot } else { Purchase::OnDemand };
    if !typed.gpu.is_empty() {
        let needs: Result<Vec<GpuNeed>, Problem> = typed.gpu.iter().map(|text| gpu(text)).collect();
        need.gpus = Gpus::AnyOf(needs?);
    }
    Ok(query)
}

fn unknown(message: String, near: Option<&str>) -> Diagnostic {
    Diagnostic::error(Code::E1001, message).did_you_mean(near)
}

fn gpu(text: &str) -> Result<GpuNeed, Problem> {
    GpuNeed::parse(text).map_err(|error| {
        let name = text.rsplit_once(':').map_or(text, |(name, _)| name);
        let names = ACCELERATORS.iter().map(|one| one.name);
        let near = match &error {
            NeedError::UnknownGpu(_) => suggest(name, names),
            _ => None,
        };
        Problem::refused(unknown(error.to_string(), near))
    })
}

fn clouds(only: Option<Cloud>) -> impl Iterator<Item = Cloud> {
    Cloud::ALL.iter().copied().filter(move |cloud| only.is_none_or(|only| only == *cloud))
}

fn check_region(book: &Book, cloud: Option<Cloud>, pattern: &str) -> Result<(), Problem> {
    let has = |cloud: &Cloud| book.regions(*cloud).any(|region| is_like(pattern, region));
    if clouds(cloud).any(|cloud| has(&cloud)) {
        return Ok(());
    }
    let of = cloud.map_or_else(String::new, |cloud| format!(" of `{cloud}`"));
    let message = format!("no region{of} in the price book is called `{pattern}`");
    let names: Vec<&str> = clouds(cloud).flat_map(|cloud| book.regions(cloud)).collect();
    let refused = unknown(message, suggest(pattern, names.iter().copied()));
    let elsewhere = Cloud::ALL.iter().find(|cloud| has(cloud));
    let near = !refused.help.is_empty();
    Err(Problem::refused(match elsewhere {
        Some(cloud) => refused.help(format!("`{cloud}` has it: `--provider {cloud}`")),
        None if near => refused,
        None => refused.help(format!("known are {}", names.join(", "))),
    }))
}

fn check_type(book: &Book, cloud: Option<Cloud>, name: &str) -> Result<(), Problem> {
    if clouds(cloud).any(|cloud| book.shape(cloud, name).is_some()) {
        return Ok(());
    }
    let of = cloud.map_or_else(String::new, |cloud| format!(" of `{cloud}`"));
    let near = suggest(name, clouds(cloud).flat_map(|cloud| book.type_names(cloud)));
    Err(Problem::refused(unknown(
        format!("no type{of} in the price book is called `{name}`"),
        near,
    )))
}
