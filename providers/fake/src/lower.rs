//! What each neutral kind becomes in the fake cloud.
//!
//! | kind | main node | parts |
//! |---|---|---|
//! | network, bucket, database, volume, share | `fake.network`, ... | |
//! | machine | `fake.machine` | `grant["x"]` for each of `uses`, `software` |
//! | pool | `fake.pool`, which names its members | `member[i]`, `grant["x"]`, `software` |
//! | secret, value | what [`Values`] says | |
//!
//! A grant does not name its user's id: the user's environment takes variables from the grant, so
//! the grant must exist first.

use crate::native;
use dsenv_sdk::addr::{Addr, Key, Part};
use dsenv_sdk::builtin;
use dsenv_sdk::kinds;
use dsenv_sdk::provider::{
    Finding, GRANT, Native, Neutral, Right, Surroundings, Use, Want, Weight, connection_variables,
    grant_key,
};
use dsenv_sdk::schema::{NativeType, parse_size};
use dsenv_sdk::term::{Ref, Term};
use dsenv_sdk::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What `value` and `secret` become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// What they are on every provider: `dsenv.value` and `dsenv.secret`, in the state alone.
    Builtin,
    /// Real objects of the cloud, so that the smallest blueprint can crash, drift and be replaced.
    /// A `value` is a `fake.object`; when its `input` is a map with a `name`, it is a `fake.named`
    /// of that name, which exists once and is therefore replaced delete-first. A `secret` is a
    /// `fake.secret`.
    Objects,
    /// The same, and a `value` names the ids of what its `input` and `replace_on` refer to: the
    /// cloud then refuses to delete what is referred to, and a dependant is replaced with what it
    /// depends on. Every resource of the blueprint must be an object for this to work.
    LinkedObjects,
}

type Args = BTreeMap<String, Term>;

/// Lowers a resource that [`check`] did not refuse.
pub(crate) fn lower(resource: &Neutral, around: &Surroundings<'_>, values: Values) -> Vec<Native> {
    match resource.kind {
        "network" => vec![main(&native::NETWORK, resource.fields.clone())],
        "bucket" => vec![main(&native::BUCKET, resource.fields.clone())],
        "database" => vec![main(&native::DATABASE, in_network(resource))],
        "share" => vec![main(&native::SHARE, in_network(resource))],
        "volume" => vec![main(&native::VOLUME, volume_args(resource))],
        "machine" => {
            let mut natives = vec![main(&native::MACHINE, machine_args(resource))];
            natives.extend(software(resource, around));
            natives.extend(resource.uses.iter().map(|used| grant(&resource.addr, used)));
            natives
        }
        "pool" => pool(resource, around),
        "value" if values != Values::Builtin => vec![object(resource, values)],
        "secret" if values != Values::Builtin => {
            let natives = builtin::lower(resource).into_iter();
            natives.map(|native| Native { ty: native::SECRET.name, ..native }).collect()
        }
        "secret" | "value" => builtin::lower(resource),
        other => unreachable!("`{other}` is not among the provider's kinds"),
    }
}

fn main(ty: &NativeType, args: Args) -> Native {
    Native { part: None, ty: ty.name, args, after: Vec::new() }
}

fn id_of(addr: Addr) -> Term {
    Term::Ref(Ref::attribute(addr, "id"))
}

fn network_of(resource: &Neutral) -> Option<(String, Term)> {
    resource.network.clone().map(|network| ("network".to_owned(), id_of(network)))
}

/// The fields of a resource, with the id of its network in the place of its name.
fn in_network(resource: &Neutral) -> Args {
    let mut args = resource.fields.clone();
    args.remove("network");
    args.extend(network_of(resource));
    args
}

/// A disk has whole GiB.
fn volume_args(resource: &Neutral) -> Args {
    let mut args = in_network(resource);
    if let Some(Term::Known(size)) = args.remove("size") {
        let bytes = size.as_text().and_then(parse_size).unwrap_or_default();
        let gib = i64::try_from(bytes.div_ceil(1 << 30)).unwrap_or(i64::MAX);
        args.insert("gib".to_owned(), Term::Known(Value::Int(gib)));
    }
    args
}

/// The arguments of a machine, or of each member of a pool.
fn machine_args(resource: &Neutral) -> Args {
    let mut args = resource.fields.clone();
    for elsewhere in ["network", "software", "environment", "services", "count", "scale"] {
        args.remove(elsewhere);
    }
    args.extend(network_of(resource));
    if resource.fields.contains_key("software") {
        args.insert("software".to_owned(), id_of(resource.addr.part("software", None)));
    }
    if let Some(services) = resource.fields.get("services") {
        args.insert("workload".to_owned(), services.clone());
    }
    let mut variables = connection_variables(&resource.addr, &resource.uses);
    variables.extend(resource.fields.get("environment").map(entries).unwrap_or_default());
    if !variables.is_empty() {
        args.insert("environment".to_owned(), Term::map(variables));
    }
    args
}

/// Returns the entries of a map whose keys are known; none of anything else.
fn entries(term: &Term) -> Args {
    match term {
        Term::Known(Value::Map(map)) => {
            map.iter().map(|(key, value)| (key.clone(), Term::Known(value.clone()))).collect()
        }
        Term::Map(map) => map.clone(),
        Term::Known(_) | Term::List(_) | Term::Ref(_) | Term::Expr(_) | Term::NotLocked(_) => {
            Args::new()
        }
    }
}

