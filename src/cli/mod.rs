//! The command line: what was typed becomes what is meant, and what came of it becomes text.
//!
//! One file a command, named as the user types it. A command reads its arguments, calls
//! [`crate::drive`], hands the result to [`crate::report`] and returns an [`Exit`]. Only this module
//! and [`terminal`] write to the terminal; nothing below knows that there is one.

mod adopt;
mod apply;
mod catalog;
mod check;
mod compare;
mod completions;
mod cost;
mod destroy;
mod drift;
mod env;
mod errors;
mod explain;
mod fmt;
mod graph;
mod import;
mod output;
mod parity;
mod plan;
mod protect;
mod report;
mod schema;
mod setting;
mod show;
mod state;
mod status;
mod terminal;
mod workspace;

use clap::{Args, CommandFactory, Parser, Subcommand};
use setting::Setting;
use std::ffi::OsString;
use std::path::PathBuf;

/// How a command ends; the numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It failed, or was refused.
    Failed,
    /// The plan has changes, and `--detailed-exitcode` asked to be told.
    Changes,
    /// Some of it was done.
    Partly,
    /// Whether it may be done cannot be told.
    CannotTell,
    /// What was typed makes no sense.
    Usage,
    /// Somebody interrupted it.
    Interrupted,
    /// dsenv itself is wrong.
    Bug,
    /// A program that it ran for the user ended with this.
    Program(u8),
}

impl Exit {
    /// Returns the number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::Partly => 3,
            Exit::CannotTell => 4,
            Exit::Usage => 64,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
            Exit::Program(code) => code,
        }
    }
}

