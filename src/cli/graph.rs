//! `dsenv graph`: the resources and their references, for Graphviz or Mermaid, or as a picture.

use super::{Exit, setting::Setting, terminal};
use crate::graph::{needs, network_of};
use crate::report::graph::{self, Drawing};
use clap::{Args, ValueEnum};
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
    /// A picture that browsers show.
    Svg,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Exit {
    let (compiled, _) = match setting.site.compile(&setting.request) {
        Ok(compiled) => compiled,
        Err(problem) => return setting.refuse(problem),
    };
    let resolved = &compiled.front.resolved;
    let mut drawing = Drawing::default();
    for (addr, resource) in &resolved.resources {
        let network = network_of(resolved, resource);
        drawing.nodes.insert(addr.clone(), resource.kind.name);
        for needed in needs(resource, network.as_ref()) {
            drawing.edges.insert((addr.clone(), needed));
        }
    }
    if setting.general.json {
        let nodes: Vec<_> = drawing
            .nodes
            .iter()
            .map(|(addr, kind)| json!({"address": addr.to_string(), "kind": kind}))
            .collect();
        let edges: Vec<_> = drawing
            .edges
            .iter()
            .map(|(a, b)| json!({"from": a.to_string(), "to": b.to_string()}))
            .collect();
        let json = json!({"format": "dsenv-graph/1", "nodes": nodes, "edges": edges});
        terminal::out(&format!("{json:#}\n"));
        return Exit::Done;
    }
    terminal::out(&match typed.format {
        Language::Dot => graph::dot(&drawing),
        Language::Mermaid => graph::mermaid(&drawing),
        Language::Svg => graph::svg(&drawing),
    });
    Exit::Done
}
