//! How long the engine takes, and how much memory, on generated blueprints of `value` resources.
//!
//! `cargo bench --bench engine` prints a table. Everything is real: the clock, the disk (a temporary
//! folder), the journal with every record durable, the encryption, the scheduler. Each run is a
//! process of its own, so that peak memory is that of one command; figures hold reading, compiling,
//! planning and, where it says so, applying.
//!
//! `value` goes through the same trait and journal as a machine. The provider of the bench lists
//! `dsenv_sdk::builtin` alone, as every provider lists it among others.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // It measures, and it prints a table.

use async_trait::async_trait;
use dsenv::apply::Interrupt;
use dsenv::drive::{Ended, Options, Request, Site, Talk};
use dsenv::registry::Registry;
use dsenv::world::real::RealWorld;
use dsenv_sdk::provider::{
    Accepted, Connection, Create, Delete, Finding, Found, Identity, Native, Neutral, Observed,
    OpError, Owned, Prior, Progress, Provider, Setup, Surroundings, Token, Update, Want, Watch,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, builtin};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

struct Values;
struct Here;

#[async_trait]
impl Provider for Values {
    fn name(&self) -> &'static str {
        "values"
    }
    fn native_types(&self) -> &'static [&'static NativeType] {
        &[&builtin::SECRET, &builtin::VALUE]
    }
    fn kinds(&self) -> &'static [&'static str] {
        builtin::KINDS
    }
    fn check(&self, _: &Neutral, _: &Surroundings<'_>) -> Vec<Finding> {
        Vec::new()
    }
    fn wants(&self, _: &Neutral, _: &Surroundings<'_>) -> Vec<Want> {
        Vec::new()
    }
    fn lower(&self, resource: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
        builtin::lower(resource)
    }
    async fn connect(&self, _: Setup) -> Result<Arc<dyn Connection>, OpError> {
        Ok(Arc::new(Here))
    }
}

#[async_trait]
impl Connection for Here {
    async fn identity(&self) -> Result<Identity, OpError> {
        Ok(Identity { account: "bench".to_owned(), region: "here".to_owned() })
    }
    async fn find(&self, _: &'static NativeType, _: &Token) -> Result<Option<Found>, OpError> {
        Ok(None)
    }
    async fn read_many(
        &self,
        _: &'static NativeType,
        wanted: &[Prior],
    ) -> Result<Vec<Option<Observed>>, OpError> {
        Ok(builtin::read_many(wanted))
    }
    async fn create(&self, request: Create<'_>) -> Result<Progress<Observed>, OpError> {
        Ok(Progress::Done(builtin::create(request)?))
    }
    async fn update(&self, request: Update<'_>) -> Result<Progress<Observed>, OpError> {
        let Update { addr, ty, prior, args, watch, .. } = request;
        let (token, begun_before_ms) = (&prior.token, None);
        let create = Create { addr, ty, token, args, begun_before_ms, watch };
        Ok(Progress::Done(builtin::update(prior, create)?))
    }
    async fn delete(&self, _: Delete<'_>) -> Result<Progress<()>, OpError> {
        Ok(Progress::Done(()))
    }
    async fn poll(
        &self,
        _: &'static NativeType,
        _: &Accepted,
    ) -> Result<Progress<Option<Observed>>, OpError> {
        Ok(Progress::Done(None))
    }
    async fn read_foreign(
        &self,
        _: &'static NativeType,
        _: &str,
    ) -> Result<Option<Observed>, OpError> {
        Ok(None)
    }
    async fn claim(
        &self,
        _: &'static NativeType,
        _: &Addr,
        _: &Token,
        _: &str,
    ) -> Result<(), OpError> {
        Ok(())
    }
    async fn inventory(&self, _: Option<&str>) -> Result<Vec<Owned>, OpError> {
        Ok(Vec::new())
    }
    async fn pin(&self, _: &Want, _: Watch<'_>) -> Result<Value, OpError> {
        Ok(Value::Null)
    }
    async fn close_environment(&self, _: &[Token]) -> Result<(), OpError> {
        Ok(())
    }
}

