//! The attributes of each type: a function of an object's id and arguments and of what it refers
//! to. No clock and no chance, so that a run can be repeated; passwords follow from ids.

use crate::world::{Object, World};
use dsenv_sdk::secret::Secret;
use dsenv_sdk::value::{Map, Value};

/// Computes the attributes of an object that is ready, `id` aside.
pub(crate) fn attributes(world: &World, object: &Object) -> Vec<(&'static str, Value)> {
    let id = object.remote_id.as_str();
    let argument = |name: &str| object.args.get(name).cloned().unwrap_or(Value::Null);
    let region = Value::text(world.settings.identity.region.as_str());
    match object.ty.name {
        "fake.object" | "fake.named" => vec![("output", argument("input"))],
        "fake.bucket" => vec![
            ("name", Value::text(id)),
            ("url", Value::Text(format!("s3://{id}"))),
            ("endpoint", Value::text("http://s3.fake.test")),
            ("region", region),
        ],
        "fake.database" => vec![
            ("host", Value::Text(format!("{id}.fake.test"))),
            ("port", Value::Int(5_432)),
            ("name", Value::text("main")),
            ("server_version", server_version(&object.args)),
        ],
        "fake.machine" => vec![
            ("address", Value::Text(address(id))),
            ("services", services(&object.args, &address(id))),
        ],
        "fake.pool" => {
            let members = argument("members");
            let member = |id: &Value| {
                let object = world.objects.get(id.as_text()?)?;
                object.attributes.get("address").cloned()
            };
            let members = members.as_list().unwrap_or_default();
            let addresses = members.iter().map(|id| member(id).unwrap_or(Value::Null));
            vec![("addresses", Value::List(addresses.collect()))]
        }
        "fake.secret" => vec![("value", secret_value(object))],
        "fake.bucket_grant" => of_target(world, object, &["url", "name", "endpoint", "region"], {
            vec![
                ("access_key_id", Value::Text(derived(id, "key", 20))),
                ("secret_access_key", Value::Secret(Secret::new(derived(id, "secret", 40)))),
            ]
        }),
        "fake.share" | "fake.volume" => vec![("path", Value::Text(format!("/mnt/{id}")))],
        "fake.mount" => of_target(world, object, &["path"], Vec::new()),
        "fake.database_grant" => database_grant(world, object),
        _ => Vec::new(),
    }
}

/// Copies attributes of the object that a grant is for.
fn of_target(
    world: &World,
    grant: &Object,
    names: &[&'static str],
    mut own: Vec<(&'static str, Value)>,
) -> Vec<(&'static str, Value)> {
    let target = grant.args.get("target").and_then(Value::as_text);
    let target = target.and_then(|id| world.objects.get(id));
    let copy = |name: &str| target.and_then(|target| target.attributes.get(name).cloned());
    own.extend(names.iter().map(|name| (*name, copy(name).unwrap_or(Value::Null))));
    own
}

fn database_grant(world: &World, grant: &Object) -> Vec<(&'static str, Value)> {
    let id = grant.remote_id.as_str();
    let user = id.replace('-', "_");
    let password = derived(id, "password", 24);
    let mut attributes = of_target(world, grant, &["host", "port", "name"], Vec::new());
    let text = |name: &str| {
        let found = attributes.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.to_string().replace('"', "")).unwrap_or_default()
    };
    let (host, port, name) = (text("host"), text("port"), text("name"));
    let url = format!("postgresql://{user}:{password}@{host}:{port}/{name}");
    attributes.push(("url", Value::Secret(Secret::new(url))));
    attributes.push(("user", Value::Text(user)));
    attributes.push(("password", Value::Secret(Secret::new(password))));
    attributes
}

/// Makes a text that is always the same for one object and purpose, and is never guessed by chance.
fn derived(remote_id: &str, purpose: &str, length: usize) -> String {
    let mut bytes = vec![0; length];
    let mut hash = blake3::Hasher::new();
    hash.update(format!("{remote_id}\n{purpose}").as_bytes());
    hash.finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn server_version(args: &Map) -> Value {
    let major = args.get("version").and_then(Value::as_text).unwrap_or_default();
    Value::Text(format!("{major}.3"))
}

/// An address that follows from the number in the id; two objects never share one.
fn address(remote_id: &str) -> String {
    let number = remote_id.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
    let number = number.unwrap_or_default();
    format!("10.{}.{}.{}", (number >> 16) & 255, (number >> 8) & 255, number & 255)
}

fn services(args: &Map, address: &str) -> Value {
    let workload = args.get("workload").and_then(Value::as_map).cloned().unwrap_or_default();
    let service = |(name, service): (String, Value)| {
        let port = service.step("port").and_then(Value::as_int)?;
        let url = Value::Text(format!("http://{address}:{port}"));
        let entries = [("port", Value::Int(port)), ("url", url)];
        Some((name, Value::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())))
    };
    Value::Map(workload.into_iter().filter_map(service).collect())
}

fn secret_value(object: &Object) -> Value {
    let length = object.args.get("length").and_then(Value::as_int).unwrap_or(32);
    let length = usize::try_from(length).expect("the table bounds the length");
    match object.args.get("from") {
        Some(from) => match from.expose_text() {
            Some(text) => Value::Secret(Secret::new(text)),
            None => Value::Secret(Secret::new(from.to_string())),
        },
        None => Value::Secret(Secret::new(derived(&object.remote_id, "value", length))),
    }
}
