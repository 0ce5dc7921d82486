//! Steps that failed, from the structured history: `dsenv errors`.

use super::Style;
use super::style::Ink;
use crate::journal::FailedStep;
use serde_json::{Value as Json, json};

/// Renders each with its causes and what to do.
pub fn text(failures: &[FailedStep], style: &Style) -> String {
    if failures.is_empty() {
        return "No step has failed.\n".to_owned();
    }
    let mut text = String::new();
    for failed in failures {
        let failure = &failed.failure;
        let head = format!("{} {}", failed.addr, failure.class);
        text.push_str(&format!("{} {}\n", failed.at, style.paint(Ink::Bad, &head)));
        text.push_str(&format!("  {}\n", failure.message));
        for cause in &failure.causes {
            text.push_str(&format!("  because: {cause}\n"));
        }
        if let Some(request) = &failure.request_id {
            text.push_str(&format!("  request: {request}\n"));
        }
        if let Some(help) = &failure.help {
            text.push_str(&format!("  help: {help}\n"));
        }
    }
    text
}

/// Makes the document of `errors --json`: a list in the order given.
pub fn json(failures: &[FailedStep]) -> Json {
    let entry = |failed: &FailedStep| {
        json!({"address": failed.addr.to_string(), "time": failed.at.to_string(),
            "operation": failed.operation, "step": failed.step,
            "class": failed.failure.class, "message": failed.failure.message,
            "causes": failed.failure.causes, "help": failed.failure.help,
            "request_id": failed.failure.request_id})
    };
    failures.iter().map(entry).collect()
}
