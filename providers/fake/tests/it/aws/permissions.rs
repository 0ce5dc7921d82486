//! What the caller may not do.

use super::bench::bench;
use serde_json::json;

#[test]
fn what_is_denied_is_refused_and_said_when_it_is_asked() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_denied(&["ec2:CreateVpc", "ec2:DescribeVpcs"]);
    let shown = bench.proxied(
        r#"
said = iam.simulate_principal_policy(
    PolicySourceArn="arn:aws:iam::123456789012:user/ada",
    ActionNames=["ec2:CreateVpc", "ec2:RunInstances"], ResourceArns=["*"])
show([[it["EvalDecision"] for it in said["EvaluationResults"]],
    code(ec2.create_vpc, CidrBlock="10.0.0.0/16"), code(ec2.describe_vpcs)])
"#,
    );
    let denied = "UnauthorizedOperation";
    assert_eq!(shown, json!([["implicitDeny", "allowed"], denied, denied]));
}
