use super::*;
use crate::kinds::tests_of_kinds::{
    access, charged, charges, findings, lowered, map, monthly, neutral, uses,
};
use crate::provider::AzureProvider;
use dsenv_sdk::cost::Rate;
use dsenv_sdk::prices::{Book, Cloud};
use dsenv_sdk::provider::{OpErrorClass, Right};
use dsenv_sdk::{Provider, conformance};
use expect_test::expect;
use std::collections::BTreeSet;

#[test]
fn every_folder_is_a_kind_and_every_kind_a_folder_or_built_in() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
    let mut folders: Vec<String> = std::fs::read_dir(here)
        .expect("the folder of the kinds")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .chain(builtin::KINDS.iter().map(|name| (*name).to_owned()))
        .collect();
    folders.sort();
    let mut kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    kinds.sort_unstable();
    assert_eq!(folders, kinds);
    assert_eq!(KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>(), NAMES);
}

#[test]
fn the_tables_are_as_the_contract_wants_them() {
    assert_eq!(conformance::schema(&AzureProvider), [""; 0]);
}

/// References to `notebook.address` or `lake.url` resolve on every provider.
#[test]
fn the_main_node_of_every_kind_has_what_the_kind_promises() {
    let main = [
        ("bucket", &bucket::BUCKET),
        ("database", &database::DATABASE),
        ("key", &builtin::KEY),
        ("machine", &machine::VIRTUAL_MACHINE),
        ("network", &network::NETWORK),
        ("pool", &pool::SCALE_SET),
        ("secret", &builtin::SECRET),
        ("share", &share::SHARE),
        ("value", &builtin::VALUE),
        ("volume", &volume::DISK),
    ];
    assert_eq!(main.map(|(kind, _)| kind), NAMES);
    for (kind, ty) in main {
        let kind = dsenv_sdk::kinds::kind(kind).expect("a kind of the SDK");
        for attribute in kind.attributes {
            assert!(ty.attribute(attribute.name).is_some(), "{}.{}", kind.name, attribute.name);
        }
    }
    for ty in [&volume::DISK, &share::SHARE] {
        assert!(ty.attribute("id").is_some());
    }
}

#[test]
fn what_lives_in_the_state_alone_is_the_sdk_s() {
    let secret = neutral("token", "secret", &[]);
    assert_eq!((findings(&secret).as_str(), charged(&secret, &[], &[]).as_str()), ("", ""));
}

