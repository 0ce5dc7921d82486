//! The proxy in front of moto, driven by boto3: what an official SDK reads out of it.

mod bench;
mod consistency;
mod dependents;
mod faults;
mod launches;
mod log;
mod permissions;
mod readiness;
mod strictness;
