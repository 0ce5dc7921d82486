//! The log names calls of every protocol; and moto goes with its test.

use super::bench::bench;
use dsenv_fake::aws_proxy::{Call, Outcome};
use serde_json::json;

#[test]
fn calls_of_every_protocol_are_named() {
    let Some(bench) = bench() else { return };
    bench.proxied(
        r#"
ec2.describe_vpcs(Filters=[{"Name": "tag:a", "Values": ["b"]}])
rds.create_db_parameter_group(DBParameterGroupName="p", DBParameterGroupFamily="postgres16",
    Description="d")
s3.create_bucket(Bucket="lake")
s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
s3.put_object(Bucket="lake", Key="a/b c", Body=b"x" * 100000)
ssm.put_parameter(Name="/a", Value="b", Type="String")
sqs.create_queue(QueueName="q")
efs.create_file_system(CreationToken="t")
show(code(s3.head_bucket, Bucket="none"))
"#,
    );
    let calls = bench.proxy.calls();
    let lines: Vec<String> = calls.iter().map(Call::line).collect();
    let expected = [
        "ec2 DescribeVpcs",
        "rds CreateDBParameterGroup",
        "s3 CreateBucket",
        "s3 PutBucketVersioning",
        "s3 PutObject",
        "ssm PutParameter",
        "sqs CreateQueue",
        "elasticfilesystem CreateFileSystem",
        "s3 HeadBucket",
    ];
    assert_eq!(lines, expected);
    let mutating: Vec<bool> = calls.iter().map(|call| call.mutating).collect();
    assert_eq!(mutating, [false, true, true, true, true, true, true, true, false]);
    assert_eq!(calls[0].param("Filter.1.Name"), "tag:a");
    assert_eq!((calls[4].param("Bucket"), calls[4].param("Key")), ("lake", "a/b c"));
    assert_eq!(calls[5].param("Name"), "/a");
    assert_eq!(calls[7].param("CreationToken"), "t");
    assert_eq!(calls[0].outcome, Outcome::Answered { status: 200, code: None });
    bench.proxy.clear_log();
    assert_eq!(bench.proxy.calls(), []);
}

#[test]
fn a_refusal_stands_in_the_log_with_its_code() {
    let Some(bench) = bench() else { return };
    bench.proxied(r#"show(code(ec2.delete_vpc, VpcId="vpc-00000000"))"#);
    let code = Some("InvalidVpcID.NotFound".to_owned());
    assert_eq!(bench.proxy.calls()[0].outcome, Outcome::Answered { status: 400, code });
}

#[test]
fn bytes_pass_as_they_are() {
    let Some(bench) = bench() else { return };
    let seen = bench.proxied(
        r#"
import hashlib, os
s3.create_bucket(Bucket="lake")
body = os.urandom(3_000_000)
s3.put_object(Bucket="lake", Key="k", Body=body, ChecksumAlgorithm="SHA256")
back = s3.get_object(Bucket="lake", Key="k")["Body"].read()
show([back == body, s3.head_object(Bucket="lake", Key="k")["ContentLength"]])
"#,
    );
    assert_eq!(seen, json!([true, 3_000_000]));
}

#[test]
fn a_reset_forgets_everything() {
    let Some(bench) = bench() else { return };
    bench.proxied(r#"show(code(s3.create_bucket, Bucket="lake"))"#);
    bench.moto.reset().expect("moto resets");
    assert_eq!(bench.direct(r#"show(s3.list_buckets()["Buckets"])"#), json!([]));
}

#[test]
fn the_server_ends_with_its_handle() {
    let Some(bench) = bench() else { return };
    let address = bench.moto.address();
    drop(bench);
    assert!(std::net::TcpStream::connect(address).is_err());
}
