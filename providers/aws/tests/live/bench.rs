//! One moto server for the whole program, and for each test a proxy in front of it and a connection
//! of an environment of its own.
//!
//! Faults, readiness and quotas are the proxy's, so tests that run at the same time do not meet;
//! what exists is moto's, and each test looks at its own environment's alone.

use super::values::map;
use dsenv_fake::aws_proxy::quotas;
use dsenv_fake::{AwsProxy, Moto};
use dsenv_sdk::provider::{
    Accepted, Create, DataFate, Delete, Observed, Owner, Prior, Progress, Setup, Token, Update,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::seal::SealKey;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Connection, OpError};
use serde_json::Value as Json;
use std::io::Write;
use std::sync::{Arc, OnceLock};

const PRELUDE: &str = include_str!("prelude.py");
/// An image of the name that a machine has by default; its root disk is where Debian has it.
const REGISTER: &str = "
name = 'debian-12-amd64-20261101-2289'
image = ec2.register_image(Name=name, Architecture='x86_64', RootDeviceName='/dev/xvda',
    VirtualizationType='hvm')
show(image['ImageId'])
";
/// How often an accepted operation is asked for at most.
const POLLS_MAX: usize = 100;

pub(crate) struct Bench {
    pub(crate) proxy: AwsProxy,
    pub(crate) connection: Arc<dyn Connection>,
    /// What the environment is called, which the tag `dsenv:environment` of all that it has says.
    pub(crate) environment: String,
    cloud: &'static Cloud,
}

/// What all tests share.
struct Cloud {
    moto: Moto,
    image: String,
}

/// Runs a test with a bench of its own; says so when there is no moto to be had.
pub(crate) fn with_bench(environment: &str, test: impl AsyncFnOnce(Bench)) {
    static CLOUD: OnceLock<Option<Cloud>> = OnceLock::new();
    let Some(cloud) = CLOUD.get_or_init(cloud) else { return };
    let proxy = AwsProxy::start(&cloud.moto).expect("loopback has free ports");
    for (service, code) in [
        ("ec2", quotas::ON_DEMAND_VCPUS),
        ("ec2", quotas::SPOT_VCPUS),
        ("ec2", quotas::ADDRESSES),
        ("vpc", quotas::VPCS),
    ] {
        proxy.set_quota(service, code, 100_000);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let setup = setup(environment, &lineage(environment), &proxy.endpoint());
        let connection = dsenv_aws::provider().connect(setup).await.expect("a connection");
        test(Bench { proxy, connection, environment: environment.to_owned(), cloud }).await;
    });
}

fn cloud() -> Option<Cloud> {
    match Moto::start() {
        Ok(moto) => {
            let image = moto.boto3(&format!("{PRELUDE}{REGISTER}")).expect("an image");
            let image = image.as_str().expect("its id").to_owned();
            Some(Cloud { moto, image })
        }
        Err(missing) => {
            skipped(&missing);
            None
        }
    }
}

/// Says that the tests could not run, and why; where everything must run, that is a failure.
#[expect(clippy::disallowed_methods, reason = "tests read CI, as the whole project's do")]
fn skipped(missing: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "SKIPPED in CI: {missing}");
    // Not `eprintln!`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
}

fn lineage(environment: &str) -> String {
    format!("lineage-of-{environment}")
}

fn setup(environment: &str, lineage: &str, endpoint: &str) -> Setup {
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    Setup {
        owner: Owner {
            blueprint: "work_bench".to_owned(),
            environment: environment.to_owned(),
            lineage: lineage.to_owned(),
        },
        dir: "unused".into(),
        cache: "unused".into(),
        key: SealKey::derive("dsenv aws tests", b"a fixed secret"),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        account: None,
        region: Some("us-east-1".to_owned()),
        resolver: None,
    }
}

pub(crate) fn ty(name: &str) -> &'static NativeType {
    dsenv_aws::provider().native_type(name).expect("a native type")
}

/// A create as the engine sends it.
pub(crate) struct Sent {
    ty: &'static NativeType,
    addr: Addr,
    pub(crate) token: Token,
    args: Map,
}

impl Sent {
    fn prior(&self, observed: Observed) -> Prior {
        Prior { addr: self.addr.clone(), token: self.token.clone(), observed }
    }
}

impl Bench {
    /// Where the proxy answers.
    pub(crate) fn endpoint(&self) -> String {
        self.proxy.endpoint()
    }

    /// Where moto itself answers.
    pub(crate) fn direct(&self) -> String {
        self.cloud.moto.endpoint()
    }

    pub(crate) fn image(&self) -> &str {
        &self.cloud.image
    }

    /// Runs a script against moto itself, whatever the proxy says, and returns what it shows.
    /// `ENV` in it is the environment's name.
    pub(crate) fn boto3(&self, script: &str) -> Json {
        let script = format!("{PRELUDE}ENV = '{}'\n{script}\n", self.environment);
        self.cloud.moto.boto3(&script).expect("the script runs")
    }

    /// A connection of the same environment, of another history.
    pub(crate) async fn of_lineage(&self, lineage: &str) -> Arc<dyn Connection> {
        let setup = setup(&self.environment, lineage, &self.endpoint());
        dsenv_aws::provider().connect(setup).await.expect("a connection")
    }

