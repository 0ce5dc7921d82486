//! `dsenv apply`: plans, asks, obeys; or obeys a plan that was kept.

use super::cost::FigureArgs;
use super::plan::{self, Scope};
use super::setting::{Setting, duration_ms};
use super::status::{self, Wait};
use super::{Exit, terminal};
use crate::apply::{Interrupt, OnError};
use crate::diag::{Code, Diagnostic};
use crate::diff::Mode;
use crate::drive::{Ended, Options, Planned, Problem, Talk};
use crate::event::{At, Event, Summary};
use crate::report::outputs::{self, Secrets};
use crate::report::progress::{Bars, Consumer, JsonLines, Lines};
use crate::{apply, report};
use clap::{Args, ValueEnum};
use dsenv_sdk::{Addr, Value};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// How many calls run at once unless somebody says otherwise.
const PARALLELISM: u16 = apply::PARALLELISM as u16;

#[derive(Args)]
pub(super) struct Typed {
    /// A plan that `dsenv plan -o` kept; without it, a plan is made and shown first.
    ///
    /// What it is about was decided when it was made.
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["target", "exclude", "replace", "delete_data", "refresh", "locked"])]
    plan: Option<PathBuf>,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    pub(super) manner: Manner,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    figures: FigureArgs,
}

/// How an apply goes about it: the same for apply and destroy.
#[derive(Args, Clone)]
pub(super) struct Manner {
    /// Does not ask.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// What to do after a step failed; what depends on it is skipped either way.
    #[arg(long = "on-error", value_enum, default_value_t = AfterError::Continue)]
    on_error: AfterError,
    /// How many calls run at once.
    #[arg(long, default_value_t = PARALLELISM, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    parallelism: u16,
    /// How long to wait while another command holds the lock.
    #[arg(long = "lock-timeout", default_value = "0s", value_name = "TIME", value_parser = duration_ms)]
    lock_timeout: u64,
    /// Shows every line of the plan, however many there are.
    #[arg(long)]
    full: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AfterError {
    /// Begin nothing else.
    Stop,
    /// Go on with what does not depend on it.
    Continue,
}

impl Manner {
    pub(super) fn take_into(&self, options: &mut Options) {
        options.lock_timeout_ms = self.lock_timeout;
        options.parallelism = usize::from(self.parallelism);
        options.on_error = match self.on_error {
            AfterError::Stop => OnError::Stop,
            AfterError::Continue => OnError::Continue,
        };
    }
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let mut options = typed.scope.options(Mode::Apply)?;
    typed.manner.take_into(&mut options);
    let saved = typed.plan.as_ref().map(|file| plan::load(setting, file)).transpose()?;
    match saved {
        Some(_) if typed.wait.wait.is_some() => {
            let help = "apply the plan, then `dsenv status --wait`";
            terminal::err(&format!("error: `--wait` with a saved plan: {help}\n"));
            Ok(Exit::Usage)
        }
        Some(_) if !setting.request.inputs.is_empty() => {
            terminal::err("error: `--input` with a saved plan: the plan has its inputs already\n");
            Ok(Exit::Usage)
        }
        Some(plan) => {
            let mut request = setting.request.clone();
            let named = request.environment.get_or_insert_with(|| plan.bound.environment.clone());
            if *named != plan.bound.environment {
                let message = format!(
                    "the plan is for environment `{}`, and `-e {named}` names another",
                    plan.bound.environment
                );
                return Err(Problem::refused(Diagnostic::error(Code::E0806, message)));
            }
            options.figures = setting.figures(&typed.figures, &[])?;
            // The plan holds all else, its inputs included.
            let front = setting.site.front(&request)?;
            refuse_to_guess(&typed.manner, "dsenv show PLANFILE")?;
            let question = question(plan.mode);
            drive(setting, &typed.manner, question, async |talk| {
                setting.site.apply_saved(&front, plan, &options, talk).await
            })
            .await
        }
        None => {
            let compiled = setting.compile()?;
            options.figures = setting.figures_for(&typed.figures, &compiled)?;
            refuse_to_guess(&typed.manner, "dsenv plan")?;
            let applied = drive(setting, &typed.manner, question(Mode::Apply), async |talk| {
                setting.site.apply(compiled, &options, "apply", talk).await
            });
            match (applied.await?, typed.wait.wait) {
                (Exit::Done, Some(limit_ms)) => status::wait(setting, limit_ms).await,
                (exit, _) => Ok(exit),
            }
        }
    }
}

/// What is asked before a plan is obeyed.
pub(super) fn question(mode: Mode) -> &'static str {
    match mode {
        Mode::Apply | Mode::RefreshOnly => "Apply this?",
        Mode::Destroy => "Destroy this?",
    }
}

/// Without a terminal there is nobody to ask, so `--yes` must have been said. `look` is the command
/// that shows what it would be said to.
pub(super) fn refuse_to_guess(manner: &Manner, look: &str) -> Result<(), Problem> {
    if manner.yes || terminal::can_ask() {
        return Ok(());
    }
    let message = "there is no terminal to ask at";
    let help = format!("look at `{look}`, then say `--yes`");
    Err(Problem::refused(Diagnostic::error(Code::E0905, message).help(help)))
}

