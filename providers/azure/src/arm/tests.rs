use super::*;
use crate::kinds::NATIVE_TYPES;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where the published request schemas are, when they are.
const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/arm");

#[test]
fn every_native_type_has_a_body_and_every_argument_a_place_or_a_reason() {
    let own = NATIVE_TYPES.iter().filter(|ty| !ty.state_only);
    let named: Vec<&str> = own.clone().map(|ty| ty.name).collect();
    assert_eq!(named, BODIES.iter().map(|body| body.native).collect::<Vec<_>>());
    for ty in own {
        let body = body(ty.name).expect("it was compared");
        let sent = body.objects.iter().flat_map(|object| object.paths);
        let sent: BTreeSet<&str> = sent.map(|(name, _)| *name).collect();
        let unsent: BTreeSet<&str> = body.unsent.iter().map(|(name, _)| *name).collect();
        assert!(sent.is_disjoint(&unsent), "{}", ty.name);
        let fields: BTreeSet<&str> = ty.fields.iter().map(|field| field.name).collect();
        let placed: BTreeSet<&str> = sent.union(&unsent).copied().collect();
        assert_eq!(fields, placed, "{}", ty.name);
    }
}

/// `2025-11-01_Microsoft.Compute.json` and `virtualMachines` of an object.
fn schema_of(object: &Object) -> (String, String) {
    let (service, ty) = object.ty.split_once('/').expect("a service and a type");
    // Network's schemas are cut in several.
    let service = if service == "Microsoft.Network" { "Microsoft.Network.NRP" } else { service };
    (format!("{}_{service}.json", object.api), ty.replace('/', "_"))
}

/// A schema, and the file that its references are in.
struct File(Json);

impl File {
    /// What a schema may be: references followed, alternatives side by side. References to other files are
    /// the expressions of templates, which are nothing here.
    fn alternatives<'a>(&'a self, schema: &'a Json, found: &mut Vec<&'a Json>) {
        if let Some(reference) = schema["$ref"].as_str() {
            if let Some(path) = reference.strip_prefix('#') {
                self.alternatives(self.0.pointer(path).expect("a definition"), found);
            }
            return;
        }
        found.push(schema);
        for of in ["oneOf", "anyOf", "allOf"] {
            for one in schema[of].as_array().into_iter().flatten() {
                self.alternatives(one, found);
            }
        }
    }

    fn step<'a>(&'a self, schemas: Vec<&'a Json>, name: &str) -> Vec<&'a Json> {
        let (name, entry) = match name.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let mut found = Vec::new();
        for property in schemas.into_iter().filter_map(|schema| schema["properties"].get(name)) {
            let mut inner = Vec::new();
            self.alternatives(property, &mut inner);
            if !entry {
                found.extend(inner);
                continue;
            }
            for items in inner.into_iter().filter_map(|schema| schema.get("items")) {
                self.alternatives(items, &mut found);
            }
        }
        found
    }

    fn walk<'a>(&'a self, root: &'a Json, path: &str) -> Vec<&'a Json> {
        let mut schemas = Vec::new();
        self.alternatives(root, &mut schemas);
        path.split('.').fold(schemas, |schemas, name| self.step(schemas, name))
    }
}

/// Whether a value is one of those that a schema lists, or it lists none.
fn is_allowed(schemas: &[&Json], value: &Json) -> bool {
    let lists: Vec<&Vec<Json>> =
        schemas.iter().filter_map(|schema| schema["enum"].as_array()).collect();
    lists.is_empty() || lists.iter().any(|list| list.contains(value))
}

#[test]
fn bodies_are_what_the_published_schemas_take() {
    if !Path::new(SCHEMAS).is_dir() {
        #[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
        {
            eprintln!("SKIPPED: there are no schemas in {SCHEMAS}");
        }
        return;
    }
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    let mut wrong = Vec::new();
    for body in BODIES {
        for object in body.objects.iter().filter(|object| object.unchecked.is_none()) {
            let (name, definition) = schema_of(object);
            let file = files.entry(name.clone()).or_insert_with(|| {
                let path = Path::new(SCHEMAS).join(&name);
                let text = std::fs::read_to_string(&path).expect("a schema of this service");
                File(serde_json::from_str(&text).expect("schemas are JSON"))
            });
            let root = &file.0["resourceDefinitions"][&definition];
            assert!(root.is_object(), "{name} has no {definition}");
            for (argument, path) in object.paths {
                if file.walk(root, path).is_empty() {
                    wrong.push(format!("{}.{argument}: {} has no {path}", body.native, object.ty));
                }
            }
            for (path, value) in object.fixed {
                let value: Json = serde_json::from_str(value).expect("fixed values are JSON");
                let schemas = file.walk(root, path);
                if schemas.is_empty() || !is_allowed(&schemas, &value) {
                    wrong.push(format!("{}: {} takes no {path} = {value}", body.native, object.ty));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_path_that_is_not_there_and_a_value_that_is_not_allowed_are_seen() {
    let schema = serde_json::json!({
        "properties": {"sku": {"oneOf": [{"$ref": "#/definitions/Sku"}, {"$ref": "other.json#/x"}]}},
        "definitions": {"Sku": {"properties": {"name": {"oneOf": [{"enum": ["Standard"]}]}}}},
    });
    let file = File(schema);
    let name = file.walk(&file.0, "sku.name");
    assert!(is_allowed(&name, &Json::from("Standard")) && !is_allowed(&name, &Json::from("Basic")));
    for path in ["sku.size", "sku[].name", "name", "sku.name.first"] {
        assert!(file.walk(&file.0, path).is_empty(), "{path}");
    }
}

#[test]
fn what_no_schema_holds_to_is_listed() {
    let objects = BODIES.iter().flat_map(|body| body.objects);
    let unchecked: BTreeSet<&str> =
        objects.filter(|object| object.unchecked.is_some()).map(|object| object.ty).collect();
    let listed = [
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Insights/autoscalesettings",
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    ];
    assert!(unchecked.into_iter().eq(listed));
}
