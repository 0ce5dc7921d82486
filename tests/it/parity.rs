//! Whether two environments are told apart: by one field at a time, over the whole schema.

use dsenv::blueprint::{self, Blueprint};
use dsenv::diag::Source;
use dsenv::parity::declared::{self, Side};
use dsenv::parity::{Parity, Verdict};
use dsenv::registry::Registry;
use dsenv::resolve::{self, Resolved};
use dsenv_sdk::kinds::{COMMON, KINDS};
use dsenv_sdk::schema::{Class, Field, Format, Kind, Type};
use serde_json::{Map, Value as Json, json};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

/// One way of changing one thing of a kind.
struct Mutation {
    path: Vec<String>,
    class: Class,
    before: Json,
    after: Json,
}

/// Two values of a field that are valid and differ. Some hang together with others in ways that no type
/// says.
fn samples_of(field: &Field) -> (Json, Json) {
    match field.name {
        "http" => (json!("/one"), json!("/two")),
        "max" => (json!(8), json!(9)),
        "on_demand_base" | "min" | "start" => (json!(0), json!(1)),
        "max_price" => (json!("70%"), json!("80%")),
        _ => samples(&field.ty),
    }
}

/// Two values of a type that are valid and differ.
fn samples(ty: &Type) -> (Json, Json) {
    match ty {
        Type::Any | Type::Text => (json!("one"), json!("two")),
        Type::Bool => (json!(true), json!(false)),
        Type::Int { min, max } => (json!(min), json!((min + 1).min(*max))),
        Type::Choice(choices) => (json!(choices[0]), json!(choices[1])),
        Type::Format(format) => formats(*format),
        Type::List(item) => {
            let (one, two) = samples(item);
            (json!([one]), json!([two]))
        }
        Type::Map(item) => {
            let (one, two) = samples(item);
            (json!({"key": one}), json!({"key": two}))
        }
        Type::Object(fields) => {
            let sides = |second: bool| {
                let of = |field: &Field| {
                    let (one, two) = samples_of(field);
                    (field.name.to_owned(), if second { two } else { one })
                };
                Json::Object(fields.iter().map(of).collect())
            };
            (sides(false), sides(true))
        }
        Type::Either(types) => samples(&types[0]),
    }
}

fn formats(format: Format) -> (Json, Json) {
    let (one, two) = match format {
        Format::Cidr => ("10.1.0.0/16", "10.2.0.0/16"),
        Format::Size => ("50GiB", "60GiB"),
        Format::SizeNeed => ("8GiB+", "16GiB+"),
        Format::CountNeed => ("2+", "4+"),
        Format::Duration => ("15m", "30m"),
        Format::Percent => ("70%", "80%"),
        Format::Version => ("17", "18"),
        Format::Date => ("2027-01-31", "2027-02-28"),
        Format::PublicKey => return (json!(format!("{KEY} a@b")), json!(format!("{KEY} c@d"))),
    };
    (json!(one), json!(two))
}

/// Every place of a kind that has a type of its own, those inside of objects included.
fn mutations(kind: &Kind) -> Vec<Mutation> {
    let mut found = Vec::new();
    for field in kind.fields {
        add(field, Vec::new(), Class::Fixed, &mut found);
    }
    found
}

fn add(field: &Field, mut path: Vec<String>, around: Class, found: &mut Vec<Mutation>) {
    path.push(field.name.to_owned());
    let class = if around == Class::Fixed { field.class } else { around };
    if field.keys_fixed {
        let (before, after) = (json!({"one": "same"}), json!({"two": "same"}));
        found.push(Mutation { path: path.clone(), class: Class::Fixed, before, after });
    }
    let types = match &field.ty {
        Type::Either(types) => types.to_vec(),
        one => vec![*one],
    };
    for ty in types {
        match ty {
            Type::Object(fields) => {
                for inner in fields {
                    add(inner, path.clone(), class, found);
                }
            }
            Type::Map(item) => {
                path.push("entry".to_owned());
                match item {
                    Type::Object(fields) => {
                        for inner in *fields {
                            add(inner, path.clone(), class, found);
                        }
                    }
                    other => push(samples(other), &path, class, found),
                }
                path.pop();
            }
            Type::Any | Type::Text | Type::Int { .. } => {
                push(samples_of(field), &path, class, found);
            }
            other => push(samples(&other), &path, class, found),
        }
    }
}

