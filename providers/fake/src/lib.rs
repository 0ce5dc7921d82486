//! A cloud for engine tests: stateful, and stricter than a real one.
//!
//! ```text
//! FakeProvider --connect--> FakeConnection --in process--------------> FakeCloud
//!                                          --JSON lines, loopback--> Loopback --> FakeCloud
//! ```
//! [`FakeCloud`] holds objects and the rules they live under; it knows nothing of an engine.
//! [`FakeProvider`] is how the engine sees it, through the same two traits as any provider. A test
//! keeps an `Arc<FakeCloud>`: it injects [`Fault`]s, edits objects behind the engine's back, reads
//! the call log, and at the end compares what exists with what the engine believes.
//!
//! | module | holds |
//! |---|---|
//! | [`native`] | the tables of its native types |
//! | [`lower`] | what each neutral kind becomes |
//! | [`provider`] | the pure half and the connection |
//! | `request` | the calls that pass between a connection and the cloud |
//! | [`cloud`] | the cloud: settings, test handles, the order of faults and effects of one call |
//! | `world` | what exists, and what each call does to it |
//! | `computed` | the attributes of what exists |
//! | `rules` | what the cloud refuses |
//! | [`fault`] | injected faults, by script and by seed |
//! | [`calls`] | the call log |
//! | [`loopback`], `wire` | the same cloud as a process of its own, or a thread of the test |
//!
//! For the provider `aws` there is another cloud, which shares nothing with the one above: a real
//! moto server in a process of its own, and a proxy that makes it as unkind as AWS.
//!
//! | module | holds |
//! |---|---|
//! | [`moto`] | the server, and boto3 to look at it from outside |
//! | [`aws_proxy`] | what moto lacks: a call log, faults, dependencies, readiness, quotas |
//!
//! What must not be here: a canned answer, kindness. And in the cloud of the engine's tests a clock or
//! a random source: time is the test's, chance comes from a seed.

pub mod aws_proxy;
pub mod calls;
pub mod cloud;
mod computed;
pub mod fault;
pub mod loopback;
pub mod lower;
pub mod moto;
pub mod native;
pub mod provider;
mod request;
mod rules;
mod wire;
mod world;

pub use aws_proxy::AwsProxy;
pub use calls::{Call, Outcome, Verb};
pub use cloud::{Clock, CrashHook, FakeCloud, Sleeper};
pub use fault::{CallMatch, Fault, Seeded, What, When};
pub use loopback::Loopback;
pub use lower::Values;
pub use moto::Moto;
pub use provider::{ENDPOINT_VARIABLE, FakeProvider};
pub use world::{Object, Stage};