/// A blueprint of `count` resources, as the shape says; `salt` makes another of it.
fn blueprint(shape: &str, count: usize, salt: usize) -> String {
    let mut text =
        String::from("blueprint: bench\nenvironments: {bench: {provider: values}}\nresources:\n");
    let layer = count.div_ceil(10);
    for at in 0..count {
        let needs: Vec<usize> = match shape {
            "flat" => Vec::new(),
            "tree" => at.checked_sub(1).map(|before| before / 2).into_iter().collect(),
            "layers" if at < layer => Vec::new(),
            "layers" => {
                let below = (at / layer - 1) * layer;
                [0, 7, 13].map(|step| below + (at + step) % layer).into()
            }
            other => panic!("there is no shape `{other}`"),
        };
        let refs: String = needs.iter().map(|to| format!(", \"${{r{to}.output.n}}\"")).collect();
        writeln!(text, "  r{at}: {{kind: value, input: {{n: {}, from: [0{refs}]}}}}", at + salt)
            .expect("a text grows");
    }
    text
}

fn site(folder: &Path) -> Site {
    Site {
        world: Arc::new(RealWorld::new()),
        file: folder.join("dsenv.yaml"),
        here: folder.to_owned(),
        cache: folder.join("cache"),
        variables: BTreeMap::new(),
        registry: Registry::of([Arc::new(Values) as Arc<dyn Provider>]),
    }
}

/// One command in a process of its own; prints milliseconds and peak kilobytes.
fn measure(what: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let site = site(folder);
    let begun = Instant::now();
    let (compiled, _) = site.compile(&Request::default()).unwrap_or_else(|_| panic!("it compiles"));
    let compiled_ms = begun.elapsed().as_secs_f64() * 1e3;
    let options = Options::default();
    let steps = match what {
        "plan" => {
            let planned = runtime.block_on(site.plan(&compiled, &options));
            planned.unwrap_or_else(|_| panic!("it plans")).plan.steps.len()
        }
        _ => {
            let (_ask, interrupt) = tokio::sync::watch::channel(Interrupt::None);
            let talk = Talk {
                approve: &mut |_| Box::pin(std::future::ready(true)),
                events: &mut |_| {},
                watch: Arc::new(|_, _| {}),
                interrupt,
            };
            match runtime.block_on(site.apply(compiled, &options, "apply", talk)) {
                Ok(Ended::Ran { outcome, .. }) => outcome.applied.len(),
                Ok(_) => 0,
                Err(problem) => panic!("{:?}", problem.into_findings()),
            }
        }
    };
    let total_ms = begun.elapsed().as_secs_f64() * 1e3;
    println!("{compiled_ms:.1} {total_ms:.1} {} {steps}", peak_kib());
}

/// The largest resident set of this process, where the system tells.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, what, folder] = arguments.as_slice()
        && flag == "--measure"
    {
        measure(what, Path::new(folder));
        return;
    }
    println!(
        "{:<8} {:>6} {:<16} {:>9} {:>9} {:>9} {:>7}",
        "shape", "n", "command", "compile", "total", "peak", "steps"
    );
    for shape in ["flat", "tree", "layers"] {
        for count in [1_000, 10_000] {
            run(shape, count);
        }
    }
}

fn run(shape: &str, count: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |salt| {
        let text = blueprint(shape, count, salt);
        std::fs::write(folder.path().join("dsenv.yaml"), text).expect("the folder can be written");
    };
    let measured = |name: &str, what: &str| {
        let program = std::env::current_exe().expect("a program has a path");
        let output = Command::new(program)
            .args(["--measure", what])
            .arg(folder.path())
            .env("HOME", folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .output()
            .expect("the bench starts itself");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("numbers");
        let fields: Vec<f64> = text.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        let [compile_ms, total_ms, peak_kib, steps] = fields[..] else { panic!("{text}") };
        let peak_mib = peak_kib / 1024.0;
        println!(
            "{shape:<8} {count:>6} {name:<16} {compile_ms:>6.0} ms {total_ms:>6.0} ms \
             {peak_mib:>5.0} MiB {steps:>7}"
        );
    };
    write(0);
    measured("plan, new", "plan");
    measured("apply", "apply");
    measured("plan, no change", "plan");
    measured("apply, no change", "apply");
    write(1);
    measured("apply, updates", "apply");
    std::fs::write(
        folder.path().join("dsenv.yaml"),
        "blueprint: bench\nenvironments: {bench: {provider: values}}\nresources: {}\n",
    )
    .expect("the folder can be written");
    measured("apply, deletes", "apply");
}
