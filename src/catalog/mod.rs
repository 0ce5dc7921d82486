//! Fetches the vendors' price lists into a newer price book.
//!
//! In: which vendors and regions, and the book that is used now. Out: a book beside it in the cache, put in its
//! place at once, with what changed; or an error, and the book that is used stays. What was fetched is kept
//! until then, so that a run that was stopped goes on.
//!
//! A book that lost more than a few percent of what was looked at, or has as much of it at ten times the price,
//! is refused: lists do not change like that, and lists that were read wrongly do.
//!
//! ## Why
//! None of the three vendors publishes a digest of its lists. What is checked instead: the length that the
//! server names, the documented shape of every row and page, the comparison with the prices before, and every
//! row of the book that comes of it.

mod http;
mod partial;
mod vendors;

use crate::world::{DiskError, World};
use dsenv_sdk::prices::compile::{Comparison, Shelf, revise};
use dsenv_sdk::prices::lists::{self, Figure, ListError};
use dsenv_sdk::prices::search::is_like;
use dsenv_sdk::prices::{Book, Cloud, Date};
use http::Client;
use partial::Partial;
use std::collections::BTreeSet;
use std::path::Path;
use vendors::{Asking, KEY_VARIABLE};

/// How many in a hundred prices may be gone or a leap.
const CHANGED_MAX_PERCENT: usize = 3;

/// Who is told how far it is, in lines.
pub type Say<'s> = dyn FnMut(&str) + 's;

/// What is fetched.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Of whom.
    pub clouds: Vec<Cloud>,
    /// Of which regions, as a pattern.
    pub regions: String,
    /// Who is asked in the place of the vendors: an address such as `http://127.0.0.1:8000`.
    pub from: Option<String>,
    /// Whether prices that differ too much are taken all the same.
    pub doubt: Doubt,
}

/// What is done with prices that differ too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// They are refused.
    Refuse,
    /// They are taken: somebody looked.
    Take,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The digest of the new book.
    pub digest: String,
    /// The days of its figures.
    pub as_of: Option<(Date, Date)>,
    /// How many figures came of whom.
    pub figures: Vec<(Cloud, usize)>,
    /// How many bytes came in this run.
    pub bytes: u64,
    /// What changed.
    pub compared: Comparison,
    /// What was not fetched, and why.
    pub skipped: Vec<Skipped>,
}

/// What was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Why there is no newer book.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A server did not answer, or not with what was asked for.
    #[error("`{url}`: {why}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What came.
        why: String,
    },
    /// An answer is larger than a page is.
    #[error("`{url}` has more than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// How many it may have.
        limit_bytes: u64,
    },
    /// A list is not what its vendor documents.
    #[error("`{url}`")]
    List {
        /// Which.
        url: String,
        /// What it is not.
        source: ListError,
    },
    /// Nothing was fetched at all.
    #[error("nothing was fetched: {0}")]
    Nothing(String),
    /// The figures make no book.
    #[error("the figures make no book: {0}")]
    Book(String),
    /// They differ too much from those in use.
    #[error(
        "of {} prices {} are gone and {} changed tenfold: {}",
        .0.before(), .0.gone, .0.leaps, .0.examples.join("; ")
    )]
    Doubtful(Comparison),
    /// The folder cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl FetchError {
    fn list(url: &str, source: ListError) -> FetchError {
        FetchError::List { url: url.to_owned(), source }
    }
}

/// What was fetched so far.
#[derive(Default)]
struct Gathered {
    figures: Vec<Figure>,
    shelves: BTreeSet<Shelf>,
    skipped: Vec<Skipped>,
    bytes: u64,
}

/// Fetches price lists, and puts the book that comes of them at `path`.
pub async fn update(
    world: &dyn World,
    path: &Path,
    book: &Book,
    wish: &Wish,
    say: &mut Say<'_>,
) -> Result<Outcome, FetchError> {
    let folder = path.with_extension("partial");
    world.disk().create_dir_all(&folder)?;
    // Held to the end: two at once would put one download behind the other.
    let _guard = world.disk().lock(&path.with_extension("guard"), 0)?;
    let origin = wish.from.as_deref().unwrap_or("the vendors");
    let asking = Asking {
        world,
        client: Client::new(world),
        partial: Partial::open(world, &folder, origin)?,
        book,
        from: wish.from.as_deref().map(|from| from.trim_end_matches('/').to_owned()),
        today: today(world),
    };
    let mut gathered = gather(&asking, wish, say).await?;
    let figures = lists::highest(std::mem::take(&mut gathered.figures));
    if figures.is_empty() {
        let each = |it: &Skipped| format!("{}: {}", it.what, it.why);
        let why: Vec<String> = gathered.skipped.iter().map(each).collect();
        return Err(FetchError::Nothing(why.join("; ")));
    }
    let revised = revise(book, &figures, &gathered.shelves);
    let revised = revised.map_err(|error| FetchError::Book(error.to_string()))?;
    if wish.doubt == Doubt::Refuse && is_doubtful(&revised.compared) {
        return Err(FetchError::Doubtful(revised.compared));
    }
    let opened = Book::open(revised.bytes.clone());
    let opened = opened.map_err(|error| FetchError::Book(error.to_string()))?;
    world.disk().write_atomic(path, &revised.bytes)?;
    asking.partial.clear()?;
    let count = |cloud: Cloud| figures.iter().filter(|figure| figure.cloud == cloud).count();
    Ok(Outcome {
        digest: opened.digest(),
        as_of: opened.as_of(),
        figures: wish.clouds.iter().map(|cloud| (*cloud, count(*cloud))).collect(),
        bytes: gathered.bytes,
        compared: revised.compared,
        skipped: gathered.skipped,
    })
}

async fn gather(
    asking: &Asking<'_>,
    wish: &Wish,
    say: &mut Say<'_>,
) -> Result<Gathered, FetchError> {
    let mut gathered = Gathered::default();
    for cloud in &wish.clouds {
        let regions = asking.book.regions(*cloud).filter(|it| is_like(&wish.regions, it));
        let regions: Vec<String> = regions.map(str::to_owned).collect();
        if regions.is_empty() {
            continue;
        }
        match cloud {
            Cloud::Aws => asking.aws(&regions, &mut gathered, say).await?,
            Cloud::Azure => asking.azure(&regions, &mut gathered, say).await?,
            Cloud::Gcp => match asking.world.variable(KEY_VARIABLE) {
                Some(key) => asking.gcp(&key, &regions, &mut gathered, say).await?,
                None => {
                    let why = format!("its catalog asks for a key, and {KEY_VARIABLE} is not set");
                    gathered.skipped.push(Skipped { what: "gcp".to_owned(), why });
                }
            },
        }
    }
    Ok(gathered)
}

fn is_doubtful(compared: &Comparison) -> bool {
    let odd = compared.gone + compared.leaps;
    odd * 100 > compared.before() * CHANGED_MAX_PERCENT
}

/// The day of a list that has none of its own: the one on which it was asked for.
fn today(world: &dyn World) -> Date {
    let day = world.now().to_string();
    Date::of_moment(&day).expect("a moment begins with its day")
}
