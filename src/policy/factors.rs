//! `dsenv check --twelve-factor`: those of the twelve factors (https://12factor.net) that a blueprint can
//! tell of.
//!
//! In: a [`Blueprint`], of no environment in particular. Out: a warning for each place that makes software
//! hard to move, scale or replace, with help, and one note that names the factors nobody can judge from
//! a blueprint. Commands are read as text: what is looked for is what people write, and a command that
//! hides it is not found. Pure.

use crate::blueprint::{Block, Blueprint};
use crate::diag::{Code, Diagnostic, Findings, Span};
use crate::expr;
use crate::yaml::Node;

/// Factors that a blueprint says nothing of, and who can tell.
pub const UNJUDGED: &[(&str, &str)] = &[
    ("I codebase", "whether it is under version control stands beside it"),
    ("V build, release, run", "lock, plan and apply are three commands"),
    ("XII admin processes", "`dsenv exec` runs them; what they do is theirs"),
];

/// One service of a machine or pool.
struct Service<'a> {
    block: &'a Block,
    name: &'a str,
    at: Span,
    body: &'a Node,
}

/// Judges every block.
pub fn judge(blueprint: &Blueprint) -> Findings {
    let mut findings = Findings::new();
    for block in blueprint.resources.values() {
        findings.extend(parity(block));
        findings.extend(concurrency(block));
        variables(block, field(&block.node, "environment"), &mut findings);
        for service in services(block) {
            variables(block, field(service.body, "environment"), &mut findings);
            command(&service, &mut findings);
            findings.extend(port(&service));
            findings.extend(health(&service));
        }
    }
    let names: Vec<String> =
        UNJUDGED.iter().map(|(factor, why)| format!("{factor} ({why})")).collect();
    let message = format!("not judged: {}", names.join("; "));
    findings.push(Diagnostic::note(Code::E0525, message));
    findings
}

fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    node.as_map()?.value(name)
}

fn services(block: &Block) -> Vec<Service<'_>> {
    let entries = field(&block.node, "services").and_then(Node::as_map);
    let entries = entries.into_iter().flat_map(|map| map.iter());
    entries.map(|it| Service { block, name: &it.key, at: it.key_span, body: &it.value }).collect()
}

fn warn(factor: &str, block: &Block, at: Span, what: &str, help: &str) -> Diagnostic {
    let message = format!("{factor}: {what}");
    let found = Diagnostic::warning(Code::E0525, message).at(at).address(&block.name.text);
    found.help(help)
}

/// X: the same parts everywhere.
fn parity(block: &Block) -> Option<Diagnostic> {
    let when = field(&block.node, "when")?;
    let compiled = expr::compile(when.as_text()?).ok()??;
    let differs = compiled.paths().iter().any(|path| path[0] == "env");
    let what = format!("`{}` is there in some environments only", block.name.text);
    let help = "have it everywhere, and let its size differ: what dev has not is not tried there";
    differs.then(|| warn("X dev/prod parity", block, when.span, &what, help))
}

/// VIII: more of it by more processes.
fn concurrency(block: &Block) -> Option<Diagnostic> {
    let tier = field(&block.node, "tier")?;
    let serves = tier.as_text() == Some("application") && field(&block.node, "services").is_some();
    let what = format!("`{}` serves from one machine", block.name.text);
    let help = "make it a pool: `kind: pool`, `count: {min: 2, max: 4}`";
    let alone = serves && block.kind.name == "machine";
    alone.then(|| warn("VIII concurrency", block, block.name.span, &what, help))
}

/// Words in the name of a variable that holds a secret.
const SECRET_WORDS: &[&str] =
    &["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY"];

/// What a backing service's address begins with.
const BACKING: &[&str] =
    &["postgres://", "postgresql://", "mysql://", "redis://", "amqp://", "mongodb://", "s3://"];

/// III and IV, in variables.
fn variables(block: &Block, environment: Option<&Node>, findings: &mut Findings) {
    let entries = environment.and_then(Node::as_map);
    for entry in entries.into_iter().flat_map(|map| map.iter()) {
        let Some(text) = entry.value.scalar_text().filter(|it| !it.is_empty()) else { continue };
        if text.contains("${") {
            continue;
        }
        let name = entry.key.to_ascii_uppercase();
        if SECRET_WORDS.iter().any(|word| name.contains(word)) {
            let what = format!("`{}` stands in the file in clear", entry.key);
            let help = "`NAME: {kind: secret, generate: {length: 32}}`, and `${NAME.value}` here";
            let found = warn("III config", block, entry.key_span, &what, help);
            findings.push(found.conceal(entry.value.span));
        } else if BACKING.iter().any(|start| text.contains(start)) {
            let what = format!("`{}` names a backing service by its address", entry.key);
            findings.push(warn("IV backing services", block, entry.value.span, &what, USES));
        }
    }
}

const USES: &str = "attach it: `uses: {NAME: read_write}` gives `NAME_URL` in every environment";

