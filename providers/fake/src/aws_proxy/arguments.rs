//! Arguments that AWS refuses and moto takes. What must not be here: anything that depends on what
//! exists.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::refusal::Refusal;
use std::collections::BTreeSet;

/// The most that user data may have, before it is encoded.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>
const USER_DATA_BYTES_MAX: usize = 16_384;

/// What may stand in the description of a security group besides letters, digits and spaces.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
const GROUP_MARKS: &str = "._-:/()#,@[]+=&;{}!$*";

/// The same of a rule: no `&`.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html>
const RULE_MARKS: &str = "._-:/()#,@[]+=;{}!$*";

/// Refuses by the first argument that AWS does not take.
pub(super) fn judge(asked: &Asked) -> Result<(), Refusal> {
    if asked.service == "ec2" {
        tags(asked)?;
        user_data(asked)?;
    }
    match (asked.service.as_str(), asked.action.as_str()) {
        ("ec2", "CreateSecurityGroup") => security_group(asked),
        ("ec2", "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress") => {
            rule_descriptions(asked)
        }
        ("ec2", "CreateSubnet") => subnet(asked.param("CidrBlock")),
        ("ec2", "CreateNatGateway") => nat_gateway(asked),
        ("rds", "CreateDBInstance") => {
            password(asked)?;
            new_database(asked)
        }
        ("rds", "ModifyDBInstance") => password(asked),
        ("rds", "DeleteDBInstance") => deleted_database(asked),
        ("s3", "CreateBucket") => bucket_name(asked.param("Bucket")),
        ("iam", "CreateRole") => trust_policy(asked.param("AssumeRolePolicyDocument")),
        ("autoscaling", "CreateAutoScalingGroup") => scaling_group(asked),
        _ => Ok(()),
    }
}

fn value(message: String) -> Result<(), Refusal> {
    Err(Refusal::new("InvalidParameterValue", message))
}

fn combination(message: &str) -> Result<(), Refusal> {
    Err(Refusal::new("InvalidParameterCombination", message))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>
fn tags(asked: &Asked) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for (name, key) in &asked.params {
        let Some(tag) = name.strip_suffix(".Key") else { continue };
        let Some((list, _)) = tag.rsplit_once('.').filter(|(list, _)| list.ends_with("Tag")) else {
            continue;
        };
        if key.to_ascii_lowercase().starts_with("aws:") {
            let lead = "Tag keys starting with 'aws:' are reserved for internal use";
            return value(lead.to_owned());
        }
        if key.is_empty() || key.chars().count() > 128 {
            return value(format!("Tag key '{key}' must have between 1 and 128 characters"));
        }
        if asked.param(&format!("{tag}.Value")).chars().count() > 256 {
            return value(format!("The value of tag '{key}' exceeds 256 characters"));
        }
        if !seen.insert((list, key)) {
            return value(format!("Duplicate tag key '{key}' specified."));
        }
    }
    Ok(())
}

fn user_data(asked: &Asked) -> Result<(), Refusal> {
    let encoded = match asked.param("UserData") {
        "" => asked.param("LaunchTemplateData.UserData"),
        data => data,
    };
    // Four characters for three bytes; the padding is no data.
    let bytes = encoded.trim_end_matches('=').len() * 3 / 4;
    match bytes > USER_DATA_BYTES_MAX {
        true => value(format!("User data is limited to {USER_DATA_BYTES_MAX} bytes")),
        false => Ok(()),
    }
}

fn security_group(asked: &Asked) -> Result<(), Refusal> {
    let (name, description) = (asked.param("GroupName"), asked.param("GroupDescription"));
    if name.starts_with("sg-") || !is_plain(name, GROUP_MARKS) {
        return value(format!("Invalid security group name: '{name}'"));
    }
    match is_plain(description, GROUP_MARKS) {
        true => Ok(()),
        false => value(format!("Invalid security group description: '{description}'")),
    }
}

fn rule_descriptions(asked: &Asked) -> Result<(), Refusal> {
    let descriptions = asked.params.iter().filter(|(name, _)| name.ends_with(".Description"));
    let wrong = descriptions.map(|(_, text)| text).find(|text| !is_plain(text, RULE_MARKS));
    match wrong {
        Some(text) => value(format!("Invalid rule description: '{text}'")),
        None => Ok(()),
    }
}