/// Runs an apply or destroy with progress, a question and signals, and reports how it ended.
pub(super) async fn drive(
    setting: &Setting,
    manner: &Manner,
    question: &'static str,
    work: impl AsyncFnOnce(Talk<'_>) -> Result<Ended, Problem>,
) -> Result<Exit, Problem> {
    let progress = Arc::new(Mutex::new(Progress::new(setting)));
    let (wish, interrupt) = watch::channel(Interrupt::None);
    let signals = listen_to_signals(wish);
    let ticks = tokio::spawn(tick(progress.clone()));
    let told = progress.clone();
    let mut events = move |event: Event| lock(&told).event(&event);
    let watched = progress.clone();
    let watch: apply::Watch = Arc::new(move |addr, text| {
        lock(&watched).says(addr, text);
    });
    let yes = manner.yes;
    let full = manner.full;
    let asked = progress.clone();
    let mut approve = |planned: &Planned| {
        lock(&asked).pause();
        if !setting.general.json {
            terminal::out(&plan::said(planned, &setting.style(full)));
            setting.say_findings(&crate::drive::remarks(planned));
        }
        if yes { futures::future::ready(true).boxed() } else { ask(question).boxed() }
    };
    let talk = Talk { approve: &mut approve, events: &mut events, watch, interrupt };
    let ended = work(talk).await;
    ticks.abort();
    if let Some(signals) = signals {
        signals.abort();
    }
    let elapsed_ms = lock(&progress).at().elapsed_ms;
    lock(&progress).close();
    conclude(setting, ended?, elapsed_ms)
}

fn lock(progress: &Mutex<Progress>) -> std::sync::MutexGuard<'_, Progress> {
    progress.lock().expect("no consumer panics while it writes")
}

/// Says yes where that was said before, asks where somebody can be asked, and else says no.
pub(super) fn consent(yes: bool, question: &'static str) -> BoxFuture<'static, bool> {
    if yes || !terminal::can_ask() {
        return futures::future::ready(yes).boxed();
    }
    ask(question).boxed()
}

/// Asks on a thread of its own: while somebody thinks, the lock is renewed and Ctrl-C is heard.
async fn ask(question: &'static str) -> bool {
    tokio::task::spawn_blocking(|| terminal::ask(question)).await.unwrap_or(false)
}

/// Ctrl-C or SIGTERM once drains; twice returns at once; a third time ends the process.
///
/// The handlers are in place when this returns, not when the task first runs: until then the signal
/// would end the program in the middle of a step.
fn listen_to_signals(wish: watch::Sender<Interrupt>) -> Option<tokio::task::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut int = signal(SignalKind::interrupt()).ok()?;
    let mut term = signal(SignalKind::terminate()).ok()?;
    Some(tokio::spawn(async move {
        for asked in [Interrupt::Drain, Interrupt::Abandon] {
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
            if wish.send(asked).is_err() {
                return;
            }
        }
        tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
        terminal::end(Exit::Interrupted);
    }))
}

async fn tick(progress: Arc<Mutex<Progress>>) {
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        lock(&progress).tick();
    }
}

/// Where events go, with the time of each.
struct Progress {
    consumer: Option<Box<dyn Consumer + Send>>,
    world: Arc<dyn crate::world::World>,
    started_ms: u64,
    /// When each step that is under way began.
    since_ms: BTreeMap<Addr, u64>,
}

impl Progress {
    fn new(setting: &Setting) -> Progress {
        let world = setting.site.world.clone();
        let consumer: Option<Box<dyn Consumer + Send>> = if setting.general.json {
            Some(Box::new(JsonLines::new(std::io::stdout())))
        } else if setting.general.quiet {
            None
        } else if terminal::err_is_terminal() && setting.colour {
            Some(Box::new(Bars::new(std::io::stderr(), setting.width as u16)))
        } else {
            Some(Box::new(Lines::new(std::io::stderr())))
        };
        let started_ms = world.monotonic_ms();
        Progress { consumer, world, started_ms, since_ms: BTreeMap::new() }
    }

    fn at(&self) -> At {
        let elapsed_ms = self.world.monotonic_ms() - self.started_ms;
        At { time: self.world.now(), elapsed_ms }
    }

    /// A provider says what it is doing.
    fn says(&mut self, addr: &Addr, text: &str) {
        let at = self.at();
        let since_ms = *self.since_ms.entry(addr.clone()).or_insert(at.elapsed_ms);
        let (addr, text) = (addr.clone(), text.to_owned());
        self.event(&Event::StepProgress { addr, text, elapsed_ms: at.elapsed_ms - since_ms });
    }