/// Plans and applies one blueprint for a data-science environment: machines, pools, storage and
/// databases, on this machine.
#[derive(Parser)]
#[command(name = "dsenv", version, max_term_width = 100, disable_help_subcommand = true)]
struct Typed {
    #[command(flatten)]
    general: General,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
struct General {
    /// The blueprint, or a folder with a dsenv.yaml.
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The environment; needed when the blueprint has more than one.
    #[arg(short = 'e', long = "environment", global = true, value_name = "ENV")]
    environment: Option<String>,
    /// Gives an input of the blueprint; may be repeated.
    #[arg(long = "input", global = true, value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Prints JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Prints the answer and nothing beside it.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Prints without colour; so does the variable NO_COLOR.
    #[arg(long = "no-color", global = true)]
    no_color: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Checks a blueprint without looking at anything else.
    Check(check::Typed),
    /// Tidies the text of a blueprint.
    Fmt(fmt::Typed),
    /// Shows what apply would do.
    Plan(plan::Typed),
    /// Shows what the environment will cost, without an account.
    Cost(cost::Typed),
    /// Shows what the clouds offer at which price; needs no blueprint.
    #[command(subcommand)]
    Catalog(catalog::Typed),
    /// Makes a report of what the environment will cost: a page, a comment, or data.
    ///
    /// It is for people without a terminal and for programs, needs no account and no network, and shows every
    /// environment of the blueprint beside the one that is named.
    Report(report::Typed),
    /// Makes what is there what the blueprint says.
    Apply(apply::Typed),
    /// Proves that two environments are identical up to what may vary.
    ///
    /// The second may be stricter than the first, never laxer. Exits with 1 when something differs that must
    /// not, and with 4 when a level that was asked for cannot be read.
    Parity(parity::Typed),
    /// Deletes the environment and proves that nothing is left.
    Destroy(destroy::Typed),
    /// Refuses from now on to delete or replace a resource.
    Protect(protect::Typed),
    /// Allows it again.
    Unprotect(protect::Typed),
    /// Shows what the environment is, or what a saved plan would do.
    Show(show::Typed),
    /// Shows the blueprint's outputs.
    Output(output::Typed),
    /// Draws the resources and their references.
    Graph(graph::Typed),
    /// Shows how every service stands, and starts again what should run.
    Status(status::Wait),
    /// Shows the logs of a resource's services.
    Logs(workspace::LogsTyped),
    /// Opens a shell in a machine.
    Ssh(workspace::SshTyped),
    /// Runs a command in a machine.
    Exec(workspace::ExecTyped),
    /// Shows how to reach a database or bucket.
    Connect(workspace::ConnectTyped),
    /// Shows what was changed outside of dsenv.
    Drift(drift::Typed),
    /// Takes an object over that dsenv never made, as a resource of the blueprint.
    Import(import::Typed),
    /// Takes over what carries this environment's tags and the state does not know.
    ///
    /// What a lost reply or a lost state left behind. Without arguments it lists all of it and asks.
    Adopt(adopt::Typed),
    /// Looks at the state, and mends it.
    #[command(subcommand)]
    State(state::Typed),
    /// Shows the environments of the blueprint.
    #[command(subcommand)]
    Env(env::Typed),
    /// Shows the steps that failed, with their causes.
    Errors(errors::Typed),
    /// Explains a code such as E0204.
    Explain(explain::Typed),
    /// Prints a JSON Schema: of blueprints, for editors, or of what dsenv prints.
    Schema(schema::Typed),
    /// Prints completions for a shell.
    Completions(completions::Typed),
}

/// Runs the command line. `arguments` are without the program's name. A broken invariant is said to
/// be dsenv's own bug; the journal holds what was begun.
pub fn run(arguments: Vec<OsString>) -> Exit {
    std::panic::set_hook(Box::new(|panic| {
        terminal::err(&format!(
            "This is a bug in dsenv: {panic}\nWhat was begun stands in the journal beside the state; \
             the next command finds it.\n"
        ));
    }));
    std::panic::catch_unwind(|| run_typed(arguments)).unwrap_or(Exit::Bug)
}

fn run_typed(arguments: Vec<OsString>) -> Exit {
    let program = OsString::from("dsenv");
    let typed = match Typed::try_parse_from(std::iter::once(program).chain(arguments)) {
        Ok(typed) => typed,
        Err(error) => return terminal::usage(&error),
    };
    let setting = match Setting::new(typed.general) {
        Ok(setting) => setting,
        Err(exit) => return exit,
    };
    match typed.command {
        Command::Explain(typed) => explain::run(&setting, &typed),
        Command::Schema(typed) => schema::run(&setting, &typed),
        Command::Completions(typed) => completions::run(&setting, &typed, Typed::command()),
        Command::Check(typed) => check::run(&setting, &typed),
        Command::Fmt(typed) => fmt::run(&setting, &typed),
        Command::Graph(typed) => graph::run(&setting, &typed),
        Command::Env(typed) => env::run(&setting, &typed),
        Command::Cost(typed) => {
            cost::run(&setting, &typed).unwrap_or_else(|problem| setting.refuse(problem))
        }
        Command::Catalog(typed) => {
            catalog::run(&setting, &typed).unwrap_or_else(|problem| setting.refuse(problem))
        }
        Command::Report(typed) => {
            report::run(&setting, &typed).unwrap_or_else(|problem| setting.refuse(problem))
        }
        other => setting.block_on(live(&setting, other)),
    }
}

/// The commands that may wait for something.
async fn live(setting: &Setting, command: Command) -> Exit {
    let ended = match command {
        Command::Plan(typed) => plan::run(setting, &typed).await,
        Command::Apply(typed) => apply::run(setting, &typed).await,
        Command::Destroy(typed) => destroy::run(setting, &typed).await,
        Command::Protect(typed) => protect::run(setting, &typed, protect::Wish::Protect).await,
        Command::Unprotect(typed) => protect::run(setting, &typed, protect::Wish::Unprotect).await,
        Command::Show(typed) => show::run(setting, &typed).await,
        Command::Output(typed) => output::run(setting, &typed).await,
        Command::Status(typed) => status::run(setting, &typed).await,
        Command::Logs(typed) => workspace::logs(setting, &typed).await,
        Command::Ssh(typed) => workspace::ssh(setting, &typed).await,
        Command::Exec(typed) => workspace::exec(setting, &typed).await,
        Command::Connect(typed) => workspace::connect(setting, &typed).await,
        Command::Drift(typed) => drift::run(setting, &typed).await,
        Command::Parity(typed) => parity::run(setting, &typed).await,
        Command::Import(typed) => import::run(setting, &typed).await,
        Command::Adopt(typed) => adopt::run(setting, &typed).await,
        Command::State(typed) => state::run(setting, typed).await,
        Command::Errors(typed) => errors::run(setting, &typed).await,
        Command::Check(_)
        | Command::Catalog(_)
        | Command::Fmt(_)
        | Command::Graph(_)
        | Command::Cost(_)
        | Command::Report(_)
        | Command::Env(_)
        | Command::Explain(_)
        | Command::Schema(_)
        | Command::Completions(_) => unreachable!("these wait for nothing"),
    };
    ended.unwrap_or_else(|problem| setting.refuse(problem))
}