fn is_plain(text: &str, marks: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || marks.contains(c);
    text.len() <= 255 && text.chars().all(is_allowed)
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
fn subnet(cidr: &str) -> Result<(), Refusal> {
    let prefix: Option<u8> = cidr.split_once('/').and_then(|(_, prefix)| prefix.parse().ok());
    match prefix {
        Some(prefix) if !(16..=28).contains(&prefix) => {
            Err(Refusal::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")))
        }
        _ => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html>
fn nat_gateway(asked: &Asked) -> Result<(), Refusal> {
    let is_private = asked.param("ConnectivityType") == "private";
    match (is_private, asked.param("AllocationId").is_empty()) {
        (false, true) => {
            let message = "The request must contain the parameter AllocationId";
            Err(Refusal::new("MissingParameter", message))
        }
        _ => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>, of
/// PostgreSQL.
fn password(asked: &Asked) -> Result<(), Refusal> {
    let password = asked.param("MasterUserPassword");
    let managed = asked.param("ManageMasterUserPassword") == "true";
    match (password.is_empty(), managed) {
        (true, _) => return Ok(()),
        (false, true) => {
            return combination(
                "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.",
            );
        }
        (false, false) => {}
    }
    let is_allowed = |c: char| (' '..='~').contains(&c) && !"/@\" ".contains(c);
    if !(8..=128).contains(&password.len()) || !password.chars().all(is_allowed) {
        let lead = "The parameter MasterUserPassword is not a valid password.";
        let rest =
            "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used, 8 to 128.";
        return value(format!("{lead} {rest}"));
    }
    Ok(())
}

fn new_database(asked: &Asked) -> Result<(), Refusal> {
    if asked.param("Engine") != "postgres" {
        return Ok(());
    }
    let user = asked.param("MasterUsername");
    if matches!(user.to_ascii_lowercase().as_str(), "admin" | "rdsadmin" | "public") {
        let rest = "cannot be used as it is a reserved word used by the engine";
        return value(format!("MasterUsername {user} {rest}"));
    }
    // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
    let size: Option<u32> = asked.param("AllocatedStorage").parse().ok();
    match size {
        Some(size) if size < 20 => value(format!(
            "Invalid storage size for engine name postgres and storage type gp2: {size}"
        )),
        _ => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>
fn deleted_database(asked: &Asked) -> Result<(), Refusal> {
    let skips = asked.param("SkipFinalSnapshot") == "true";
    let names = !asked.param("FinalDBSnapshotIdentifier").is_empty();
    match (skips, names) {
        (false, false) => combination(
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        ),
        (true, true) => combination(
            "FinalDBSnapshotIdentifier can not be specified when deleting an instance with \
             SkipFinalSnapshot.",
        ),
        _ => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn bucket_name(name: &str) -> Result<(), Refusal> {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_inner = |c: char| is_end(c) || c == '-' || c == '.';
    let valid = (3..=63).contains(&name.len())
        && name.chars().all(is_inner)
        && name.starts_with(is_end)
        && name.ends_with(is_end)
        && !name.contains("..")
        && !name.starts_with("xn--");
    match valid {
        true => Ok(()),
        false => Err(Refusal::new("InvalidBucketName", "The specified bucket is not valid.")),
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
fn trust_policy(document: &str) -> Result<(), Refusal> {
    let policy: Option<serde_json::Value> = serde_json::from_str(document).ok();
    let statements = policy.as_ref().and_then(|policy| policy.get("Statement"));
    let all: Vec<&serde_json::Value> = match statements {
        Some(serde_json::Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let is_whole = |statement: &&serde_json::Value| {
        ["Effect", "Principal", "Action"].iter().all(|part| statement.get(part).is_some())
    };
    match !all.is_empty() && all.iter().all(is_whole) {
        true => Ok(()),
        false => {
            let message = "This policy contains invalid Json or misses a required field";
            Err(Refusal::new("MalformedPolicyDocument", message))
        }
    }
}

/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>
fn scaling_group(asked: &Asked) -> Result<(), Refusal> {
    let size = |name: &str| asked.param(name).parse::<u32>().ok();
    let (least, most) = (size("MinSize").unwrap_or(0), size("MaxSize").unwrap_or(0));
    let desired = size("DesiredCapacity").unwrap_or(least);
    let validation = |message: String| Err(Refusal::new("ValidationError", message));
    if least > most {
        return validation(format!(
            "Max bound, {most}, must be greater than or equal to min bound, {least}"
        ));
    }
    match (least..=most).contains(&desired) {
        true => Ok(()),
        false => validation(format!(
            "Desired capacity:{desired} must be between the specified min size:{least} and max \
             size:{most}"
        )),
    }
}
