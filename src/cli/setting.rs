//! What surrounds a command: the world, the site, and how to print.

use super::cost::WhichBook;
use super::{Exit, General, terminal};
use crate::diag::{Code, Diagnostic, Findings, Severity, Source, render, wire};
use crate::drive::{Compiled, Front, Problem, Request, Site};
use crate::registry::Registry;
use crate::report::{Detail, Style};
use crate::resolve::InputSource;
use crate::world::World;
use crate::world::real::RealWorld;
use dsenv_sdk::Addr;
use dsenv_sdk::prices::Book;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variables that providers may see: where programs are, how packages are fetched, which proxy
/// and certificates to use, how a cloud is reached, and who has the keys for ssh. Everything else stays
/// with the user.
const PASSED_ON: &[&str] = &[
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "DISPLAY",
    "DSENV_FAKE_ENDPOINT",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SHELL",
    "SHELL",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "USER",
    "XDG_RUNTIME_DIR",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
const PASSED_ON_PREFIXES: &[&str] = &["AWS_", "PIP_", "UV_"];

/// What surrounds a command.
pub(super) struct Setting {
    pub(super) general: General,
    pub(super) site: Site,
    pub(super) request: Request,
    pub(super) colour: bool,
    pub(super) width: usize,
}

impl Setting {
    /// Reads what the command line and the environment say; says on stderr what makes no sense.
    pub(super) fn new(general: General) -> Result<Setting, Exit> {
        let world: Arc<dyn World> = Arc::new(RealWorld::new());
        let mut inputs = Vec::new();
        for typed in &general.inputs {
            let Some((name, text)) = typed.split_once('=') else {
                terminal::err(&format!(
                    "error: `--input {typed}`: expected `--input NAME=VALUE`\n"
                ));
                return Err(Exit::Usage);
            };
            inputs.push(InputSource { name: name.to_owned(), typed: text.to_owned() });
        }
        let here = match std::env::current_dir() {
            Ok(here) => here,
            Err(error) => {
                terminal::err(&format!("error: the current folder cannot be told: {error}\n"));
                return Err(Exit::Failed);
            }
        };
        let named = general.file.clone().unwrap_or_else(|| PathBuf::from("dsenv.yaml"));
        let file = if here.join(&named).is_dir() { named.join("dsenv.yaml") } else { named };
        let colour = !general.no_color
            && !general.json
            && world.variable("NO_COLOR").is_none()
            && world.variable("TERM").as_deref() != Some("dumb");
        let columns = world.variable("COLUMNS").and_then(|text| text.parse().ok());
        let width = columns.or_else(terminal_width).unwrap_or(100).clamp(40, 120);
        let cache = cache_folder(&*world);
        let site = Site {
            world,
            file,
            here,
            cache,
            variables: passed_on(),
            registry: Registry::built_in(),
        };
        let environment = general.environment.clone();
        let request = Request { environment, inputs, ..Request::default() };
        Ok(Setting { general, site, request, colour, width })
    }

    /// Runs what waits, on one thread: the engine is a loop, and the work is elsewhere.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system gives a process an event queue");
        let result = runtime.block_on(future);
        // A thread that still waits for an answer at the terminal is not waited for.
        runtime.shutdown_background();
        result
    }

    /// Compiles, and shows remarks on the way; refuses with every finding. What a provider puts
    /// something else in the place of is only counted: `check` lists it, once is enough. What rules say
    /// without refusing stands among the verdicts of a plan.
    pub(super) fn compile(&self) -> Result<Compiled, Problem> {
        let (compiled, findings) = self.site.compile(&self.request)?;
        let findings =
            findings.without(|found| matches!(found.code, Code::E0603 | Code::E0521 | Code::E0522));
        let (notes, rest): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|found| found.severity == Severity::Note);
        if !self.general.json {
            self.say_findings(&rest.into_iter().collect());
        }
        if !notes.is_empty() {
            let provider = compiled.front.provider.name();
            let fields = if notes.len() == 1 { "field means" } else { "fields mean" };
            self.say(&format!(
                "{} {fields} something else on provider `{provider}`; `dsenv check` lists them.\n",
                notes.len()
            ));
        }
        Ok(compiled)
    }

    /// Reads which environment it is: for commands that look at what there is.
    pub(super) fn front(&self) -> Result<Front, Problem> {
        self.site.front(&self.request)
    }

    /// Prints a problem and returns how the command ends.
    pub(super) fn refuse(&self, problem: Problem) -> Exit {
        let findings = match problem {
            Problem::File { text, findings } => {
                self.show_findings_of(&findings, &text);
                return Exit::Failed;
            }
            other => other.into_findings(),
        };
        self.show_findings(&findings);
        refusal(&findings)
    }

    /// Prints findings as the answer: JSON on stdout, text on stderr.
    pub(super) fn show_findings(&self, findings: &Findings) {
        self.show_findings_of(findings, &self.source());
    }

    /// The same for findings in another file than the blueprint.
    fn show_findings_of(&self, findings: &Findings, source: &Source) {
        if self.general.json {
            print_report(findings, source);
        } else if findings.has_errors() {
            // A page of remarks above the one mistake would hide it.
            let is_remark = |found: &&Diagnostic| found.severity == Severity::Note;
            self.say_findings_of(&findings.without(is_remark), Some(source));
        } else {
            self.say_findings_of(findings, Some(source));
        }
    }

    /// Prints findings as a JSON document.
    pub(super) fn print_report(&self, findings: &Findings) {
        print_report(findings, &self.source());
    }

    /// Prints findings beside the answer.
    pub(super) fn say_findings(&self, findings: &Findings) {
        self.say_findings_of(findings, None);
    }

    /// The same for findings in a file; the blueprint when none is named.
    pub(super) fn say_findings_of(&self, findings: &Findings, source: Option<&Source>) {
        let quiet = self.general.quiet && !findings.has_errors();
        if findings.is_empty() || quiet {
            return;
        }
        let color = if self.colour && terminal::err_is_terminal() {
            render::Color::On
        } else {
            render::Color::Off
        };
        let look = render::Look { color, width: self.width };
        let source = source.cloned().unwrap_or_else(|| self.source());
        terminal::err(&render::text(findings, &source, look));
    }

    /// Opens the price book, with what it is called; says what is wrong with a fetched one.
    pub(super) fn book(&self, which: WhichBook) -> (Book, String) {
        let (book, from, findings) = self.site.book(which.choice());
        self.say_findings(&findings);
        (book, from)
    }

    /// The blueprint's text, for places in it; empty when it cannot be read.
    pub(super) fn source(&self) -> Source {
        let shown = self.site.file.display().to_string();
        self.site.source().unwrap_or_else(|_| Source::new(&shown, ""))
    }

    /// Prints the answer: JSON when asked for, else text.
    pub(super) fn answer(&self, json: impl FnOnce() -> Json, text: impl FnOnce() -> String) {
        if self.general.json {
            terminal::out(&format!("{:#}\n", json()));
        } else {
            terminal::out(&text());
        }
    }

    /// Says that an edit was made: a sentence, or a document with the same facts.
    pub(super) fn done(&self, command: &str, facts: Json, sentence: &str) {
        let document = || {
            let mut document = json!({"format": "dsenv-edit/1", "command": command});
            let all = document.as_object_mut().expect("it was just made");
            all.extend(facts.as_object().cloned().unwrap_or_default());
            document
        };
        if self.general.json || !self.general.quiet {
            self.answer(document, || format!("{sentence}\n"));
        }
    }

    /// Prints what is asked about before the question.
    pub(super) fn show(&self, text: &str) {
        if !self.general.json {
            terminal::out(text);
        }
    }

    /// Nothing was done, for want of consent: somebody said no, or nobody could be asked.
    pub(super) fn declined(&self, command: &str, facts: Json, yes: bool) -> Result<Exit, Problem> {
        if self.general.json {
            self.done(command, facts, "");
        }
        if yes || terminal::can_ask() {
            self.say("Nothing was done.\n");
            return Ok(Exit::Failed);
        }
        let refused = Diagnostic::error(Code::E0905, "there is no terminal to ask at");
        let refused = refused.help("if this is meant, say `--yes`");
        self.say_findings(&refused.into());
        Ok(Exit::Failed)
    }

    /// How text may look here.
    pub(super) fn style(&self, full: bool) -> Style {
        let detail = if full { Detail::Full } else { Detail::Brief };
        let color = if self.colour && terminal::out_is_terminal() {
            render::Color::On
        } else {
            render::Color::Off
        };
        Style { color, width: self.width, detail }
    }

    /// Prints a remark, unless asked to be quiet.
    pub(super) fn say(&self, text: &str) {
        if !self.general.quiet && !self.general.json {
            terminal::err(text);
        }
    }
}

