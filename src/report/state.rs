//! The state as people see it: `state list` and `state show`.

use super::{Style, table, words};
use crate::report::style::Ink;
use crate::state::{Object, Resource, State, Status};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::OnDestroy;
use dsenv_sdk::value::{Map, Value, wire};
use serde_json::{Value as Json, json};

/// Renders every node of the state as a table, by address; what was replaced and is still there has a
/// line of its own.
pub fn list(state: &State) -> String {
    if state.resources.is_empty() {
        return "The state is empty.\n".to_owned();
    }
    let cells = |row: Row<'_>| {
        let Row { addr, resource, remote_id, status } = row;
        vec![
            addr.to_string(),
            resource.kind.clone(),
            resource.ty.clone(),
            status.to_owned(),
            remote_id.to_owned(),
        ]
    };
    let headings = ["ADDRESS", "KIND", "TYPE", "STATUS", "REMOTE ID"];
    table::table(&headings, rows(state).into_iter().map(cells).collect())
}

/// Makes the document of `state list --json`.
pub fn list_json(state: &State) -> Json {
    let entry = |row: Row<'_>| {
        let Row { addr, resource, remote_id, status } = row;
        json!({"address": addr.to_string(), "kind": resource.kind, "type": resource.ty,
            "provider": resource.provider, "remote_id": remote_id, "status": status})
    };
    rows(state).into_iter().map(entry).collect()
}

/// One object, or a node without one.
struct Row<'a> {
    addr: &'a Addr,
    resource: &'a Resource,
    remote_id: &'a str,
    status: &'static str,
}

fn rows(state: &State) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (addr, resource) in &state.resources {
        let row = |remote_id, status| Row { addr, resource, remote_id, status };
        match &resource.current {
            Some(object) => rows.push(row(&object.observed.remote_id, status(object))),
            None if resource.deposed.is_empty() => rows.push(row("", "absent")),
            None => {}
        }
        let deposed = resource.deposed.iter();
        rows.extend(deposed.map(|object| row(&object.observed.remote_id, "deposed")));
    }
    rows
}

/// The word for how an object stands.
fn status(object: &Object) -> &'static str {
    match object.status {
        Status::Ready => "ready",
        Status::Tainted => "tainted",
        Status::Creating => "creating",
        Status::Updating => "updating",
        Status::Deleting => "deleting",
    }
}

/// Renders one node with everything that the state knows; secrets as `(secret)`.
pub fn show(addr: &Addr, resource: &Resource, is_protected: bool, style: &Style) -> String {
    let mut text = style.paint(Ink::Strong, &addr.to_string());
    text.push_str(&format!(" ({}, {})\n", resource.kind, resource.ty));
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name}: {value}\n"));
    line("provider", resource.provider.clone());
    line("generation", resource.generation.to_string());
    line("on_destroy", on_destroy(resource.on_destroy).to_owned());
    line(
        "replaced",
        if resource.create_first { "create_first" } else { "delete_first" }.to_owned(),
    );
    line("protected", if is_protected { "yes" } else { "no" }.to_owned());
    let needs: Vec<String> = resource.depends_on.iter().map(Addr::to_string).collect();
    if !needs.is_empty() {
        line("needs", needs.join(", "));
    }
    match &resource.current {
        Some(object) => add_object(&mut text, "object", object, status(object)),
        None => text.push_str("  no object\n"),
    }
    for object in &resource.deposed {
        add_object(&mut text, "replaced object", object, "deposed");
    }
    text
}

/// Makes the document of `state show --json`.
pub fn show_json(addr: &Addr, resource: &Resource, is_protected: bool) -> Json {
    let object = |object: &Object, status: &str| {
        json!({
            "generation": object.generation,
            "status": status,
            "token": object.token.as_str(),
            "remote_id": object.observed.remote_id,
            "waits_for": object.accepted.as_ref().map(|accepted| &accepted.waits_for),
            "price_paid": object.price_paid,
            "arguments": shown(&object.args),
            "attributes": shown(&object.observed.values),
        })
    };
    json!({
        "address": addr.to_string(),
        "kind": resource.kind,
        "type": resource.ty,
        "provider": resource.provider,
        "generation": resource.generation,
        "on_destroy": on_destroy(resource.on_destroy),
        "create_first": resource.create_first,
        "protected": is_protected,
        "depends_on": resource.depends_on.iter().map(Addr::to_string).collect::<Vec<_>>(),
        "current": resource.current.as_ref().map(|current| object(current, status(current))),
        "deposed": resource.deposed.iter().map(|old| object(old, "deposed")).collect::<Vec<_>>(),
    })
}

fn on_destroy(fate: OnDestroy) -> &'static str {
    match fate {
        OnDestroy::Refuse => "refuse",
        OnDestroy::Snapshot => "snapshot",
        OnDestroy::Retain => "retain",
        OnDestroy::Delete => "delete",
    }
}

fn shown(map: &Map) -> Json {
    wire::shown(&Value::Map(map.clone()))
}

fn add_object(text: &mut String, title: &str, object: &Object, status: &str) {
    let mut id = &*object.observed.remote_id;
    if id.is_empty() {
        id = "(not known)";
    }
    text.push_str(&format!("  {title} {id}, generation {}, {status}\n", object.generation));
    if let Some(accepted) = &object.accepted {
        text.push_str(&format!("    waits for: {}\n", accepted.waits_for));
    }
    if let Some(price) = &object.price_paid {
        text.push_str(&format!("    price when applied: {price}\n"));
    }
    for (title, map) in [("arguments", &object.args), ("attributes", &object.observed.values)] {
        if map.is_empty() {
            continue;
        }
        text.push_str(&format!("    {title}\n"));
        for (name, value) in map {
            text.push_str(&format!("      {name}: {}\n", words::value(value, usize::MAX)));
        }
    }
}