fn push((before, after): (Json, Json), path: &[String], class: Class, found: &mut Vec<Mutation>) {
    found.push(Mutation { path: path.to_vec(), class, before, after });
}

/// A block of the kind with what it must have, and one value put in at a path.
fn block(kind: &Kind, path: &[String], value: &Json) -> Json {
    let mut body = Map::from_iter([("kind".to_owned(), json!(kind.name))]);
    fill_required(kind.fields, &mut body);
    if kind.name == "secret" && path[0] != "from" {
        body.insert("generate".to_owned(), json!({"length": 32}));
    }
    put(&mut body, kind.fields, path, value);
    Json::Object(body)
}

fn fill_required(fields: &[Field], body: &mut Map<String, Json>) {
    for field in fields {
        if field.presence == dsenv_sdk::schema::Presence::Required {
            body.entry(field.name).or_insert_with(|| samples_of(field).0);
        }
    }
}

fn put(body: &mut Map<String, Json>, fields: &[Field], path: &[String], value: &Json) {
    let (first, rest) = path.split_first().expect("a path leads somewhere");
    if rest.is_empty() {
        body.insert(first.clone(), value.clone());
        return;
    }
    let inner = fields.iter().find(|field| field.name == *first).map(|field| field.ty);
    let mut objects = Vec::new();
    let mut open: Vec<Type> = inner.into_iter().collect();
    while let Some(ty) = open.pop() {
        match ty {
            Type::Either(types) => open.extend_from_slice(types),
            Type::Object(fields) => objects.extend_from_slice(fields),
            Type::Map(Type::Object(fields)) => {
                let mut entry = Map::new();
                fill_required(fields, &mut entry);
                put(&mut entry, fields, &rest[1..], value);
                body.insert(first.clone(), json!({rest[0].clone(): entry}));
                return;
            }
            _ => {}
        }
    }
    let mut entry = Map::new();
    fill_required(&objects, &mut entry);
    put(&mut entry, &objects, rest, value);
    body.insert(first.clone(), Json::Object(entry));
}

/// A secret is compared by where it comes from, never by what it is.
fn is_secret(kind: &Kind, mutation: &Mutation) -> bool {
    kind.name == "secret" && mutation.path == ["from"]
}

fn blueprint_of(block: &Json, vary: &Json, set: &Json) -> String {
    json!({
        "blueprint": "mutated",
        "resources": {"r": block},
        "vary": vary,
        "environments": {
            "dev": {"provider": "local", "ephemeral": true},
            "prod": {"provider": "local", "ephemeral": true, "set": set},
        },
    })
    .to_string()
}

fn resolved(text: &str, environment: &str) -> Result<(Blueprint, Resolved), String> {
    let source = Source::new("dsenv.yaml", text);
    let (blueprint, mut findings) = blueprint::parse(&source);
    let blueprint = blueprint.expect("it has a name");
    let (resolved, found) = resolve::resolve(&source, &blueprint, Some(environment), &[]);
    findings.append(found);
    if findings.has_errors() {
        let all: Vec<_> =
            findings.iter().map(|it| format!("{}: {}", it.code, it.message)).collect();
        return Err(all.join("; "));
    }
    Ok((blueprint, resolved.expect("without an error it is there")))
}

fn compare(blueprint: &Blueprint, one: &Resolved, other: &Resolved) -> Parity {
    let registry = Registry::built_in();
    let side =
        |resolved| Side { resolved, provider: &**registry.get("local").expect("it is there") };
    let mut parity = Parity::default();
    declared::compare(blueprint, side(one), side(other), &mut parity);
    parity
}