    fn event(&mut self, event: &Event) {
        let at = self.at();
        match event {
            Event::StepStarted { addr, .. } | Event::Locking { addr, .. } => {
                self.since_ms.insert(addr.clone(), at.elapsed_ms);
            }
            _ => {}
        }
        // A reader that has gone away must not end the apply.
        let _ = self.consumer.as_mut().map(|consumer| consumer.event(at, event));
    }

    fn tick(&mut self) {
        let at = self.at();
        let _ = self.consumer.as_mut().map(|consumer| consumer.tick(at));
    }

    fn pause(&mut self) {
        let _ = self.consumer.as_mut().map(|consumer| consumer.pause());
    }

    fn close(&mut self) {
        self.consumer = None;
    }
}

/// Words the outcome for the report, with the places in the blueprint.
fn tell(setting: &Setting, outcome: &apply::Outcome, elapsed_ms: u64) -> report::outcome::Outcome {
    let nodes = if outcome.is_complete() {
        Default::default()
    } else {
        let compiled = setting.site.compile(&setting.request).ok();
        compiled.map(|(compiled, _)| compiled.native.nodes).unwrap_or_default()
    };
    let failure = |failed: &apply::Failed| report::outcome::Failure {
        addr: failed.addr.clone(),
        work: failed.verb,
        code: Code::E0901,
        class: failed.error.class.name().to_owned(),
        message: failed.error.message.clone(),
        causes: failed.error.causes.clone(),
        help: failed.error.help.clone(),
        request_id: failed.error.request_id.clone(),
        span: nodes.get(&failed.addr).map(|node| node.span),
    };
    let waited = |(addr, because): &(Addr, Option<Addr>)| {
        (addr.clone(), because.clone().unwrap_or_else(|| addr.clone()))
    };
    report::outcome::Outcome {
        applied: outcome.applied.clone(),
        failed: outcome.failed.iter().map(failure).collect(),
        skipped: outcome.skipped.iter().map(waited).collect(),
        unknown: outcome.unknown.iter().map(|failed| failed.addr.clone()).collect(),
        interrupted: outcome.interrupted,
        elapsed_ms,
    }
}

/// Where there was nothing to do, the summary says so too.
pub(super) fn conclude_with_nothing(setting: &Setting) -> Result<Exit, Problem> {
    if setting.general.json {
        let at = At { time: setting.site.world.now(), elapsed_ms: 0 };
        let mut lines = JsonLines::new(std::io::stdout());
        let _ = lines.event(at, &Event::ApplyDone { summary: Summary::default() });
    }
    Ok(Exit::Done)
}

fn conclude(setting: &Setting, ended: Ended, elapsed_ms: u64) -> Result<Exit, Problem> {
    let (outcome, finished, state, left, trouble) = match ended {
        Ended::Nothing(planned) => {
            if !setting.general.json {
                terminal::out(&report::plan(&planned.plan, &setting.style(false)));
            }
            return conclude_with_nothing(setting);
        }
        Ended::Declined => {
            setting.say("Nothing was done.\n");
            return Ok(Exit::Failed);
        }
        Ended::Interrupted => {
            setting.say("\nInterrupted; nothing was begun.\n");
            return conclude_with_nothing(setting).map(|_| Exit::Interrupted);
        }
        Ended::Ran { outcome, finished, state, left, trouble } => {
            (outcome, finished, state, left, trouble)
        }
    };
    if !setting.general.json {
        let told = tell(setting, &outcome, elapsed_ms);
        terminal::out(&report::outcome::text(&told, &setting.source(), &setting.style(false)));
        if outcome.is_complete() && trouble.is_none() && !state.outputs.is_empty() {
            terminal::out(&format!("\n{}", outputs::text(&state.outputs, Secrets::Hidden)));
            if state.outputs.values().any(Value::holds_secret) {
                setting.say("`dsenv output --show-secrets` prints what is secret.\n");
            }
        }
    }
    for warning in finished.iter().flat_map(|it| it.warnings.iter().chain(&it.problems)) {
        terminal::err(&format!("warning: {warning}\n"));
    }
    for (name, why) in &outcome.unsettled {
        terminal::err(&format!("warning: output `{name}` cannot be computed: {why}\n"));
    }
    if let Some(problem) = trouble {
        // The summary was the answer; this is what it does not say.
        setting.say_findings(&problem.into_findings());
        return Ok(if outcome.applied.is_empty() { Exit::Failed } else { Exit::Partly });
    }
    if !left.is_empty() {
        let names: Vec<_> =
            left.iter().map(|owned| format!("`{}` ({})", owned.addr, owned.remote_id)).collect();
        let message = format!("the provider still lists {}", names.join(", "));
        let help = "`dsenv adopt --surplus` takes them over, for `dsenv destroy` to delete them";
        let left = Diagnostic::error(Code::E0904, message).help(help);
        setting.say_findings(&left.into());
        return Ok(Exit::Failed);
    }
    Ok(if outcome.interrupted {
        Exit::Interrupted
    } else if outcome.is_complete() {
        Exit::Done
    } else if outcome.applied.is_empty() {
        Exit::Failed
    } else {
        Exit::Partly
    })
}