fn print_report(findings: &Findings, source: &Source) {
    let report = wire::report(findings, source);
    let json = serde_json::to_string_pretty(&report).expect("plain data is JSON");
    terminal::out(&(json + "\n"));
}

/// Reads addresses as they were typed.
pub(super) fn addresses(typed: &[String]) -> Result<Vec<Addr>, Problem> {
    typed.iter().map(|text| address(text)).collect()
}

/// Reads an address as it was typed.
pub(super) fn address(typed: &str) -> Result<Addr, Problem> {
    typed.parse().map_err(|error: dsenv_sdk::addr::AddrError| {
        Problem::refused(Diagnostic::error(Code::E0814, error.to_string()))
    })
}

/// Reads `90s` or `5m` in milliseconds.
pub(super) fn duration_ms(typed: &str) -> Result<u64, String> {
    dsenv_sdk::schema::parse_duration_s(typed)
        .map(|seconds| seconds.saturating_mul(1_000))
        .ok_or_else(|| "expected a time such as `30s` or `5m`".to_owned())
}

/// How a command ends that these findings refuse.
pub(super) fn refusal(findings: &Findings) -> Exit {
    let mut errors = findings.iter().filter(|found| found.severity == Severity::Error).peekable();
    if findings.iter().any(|found| found.code == Code::E0506) {
        Exit::Usage
    } else if errors.peek().is_some() && errors.all(|found| found.code == Code::E0822) {
        Exit::CannotTell
    } else {
        Exit::Failed
    }
}

fn terminal_width() -> Option<usize> {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
}

fn passed_on() -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        PASSED_ON.contains(&name)
            || PASSED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
        .filter(|(name, _)| wanted(name))
        .collect()
}

/// Where what can be fetched again is kept, by the XDG base directory specification.
fn cache_folder(world: &dyn World) -> PathBuf {
    let cache =
        world.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || world.variable("HOME").unwrap_or_else(|| "/".to_owned());
    cache.unwrap_or_else(|| Path::new(&home()).join(".cache")).join("dsenv")
}