/// Holds a blueprint against itself with one thing changed, by whatever means that came about.
fn mutate(kind: &Kind, mutation: &Mutation) -> (String, Parity) {
    let what = format!("{}.{}", kind.name, mutation.path.join("."));
    let text = |value| blueprint_of(&block(kind, &mutation.path, value), &json!({}), &json!({}));
    let read = |value| resolved(&text(value), "dev").unwrap_or_else(|why| panic!("{what}: {why}"));
    let ((blueprint, one), (_, other)) = (read(&mutation.before), read(&mutation.after));
    let same = compare(&blueprint, &one, &one);
    assert!(same.violations.is_empty() && same.variances.is_empty(), "{what} differs from itself");
    (what, compare(&blueprint, &one, &other))
}

#[test]
fn every_change_of_a_fixed_field_is_a_violation_and_of_no_other() {
    let mut count = [0, 0];
    for kind in KINDS {
        for mutation in mutations(kind) {
            let (what, parity) = mutate(kind, &mutation);
            let violated = parity.verdict() == Verdict::Violation;
            assert_eq!(violated, mutation.class == Class::Fixed, "{what}: {parity:?}");
            let rows = if violated { &parity.violations } else { &parity.variances };
            let named = rows.iter().any(|row| row.address == "r" && row.class == mutation.class);
            assert!(named || is_secret(kind, &mutation), "{what} is not named: {parity:?}");
            assert_eq!(parity.digests.values().any(|it| it.one != it.other), violated, "{what}");
            count[usize::from(violated)] += 1;
        }
    }
    assert!(count.iter().all(|count| *count > 20), "the whole schema was gone through: {count:?}");
}

#[test]
fn what_vary_lists_is_accepted_inside_its_bounds_and_refused_outside() {
    for kind in KINDS {
        for mutation in mutations(kind) {
            let path = format!("r.{}", mutation.path.join("."));
            let scalar = !(mutation.after.is_array() || mutation.after.is_object());
            // What has a key of the author's own is set as a whole, and a secret is not shown to differ.
            if !scalar || mutation.path.iter().any(|step| step == "entry") {
                continue;
            }
            let base = block(kind, &mutation.path, &mutation.before);
            let set = json!({path.clone(): mutation.after});
            let text = |bound: &Json| blueprint_of(&base, &json!({path.clone(): [bound]}), &set);
            let inside = resolved(&text(&mutation.after), "prod");
            if mutation.class == Class::Fixed {
                let why = inside.err().unwrap_or_else(|| panic!("`{path}` may not vary"));
                assert!(why.contains("E0509"), "{path}: {why}");
                continue;
            }
            let (blueprint, prod) = inside.unwrap_or_else(|why| panic!("{path}: {why}"));
            let (_, dev) = resolved(&text(&mutation.after), "dev").expect("it sets nothing");
            let parity = compare(&blueprint, &dev, &prod);
            assert!(parity.violations.is_empty(), "{path}: {:?}", parity.violations);
            assert!(!parity.variances.is_empty() || is_secret(kind, &mutation), "{path} differs");
            let outside = resolved(&text(&mutation.before), "prod");
            assert!(outside.is_err_and(|why| why.contains("E0507")), "{path} outside its bounds");
        }
    }
}

fn dev_and_prod(text: &str) -> Parity {
    let ((blueprint, dev), (_, prod)) = (
        resolved(text, "dev").unwrap_or_else(|why| panic!("{why}")),
        resolved(text, "prod").unwrap_or_else(|why| panic!("{why}")),
    );
    compare(&blueprint, &dev, &prod)
}

fn said(parity: &Parity) -> Vec<String> {
    let row = |mark: &str, row: &dsenv::parity::Row| {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{mark} {}.{}: {} / {}", row.address, row.path, side(&row.one), side(&row.other))
    };
    let violations = parity.violations.iter().map(|it| row("violation", it));
    violations.chain(parity.variances.iter().map(|it| row("variance", it))).collect()
}

