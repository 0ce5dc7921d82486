//! All that is set on a proxy and all that it knows: one value, behind one lock.
//!
//! What must not be here: objects. Those are moto's; the parts keep only what moto does not have.

use crate::aws_proxy::eventual::Eventual;
use crate::aws_proxy::faults::Faults;
use crate::aws_proxy::groups::Groups;
use crate::aws_proxy::launches::Profiles;
use crate::aws_proxy::log::Log;
use crate::aws_proxy::permissions::Permissions;
use crate::aws_proxy::quotas::Quotas;
use crate::aws_proxy::readiness::Readiness;
use crate::aws_proxy::tokens::Tokens;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) tokens: Tokens,
    pub(crate) readiness: Readiness,
    pub(crate) groups: Groups,
    pub(crate) eventual: Eventual,
    pub(crate) profiles: Profiles,
    pub(crate) quotas: Quotas,
    pub(crate) permissions: Permissions,
    pub(crate) latency_ms: u64,
    /// Whether a delete is refused while something stands on the object.
    pub(crate) dependencies_hold: bool,
    /// Whether a launch of a type or an image that nobody knows is refused.
    pub(crate) launches_are_checked: bool,
    requests: u64,
}

impl Default for State {
    fn default() -> State {
        State {
            log: Log::default(),
            faults: Faults::default(),
            tokens: Tokens::default(),
            readiness: Readiness::default(),
            groups: Groups::default(),
            eventual: Eventual::default(),
            profiles: Profiles::default(),
            quotas: Quotas::default(),
            permissions: Permissions::default(),
            latency_ms: 0,
            dependencies_hold: true,
            launches_are_checked: true,
            requests: 0,
        }
    }
}

impl State {
    /// Returns the id of the next request, in the form that AWS gives.
    pub(crate) fn next_request_id(&mut self) -> String {
        self.requests += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.requests)
    }
}