fn grant(user: &Addr, used: &Use) -> Native {
    let ty = match used.kind {
        "database" => &native::DATABASE_GRANT,
        "share" | "volume" => &native::MOUNT,
        _ => &native::BUCKET_GRANT,
    };
    let right = match used.right {
        Right::Read => kinds::RIGHTS[0],
        Right::ReadWrite => kinds::RIGHTS[1],
    };
    let args = [
        ("principal", Term::text(user.to_string())),
        ("target", id_of(used.target.clone())),
        ("right", Term::text(right)),
    ];
    Native {
        part: Some(Part { name: GRANT.into(), key: Some(grant_key(&used.target)) }),
        ty: ty.name,
        args: args.map(|(name, term)| (name.to_owned(), term)).into(),
        after: Vec::new(),
    }
}

fn software(resource: &Neutral, around: &Surroundings<'_>) -> Option<Native> {
    let want = wants(resource).into_iter().next()?;
    let lock = match around.pins.get(want.pin.as_ref()) {
        Some(pinned) => Term::Known(pinned.clone()),
        None => Term::NotLocked(want.pin.clone()),
    };
    let args = [("requirement", Term::Known(want.need)), ("lock", lock)];
    Some(Native {
        part: Some(Part { name: "software".into(), key: None }),
        ty: native::SOFTWARE.name,
        args: args.map(|(name, term)| (name.to_owned(), term)).into(),
        after: Vec::new(),
    })
}

fn pool(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let count = resource.fields.get("count");
    let size = count.and_then(pool_size).expect("`check` refuses a pool of unknown size");
    let key = |at| Some(Key::Index(at));
    let ids = (0..size).map(|at| id_of(resource.addr.part("member", key(at))));
    let mut args = Args::from([("members".to_owned(), Term::list(ids.collect()))]);
    if let Some(range) = count.filter(|count| count.step("min").is_some()) {
        args.insert("range".to_owned(), range.clone());
    }
    if let Some(scale) = resource.fields.get("scale") {
        args.insert("scale".to_owned(), scale.clone());
    }
    let member = |at| Native {
        part: Some(Part { name: "member".into(), key: key(at) }),
        ..main(&native::MACHINE, machine_args(resource))
    };
    let mut natives = vec![main(&native::POOL, args)];
    natives.extend((0..size).map(member));
    natives.extend(software(resource, around));
    natives.extend(resource.uses.iter().map(|used| grant(&resource.addr, used)));
    natives
}

/// Returns how many members a pool begins with; `None` when that is not known.
fn pool_size(count: &Term) -> Option<u32> {
    let start = count.step("start").or_else(|| count.step("min"));
    start.as_ref().unwrap_or(count).known()?.as_int()?.try_into().ok()
}

fn object(resource: &Neutral, values: Values) -> Native {
    let mut args = resource.fields.clone();
    let name = args.get("input").and_then(|input| input.step("name"));
    let ty = match &name {
        Some(_) => &native::NAMED,
        None => &native::OBJECT,
    };
    if let Some(name) = name {
        args.insert("name".to_owned(), name);
    }
    if values == Values::LinkedObjects {
        let mut targets = BTreeSet::new();
        for term in resource.fields.values() {
            term.each_ref(&mut |reference| {
                targets.insert(reference.addr.clone());
            });
        }
        if !targets.is_empty() {
            let links = targets.into_iter().map(id_of).collect();
            args.insert("links".to_owned(), Term::list(links));
        }
    }
    main(ty, args)
}

/// Lists what the lock must pin: the packages of a machine or pool.
pub(crate) fn wants(resource: &Neutral) -> Vec<Want> {
    let software = resource.fields.get("software").and_then(Term::known);
    let want = |need: &Value| {
        let digest = blake3::hash(need.to_string().as_bytes()).to_hex();
        let pin = format!("packages-{}", &digest[..16]).into();
        Want { pin, what: "python packages", need: need.clone() }
    };
    software.map(want).into_iter().collect()
}

/// Says what this cloud cannot honour. One thing of each weight is not there on purpose, so that
/// both can be tested: it cannot hibernate, and its accelerators are simulated.
pub(crate) fn check(resource: &Neutral) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |path: &[&str], weight, message: &str, help: Option<&str>| {
        findings.push(Finding {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            weight,
            message: message.to_owned(),
            help: help.map(str::to_owned),
        });
    };
    let refuses = Weight::Refuses;
    let field = |name: &str| resource.fields.get(name);
    if resource.kind == "pool" && field("count").and_then(pool_size).is_none() {
        let message = "the size of a pool must be known before apply";
        find(&["count"], refuses, message, None);
    }
    if resource.kind == "volume" && field("size").is_some_and(|size| size.known().is_none()) {
        find(&["size"], refuses, "the size of a volume must be known before apply", None);
    }
    if field("software").is_some_and(|software| software.known().is_none()) {
        let message = "software cannot depend on another resource: the lock pins it before apply";
        find(&["software"], refuses, message, None);
    }
    if field("environment").is_some_and(|term| matches!(term, Term::Ref(_) | Term::Expr(_))) {
        let message = "the names of variables must be known before apply";
        find(&["environment"], refuses, message, Some("write a map; its values may be `${...}`"));
    }
    let interruption = field("purchase").and_then(|term| term.step("on_interruption"));
    if interruption == Some(Term::text("hibernate")) {
        let path = ["purchase", "on_interruption"];
        find(&path, refuses, "this cloud cannot hibernate", Some("`on_interruption: stop`"));
    }
    if field("gpu").is_some() {
        find(&["gpu"], Weight::Substitutes, "a simulated accelerator takes its place", None);
    }
    findings
}
