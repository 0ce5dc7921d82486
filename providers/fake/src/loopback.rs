//! The cloud over loopback.

use crate::request::{Reply, Request};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;

pub(crate) async fn ask(endpoint: &str, _request: &Request) -> Result<Reply, OpError> {
    Err(OpError::new(OpErrorClass::NotFound, format!("no cloud answers at {endpoint}")))
}
