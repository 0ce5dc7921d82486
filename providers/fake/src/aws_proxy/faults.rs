//! Injected faults: which calls they strike, how often, and what happens to those.
//!
//! ```text
//! On::action("ec2", "RunInstances").is(What::LostReply).next(1)
//! On::every_call().is(What::Throttled { retry_after_s: None }).every(7)
//! ```
//! What must not be here: chance; what a cloud refuses by its rules.

use crate::aws_proxy::asked::{Asked, Protocol};
use crate::aws_proxy::refusal::Refusal;

/// Which calls a fault strikes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct On {
    service: Option<String>,
    action: Option<String>,
    params: Vec<(String, String)>,
    mutating: Option<bool>,
}

impl On {
    /// Covers every call of every service.
    pub fn every_call() -> On {
        On::default()
    }

    /// Covers one service, by the name that calls are signed for: `ec2`, `elasticfilesystem`.
    pub fn service(service: &str) -> On {
        On { service: Some(service.to_owned()), ..On::default() }
    }

    /// Covers one action of one service.
    pub fn action(service: &str, action: &str) -> On {
        On { action: Some(action.to_owned()), ..On::service(service) }
    }

    /// Covers the same, only where a parameter has this value.
    pub fn with(mut self, param: &str, value: &str) -> On {
        self.params.push((param.to_owned(), value.to_owned()));
        self
    }

    /// Covers the same, only what asks for a change.
    pub fn mutating(mut self) -> On {
        self.mutating = Some(true);
        self
    }

    /// Covers the same, only what asks for no change.
    pub fn reading(mut self) -> On {
        self.mutating = Some(false);
        self
    }

    /// Makes the fault: this, on each of those calls, until faults are cleared.
    pub fn is(self, what: What) -> Fault {
        Fault { on: self, what, times: Times::Always }
    }

    fn covers(&self, asked: &Asked) -> bool {
        self.service.as_ref().is_none_or(|service| *service == asked.service)
            && self.action.as_ref().is_none_or(|action| *action == asked.action)
            && self.params.iter().all(|(name, value)| asked.param(name) == value)
            && self.mutating.is_none_or(|mutating| mutating == asked.is_mutating())
    }
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Refused as one too many, in the service's own words.
    Throttled {
        /// What `Retry-After` says; absent when there is none.
        retry_after_s: Option<u32>,
    },
    /// Refused because no policy allows it, in the service's own words.
    Denied,
    /// Refused with this, whatever the service.
    Refused {
        /// The status of HTTP.
        status: u16,
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
    },
    /// moto does it; the connection is closed without an answer.
    LostReply,
    /// The connection is closed before moto hears of it.
    LostRequest,
    /// moto does it; the answer comes this much later.
    LateReply {
        /// How long, of real time.
        ms: u64,
    },
}

impl What {
    /// Refused with status 400 and this code.
    pub fn refused(code: &str, message: &str) -> What {
        What::Refused { status: 400, code: code.to_owned(), message: message.to_owned() }
    }

    /// Refused: EC2 has none of that type left.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
    pub fn no_capacity() -> What {
        What::Refused {
            status: 500,
            code: "InsufficientInstanceCapacity".to_owned(),
            message: "We currently do not have sufficient capacity in the Availability Zone you \
                      requested. Our system will be working on provisioning additional capacity."
                .to_owned(),
        }
    }

    /// Refused: a bucket of that name is being made or deleted.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
    pub fn bucket_conflict() -> What {
        What::Refused {
            status: 409,
            code: "OperationAborted".to_owned(),
            message: "A conflicting conditional operation is currently in progress against this \
                      resource. Please try again."
                .to_owned(),
        }
    }
}

/// How many of the calls that a fault covers it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Always,
    /// The first so many.
    Next(u32),
    /// The nth, the 2nth, and so on.
    Every(u32),
    /// The nth alone.
    Nth(u32),
}

/// A scripted fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    on: On,
    what: What,
    times: Times,
}

impl Fault {
    /// The same, only on the first so many calls after it is injected.
    pub fn next(mut self, calls: u32) -> Fault {
        self.times = Times::Next(calls);
        self
    }

    /// The same, only on every nth call. Panics on 0, which is no call.
    pub fn every(mut self, nth: u32) -> Fault {
        assert!(nth > 0, "every 0th call is none");
        self.times = Times::Every(nth);
        self
    }

    /// The same, only on the nth call after it is injected, from 1.
    pub fn nth(mut self, nth: u32) -> Fault {
        self.times = Times::Nth(nth);
        self
    }
}

/// What of a struck call is still to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Struck {
    /// It is refused; moto hears nothing.
    pub(crate) refusal: Option<Refusal>,
    /// Nobody is answered, and moto hears nothing.
    pub(crate) request_lost: bool,
    /// Nobody is answered.
    pub(crate) reply_lost: bool,
    pub(crate) late_ms: u64,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u32,
}

/// Every fault that is set, and how many calls each covered so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.armed.push(Armed { fault, seen: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// Returns what strikes this call. Of several refusals the first injected is given; a call
    /// that is lost and refused is lost.
    pub(crate) fn strike(&mut self, asked: &Asked) -> Struck {
        let mut struck = Struck::default();
        for armed in self.armed.iter_mut().filter(|armed| armed.fault.on.covers(asked)) {
            armed.seen += 1;
            let strikes = match armed.fault.times {
                Times::Always => true,
                Times::Next(calls) => armed.seen <= calls,
                Times::Every(nth) => armed.seen.is_multiple_of(nth),
                Times::Nth(nth) => armed.seen == nth,
            };
            if strikes {
                struck.add(&armed.fault.what, asked);
            }
        }
        struck
    }
}

impl Struck {
    fn add(&mut self, what: &What, asked: &Asked) {
        let refusal = match what {
            What::Throttled { retry_after_s } => {
                let protocol: Protocol = asked.protocol;
                Refusal::throttled(protocol, *retry_after_s)
            }
            What::Denied => Refusal::denied(asked),
            What::Refused { status, code, message } => {
                Refusal { status: *status, ..Refusal::new(code, message) }
            }
            What::LostReply => return self.reply_lost = true,
            What::LostRequest => return self.request_lost = true,
            What::LateReply { ms } => return self.late_ms += ms,
        };
        self.refusal.get_or_insert(refusal);
    }
}
