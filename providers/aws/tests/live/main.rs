//! The provider against a real moto server that a proxy makes as unkind as AWS.
//!
//! | module | shows |
//! |---|---|
//! | `lives` | every native type through its life, and through a change in place |
//! | `bucket`, `database`, `volume` | what these have that others do not |
//! | `refusals` | what an error of each service means to the engine |
//! | `lost` | one object, however often a create's answer is lost |
//! | `waiting` | what takes its time: states on the way, what is not shown yet |
//! | `launching` | the next type, subnet or market when there is no capacity |
//! | `drift` | what is done behind dsenv's back is seen |
//! | `inventory` | all that was made is listed, and nothing once it is deleted |
//!
//! `bench` has the server and the connection, `ground` what others stand on.

mod bench;
mod bucket;
mod database;
mod drift;
mod ground;
mod inventory;
mod launching;
mod lives;
mod lost;
mod operate;
mod preflight;
mod refusals;
mod values;
mod volume;
mod waiting;

#[test]
fn the_tables_of_native_types_are_sound() {
    let wrong = dsenv_sdk::conformance::schema(&*dsenv_aws::provider());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