    /// A create of this environment: another's has another token.
    pub(crate) fn sent(&self, ty: &str, addr: &str, args: &Map) -> Sent {
        let addr: Addr = addr.parse().expect("an address");
        let token = self.token(&addr);
        Sent { ty: self::ty(ty), addr, token, args: args.clone() }
    }

    pub(crate) fn token(&self, addr: &Addr) -> Token {
        Token::new(&lineage(&self.environment), addr, 1)
    }

    /// Sends a create once; `over_for_ms` is for how long an earlier one has been over.
    pub(crate) async fn send(
        &self,
        sent: &Sent,
        over_for_ms: Option<u64>,
    ) -> Result<Progress<Observed>, OpError> {
        let create = Create {
            addr: &sent.addr,
            ty: sent.ty,
            token: &sent.token,
            args: &sent.args,
            begun_before_ms: over_for_ms,
            watch: &|_| {},
        };
        self.connection.create(create).await
    }

    /// Sends a create whose earlier answer never came, and waits for its end.
    pub(crate) async fn send_again(&self, sent: &Sent) -> Result<Prior, OpError> {
        let progress = self.send(sent, Some(120_000)).await?;
        Ok(sent.prior(self.finish(sent.ty, progress).await?.expect("it is there")))
    }

    /// Creates an object and waits for it.
    pub(crate) async fn try_create(
        &self,
        ty: &str,
        addr: &str,
        args: &Map,
    ) -> Result<Prior, OpError> {
        let sent = self.sent(ty, addr, args);
        let progress = self.send(&sent, None).await?;
        Ok(sent.prior(self.finish(sent.ty, progress).await?.expect("it is there")))
    }

    pub(crate) async fn create<const N: usize>(
        &self,
        ty: &str,
        addr: &str,
        args: [(&str, Value); N],
    ) -> Prior {
        let made = self.try_create(ty, addr, &map(args)).await;
        made.unwrap_or_else(|error| panic!("{ty} {addr}: {error} {:?}", error.causes))
    }

    /// Changes an object and waits for it.
    pub(crate) async fn update(
        &self,
        ty: &str,
        prior: &Prior,
        prior_args: &Map,
        args: &Map,
    ) -> Result<Prior, OpError> {
        let ty = self::ty(ty);
        let watch = &|_: &str| {};
        let update = Update { addr: &prior.addr, ty, prior, prior_args, args, watch };
        let progress = self.connection.update(update).await?;
        let observed = self.finish(ty, progress).await?.expect("it is there");
        Ok(Prior { observed, ..prior.clone() })
    }

    /// Asks for a delete, once.
    pub(crate) async fn ask_delete(
        &self,
        ty: &str,
        prior: &Prior,
        data: DataFate,
    ) -> Result<Progress<()>, OpError> {
        let (ty, prior_args) = (self::ty(ty), &Map::new());
        let watch = &|_: &str| {};
        let delete = Delete { addr: &prior.addr, ty, prior, prior_args, data, watch };
        self.connection.delete(delete).await
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) async fn delete(&self, ty: &str, prior: &Prior) -> Result<(), OpError> {
        self.delete_as(ty, prior, DataFate::Delete).await
    }

    /// The same, with this done with its data.
    pub(crate) async fn delete_as(
        &self,
        ty: &str,
        prior: &Prior,
        data: DataFate,
    ) -> Result<(), OpError> {
        if let Progress::Accepted(accepted) = self.ask_delete(ty, prior, data).await? {
            self.finish(self::ty(ty), Progress::Accepted(accepted)).await?;
        }
        Ok(())
    }

    /// Asks until an operation has ended; whoever is told to wait does not, here.
    pub(crate) async fn finish(
        &self,
        ty: &'static NativeType,
        progress: Progress<Observed>,
    ) -> Result<Option<Observed>, OpError> {
        Ok(self.watched(ty, progress).await?.0)
    }

    /// The same, with all that was said meanwhile of what is waited for.
    pub(crate) async fn watched(
        &self,
        ty: &'static NativeType,
        progress: Progress<Observed>,
    ) -> Result<(Option<Observed>, Vec<String>), OpError> {
        let mut said = Vec::new();
        let mut accepted: Accepted = match progress {
            Progress::Done(observed) => return Ok((Some(observed), said)),
            Progress::Accepted(accepted) => accepted,
        };
        for _ in 0..POLLS_MAX {
            said.push(accepted.waits_for.clone());
            match self.connection.poll(ty, &accepted).await? {
                Progress::Done(observed) => return Ok((observed, said)),
                Progress::Accepted(next) => accepted = next,
            }
        }
        panic!("{} is still accepted after {POLLS_MAX} polls: {said:?}", ty.name);
    }

    /// Reads an object again.
    pub(crate) async fn read(&self, ty: &str, prior: &Prior) -> Option<Map> {
        let read = self.connection.read_many(self::ty(ty), std::slice::from_ref(prior)).await;
        let read = read.unwrap_or_else(|error| panic!("{ty}: {error} {:?}", error.causes));
        read.into_iter().next().flatten().map(|observed| observed.values)
    }

    /// The values of an object that differ from those that were seen last, as `was -> is`.
    pub(crate) async fn drift(&self, ty: &str, prior: &Prior) -> Vec<String> {
        let Some(now) = self.read(ty, prior).await else { return vec!["gone".to_owned()] };
        let before = &prior.observed.values;
        let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let shown = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
        let differ = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
        differ
            .map(|name| format!("{name}: {} -> {}", shown(before.get(name)), shown(now.get(name))))
            .collect()
    }
}
