//! The figures that a plan is priced with: the price book, own prices, and how resources are used.
//!
//! The book is the one of the program, or one that `dsenv catalog update` fetched, when that is newer and
//! verifies. The files beside a blueprint are `dsenv.usage.yaml` and `dsenv.rates.yaml`, after its own name;
//! what the command line names goes before them.

use super::{Front, Problem, Site};
use crate::diag::{Code, Diagnostic, Findings, Source};
use crate::estimate::read::{self, Use};
use crate::estimate::{self, BUILT_IN, Rates, Rule, Terms};
use crate::plan::Plan;
use crate::world::DiskErrorKind;
use crate::yaml;
use dsenv_sdk::prices::{Book, Cloud};
use std::path::{Path, PathBuf};

/// A price book is a few megabytes; one that is larger is not one.
pub const BOOK_BYTES_MAX: u64 = 256 << 20;

/// The figures that a plan is priced with.
#[derive(Clone, Debug)]
pub struct Figures {
    /// List prices.
    pub book: Book,
    /// How the book is called.
    pub book_from: String,
    /// Own prices.
    pub rates: Rates,
    /// How resources are used.
    pub usage: Use,
    /// The file of own prices; `None` where there is none.
    pub rates_file: Option<Source>,
}

impl Default for Figures {
    /// The book of the program, and nothing else.
    fn default() -> Figures {
        let (rates, usage) = (Rates::default(), Use::default());
        let book_from = BUILT_IN.to_owned();
        Figures { book: Book::builtin(), book_from, rates, usage, rates_file: None }
    }
}

impl Figures {
    /// Returns them as an estimate takes them.
    pub fn terms(&self) -> Terms<'_> {
        Terms {
            book: &self.book,
            book_from: &self.book_from,
            rates: &self.rates,
            usage: self.usage.resources.clone(),
            usual: self.usage.kinds.clone(),
        }
    }

    /// Warns of own prices for the provider and region of a plan that are for nothing in it: a discount with a
    /// mistyped name would be lost in silence. Those for other places are for other environments.
    pub fn idle(&self, plan: &Plan, front: &Front) -> Findings {
        let terms = self.terms();
        let idle = estimate::idle(plan, &front.resolved, &*front.provider, &terms);
        let warning = |rule: &Rule| {
            let environment = &front.resolved.environment;
            let message = format!("nothing in `{environment}` is charged by this rate");
            let help =
                "`dsenv cost --json` has what there is: the key of a charge, the type of a machine";
            Diagnostic::warning(Code::E1011, message).at(rule.span).help(help)
        };
        idle.into_iter().map(warning).collect()
    }
}

/// What is odd about a file, and its text; `None` for what has none, such as a price book.
pub type Remarks = (Option<Source>, Findings);

/// Which book is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BookChoice {
    /// The newest there is.
    #[default]
    Newest,
    /// The one of the program.
    BuiltIn,
}

/// Which files are read; one that is not named is looked for beside the blueprint.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// How resources are used.
    pub usage: Option<PathBuf>,
    /// Own prices.
    pub rates: Option<PathBuf>,
}

impl Site {
    /// Where a fetched price book is kept.
    pub fn book_path(&self) -> PathBuf {
        self.cache.join("prices").join("prices.book")
    }

    /// Opens the price book. What is wrong with a fetched one is said, and the one of the program used.
    pub fn book(&self, choice: BookChoice) -> (Book, String, Findings) {
        let built_in = || (Book::builtin(), BUILT_IN.to_owned());
        let (book, from) = match choice {
            BookChoice::BuiltIn => built_in(),
            BookChoice::Newest => match self.fetched_book() {
                Ok(Some(found)) => found,
                Ok(None) => built_in(),
                Err(why) => {
                    let (book, from) = built_in();
                    let path = self.book_path();
                    let message = format!("`{}` is not used: {why}", path.display());
                    let help = "`dsenv catalog update` fetches another one";
                    let warning = Diagnostic::warning(Code::E1007, message).help(help);
                    return (book, from, warning.into());
                }
            },
        };
        (book, from, Findings::new())
    }

