//! Every native type through its life, and through a change in place, as the contract says.

use super::bench::{Bench, ty, with_bench};
use super::ground;
use super::values::{id, list, map, tags, text, with};
use dsenv_sdk::conformance::{lifecycle, update};
use dsenv_sdk::value::{Map, Value};

/// Drives a type through its life, and through a change of its tags and of `changed`.
async fn lives(bench: &Bench, name: &str, addr: &str, args: &Map, changed: &[(&str, Value)]) {
    let (ty, addr) = (ty(name), addr.parse().expect("an address"));
    let args = with(args, &[("tags", tags(&[("team", "ml"), ("cost", "7")]))]);
    let mut wrong = lifecycle(&*bench.connection, ty, &addr, &args).await;
    let after = with(&args, &[("tags", tags(&[("team", "bi"), ("stage", "1")]))]);
    wrong.extend(update(&*bench.connection, ty, &addr, &args, &with(&after, changed)).await);
    // And back, to no tags at all. Another address: a token is for one set of arguments.
    let addr = format!("back_{addr}").parse().expect("an address");
    let bare = Map::from_iter(args.clone().into_iter().filter(|(name, _)| name != "tags"));
    wrong.extend(update(&*bench.connection, ty, &addr, &with(&after, changed), &bare).await);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_vpc_and_what_is_in_it() {
    with_bench("life-vpc", async |bench| {
        lives(&bench, "aws.vpc", "net.vpc", &map([("cidr", text("10.9.0.0/16"))]), &[]).await;
        let vpc = bench.create("aws.vpc", "net.vpc", [("cidr", text("10.9.0.0/16"))]).await;
        let of_vpc = map([("vpc", id(&vpc))]);
        lives(&bench, "aws.internet_gateway", "net.gateway", &of_vpc, &[]).await;
        let group = with(&of_vpc, &[("description", text("'work' of dsenv <&> \"x\""))]);
        lives(&bench, "aws.security_group", "work.firewall", &group, &[]).await;
        // The reason for `addr`s with keys: their characters stand in tags and names.
        lives(&bench, "aws.security_group", "work[\"eu-1/ä\"].firewall", &group, &[]).await;
    });
}

#[test]
fn routes_and_subnets() {
    with_bench("life-routes", async |bench| {
        let net = ground::network(&bench).await;
        let vpc = ("vpc", id(&net.vpc));
        let out = ("internet_gateway", id(&net.gateway));
        // From nowhere to the internet, and back to nowhere.
        lives(
            &bench,
            "aws.route_table",
            "net.route_a",
            &map([vpc.clone()]),
            std::slice::from_ref(&out),
        )
        .await;
        let nowhere = [("internet_gateway", Value::Null)];
        let led = map([vpc.clone(), out]);
        lives(&bench, "aws.route_table", "net.route_b", &led, &nowhere).await;
        let other = bench.create("aws.route_table", "net.route_c", [vpc.clone()]).await;
        let subnet = map([
            vpc,
            ("cidr", text("10.20.9.0/24")),
            ("zone", text("us-east-1a")),
            ("route_table", id(&net.table)),
        ]);
        let follows = [("route_table", id(&other))];
        lives(&bench, "aws.subnet", "net.subnet[\"private-0\"]", &subnet, &follows).await;
    });
}

#[test]
fn the_ways_out() {
    with_bench("life-nat", async |bench| {
        lives(&bench, "aws.elastic_ip", "net.nat_address[0]", &Map::new(), &[]).await;
        let net = ground::network(&bench).await;
        // moto does not let go of the address of a gateway that is deleted: each has its own.
        let nat = async |number: usize, tag: &str| {
            let addr = format!("net.nat_address[{number}]");
            let address = bench.create("aws.elastic_ip", &addr, []).await;
            let tags = tags(&[("team", tag)]);
            map([("subnet", id(&net.subnets[0])), ("address", id(&address)), ("tags", tags)])
        };
        let (ty, addr) = (ty("aws.nat_gateway"), "net.nat[1]".parse().expect("an address"));
        let mut wrong = lifecycle(&*bench.connection, ty, &addr, &nat(1, "ml").await).await;
        let before = nat(2, "ml").await;
        let after = with(&before, &[("tags", tags(&[("cost", "7")]))]);
        wrong.extend(update(&*bench.connection, ty, &addr, &before, &after).await);
        assert!(wrong.is_empty(), "{wrong:#?}");
        let nat = bench.try_create("aws.nat_gateway", "net.nat[2]", &nat(3, "ml").await).await;
        let nat = nat.expect("a gateway");
        let routes = map([("vpc", id(&net.vpc)), ("nat_gateway", id(&nat))]);
        let nowhere = [("nat_gateway", Value::Null), ("internet_gateway", id(&net.gateway))];
        lives(&bench, "aws.route_table", "net.route_private[1]", &routes, &nowhere).await;
        let other = bench.create("aws.route_table", "net.route_c", [("vpc", id(&net.vpc))]).await;
        let both = list(&[&net.table.observed.remote_id, &other.observed.remote_id]);
        let one = list(&[&net.table.observed.remote_id]);
        let endpoint = map([("vpc", id(&net.vpc)), ("route_tables", one)]);
        let more = [("route_tables", both)];
        lives(&bench, "aws.s3_endpoint", "net.s3", &endpoint, &more).await;
    });
}

#[test]
fn flows() {
    with_bench("life-flows", async |bench| {
        let net = ground::network(&bench).await;
        let other = bench.create("aws.security_group", "a.firewall", [("vpc", id(&net.vpc))]).await;
        let from = |name: &str, from: Value| {
            map([
                ("group", id(&net.group)),
                (name, from),
                ("port", Value::Int(5_432)),
                ("description", text("ada & 'bob' <come> in")),
            ])
        };
        let cidr = from("from_cidr", text("203.0.113.0/24"));
        lives(&bench, "aws.ingress", "work.access[\"ssh from x\"]", &cidr, &[]).await;
        let group = from("from_group", id(&other));
        lives(&bench, "aws.ingress", "a.grant[\"work\"]", &group, &[]).await;
    });
}

#[test]
fn a_role() {
    with_bench("life-role", async |bench| {
        let changed = ground::role("other");
        let changed = [("statements", changed["statements"].clone())];
        lives(&bench, "aws.role", "work.role", &ground::role("lake"), &changed).await;
    });
}

#[test]
fn a_mailbox_and_settings() {
    with_bench("life-settings", async |bench| {
        let expire = |days| {
            let rule = map([("prefix", text("logs/")), ("days", Value::Int(days))]);
            Value::List(vec![Value::Map(rule)])
        };
        let mailbox = [
            ("versioning", Value::Bool(false)),
            ("guarded", Value::Bool(true)),
            ("expire", expire(30)),
        ];
        let changed = [("expire", expire(7))];
        lives(&bench, "aws.mailbox", "work.mailbox", &map(mailbox.clone()), &changed).await;
        let mailbox = bench.create("aws.mailbox", "work.mailbox", mailbox).await;
        let environment = Value::Map(map([("PLAIN", text("b"))]));
        let settings = ground::settings(&mailbox);
        let changed = [("environment", environment)];
        lives(&bench, "aws.settings", "work.settings", &settings, &changed).await;
    });
}

#[test]
fn an_instance() {
    with_bench("life-instance", async |bench| {
        let net = ground::network(&bench).await;
        let role = bench.try_create("aws.role", "work.role", &ground::role("lake")).await;
        let profile = ("profile", id(&role.expect("a role")));
        let args = with(&ground::instance(&bench, &net), &[profile]);
        let other = bench.create("aws.security_group", "a.firewall", [("vpc", id(&net.vpc))]).await;
        let groups = list(&[&net.group.observed.remote_id, &other.observed.remote_id]);
        let changed = [
            ("types", list(&["m5.large"])),
            ("groups", groups),
            ("ports", Value::Map(map([("api", Value::Int(80))]))),
            ("open", Value::Bool(true)),
        ];
        lives(&bench, "aws.instance", "work", &args, &changed).await;
    });
}

#[test]
fn a_template_and_a_scaling_group() {
    with_bench("life-pool", async |bench| {
        let net = ground::network(&bench).await;
        let args = ground::template(&bench, &net);
        let changed = [("instance_type", text("t3.large")), ("disk_gib", Value::Int(30))];
        // moto goes on to show the tags that a template was made with, so they stay.
        let (ty, addr) =
            (ty("aws.launch_template"), "workers.template".parse().expect("an address"));
        let tagged = with(&args, &[("tags", tags(&[("team", "ml")]))]);
        let mut wrong = lifecycle(&*bench.connection, ty, &addr, &tagged).await;
        let changed = with(&tagged, &changed);
        wrong.extend(update(&*bench.connection, ty, &addr, &tagged, &changed).await);
        assert!(wrong.is_empty(), "{wrong:#?}");
        let template = bench.try_create("aws.launch_template", "workers.template", &args).await;
        let group = ground::scaling_group(&net, &template.expect("a template"));
        let changed = [
            ("types", list(&["t3.large", "m5.large"])),
            ("min", Value::Int(0)),
            ("max", Value::Int(5)),
            // Of a whole member alone: moto forgets the halves.
            ("on_demand_percent", Value::Int(0)),
            ("on_demand_base", Value::Int(1)),
            ("spot_max_price", text("0.100000")),
            ("subnets", list(&[&net.subnets[0].observed.remote_id])),
        ];
        lives(&bench, "aws.scaling_group", "workers", &group, &changed).await;
    });
}

#[test]
fn a_database_and_its_groups() {
    with_bench("life-database", async |bench| {
        let net = ground::network(&bench).await;
        let subnets = map([("subnets", net.subnet_ids())]);
        lives(&bench, "aws.db_subnet_group", "features.subnets", &subnets, &[]).await;
        let parameters = map([
            ("family", text("postgres17")),
            ("parameters", Value::Map(map([("rds.force_ssl", text("1"))]))),
        ]);
        let group = "aws.db_parameter_group";
        lives(&bench, group, "features.parameters", &parameters, &[]).await;
        let groups = ground::database_groups(&bench, &net).await;
        let args = ground::database(&net, &groups);
        let changed = [
            ("class", list(&["db.m5.large"])),
            ("storage_gib", Value::Int(20)),
            ("multi_zone", Value::Bool(true)),
            ("backup_days", Value::Int(3)),
        ];
        lives(&bench, "aws.database", "features", &args, &changed).await;
    });
}

#[test]
fn a_bucket() {
    with_bench("life-bucket", async |bench| {
        let args = map([("versioning", Value::Bool(false)), ("guarded", Value::Bool(true))]);
        let changed = [("versioning", Value::Bool(true))];
        lives(&bench, "aws.bucket", "lake", &args, &changed).await;
    });
}

#[test]
fn a_volume_and_its_attachment() {
    with_bench("life-volume", async |bench| {
        let args = ground::volume();
        lives(&bench, "aws.volume", "data", &args, &[("iops", Value::Int(4_000))]).await;
        // It grows, and there is no way back.
        let (ty, addr) = (ty("aws.volume"), "grows".parse().expect("an address"));
        let grown = with(&args, &[("size_gib", Value::Int(20))]);
        let wrong = update(&*bench.connection, ty, &addr, &args, &grown).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
        let net = ground::network(&bench).await;
        let instance = ground::instance_beside(&bench, &net);
        let instance = bench.try_create("aws.instance", "work", &instance).await;
        let volume = bench.try_create("aws.volume", "data", &args).await.expect("a volume");
        let args = ground::attachment(&volume, &instance.expect("an instance"));
        let (ty, addr) = (self::ty("aws.attachment"), "work.grant[\"data\"]");
        let addr = addr.parse().expect("an address");
        let wrong = lifecycle(&*bench.connection, ty, &addr, &args).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn a_file_system_and_its_mount_targets() {
    with_bench("life-share", async |bench| {
        let args = map([("encrypted", Value::Bool(true))]);
        lives(&bench, "aws.filesystem", "files", &args, &[]).await;
        let net = ground::network(&bench).await;
        let files =
            bench.try_create("aws.filesystem", "files", &args).await.expect("a file system");
        let both = ground::mount_targets(&files, &net);
        let one = list(&[&net.subnets[1].observed.remote_id]);
        let (ty, addr) = (ty("aws.mount_targets"), "files.targets".parse().expect("an address"));
        let mut wrong = lifecycle(&*bench.connection, ty, &addr, &both).await;
        let other = bench.create("aws.security_group", "a.firewall", [("vpc", id(&net.vpc))]).await;
        let groups = list(&[&other.observed.remote_id]);
        let fewer = with(&both, &[("subnets", one), ("groups", groups)]);
        wrong.extend(update(&*bench.connection, ty, &addr, &both, &fewer).await);
        let addr = "back_files.targets".parse().expect("an address");
        wrong.extend(update(&*bench.connection, ty, &addr, &fewer, &both).await);
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}
