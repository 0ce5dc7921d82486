use super::*;
use crate::kinds::tests_of_kinds::{charged, findings, map, natives, neutral};
use expect_test::expect;

#[test]
fn a_bucket_is_a_container_in_an_account_of_its_own() {
    let lake = neutral("lake", "bucket", &[]);
    expect![[r#"
        lake.account: azure.storage_account
          account_kind = "StorageV2"
          location = "westeurope"
          sku = "Standard_LRS"
          tls_only = true
        lake: azure.bucket
          account = <lake.account.id>
          container = "data"
    "#]]
    .assert_eq(&natives(&lake));
    expect![[r#"
        lake: storage: 100 x bucket/hot-lrs/GB-month (`usage.stored` is 100 GiB a month)
        lake: reads: 100000 x bucket/hot-lrs/read (`usage.reads` is 100000 a month)
        lake: writes and lists: 10000 x bucket/hot-lrs/write (`usage.writes` is 10000 a month)
        lake: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
    "#]]
    .assert_eq(&charged(&lake, &[], &[]));
    expect![[r#"
        : substitutes: on azure objects are reached by the blob interface, not by S3: the bucket's `url` begins with `abfss://`, and programs use adlfs or azure-storage-blob with the machine's identity
    "#]].assert_eq(&findings(&lake));
}

#[test]
fn versions_expiry_and_immutability_are_the_account_s() {
    let expire = Value::List(vec![
        map(&[("days", Value::Int(3))]),
        map(&[("prefix", Value::text("tmp/")), ("days", Value::Int(30))]),
        map(&[("prefix", Value::text("tmp/")), ("days", Value::Int(30))]),
    ]);
    let lake = neutral(
        "lake",
        "bucket",
        &[
            ("versioning", Value::Bool(true)),
            ("expire", expire),
            ("immutable_days", Value::Int(7)),
            ("size", Value::text("2TiB")),
        ],
    );
    expect![[r#"
        lake.account: azure.storage_account
          account_kind = "StorageV2"
          expire = [{days: 3, prefix: ""}, {days: 30, prefix: "tmp/"}]
          immutable = true
          immutable_days = 7
          location = "westeurope"
          sku = "Standard_LRS"
          tls_only = true
          versioning = true
        lake: azure.bucket
          account = <lake.account.id>
          container = "data"
          expected_gib = 2048
    "#]]
    .assert_eq(&natives(&lake));
    expect![[r#"
        lake: storage: 2048 x bucket/hot-lrs/GB-month (it is as full as `size` expects)
        lake: reads: 100000 x bucket/hot-lrs/read (`usage.reads` is 100000 a month)
        lake: writes and lists: 10000 x bucket/hot-lrs/write (`usage.writes` is 10000 a month)
        lake: data to the internet: 1024 x egress/internet/GB
    "#]]
    .assert_eq(&charged(&lake, &[], &[("egress", Value::text("1TiB"))]));
    let said = [("stored", Value::text("10GiB"))];
    assert!(
        charged(&lake, &[], &said).starts_with("lake: storage: 10 x bucket/hot-lrs/GB-month\n")
    );
}

#[test]
fn what_blobs_cannot_do_is_refused_or_said() {
    let wrong = Neutral {
        on_destroy: OnDestroy::Snapshot,
        ..neutral(
            "lake",
            "bucket",
            &[("immutable_days", Value::Int(7)), ("encrypted", Value::Bool(false))],
        )
    };
    expect![[r#"
        : substitutes: on azure objects are reached by the blob interface, not by S3: the bucket's `url` begins with `abfss://`, and programs use adlfs or azure-storage-blob with the machine's identity
        encrypted: substitutes: on azure objects are encrypted all the same, and nobody can switch it off
        immutable_days: refuses: on azure what is immutable is a version of an object, and this bucket has none (write `versioning: true` beside it)
        on_destroy: refuses: azure cannot keep a last copy of a bucket (write `on_destroy: retain`, which keeps the bucket, or `delete`)
    "#]].assert_eq(&findings(&wrong));
}
