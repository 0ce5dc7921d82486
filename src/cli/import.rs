//! `dsenv import ADDR ID`: takes an object over that dsenv never made.

use super::setting::Setting;
use super::{Exit, adopt};
use crate::drive::Problem;
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// The resource of the blueprint that it becomes.
    #[arg(value_name = "ADDR")]
    address: String,
    /// The provider's own name for the object.
    #[arg(value_name = "ID")]
    remote_id: String,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    adopt::one(setting, &typed.address, &typed.remote_id, "import").await
}