    /// The fetched book; `None` where there is none, or one that is older than that of the program.
    fn fetched_book(&self) -> Result<Option<(Book, String)>, String> {
        let path = self.book_path();
        let read = self.world.disk().read(&path, BOOK_BYTES_MAX);
        let Some(bytes) = read.map_err(|error| super::chain(&error))? else { return Ok(None) };
        let book = Book::open(bytes).map_err(|error| error.to_string())?;
        let newest = |book: &Book| book.as_of().map(|(_, newest)| newest);
        let newer = newest(&book) >= newest(&Book::builtin());
        Ok(newer.then(|| (book, path.display().to_string())))
    }

    /// Reads the book and the files; refuses with every mistake of the first file that has one. Warnings
    /// come beside, with the file that they are in.
    pub fn figures(
        &self,
        choice: BookChoice,
        files: &Files,
        resources: &[&str],
    ) -> Result<(Figures, Vec<Remarks>), Problem> {
        let (book, book_from, found) = self.book(choice);
        let mut remarks = vec![(None, found)];
        let mut usage = Use::default();
        if let Some(source) = self.beside(files.usage.as_deref(), "usage")? {
            let (read, findings) = read::usage(&source, resources);
            usage = read;
            remarks.push((Some(source.clone()), unless_refused(source, findings)?));
        }
        let (mut rates, mut rates_file) = (Rates::default(), None);
        if let Some(source) = self.beside(files.rates.as_deref(), "rates")? {
            let mut providers = self.registry.names();
            let own = providers.clone();
            let own: Vec<&str> = own.into_iter().filter(|name| self.is_own(name)).collect();
            providers.extend(Cloud::ALL.iter().map(|cloud| cloud.text()));
            providers.sort_unstable();
            providers.dedup();
            let around = read::Around { listed: book.currency(), providers: &providers, own: &own };
            let (read, findings) = read::rates(&source, around);
            rates = read;
            rates_file = Some(source.clone());
            remarks.push((Some(source.clone()), unless_refused(source, findings)?));
        }
        remarks.retain(|(_, findings)| !findings.is_empty());
        Ok((Figures { book, book_from, rates, usage, rates_file }, remarks))
    }

    fn is_own(&self, provider: &str) -> bool {
        self.registry.get(provider).is_some_and(|provider| provider.cloud().is_none())
    }

    /// Reads the file that was named, which must be there, or the one beside the blueprint, which need not.
    fn beside(&self, named: Option<&Path>, what: &str) -> Result<Option<Source>, Problem> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => self.file.with_extension(format!("{what}.yaml")),
        };
        let shown = path.display().to_string();
        let unread = |why: String| {
            let message = format!("`{shown}`: {why}");
            let help = format!("`--{what} FILE` names another one");
            Problem::refused(Diagnostic::error(Code::E0906, message).help(help))
        };
        match self.world.disk().read(&path, yaml::FILE_BYTES_MAX) {
            Ok(Some(bytes)) => {
                let (source, findings) = yaml::decode(&shown, &bytes);
                unless_refused(source.clone(), findings).map(|_| Some(source))
            }
            Ok(None) if named.is_none() => Ok(None),
            Ok(None) => Err(unread("there is no such file".to_owned())),
            Err(error) if matches!(error.kind, DiskErrorKind::TooLarge { .. }) => {
                Err(unread(format!("it has more than {} bytes", yaml::FILE_BYTES_MAX)))
            }
            Err(error) => Err(unread(super::chain(&error))),
        }
    }
}

fn unless_refused(source: Source, findings: Findings) -> Result<Findings, Problem> {
    if findings.has_errors() { Err(Problem::File { text: source, findings }) } else { Ok(findings) }
}