#[test]
fn tags_that_azure_takes_not_are_refused() {
    let tags = [("azure-team", "x"), ("a/b", "x"), ("team", "ml")];
    let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let resource = Neutral { tags, ..neutral("token", "secret", &[]) };
    expect![[r#"
        tags.a/b: refuses: the tag `a/b` has one of `< > % & \ ? /`, which Azure takes in no name (take another name or value)
        tags.azure-team: refuses: the tag `azure-team` is written by Azure or dsenv (take another name or value)
    "#]].assert_eq(&findings(&resource));
}

#[test]
fn tags_and_owner_stand_on_every_node_that_takes_them() {
    let tags = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
    let owner = Some("ada@example.org".to_owned());
    let lake = Neutral { tags, owner, ..neutral("lake", "bucket", &[]) };
    let shown = crate::kinds::tests_of_kinds::natives(&lake);
    assert_eq!(shown.matches(r#"tags = {owner: "ada@example.org", team: "ml"}"#).count(), 1);
}

/// A blueprint with one of everything.
fn everything() -> Vec<Neutral> {
    let text = |name: &'static str, text: &str| (name, Value::text(text));
    let in_net = |resource: Neutral| Neutral { network: Some(Addr::resource("net")), ..resource };
    let both = [Right::Read, Right::ReadWrite];
    let purchase = |purchase: &str| ("purchase", map(&[text("spot", purchase)]));
    let database = |engine: &str, version: &str| {
        [text("engine", engine), text("version", version), text("size", "medium")]
    };
    let used =
        [("data", "volume"), ("features", "database"), ("files", "share"), ("lake", "bucket")];
    let all = used.map(|(name, kind)| uses(name, kind, both[1])).to_vec();
    let desk = [("cpus", Value::Int(2)), purchase("preferred")];
    let old = [text("type", "Standard_D4_v5"), text("disk", "64GiB")];
    let count = map(&[("min", Value::Int(0)), ("max", Value::Int(4))]);
    let fast = [text("size", "100GiB"), ("iops", Value::Int(5_000)), text("throughput", "250MiB")];
    vec![
        neutral("ada", "key", &[text("public_key", "ssh-ed25519 AAAA ada")]),
        neutral("lake", "bucket", &[]),
        neutral("net", "network", &[text("cidr", "10.20.0.0/16"), text("nat", "per_zone")]),
        neutral("token", "secret", &[]),
        neutral("note", "value", &[("input", Value::Int(1))]),
        in_net(neutral("data", "volume", &fast)),
        in_net(neutral("desk", "machine", &desk)),
        in_net(neutral("features", "database", &database("postgres", "18"))),
        in_net(neutral("files", "share", &[])),
        in_net(neutral("shop", "database", &database("mysql", "8.4"))),
        Neutral {
            uses: all,
            access: vec![access("ada", "ssh", Some("203.0.113.0/24"))],
            ..in_net(neutral("old", "machine", &old))
        },
        Neutral {
            uses: vec![uses("lake", "bucket", both[0]), uses("shop", "database", both[1])],
            ..in_net(neutral(
                "workers",
                "pool",
                &[("count", count), ("cpus", Value::Int(4)), purchase("only")],
            ))
        },
    ]
}

#[test]
fn every_native_type_is_lowered_to_and_every_reference_leads_somewhere() {
    let resources = everything();
    let nodes: BTreeMap<Addr, Native> =
        resources.iter().flat_map(|resource| lowered("westeurope", resource)).collect();
    let made: BTreeSet<&str> = nodes.values().map(|native| native.ty).collect();
    assert!(made.into_iter().eq(NATIVE_TYPES.iter().map(|ty| ty.name)));
    let neutral_field = |reference: &Ref| {
        let resource = resources.iter().find(|resource| resource.addr == reference.addr);
        resource.is_some_and(|resource| resource.fields.contains_key(&*reference.path[0]))
    };
    for (addr, native) in &nodes {
        for term in native.args.values() {
            term.each_ref(&mut |reference| {
                let target = nodes.get(&reference.addr).unwrap_or_else(|| panic!("{reference}"));
                let ty = AzureProvider.native_type(target.ty).expect("a listed type");
                let there = ty.attribute(&reference.path[0]).is_some();
                assert!(there || neutral_field(reference), "{addr} refers to {reference}");
            });
        }
        assert!(native.after.iter().all(|after| nodes.contains_key(after)), "{addr}");
    }
}

/// What is charged and has no figure in any region of the price book, and what has no driver either.
#[test]
fn what_has_no_price_anywhere_is_still_listed() {
    let book = Book::builtin();
    let anywhere = |key: &str| {
        let mut regions = book.regions(Cloud::Azure);
        regions.any(|region| book.rate_by_key(Cloud::Azure, region, key).is_some())
    };
    let mut missing = BTreeSet::new();
    for charge in everything().iter().flat_map(charges) {
        for line in [charge.now, charge.floor, charge.ceiling] {
            if let Rate::Key(key) = line.rate
                && !anywhere(&key)
            {
                missing.insert(key);
            }
        }
    }
    let shown: String = missing.iter().map(|key| format!("{key}\n")).collect();
    expect![[r#"
        disk/E6/month
        disk/premium-v2/GB-month
        disk/premium-v2/IOPS-month
        disk/premium-v2/MBps-month
        disk/standard-ssd/request
        dns/query
        dns/zone/month
        egress/internet/GB
    "#]]
    .assert_eq(&shown);
}

/// Figures that others published for the same thing, and ours: NAT 32.85 and 0.45, an address 3.65.
#[test]
fn what_is_charged_comes_to_what_others_published_for_networks_and_machines() {
    let net = neutral("net", "network", &[("cidr", Value::text("10.20.0.0/16"))]);
    let ours = monthly("westeurope", &net, &[("nat", Value::text("10GiB"))]);
    let machine = |region: &str, size: &str, hours: i64| {
        let fields = [("type", Value::text(size))];
        let network = Some(Addr::resource("net"));
        let resource = Neutral { network, ..neutral("desk", "machine", &fields) };
        monthly(region, &resource, &[("hours", Value::Int(hours))])
    };
    // Published: 3,363.84, 4,590.24, 854.10 a month, and P4 5.28, E4 2.40.
    let machines = ["Standard_D96_v5", "Standard_EC96ads_cc_v5", "Standard_DS5_v2"]
        .map(|size| machine("eastus", size, 730));
    expect![[r#"
        net.nat[0] gateway: 32.85
        net.nat[0] data through it: 0.45
        net.nat_address[0] public IPv4 address: 3.65
        desk compute: 3363.84
        desk root disk (E4): 2.4
        desk root disk operations: no price
        desk public IPv4 address: 3.65
        desk data to the internet: no price
        desk compute: 4590.24
        desk root disk (P4): 5.28
        desk public IPv4 address: 3.65
        desk data to the internet: no price
        desk compute: 854.1
        desk root disk (P4): 5.28
        desk public IPv4 address: 3.65
        desk data to the internet: no price
    "#]]
    .assert_eq(&(ours + &machines.concat()));
}

/// Published: 16.06, 17.66 and 475.00 in westus, 148.19 for a D2ds_v5, 12.41 in eastus. A second server
/// was not counted there, which it is here.
#[test]
fn what_is_charged_comes_to_what_others_published_for_databases() {
    let database = |region: &str, fields: &[(&str, Value)], usage: &[(&str, Value)]| {
        let mut all = vec![("engine", Value::text("postgres")), ("version", Value::text("17"))];
        all.extend_from_slice(fields);
        let network = Some(Addr::resource("net"));
        monthly(region, &Neutral { network, ..neutral("db", "database", &all) }, usage)
    };
    let storage = ("storage", Value::text("128GiB"));
    let backup = [("backup", Value::text("5128GiB"))];
    let two = [("multi_zone", Value::Bool(true)), ("size", Value::text("medium"))];
    let all = [
        database("westus", &[storage], &backup),
        database("westus", &[("size", Value::text("medium"))], &[]),
        database("westus", &two, &[]),
        database("eastus", &[], &[]),
    ];
    expect![[r#"
        db server: 16.06
        db storage: 17.66
        db backups beyond the size of the storage: 475
        db.zone private DNS zone: no price
        db.zone DNS queries: no price
        db server: 148.19
        db storage: 4.42
        db backups beyond the size of the storage: 0
        db.zone private DNS zone: no price
        db.zone DNS queries: no price
        db server and standby: 296.38
        db storage: 8.83
        db backups beyond the size of the storage: 0
        db.zone private DNS zone: no price
        db.zone DNS queries: no price
        db server: 12.41
        db storage: 3.84
        db backups beyond the size of the storage: 0
        db.zone private DNS zone: no price
        db.zone DNS queries: no price
    "#]]
    .assert_eq(&all.concat());
}

/// Published for 4,000,000 GB in westus: 1,064.96 for the first 50 TB, and 22.00 for 4,000,000 writes.
#[test]
fn what_is_charged_comes_to_what_others_published_for_buckets() {
    let lake = neutral("lake", "bucket", &[]);
    let month = |stored: &str| {
        let usage = [("stored", Value::text(stored)), ("writes", Value::Int(4_000_000))];
        monthly("westus", &lake, &usage)
    };
    expect![[r#"
        lake storage: 1064.96
        lake reads: no price
        lake writes and lists: 22
        lake data to the internet: no price
        lake storage: 77012.58
        lake reads: no price
        lake writes and lists: 22
        lake data to the internet: no price
    "#]]
    .assert_eq(&(month("51200GiB") + &month("4000000GiB")));
}

/// Polls a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits for nothing"),
    }
}

#[test]
fn nothing_is_made_real_yet() {
    let setup = dsenv_sdk::provider::Setup {
        owner: dsenv_sdk::provider::Owner {
            blueprint: "workbench".to_owned(),
            environment: "prod".to_owned(),
            lineage: String::new(),
        },
        dir: "unused".into(),
        cache: "unused".into(),
        key: dsenv_sdk::seal::SealKey::new([0; 32]),
        variables: BTreeMap::new(),
        account: None,
        region: None,
        resolver: None,
    };
    let Err(error) = at_once(AzureProvider.connect(setup)) else { panic!("there is no live half") };
    assert_eq!(error.class, OpErrorClass::Invalid);
    assert_eq!(error.to_string(), "azure: plans and prices; what makes it real is not built yet");
    assert!(error.help.is_some());
}