/// What is read off a command: the factor, what is looked for, what is wrong with it, what helps.
type Sign = (&'static str, &'static [&'static str], &'static str, &'static str);

const SIGNS: &[Sign] = &[
    (
        "II dependencies",
        &[
            "pip install",
            "uv pip install",
            "apt install",
            "apt-get install",
            "conda install",
            "npm install",
        ],
        "installs something when it starts, whatever is there that day",
        "list it under `software: {packages: [...]}`, which the lock pins",
    ),
    (
        "III config",
        &["--password=", "--password ", "--token=", "--token ", "password=", "PASSWORD="],
        "has a secret in its command",
        "put a secret's `${NAME.value}` into `environment`, and read the variable",
    ),
    ("IV backing services", BACKING, "names a backing service by its address", USES),
    (
        "VI processes",
        &["--data-dir", "--datadir", "--data_dir", "/var/lib/"],
        "keeps data beside itself, and nothing that it uses would keep it",
        "use a volume, share, bucket or database: `uses: {NAME: read_write}`",
    ),
    (
        "XI logs",
        &[">>", " > ", "--log-file", "--logfile", "| tee "],
        "writes its logs to a file",
        "let it write to stdout: `dsenv logs` shows that, and files fill disks",
    ),
];

/// II, III, IV, VI and XI, in a command.
fn command(service: &Service<'_>, findings: &mut Findings) {
    let Some(run) = field(service.body, "run") else { return };
    let Some(text) = run.as_text() else { return };
    let uses = field(&service.block.node, "uses").is_some();
    for (factor, signs, wrong, help) in SIGNS {
        let Some(sign) = signs.iter().find(|sign| says(text, sign)) else { continue };
        if *factor == "VI processes" && uses {
            continue;
        }
        let what = format!("service `{}` {wrong} (`{}`)", service.name, sign.trim());
        let found = warn(factor, service.block, run.span, &what, help);
        // What stands behind such a flag is the secret itself.
        findings.push(if *factor == "III config" { found.conceal(run.span) } else { found });
    }
}

/// Whether a command says something in clear: what an expression gives, and the terminal, are fine.
fn says(text: &str, sign: &str) -> bool {
    text.match_indices(sign).any(|(at, _)| {
        let behind = text[at + sign.len()..].trim_start().trim_start_matches(['"', '\'']);
        !behind.starts_with(['$', '&']) && !behind.starts_with("/dev/std")
    })
}

/// VII: it says itself where it listens.
fn port(service: &Service<'_>) -> Option<Diagnostic> {
    let run = field(service.body, "run");
    let Some(port) = field(service.body, "port") else {
        let tier = field(&service.block.node, "tier").and_then(Node::as_text);
        let serves = matches!(tier, Some("application" | "system"));
        let what = format!("service `{}` has no port", service.name);
        let help = "add `port: 8080`: others find it by `services.NAME.url`";
        return serves.then(|| warn("VII port binding", service.block, service.at, &what, help));
    };
    let (number, run) = (port.scalar_text()?, run?);
    let words = run.as_text()?.split(|c: char| !c.is_ascii_digit());
    let what = format!("service `{}` repeats its port in the command", service.name);
    let help = format!("write `${{self.ports.{}}}`", service.name);
    let repeats = words.into_iter().any(|word| word == number);
    repeats.then(|| warn("VII port binding", service.block, run.span, &what, &help))
}

/// IX: what has died is seen, and started again.
fn health(service: &Service<'_>) -> Option<Diagnostic> {
    let listens = field(service.body, "port").is_some();
    let what = format!("nobody can tell whether service `{}` works", service.name);
    let help = "add `health: {http: /path}`, or `health: {tcp: true}`";
    let blind = listens && field(service.body, "health").is_none();
    blind.then(|| warn("IX disposability", service.block, service.at, &what, help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint;
    use crate::diag::Source;
    use expect_test::{Expect, expect};

    fn check(resources: &str, expected: Expect) {
        let source = Source::new("dsenv.yaml", format!("blueprint: t\nresources:\n{resources}"));
        let (blueprint, found) = blueprint::parse(&source);
        assert!(!found.has_errors(), "{found:#?}");
        let findings = judge(&blueprint.expect("it is a blueprint"));
        let lines: Vec<_> = findings
            .iter()
            .filter_map(|found| {
                let at = source.position(found.span?.start);
                assert!(!found.help.is_empty());
                Some(format!("{}:{} {}\n", at.line, at.column, found.message))
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn twelve_factors_are_judged_where_a_blueprint_can_tell() {
        check(
            "  m:
    kind: machine
    tier: application
    when: '${env.name != \"dev\"}'
    environment: {API_TOKEN: abc, DB: 'postgres://db.internal/x', LEVEL: info}
    services:
      web: {run: 'pip install x && web --port 8080 --password=hush >> web.log', port: 8080}
      bare: {run: 'bare --data-dir /srv s3://lake/x'}
",
            expect![[r#"
                6:11 X dev/prod parity: `m` is there in some environments only
                3:3 VIII concurrency: `m` serves from one machine
                7:19 III config: `API_TOKEN` stands in the file in clear
                7:39 IV backing services: `DB` names a backing service by its address
                9:18 II dependencies: service `web` installs something when it starts, whatever is there that day (`pip install`)
                9:18 III config: service `web` has a secret in its command (`--password=`)
                9:18 XI logs: service `web` writes its logs to a file (`>>`)
                9:18 VII port binding: service `web` repeats its port in the command
                9:7 IX disposability: nobody can tell whether service `web` works
                10:19 IV backing services: service `bare` names a backing service by its address (`s3://`)
                10:19 VI processes: service `bare` keeps data beside itself, and nothing that it uses would keep it (`--data-dir`)
                10:7 VII port binding: service `bare` has no port
            "#]],
        );
    }

    #[test]
    fn what_is_written_as_it_should_be_is_no_finding() {
        check(
            "  token: {kind: secret, generate: {length: 32}}
  lake: {kind: bucket}
  m:
    kind: pool
    count: 2
    tier: application
    uses: {lake: read_write}
    environment: {API_TOKEN: '${token.value}', LEVEL: info}
    services:
      web:
        run: 'web --port ${self.ports.web} --token=$API_TOKEN --data-dir /srv 2>&1 > /dev/stdout'
        port: 8080
        health: {http: /}
",
            expect![""],
        );
    }
}
