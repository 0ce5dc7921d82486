//! What every instance is launched with, be it a machine or a member of a pool: what its user data
//! says, its root disk, and how it may be asked about itself.

use crate::clients::Aws;
use crate::object::Make;
use aws_sdk_ec2::types::VolumeType;
use bzip2::write::BzEncoder;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Class, Field, Type};
use dsenv_sdk::value::Value;
use flate2::Compression;
use flate2::write::GzEncoder;
use handlebars::Handlebars;
use serde_json::json;
use std::io::Write;

const TEMPLATE: &str = include_str!("../../../../templates/boot/cloud-init.yaml.hbs");
const AGENT: &str = include_str!("../../../../templates/boot/agent.py");

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>
const USER_DATA_BYTES_MAX: usize = 16_384;

/// The name of the object that says what a machine is to be.
pub(crate) const BUNDLE_KEY: &str = "boot.json";

/// What root disks are that nobody says more of.
pub(crate) const ROOT_CLASS: &str = "gp3";

/// What both take; a change of any of them is another instance.
pub(crate) const IMAGE: Field =
    Field::new("image", Type::Text, "The image.").required().class(Class::Fixed);
pub(crate) const ROOT: Field = Field::new("root", Type::Text, "The image's name of its root disk.");
pub(crate) const DISK: Field = Field::new(
    "disk_gib",
    Type::Int { min: 1, max: 65_536 },
    "The size of the root disk; the image's own when nothing is said.",
)
.class(Class::Scale)
.of("disk");
pub(crate) const DISK_CLASS: Field =
    Field::new("disk_class", Type::Text, "What the root disk is; `gp3` when nothing is said.")
        .class(Class::Scale);
pub(crate) const PROFILE: Field =
    Field::new("profile", Type::Text, "The profile by which it has its role.");
pub(crate) const SETTINGS_BUCKET: Field =
    Field::new("settings_bucket", Type::Text, "Where it finds what it is to be.");
pub(crate) const SETTINGS_PARAMETER: Field =
    Field::new("settings_parameter", Type::Text, "Where it finds its secrets.");

/// The user data of an instance, in base64 as the API takes it; `None` when it has nothing to find.
///
/// It holds the agent and where its settings are, and nothing of the settings themselves: these
/// change, and an instance is not replaced because a package is. No secret is in it: whoever may look
/// at an instance can read its user data.
pub(crate) fn user_data(aws: &Aws, make: Make<'_>) -> Result<Option<String>, OpError> {
    let Some(bucket) = make.arg("settings_bucket").and_then(Value::as_text) else {
        return Ok(None);
    };
    let config = json!({
        "region": aws.region,
        "bucket": bucket,
        "key": BUNDLE_KEY,
        "parameter": make.arg("settings_parameter").and_then(Value::as_text),
        "name": make.arg("name").and_then(Value::as_text).unwrap_or(&make.addr.name),
        // A scaling group does not count its members.
        "index": if make.ty.name == "aws.instance" { json!(0) } else { json!(null) },
    });
    let endpoint = aws.endpoint.iter().map(|url| format!("AWS_ENDPOINT_URL=\"{url}\"\n"));
    let environment: String = endpoint.collect();
    let wrong = |error: &dyn std::error::Error| {
        OpError::new(OpErrorClass::Invalid, "user data cannot be written").caused_by(error)
    };
    let mut agent = BzEncoder::new(Vec::new(), bzip2::Compression::best());
    agent.write_all(AGENT.as_bytes()).map_err(|e| wrong(&e))?;
    let agent = agent.finish().map_err(|e| wrong(&e))?;
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(handlebars::no_escape);
    // Each stands in the template as a text of YAML, which JSON's are.
    let quoted = |text: &str| json!(text).to_string();
    let values = json!({
        "agent": base64_simd::STANDARD.encode_to_string(agent),
        "config": quoted(&config.to_string()),
        "environment": quoted(&environment),
    });
    let text = engine.render_template(TEMPLATE, &values).map_err(|e| wrong(&e))?;
    // cloud-init undoes the compression:
    // <https://cloudinit.readthedocs.io/en/latest/explanation/format.html>
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes()).map_err(|e| wrong(&e))?;
    let packed = gzip.finish().map_err(|e| wrong(&e))?;
    if packed.len() > USER_DATA_BYTES_MAX {
        let message = format!("user data has {} bytes, and AWS takes 16384", packed.len());
        return Err(OpError::new(OpErrorClass::Invalid, message));
    }
    Ok(Some(base64_simd::STANDARD.encode_to_string(&packed)))
}

/// The root disk: encrypted whatever the image's is, and gone with the instance.
pub(crate) struct RootDisk {
    pub(crate) device: String,
    pub(crate) gib: i32,
    pub(crate) class: VolumeType,
}

/// Reads the root disk of an instance's arguments; `None` for an image that does not say what its own
/// is, as every one does that was made in this decade.
pub(crate) fn root_disk(make: Make<'_>) -> Option<RootDisk> {
    let device = make.arg("root").and_then(Value::as_text)?.to_owned();
    let class = make.arg("disk_class").and_then(Value::as_text).unwrap_or(ROOT_CLASS);
    Some(RootDisk { device, gib: make.int("disk_gib")?, class: VolumeType::from(class) })
}
