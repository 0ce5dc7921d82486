//! What a machine becomes, is refused for, and is charged for.

use super::*;
use crate::kinds::tests_of_kinds::{charges, charges_seen, findings, map, natives, neutral};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Access, Right, Use};
use expect_test::{Expect, expect};

fn machine(fields: &[(&str, Value)]) -> Neutral {
    Neutral { network: Some(Addr::resource("net")), ..neutral("notebook", "machine", fields) }
}

fn checked(resource: &Neutral, expected: Expect) {
    expected.assert_eq(&findings(&KIND, resource));
}

fn needs<'a>() -> Vec<(&'a str, Value)> {
    vec![("cpus", Value::text("2+")), ("memory", Value::text("8GiB+"))]
}

fn access(how: &str, keys: &[&str]) -> Access {
    Access {
        who: "ada".to_owned(),
        keys: keys.iter().map(|key| Addr::resource(key)).collect(),
        how: how.to_owned(),
        from: Some("203.0.113.0/24".to_owned()),
        until: None,
    }
}

#[test]
fn a_small_machine_is_an_account_and_an_instance() {
    expect![[r#"
        notebook.account: gcp.service_account
          display_name = "notebook of dsenv"
        notebook: gcp.instance
          deletion_protection = false
          disk_gib = not locked: gcp-image-debian-12
          disk_type = "pd-balanced"
          image = not locked: gcp-image-debian-12
          markets = ["on_demand"]
          metadata = {block-project-ssh-keys: "true", dsenv-name: "notebook", enable-oslogin: "false", serial-port-enable: "false"}
          name = "notebook"
          on_host_maintenance = "MIGRATE"
          public = <net.machine_addresses>
          secure_boot = true
          service_account = <notebook.account.email>
          subnetwork = <net.place>
          types = ["e2-standard-2", "n2d-standard-2", "t2d-standard-2", "e2-highmem-2", "c2d-standard-2", "n2-standard-2"]
          zones = <net.zones>
    "#]].assert_eq(&natives(&KIND, &machine(&needs())));
}

#[test]
fn a_full_machine_has_its_rights_flows_and_settings() {
    let mut fields = needs();
    let service = map([("run", Value::text("jupyter lab")), ("port", Value::Int(8_888))]);
    fields.extend([
        ("disk", Value::text("50GB")),
        ("image", Value::text("ubuntu-24.04")),
        ("services", map([("jupyter", service)])),
        (
            "purchase",
            map([("spot", Value::text("preferred")), ("on_interruption", Value::text("stop"))]),
        ),
    ]);
    let used = |target: &str, kind, right| Use { target: Addr::resource(target), kind, right };
    let resource = Neutral {
        uses: vec![
            used("features", "database", Right::ReadWrite),
            used("lake", "bucket", Right::Read),
        ],
        access: vec![access("ssh", &["ada"]), access("web", &[])],
        protect: true,
        ..machine(&fields)
    };
    checked(&resource, expect![""]);
    expect![[r#"
        notebook.account: gcp.service_account
          display_name = "notebook of dsenv"
        notebook.access["jupyter from 203.0.113.0/24"]: gcp.firewall
          allow = true
          description = "ada to jupyter"
          direction = "INGRESS"
          network = <net.id>
          ports = [8888]
          priority = 1000
          source_ranges = ["203.0.113.0/24"]
          target_service_accounts = [<notebook.account.email>]
        notebook.access["port 22 from 203.0.113.0/24"]: gcp.firewall
          allow = true
          description = "ada to port 22"
          direction = "INGRESS"
          network = <net.id>
          ports = [22]
          priority = 1000
          source_ranges = ["203.0.113.0/24"]
          target_service_accounts = [<notebook.account.email>]
        notebook.s3_key: gcp.hmac_key
          service_account = <notebook.account.email>
        notebook.grant["features"]: gcp.firewall
          allow = true
          description = "notebook uses features"
          destination_ranges = [<features.range>]
          direction = "EGRESS"
          network = <net.id>
          ports = [<features.port>]
          priority = 1000
          target_service_accounts = [<notebook.account.email>]
        notebook.grant["lake"]: gcp.grant
          member = <notebook.account.member>
          on = "bucket"
          resource = <lake.name>
          role = "roles/storage.objectViewer"
        notebook.mailbox: gcp.mailbox
          expire = [{days: 30, prefix: "logs/"}]
          location = "us-central1"
          public_access_prevention = "enforced"
          soft_delete_days = 0
          storage_class = "STANDARD"
          uniform_access = true
          versioning = false
        notebook.settings: gcp.settings
          bucket = <notebook.mailbox.name>
          buckets = {LAKE: {access_key_id: <notebook.s3_key.access_id>, endpoint: <lake.endpoint>, name: <lake.name>, region: <lake.region>, secret_access_key: <notebook.s3_key.secret>, url: <lake.url>}}
          databases = {FEATURES: {engine: <features.engine>, host: <features.host>, name: <features.name>, password: <features.password.value>, port: <features.port>, user: <features.user>}}
          intact = true
          people = [{keys: [<ada.public_key>], who: "ada"}]
          replica_location = "us-central1"
          services = {jupyter: {port: 8888, run: "jupyter lab"}}
        notebook.right["boot"]: gcp.grant
          member = <notebook.account.member>
          on = "bucket"
          prefix = "boot.json"
          resource = <notebook.mailbox.name>
          role = "roles/storage.objectViewer"
        notebook.right["status"]: gcp.grant
          member = <notebook.account.member>
          on = "bucket"
          prefix = "status/"
          resource = <notebook.mailbox.name>
          role = "roles/storage.objectUser"
        notebook.right["logs"]: gcp.grant
          member = <notebook.account.member>
          on = "bucket"
          prefix = "logs/"
          resource = <notebook.mailbox.name>
          role = "roles/storage.objectUser"
        notebook.right["secrets"]: gcp.grant
          member = <notebook.account.member>
          on = "secret"
          resource = <notebook.settings.secret>
          role = "roles/secretmanager.secretAccessor"
        notebook: gcp.instance
          deletion_protection = true
          disk_gib = 47
          disk_type = "pd-balanced"
          image = not locked: gcp-image-ubuntu-24.04
          markets = ["spot", "on_demand"]
          metadata = {block-project-ssh-keys: "true", dsenv-mailbox: <notebook.mailbox.name>, dsenv-name: "notebook", dsenv-secret: <notebook.settings.secret>, enable-oslogin: "false", serial-port-enable: "false"}
          name = "notebook"
          on_host_maintenance = "MIGRATE"
          open = true
          ports = {jupyter: 8888}
          public = true
          secure_boot = true
          service_account = <notebook.account.email>
          subnetwork = <net.place>
          termination_action = "STOP"
          types = ["n2d-standard-2", "c2d-standard-2", "t2d-standard-2", "n2d-highmem-2", "c3d-highcpu-4", "e2-standard-2"]
          zones = <net.zones>
    "#]].assert_eq(&natives(&KIND, &resource));
}

#[test]
fn what_google_cloud_cannot_do_is_refused() {
    let mut fields = needs();
    fields.extend([
        ("disk", Value::text("5GiB")),
        ("image", Value::text("amazon-linux-2023")),
        (
            "purchase",
            map([
                ("spot", Value::text("only")),
                ("max_price", Value::text("80%")),
                ("on_interruption", Value::text("hibernate")),
                ("on_demand_base", Value::Int(1)),
            ]),
        ),
    ]);
    let used = Use { target: Addr::resource("features"), kind: "database", right: Right::Read };
    let resource = Neutral {
        uses: vec![used],
        network: None,
        access: vec![
            access("ssh", &[]),
            Access { from: None, ..access("sql", &[]) },
            Access { until: Some("2026-12-31".to_owned()), ..access("web", &[]) },
        ],
        ..machine(&fields)
    };
    checked(
        &resource,
        expect![[r#"
        : refuses: on gcp a machine stands in a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
        image: refuses: on gcp there is no image "amazon-linux-2023" (write one of `debian-12`, `debian-13`, `ubuntu-22.04`, `ubuntu-24.04`, or a path: `projects/PROJECT/global/images/NAME`)
        disk: refuses: on gcp a root disk has from 10GiB to 64TiB, not 5GiB (write `disk: 50GiB`)
        purchase.on_interruption: refuses: Google Cloud does not hibernate what it takes back (write `on_interruption: terminate`, or `stop` for a machine)
        purchase.max_price: refuses: Google Cloud takes no bid for spot: what it costs is in its price list, which changes once a month at most, and nothing would keep to a limit (take `max_price` away; a `budget` of the environment is judged on what it may come to)
        access.0.who: refuses: `ada` comes in by ssh, and there is no key of that name (add a key and name it: `ada: {kind: key, public_key: "ssh-ed25519 AAAA..."}` among the resources, and `who: ada` here)
        access.1: refuses: nobody says from where `ada` comes in (add `from:` with a range of addresses: `from: 203.0.113.0/24`)
        access.1.how: refuses: on gcp nobody comes in to a database from outside its network (work from a machine that `uses` it)
        access.2.how: refuses: `web` opens the ports of services, and none has one (add `port:` to a service)
        access.2.until: substitutes: on gcp nothing closes it by itself on 2026-12-31: take the entry out then, and apply
        uses.features: refuses: on gcp a machine has the database's own role, so `read` of `features` would be more than reading (write `features: read_write`)
        purchase.on_demand_base: refuses: `on_demand_base` is a number of members, and a machine has none (write it on a pool, or `purchase: on_demand` here)
    "#]],
    );
}

#[test]
fn a_machine_is_charged_for_its_hours_its_disk_and_what_it_sends() {
    expect![[r#"
        notebook: compute (Running): e2-standard-2 on_demand x 1; ceiling dearest(e2-standard-2 on_demand, n2d-standard-2 on_demand, t2d-standard-2 on_demand, e2-highmem-2 on_demand, c2d-standard-2 on_demand, n2-standard-2 on_demand) x 1
        notebook: root disk (Month): disk/pd-balanced/GB-month x 10 [the image's disk has 10 GiB]
        notebook: data to the internet (Month): egress/internet/GB x 10 [`usage.egress` is 10 GiB a month]
        notebook: data to other zones (Month): egress/zone/GB x 10 [`usage.cross_zone` is 10 GiB a month]
    "#]].assert_eq(&charges(&[&machine(&needs())], &[]));
}

#[test]
fn spot_may_come_to_what_on_demand_costs_and_its_address_too() {
    let mut fields = needs();
    fields.push(("purchase", map([("spot", Value::text("preferred"))])));
    fields.push(("disk", Value::text("100GiB")));
    let resource = Neutral { access: vec![access("ssh", &["ada"])], ..machine(&fields) };
    let usage = [("egress", Value::text("1GiB")), ("cross_zone", Value::text("2GiB"))];
    expect![[r#"
        notebook: compute, spot (Running): n2d-standard-2 spot x 1; ceiling dearest(n2d-standard-2 on_demand, c2d-standard-2 on_demand, t2d-standard-2 on_demand, n2d-highmem-2 on_demand, c3d-highcpu-4 on_demand, e2-standard-2 on_demand) x 1
        notebook: root disk (Month): disk/pd-balanced/GB-month x 100
        notebook: public IPv4 address (Running): ipv4/spot/hour x 1; ceiling ipv4/hour x 1
        notebook: data to the internet (Month): egress/internet/GB x 1
        notebook: data to other zones (Month): egress/zone/GB x 2
        notebook.mailbox: looks for settings (Month): bucket/standard/read x 175200
        notebook.mailbox: reports and logs (Month): bucket/standard/write x 43800; ceiling bucket/standard/write x 219000
        notebook.mailbox: logs kept (Month): bucket/standard/GB-month x 1 [logs of a machine take 1 GiB]
        notebook.settings: secret (Month): secret/month x 1
        notebook.settings: reads of the secret (Month): secret/request x 10 [a machine asks for its secrets 10 times a month]
    "#]].assert_eq(&charges(&[&resource], &usage));
    // What runs on demand by now stays so.
    let seen =
        [("machine_type", Value::text("n1-standard-4")), ("market", Value::text("on_demand"))];
    expect![[r#"
        notebook: compute (Running): n1-standard-4 on_demand x 1
        notebook: root disk (Month): disk/pd-balanced/GB-month x 100
        notebook: public IPv4 address (Running): ipv4/hour x 1
        notebook: data to the internet (Month): egress/internet/GB x 1
        notebook: data to other zones (Month): egress/zone/GB x 2
        notebook.mailbox: looks for settings (Month): bucket/standard/read x 175200
        notebook.mailbox: reports and logs (Month): bucket/standard/write x 43800; ceiling bucket/standard/write x 219000
        notebook.mailbox: logs kept (Month): bucket/standard/GB-month x 1 [logs of a machine take 1 GiB]
        notebook.settings: secret (Month): secret/month x 1
        notebook.settings: reads of the secret (Month): secret/request x 10 [a machine asks for its secrets 10 times a month]
    "#]].assert_eq(&charges_seen(&[&resource], &usage, &[("notebook", map(seen))]));
}

#[test]
fn a_gpu_is_in_the_price_of_its_machine_and_local_disks_too() {
    let fields = [("type", Value::text("g2-standard-4"))];
    let shown = charges(&[&machine(&fields)], &[]);
    assert_eq!(shown.matches("compute").count(), 1, "{shown}");
    assert!(!shown.contains("gpu") && !shown.contains("local-ssd"), "{shown}");
    let shown = charges(&[&machine(&[("type", Value::text("a2-ultragpu-1g"))])], &[]);
    assert!(!shown.contains("local-ssd"), "{shown}");
}

#[test]
fn newer_families_start_from_hyperdisk() {
    let fields = [("type", Value::text("c4-standard-4")), ("disk", Value::text("50GiB"))];
    expect![[r#"
        notebook: compute (Running): c4-standard-4 on_demand x 1
        notebook: root disk (Month): disk/hyperdisk-balanced/GB-month x 50
        notebook: data to the internet (Month): egress/internet/GB x 10 [`usage.egress` is 10 GiB a month]
        notebook: data to other zones (Month): egress/zone/GB x 10 [`usage.cross_zone` is 10 GiB a month]
    "#]].assert_eq(&charges(&[&machine(&fields)], &[]));
}

#[test]
fn a_root_disk_is_of_the_class_that_is_said() {
    let on = |ty: &str, class: &str| {
        machine(&[("type", Value::text(ty)), ("disk_class", Value::text(class))])
    };
    expect![[r#"
        notebook: compute (Running): e2-medium on_demand x 1
        notebook: root disk (Month): disk/pd-standard/GB-month x 10 [the image's disk has 10 GiB]
        notebook: data to the internet (Month): egress/internet/GB x 10 [`usage.egress` is 10 GiB a month]
        notebook: data to other zones (Month): egress/zone/GB x 10 [`usage.cross_zone` is 10 GiB a month]
    "#]].assert_eq(&charges(&[&on("e2-medium", "pd-standard")], &[]));
    checked(
        &on("e2-medium", "hyperdisk-balanced"),
        expect![[r#"
        disk_class: refuses: on gcp a `e2-medium` does not start from a `hyperdisk-balanced` (write `disk_class: pd-balanced`, or take another type)
    "#]],
    );
    checked(
        &on("n4-standard-2", "pd-ssd"),
        expect![[r#"
        disk_class: refuses: on gcp a `n4-standard-2` does not start from a `pd-ssd` (write `disk_class: hyperdisk-balanced`, or take another type)
    "#]],
    );
    checked(
        &on("e2-medium", "pd-extreme"),
        expect![[r#"
        disk_class: refuses: on gcp no machine starts from a `pd-extreme`, or it is not built yet (write one of `pd-balanced`, `hyperdisk-balanced`, `pd-ssd`, `pd-standard`)
    "#]],
    );
}
