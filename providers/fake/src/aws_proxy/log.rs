//! The call log: what was asked, in which order, and how each call ended.
//!
//! What must not be here: anything that changes what a call does.

use crate::aws_proxy::asked::Asked;
use std::collections::BTreeMap;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended yet, or its caller went away.
    InFlight,
    /// It was answered.
    Answered {
        /// The status of HTTP.
        status: u16,
        /// The error's code, when it was refused.
        code: Option<String>,
    },
    /// The connection was closed without an answer.
    Lost,
}

/// One call of an SDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its place in the log, from 1, in the order in which calls came in.
    pub seq: u64,
    /// The service that it was signed for: `ec2`, `rds`, `elasticfilesystem`.
    pub service: String,
    /// The action, as the API reference names it.
    pub action: String,
    /// Whether it asked for a change, whatever came of it.
    pub mutating: bool,
    /// What it said: of a form as it is written (`Filter.1.Name`), of JSON the first level, of S3
    /// `Bucket`, `Key` and the query. Bodies of objects are not kept.
    pub params: BTreeMap<String, String>,
    /// Whether moto was asked to do it: not when it was refused before, or answered from its
    /// client token.
    pub made: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl Call {
    /// Says whether it is this action of this service.
    pub fn is(&self, service: &str, action: &str) -> bool {
        self.service == service && self.action == action
    }

    /// Returns a parameter; "" when it is absent.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// Says what was asked, in two words: `ec2 RunInstances`.
    pub fn line(&self) -> String {
        format!("{} {}", self.service, self.action)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    calls: Vec<Call>,
    /// How many calls were forgotten, so that one in flight does not end another's entry.
    forgotten: u64,
}

impl Log {
    /// Takes a call in and returns a number for it that stays good when the log is cleared.
    pub(crate) fn begin(&mut self, asked: &Asked) -> u64 {
        self.calls.push(Call {
            seq: self.calls.len() as u64 + 1,
            service: asked.service.clone(),
            action: asked.action.clone(),
            mutating: asked.is_mutating(),
            params: asked.params.clone(),
            made: false,
            outcome: Outcome::InFlight,
        });
        self.forgotten + self.calls.len() as u64
    }

    /// Notes that moto was asked.
    pub(crate) fn made(&mut self, number: u64) {
        if let Some(call) = self.call(number) {
            call.made = true;
        }
    }

    /// Notes how the call ended.
    pub(crate) fn end(&mut self, number: u64, outcome: Outcome) {
        if let Some(call) = self.call(number) {
            call.outcome = outcome;
        }
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Empties the log; numbers of places begin at 1 again. Calls in flight are forgotten.
    pub(crate) fn clear(&mut self) {
        self.forgotten += self.calls.len() as u64;
        self.calls.clear();
    }

    fn call(&mut self, number: u64) -> Option<&mut Call> {
        let place = number.checked_sub(self.forgotten)?.checked_sub(1)?;
        self.calls.get_mut(usize::try_from(place).ok()?)
    }
}
