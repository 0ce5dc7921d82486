//! Runs a program to hear what it prints: what `dsenv exec` does for a person, for parity.

use dsenv_sdk::provider::Entry;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A machine that says nothing for so long is taken for one that does not answer.
const WITHIN: Duration = Duration::from_secs(60);

/// The most that is listened to.
const PRINTED_BYTES_MAX: usize = 4 << 20;

/// How much of an error is quoted.
const QUOTED_CHARS_MAX: usize = 300;

/// Runs an entry without a terminal and returns what it printed; the error says why it did not end well.
pub(super) async fn printed(entry: &Entry) -> Result<String, String> {
    let (program, arguments) = entry.argv.split_first().expect("an entry names a program");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&entry.dir).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in &entry.env {
        command.env(name, value.expose_text().map_or_else(|| value.to_string(), str::to_owned));
    }
    let ended = tokio::time::timeout(WITHIN, command.output()).await;
    let ended = ended.map_err(|_| format!("it did not answer within {} s", WITHIN.as_secs()))?;
    let output = ended.map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let last: String = last.chars().take(QUOTED_CHARS_MAX).collect();
        return Err(format!("the probe failed ({}): {last}", output.status));
    }
    if output.stdout.len() > PRINTED_BYTES_MAX {
        return Err("it printed more than a probe does".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