#[test]
fn prod_may_be_stricter_than_dev_and_never_laxer() {
    let text = |dev: &str, prod: &str| {
        format!(
            "blueprint: t
resources:
  lake: {{kind: bucket, protect: '${{env.name == \"prod\"}}', versioning: true}}
environments:
  dev: {{provider: local, {dev}}}
  prod: {{provider: local, {prod}}}
"
        )
    };
    let stricter = dev_and_prod(&text("ephemeral: true", "ephemeral: false"));
    assert_eq!(stricter.violations, []);
    assert_eq!(
        said(&stricter),
        [
            "variance .ephemeral: true / false",
            "variance lake.on_destroy: delete / refuse",
            "variance lake.protect: false / true",
        ]
    );
    let laxer = dev_and_prod(&text("ephemeral: false", "ephemeral: true"));
    assert_eq!(
        said(&laxer),
        [
            "violation .ephemeral: false / true",
            "violation lake.on_destroy: refuse / delete",
            "variance lake.protect: false / true",
        ]
    );
}

#[test]
fn who_comes_in_from_more_places_in_prod_is_a_violation() {
    let text = |dev: &str, prod: &str| {
        format!(
            "blueprint: t
inputs:
  from: {{type: string, default: 10.0.0.0/8}}
resources:
  nb: {{kind: machine, access: [{{who: ada, how: web, from: '${{inputs.from}}'}}]}}
vary: {{inputs.from: [{dev}, {prod}]}}
environments:
  dev: {{provider: local, inputs: {{from: {dev}}}}}
  prod: {{provider: local, inputs: {{from: {prod}}}}}
"
        )
    };
    let narrower = dev_and_prod(&text("10.0.0.0/8", "10.1.0.0/16"));
    assert_eq!(said(&narrower), ["variance nb.access: web from 10.0.0.0/8 / web from 10.1.0.0/16"]);
    let wider = dev_and_prod(&text("10.1.0.0/16", "10.0.0.0/8"));
    assert_eq!(said(&wider), ["violation nb.access: web from 10.1.0.0/16 / web from 10.0.0.0/8"]);
    assert!(wider.violations[0].why.contains("open for web from 10.0.0.0/8"));
}

#[test]
fn what_is_not_there_in_one_is_a_violation_unless_the_author_lets_it_vary() {
    let text = |when: &str, vary: &str| {
        format!(
            "blueprint: t
inputs: {{replica: {{type: boolean, default: true}}}}
resources:
  db: {{kind: bucket}}
  replica: {{kind: bucket, when: '{when}'}}
vary: {{{vary}}}
environments:
  dev: {{provider: local, {{}}}}
  prod: {{provider: local}}
"
        )
        .replace(", {}}", if vary.is_empty() { "}" } else { ", inputs: {replica: false}}" })
    };
    let by_name = dev_and_prod(&text("${env.name == \"prod\"}", ""));
    assert_eq!(said(&by_name), ["violation replica.: nothing / a bucket"]);
    let declared = dev_and_prod(&text("${inputs.replica}", "inputs.replica: [true, false]"));
    assert_eq!(said(&declared), ["variance replica.: nothing / a bucket"]);
}

#[test]
fn common_fields_have_the_class_of_the_schema() {
    // The fields that stand on every resource are compared by hand: none may be forgotten.
    let compared = [
        "kind",
        "for_each",
        "when",
        "depends_on",
        "tier",
        "owner",
        "tags",
        "protect",
        "usage",
        "lifecycle",
        "timeouts",
        "on_destroy",
        "uses",
        "access",
    ];
    let names: Vec<&str> = COMMON.iter().map(|field| field.name).collect();
    assert_eq!(names, compared, "`parity::declared` compares each, or says why not");
}

#[test]
fn a_secret_is_never_in_a_row() {
    let text = "blueprint: t
inputs: {key: {type: secret, default: LiteralSentinel}}
resources:
  s: {kind: secret, from: '${inputs.key}'}
vary: {inputs.key: [LiteralSentinel, OtherSentinel]}
environments:
  dev: {provider: local}
  prod: {provider: local, inputs: {key: OtherSentinel}}
";
    let ((blueprint, dev), (_, prod)) =
        (resolved(text, "dev").expect("dev"), resolved(text, "prod").expect("prod"));
    let parity = compare(&blueprint, &dev, &prod);
    assert!(!format!("{parity:?}").contains("Sentinel"), "{parity:?}");
}
