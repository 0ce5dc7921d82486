//! `dsenv graph`: the resources and their references, for Graphviz or Mermaid.

use super::{Exit, setting::Setting, terminal};
use crate::graph::{needs, network_of};
use clap::{Args, ValueEnum};
use dsenv_sdk::Addr;
use serde_json::json;

#[derive(Args)]
pub(super) struct Typed {
    /// The language of the drawing.
    #[arg(long, value_enum, default_value_t = Language::Dot)]
    format: Language,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    /// For Graphviz.
    Dot,
    /// For Markdown pages that draw Mermaid.
    Mermaid,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Exit {
    let (compiled, _) = match setting.site.compile(&setting.request) {
        Ok(compiled) => compiled,
        Err(problem) => return setting.refuse(problem),
    };
    let resolved = &compiled.front.resolved;
    let mut edges: Vec<(Addr, Addr)> = Vec::new();
    for (addr, resource) in &resolved.resources {
        let network = network_of(resolved, resource);
        for needed in needs(resource, network.as_ref()) {
            edges.push((addr.clone(), needed));
        }
    }
    if setting.general.json {
        let nodes: Vec<_> = resolved
            .resources
            .values()
            .map(|r| json!({"address": r.addr.to_string(), "kind": r.kind.name}))
            .collect();
        let edges: Vec<_> = edges
            .iter()
            .map(|(a, b)| json!({"from": a.to_string(), "to": b.to_string()}))
            .collect();
        let json = json!({"format": "dsenv-graph/1", "nodes": nodes, "edges": edges});
        terminal::out(&format!("{json:#}\n"));
        return Exit::Done;
    }
    let nodes = resolved.resources.values().map(|r| (r.addr.to_string(), r.kind.name));
    let text = match typed.format {
        Language::Dot => dot(nodes, &edges),
        Language::Mermaid => mermaid(&nodes.collect::<Vec<_>>(), &edges),
    };
    terminal::out(&text);
    Exit::Done
}

fn dot(nodes: impl Iterator<Item = (String, &'static str)>, edges: &[(Addr, Addr)]) -> String {
    let mut text = "digraph blueprint {\n  rankdir = LR;\n  node [shape = box];\n".to_owned();
    for (name, kind) in nodes {
        text.push_str(&format!("  {name:?} [label = {:?}];\n", format!("{name}\n{kind}")));
    }
    for (from, to) in edges {
        text.push_str(&format!("  {:?} -> {:?};\n", from.to_string(), to.to_string()));
    }
    text + "}\n"
}

/// Mermaid's names are plain, so nodes are numbered and labelled.
fn mermaid(nodes: &[(String, &'static str)], edges: &[(Addr, Addr)]) -> String {
    let number = |addr: &Addr| {
        let name = addr.to_string();
        nodes.iter().position(|(node, _)| *node == name).unwrap_or_default()
    };
    let mut text = "flowchart LR\n".to_owned();
    for (at, (name, kind)) in nodes.iter().enumerate() {
        text.push_str(&format!("  n{at}[\"{} ({kind})\"]\n", name.replace('"', "#quot;")));
    }
    for (from, to) in edges {
        text.push_str(&format!("  n{} --> n{}\n", number(from), number(to)));
    }
    text
}
