//! Images by name: which one it is now is found once, and pinned.

use crate::clients::Aws;
use crate::failure::failed;
use aws_sdk_ec2::types::{Filter, Image, ImageState};
use dsenv_sdk::provider::{OpErrorClass, Surroundings, Want};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{OpError, Term};

/// What these pins are called.
pub(crate) const WHAT: &str = "machine images";

/// What a machine runs when its block does not say.
pub(crate) const USUAL: &str = "debian-12";

/// A name that people write, who publishes it, and what its images are called. Owners:
/// <https://wiki.debian.org/Cloud/AmazonEC2Image>, <https://documentation.ubuntu.com/aws/>,
/// <https://docs.aws.amazon.com/linux/al2023/ug/ec2.html>.
struct Family {
    name: &'static str,
    owner: &'static str,
    pattern: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        name: "amazon-linux-2023",
        owner: "137112412989",
        pattern: "al2023-ami-2023.*-kernel-6.1-x86_64",
    },
    Family { name: "debian-12", owner: "136693071363", pattern: "debian-12-amd64-*" },
    Family { name: "debian-13", owner: "136693071363", pattern: "debian-13-amd64-*" },
    Family {
        name: "ubuntu-22.04",
        owner: "099720109477",
        pattern: "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-amd64-server-*",
    },
    Family {
        name: "ubuntu-24.04",
        owner: "099720109477",
        pattern: "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-amd64-server-*",
    },
];

/// The names that people may write.
pub(crate) fn names() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name).collect()
}

/// Says whether a name, or an image by its id, can be run.
pub(crate) fn is_known(name: &str) -> bool {
    name.starts_with("ami-") || FAMILIES.iter().any(|family| family.name == name)
}

/// What the lock must pin for a name. An id is looked up too: its root disk has a name.
pub(crate) fn want(name: &str, around: &Surroundings<'_>) -> Option<Want> {
    let region = around.region?;
    let need = Map::from([
        ("image".to_owned(), Value::text(name)),
        ("region".to_owned(), Value::text(region)),
    ]);
    let pin = format!("aws-image-{region}-{name}").into();
    Some(Want { pin, what: WHAT, need: Value::Map(need) })
}

/// What the lock has for a name.
pub(crate) fn pinned(name: &str, around: &Surroundings<'_>) -> Term {
    let Some(want) = want(name, around) else { return Term::Known(Value::Null) };
    match around.pins.get(&*want.pin) {
        Some(pin) => Term::Known(pin.clone()),
        None => Term::NotLocked(want.pin),
    }
}

/// Finds the newest image of a family, or the one of an id. The publisher's own come first; then the
/// account's, so that a company's copy under the same name will do where it mirrors images.
pub(crate) async fn pin(aws: &Aws, need: &Value) -> Result<Value, OpError> {
    let name = need.step("image").and_then(Value::as_text).unwrap_or_default();
    let doing = format!("looking for the image `{name}`");
    let candidates = match FAMILIES.iter().find(|family| family.name == name) {
        None => {
            let request = aws.ec2.describe_images().image_ids(name);
            let reply = request.send().await.map_err(|e| failed(&doing, e))?;
            reply.images.unwrap_or_default()
        }
        Some(family) => {
            let filter =
                |name: &str, value: &str| Filter::builder().name(name).values(value).build();
            let request = aws
                .ec2
                .describe_images()
                .owners(family.owner)
                .owners("self")
                .filters(filter("name", family.pattern))
                .filters(filter("state", "available"));
            let reply = request.send().await.map_err(|e| failed(&doing, e))?;
            let mut images = reply.images.unwrap_or_default();
            if images.iter().any(|image| image.owner_id() == Some(family.owner)) {
                images.retain(|image| image.owner_id() == Some(family.owner));
            }
            images
        }
    };
    let usable = candidates
        .into_iter()
        .filter(|image| image.state().is_none_or(|state| *state == ImageState::Available));
    let age = |image: &Image| image.creation_date().unwrap_or_default().to_owned();
    let Some(newest) = usable.max_by_key(age) else { return Err(none(aws, name)) };
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::text);
    let root = newest.root_device_name();
    let disk = newest.block_device_mappings().iter().find(|it| it.device_name() == root);
    let gib = disk.and_then(|disk| disk.ebs()).and_then(|ebs| ebs.volume_size());
    Ok(Value::Map(Map::from([
        ("gib".to_owned(), gib.map_or(Value::Null, |gib| Value::Int(gib.into()))),
        ("id".to_owned(), text(newest.image_id())),
        ("name".to_owned(), text(newest.name())),
        ("root".to_owned(), text(root)),
    ])))
}

fn none(aws: &Aws, name: &str) -> OpError {
    let message = format!("there is no image `{name}` in {}", aws.region);
    let looked = FAMILIES.iter().find(|family| family.name == name).map(|family| {
        format!(
            "`{}` of account {} and of your own was looked for; `image: ami-...` names one outright",
            family.pattern, family.owner
        )
    });
    let error = OpError::new(OpErrorClass::Invalid, message);
    match looked {
        Some(help) => error.help(help),
        None => error,
    }
}
