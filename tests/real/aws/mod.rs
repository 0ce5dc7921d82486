//! The same program on AWS: moto behind a proxy that is as unkind as the real thing, and boto3 to look
//! at what came of it.
//!
//! | module | holds |
//! |---|---|
//! | [`workbench`] | the life of the shipped blueprint, from a first plan without credentials to nothing |
//! | [`network`] | a network over two zones, a pool of three, a database with a second server |
//! | [`paid`] | what each apply came to, and why that changed |
//! | [`people`] | who comes in by ssh |
//! | [`waiting`] | what machines make of themselves is waited for |
//! | [`crashes`] | `kill -9` at any moment, and lost replies: one of everything afterwards |
//! | [`calls`] | how many calls things take, and how long they take when each call is slow |
//! | [`volumes`] | a disk that outlives its machine, and files that many machines see |
//! | [`account`] | tags alone bring a lost state back; what belongs to nobody is found |

mod account;
mod calls;
mod crashes;
mod network;
mod paid;
mod people;
mod volumes;
mod waiting;
mod workbench;

use crate::place::{Place, skipped};
use dsenv_fake::moto::{ACCOUNT, REGION};
use dsenv_fake::{AwsProxy, Moto};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Everything that exists in the account and is not AWS's own, as boto3 sees it.
const LOOK: &str = include_str!("look.py");

/// A place whose commands find an AWS, and what is behind it. The place goes first: it destroys what
/// was applied in it.
pub(super) struct Cloud {
    pub(super) place: Place,
    pub(super) proxy: AwsProxy,
    pub(super) moto: Moto,
}

impl Cloud {
    /// A place with this blueprint, whose environment `prod` is on AWS; `None` where moto cannot be
    /// had, which is said.
    pub(super) fn new(blueprint: &str) -> Option<Cloud> {
        let moto = match Moto::start() {
            Ok(moto) => moto,
            Err(missing) => {
                skipped(&missing);
                return None;
            }
        };
        let proxy = AwsProxy::start(&moto).expect("a free port");
        let variables = BTreeMap::from([
            ("AWS_ENDPOINT_URL", proxy.endpoint()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "a key that nobody checks".to_owned()),
        ]);
        let environments =
            ["dev", "prod"].into_iter().filter(|it| blueprint.contains(&format!("  {it}:")));
        let place =
            Place::with_environments(blueprint, environments.collect()).with_variables(variables);
        let cloud = Cloud { place, proxy, moto };
        cloud.publish_image();
        Some(cloud)
    }

    /// moto has no image of Debian's; a company's own copy is taken too.
    fn publish_image(&self) {
        self.boto3(
            "ec2.register_image(Name='debian-12-amd64-20261101-2289', Architecture='x86_64', \
             RootDeviceName='/dev/xvda', VirtualizationType='hvm', BlockDeviceMappings=[\
             {'DeviceName': '/dev/xvda', 'Ebs': {'VolumeSize': 8}}])\nshow(None)",
        );
    }

    /// An account in which nothing ever was: moto gets slower with every object that it had.
    pub(super) fn begin_anew(&self) {
        self.moto.reset().expect("moto resets");
        self.publish_image();
    }

    /// Runs a script against moto itself, with clients of the usual services at hand.
    pub(super) fn boto3(&self, script: &str) -> Json {
        let answer = self.moto.boto3(&format!("{LOOK}\n{script}"));
        answer.unwrap_or_else(|error| panic!("{error}\n{script}"))
    }

    /// Everything that exists, by kind.
    pub(super) fn look(&self) -> Json {
        self.boto3("show(look())")
    }

    /// Forgets the calls that were made so far.
    pub(super) fn forget_calls(&self) {
        self.proxy.clear_log();
    }

    /// The calls that changed something, as lines.
    pub(super) fn changes(&self) -> Vec<String> {
        let calls = self.proxy.calls().into_iter();
        calls.filter(|call| call.mutating).map(|call| call.line()).collect()
    }

    pub(super) fn apply(&self) -> crate::place::Ran {
        self.place.ok(&["apply", "-e", "prod", "--yes"])
    }

    /// Demands that a plan has nothing to do.
    pub(super) fn is_settled(&self) {
        let ran = self.place.run(&["plan", "-e", "prod", "--detailed-exitcode"]);
        assert_eq!(ran.code, 0, "the plan is empty\n{}\n{}", ran.out, ran.err);
    }

    /// What the state lists, by address: its remote id.
    pub(super) fn resources(&self) -> BTreeMap<String, String> {
        let listed = self.place.json(&["state", "list", "-e", "prod"]);
        let text = |row: &Json, key: &str| row[key].as_str().expect("a text").to_owned();
        let rows = listed.as_array().expect("a list").iter();
        rows.map(|row| (text(row, "address"), text(row, "remote_id"))).collect()
    }
}

/// The head of a blueprint's environments: one, on AWS.
pub(super) fn environments(more: &str) -> String {
    format!(
        "environments:\n  prod: {{provider: aws, account: \"{ACCOUNT}\", region: {REGION}{more}}}\n"
    )
}

/// Demands that nothing of an environment exists.
pub(super) fn is_empty(seen: &Json) {
    for (kind, objects) in seen.as_object().expect("a map") {
        let none = objects.as_array().is_some_and(Vec::is_empty)
            || objects.as_object().is_some_and(serde_json::Map::is_empty);
        assert!(none, "{kind} are left: {objects:#}");
    }
}
