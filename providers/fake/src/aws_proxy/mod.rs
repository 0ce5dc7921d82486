//! A proxy on loopback that makes a moto server as unkind as AWS.
//!
//! ```text
//! SDK --HTTP--> AwsProxy --HTTP--> moto
//! ```
//! moto answers everything and keeps the objects; nothing here is answered from a script. The
//! proxy adds what moto lacks, each part settable while it runs:
//!
//! | part | adds | set by |
//! |---|---|---|
//! | [`log`] | what was asked, and how it ended | always on |
//! | `tokens` | one object for one client token of EC2 | always on |
//! | [`faults`] | throttling, lost replies, refusals of any code | [`AwsProxy::inject`] |
//! | `dependents` | no delete while something stands on it | [`AwsProxy::set_dependencies_hold`], on |
//! | `arguments`, `existing` | what else AWS refuses and moto does | always on |
//! | `launches` | no launch of what nobody knows; profiles unheard of | [`AwsProxy::set_launches_checked`], on; [`AwsProxy::set_profile_refusals`] |
//! | [`quotas`] | the API, and limits | [`AwsProxy::set_quota`] |
//! | `permissions` | what the caller may not do | [`AwsProxy::set_denied`] |
//! | [`readiness`], `groups` | states on the way | [`AwsProxy::set_slow`] |
//! | `eventual` | what was made is seen late | [`AwsProxy::set_eventual`] |
//!
//! ```no_run
//! use dsenv_fake::aws_proxy::{On, Pace, Slow, What};
//! use dsenv_fake::{AwsProxy, Moto};
//!
//! let moto = Moto::start().expect("python3 and its package index");
//! let proxy = AwsProxy::start(&moto).expect("loopback has free ports");
//! proxy.set_slow(Slow::Database, Some(Pace::Looks(2)));
//! proxy.inject(On::action("ec2", "RunInstances").is(What::LostReply).next(1));
//! // Here what is tested works against `proxy.endpoint()`.
//! assert_eq!(proxy.count(|call| call.is("ec2", "RunInstances") && call.made), 1);
//! let left = moto.boto3("import boto3, json; print(json.dumps(boto3.client('s3').list_buckets()['Buckets']))");
//! assert_eq!(left, Ok(serde_json::json!([])));
//! ```
//! The rest is how it gets there: `server` (the order of all that), `asked` and `rest_names`
//! (naming calls), `forgotten` (what moto overlooks in a request), `refusal` and `xml` (shaping errors), `backend`, `view` and `answers` (asking
//! moto, and what becomes of its answers), `rules`, `pace`, `state`.
//!
//! What must not be here: objects, canned answers, kindness.

mod answers;
mod arguments;
mod asked;
mod backend;
mod dependents;
mod eventual;
mod existing;
pub mod faults;
mod forgotten;
mod groups;
mod launches;
pub mod log;
mod pace;
mod permissions;
pub mod quotas;
pub mod readiness;
mod refusal;
mod rest_names;
mod rules;
mod server;
mod state;
mod tokens;
mod view;
mod xml;

pub use faults::{Fault, On, What};
pub use log::{Call, Outcome};
pub use pace::Pace;
pub use readiness::Slow;

use crate::moto::Moto;
use backend::Backend;
use server::Shared;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A proxy that answers on loopback from a thread of this process, until it is dropped.
#[derive(Debug)]
pub struct AwsProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AwsProxy {
    /// Starts in front of this server, on a free port of 127.0.0.1. Without anything set it is
    /// as strict as it can be and has no faults.
    pub fn start(moto: &Moto) -> io::Result<AwsProxy> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Bound without the runtime: a test may itself run in one, and those do not nest.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(Backend { address: moto.address() }));
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new().name("aws proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it does not block");
                tokio::select! {
                    () = server::accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(AwsProxy { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns where it answers, as the SDKs want to be told: `http://127.0.0.1:4567`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the log, oldest call first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().log.calls().to_vec()
    }

    /// Returns how many calls of the log are such.
    pub fn count(&self, is_such: impl Fn(&Call) -> bool) -> usize {
        self.shared.state().log.calls().iter().filter(|call| is_such(call)).count()
    }

    /// Empties the log. Calls in flight are forgotten.
    pub fn clear_log(&self) {
        self.shared.state().log.clear();
    }

    /// Adds a fault. Faults strike side by side; of two that refuse, the first added does.
    pub fn inject(&self, fault: Fault) {
        self.shared.state().faults.inject(fault);
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// Sets how long every call waits before anything else happens to it, of real time.
    pub fn set_latency_ms(&self, ms: u64) {
        self.shared.state().latency_ms = ms;
    }

    /// Sets whether a delete is refused while something stands on the object. On at the start.
    pub fn set_dependencies_hold(&self, hold: bool) {
        self.shared.state().dependencies_hold = hold;
    }

    /// Sets whether a launch of an instance type or image that moto does not describe is refused.
    /// On at the start.
    pub fn set_launches_checked(&self, checked: bool) {
        self.shared.state().launches_are_checked = checked;
    }

    /// Sets how many launches with an instance profile that is made from now on are refused,
    /// because EC2 has not heard of it. 0 at the start.
    pub fn set_profile_refusals(&self, refusals: u32) {
        self.shared.state().profiles.set(refusals);
    }

    /// Sets a quota by its code. Those of [`quotas::ENFORCED`] hold from the next call on; one
    /// that is not known is added to what the API lists.
    pub fn set_quota(&self, service: &str, code: &str, value: u32) {
        self.shared.state().quotas.set(service, code, value);
    }

    /// Sets which actions no policy allows, by the names of IAM: `ec2:RunInstances`. They are refused,
    /// and `SimulatePrincipalPolicy` says so. None at the start.
    pub fn set_denied(&self, actions: &[&str]) {
        self.shared.state().permissions.set(actions);
    }

    /// Sets how long things of a kind take that begin from now on; `None`: no longer than moto
    /// takes, as at the start.
    pub fn set_slow(&self, slow: Slow, pace: Option<Pace>) {
        let mut state = self.shared.state();
        match slow {
            Slow::ScalingGroup => state.groups.set(pace),
            Slow::Database | Slow::Instance | Slow::NatGateway | Slow::Endpoint | Slow::Volume => {
                state.readiness.set(slow, pace);
            }
        }
    }

    /// Sets how long what is made from now on in EC2, IAM and Auto Scaling is not seen by those
    /// who look; `None`: it is seen at once, as at the start.
    pub fn set_eventual(&self, pace: Option<Pace>) {
        self.shared.state().eventual.set(pace);
    }
}

impl Drop for AwsProxy {
    /// Stops answering. Calls in flight are dropped, as when a cloud goes away.
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
