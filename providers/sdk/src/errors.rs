//! What a failed call means to the engine: a closed set of classes, and what is said with them.

use crate::provider::Observed;

/// What a failed call means to the engine: a closed set.
#[derive(Clone, Debug, PartialEq)]
pub enum OpErrorClass {
    /// Too many requests; try again, after this many milliseconds where the cloud says so.
    Throttled {
        /// What `Retry-After` said.
        retry_after_ms: Option<u64>,
    },
    /// There is none of it to be had here now; the next fallback may do.
    NoCapacity,
    /// A limit of the account.
    Quota,
    /// Not allowed.
    Denied {
        /// The permission that is missing, as the cloud names it.
        permission: Option<String>,
    },
    /// The request makes no sense to the cloud; sending it again will not help.
    Invalid,
    /// Something else exists under this name, or changed meanwhile.
    Conflict,
    /// Something still depends on it.
    InUse,
    /// It is not there.
    NotFound,
    /// It was begun, and something of it exists.
    Partial(Box<Observed>),
    /// Nobody knows whether it happened: the reply was lost. `find` will tell.
    Unknown,
}

impl OpErrorClass {
    /// Every name that [`OpErrorClass::name`] gives, sorted.
    pub const NAMES: &[&str] = &[
        "conflict",
        "denied",
        "in_use",
        "invalid",
        "no_capacity",
        "not_found",
        "partial",
        "quota",
        "throttled",
        "unknown",
    ];

    /// Names the class, for people and for `dsenv errors`.
    pub fn name(&self) -> &'static str {
        match self {
            OpErrorClass::Throttled { .. } => "throttled",
            OpErrorClass::NoCapacity => "no_capacity",
            OpErrorClass::Quota => "quota",
            OpErrorClass::Denied { .. } => "denied",
            OpErrorClass::Invalid => "invalid",
            OpErrorClass::Conflict => "conflict",
            OpErrorClass::InUse => "in_use",
            OpErrorClass::NotFound => "not_found",
            OpErrorClass::Partial(_) => "partial",
            OpErrorClass::Unknown => "unknown",
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct OpError {
    /// What it means to the engine.
    pub class: OpErrorClass,
    /// What happened, lower-case, no full stop, without secrets.
    pub message: String,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// What to do, when the provider knows.
    pub help: Option<String>,
    /// The cloud's own name for the request.
    pub request_id: Option<String>,
}

impl OpError {
    /// Makes an error of this class.
    pub fn new(class: OpErrorClass, message: impl Into<String>) -> OpError {
        OpError { class, message: message.into(), causes: Vec::new(), help: None, request_id: None }
    }

    /// The same error, with the chain of what led to it.
    pub fn caused_by(mut self, source: &dyn std::error::Error) -> OpError {
        let mut next = Some(source);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// The same error, with what to do.
    pub fn help(mut self, help: impl Into<String>) -> OpError {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Map;

    #[test]
    fn every_class_is_listed_by_its_name() {
        let observed = Observed { remote_id: String::new(), values: Map::new() };
        let classes = [
            OpErrorClass::Conflict,
            OpErrorClass::Denied { permission: None },
            OpErrorClass::InUse,
            OpErrorClass::Invalid,
            OpErrorClass::NoCapacity,
            OpErrorClass::NotFound,
            OpErrorClass::Partial(Box::new(observed)),
            OpErrorClass::Quota,
            OpErrorClass::Throttled { retry_after_ms: None },
            OpErrorClass::Unknown,
        ];
        assert_eq!(classes.map(|class| class.name()).as_slice(), OpErrorClass::NAMES);
    }
}
