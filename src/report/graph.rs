//! The resources and what they need of each other, drawn: for Graphviz, for Mermaid, or as a picture.
//!
//! In: names with kinds, and edges from what needs to what is needed. Out: text. The same graph gives
//! the same text.
//!
//! ## Why a picture of our own
//! Not everybody has Graphviz. Columns by the longest way to what needs nothing, and rows by the
//! middle of the neighbours, are enough to read fifty resources; beyond that no drawing helps.

use dsenv_sdk::Addr;
use std::collections::{BTreeMap, BTreeSet};
use unicode_width::UnicodeWidthStr;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Every resource, with its kind.
    pub nodes: BTreeMap<Addr, &'static str>,
    /// From what needs to what is needed. Both ends are nodes; there is no cycle.
    pub edges: BTreeSet<(Addr, Addr)>,
}

/// Writes the language of Graphviz.
pub fn dot(drawing: &Drawing) -> String {
    let mut text = "digraph blueprint {\n  rankdir = LR;\n  node [shape = box];\n".to_owned();
    for (addr, kind) in &drawing.nodes {
        let name = addr.to_string();
        text.push_str(&format!("  {name:?} [label = {:?}];\n", format!("{name}\n{kind}")));
    }
    for (from, to) in &drawing.edges {
        text.push_str(&format!("  {:?} -> {:?};\n", from.to_string(), to.to_string()));
    }
    text + "}\n"
}

/// Writes Mermaid. Its names are plain, so nodes are numbered and labelled.
pub fn mermaid(drawing: &Drawing) -> String {
    let numbers: BTreeMap<&Addr, usize> = drawing.nodes.keys().zip(0..).collect();
    let mut text = "flowchart LR\n".to_owned();
    for ((addr, kind), at) in drawing.nodes.iter().zip(0..) {
        let name = addr.to_string().replace('"', "#quot;");
        text.push_str(&format!("  n{at}[\"{name} ({kind})\"]\n"));
    }
    for (from, to) in &drawing.edges {
        text.push_str(&format!("  n{} --> n{}\n", numbers[from], numbers[to]));
    }
    text
}

/// Half a line of text, from which all distances are made.
const UNIT: usize = 8;
const BOX_HEIGHT: usize = 5 * UNIT;
const ROW_HEIGHT: usize = 7 * UNIT;
const COLUMN_GAP: usize = 8 * UNIT;
const MARGIN: usize = 2 * UNIT;

/// How wide a character is drawn at 13 pixels, in a font where all are alike.
const CHARACTER_WIDTH: usize = 8;

/// How often the rows are sorted anew by their neighbours; a few times settle a graph of people.
const SWEEPS: usize = 8;

/// Draws a picture: what needs stands left of what it needs.
pub fn svg(drawing: &Drawing) -> String {
    let columns = columns(drawing);
    let places = places(&columns, drawing);
    let right = places.values().map(|place| place.x + place.width).max().unwrap_or(0);
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (right + MARGIN, rows * ROW_HEIGHT + 2 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>The resources and what they \
         need</title>\n{STYLE}"
    );
    for (from, to) in &drawing.edges {
        text.push_str(&edge(&places[from], &places[to]));
    }
    for (addr, kind) in &drawing.nodes {
        let Place { x, y, width } = places[addr];
        let (name, middle) = (escaped(&addr.to_string()), x + width / 2);
        text.push_str(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"4\"/>\n\
             <text x=\"{middle}\" y=\"{}\">{name}</text>\n\
             <text class=\"kind\" x=\"{middle}\" y=\"{}\">{kind}</text>\n",
            y + 2 * UNIT + 2,
            y + 4 * UNIT
        ));
    }
    text + "</svg>\n"
}

const STYLE: &str = "<style>
svg { background: #fff }
rect { fill: #f4f6f8; stroke: #4a5568 }
path { fill: none; stroke: #8a94a6 }
text { font: 13px ui-monospace, monospace; text-anchor: middle; fill: #1a202c }
.kind { fill: #5a6576 }
</style>
<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" style=\"fill: #8a94a6\"/>\
</marker></defs>\n";

/// Where a box stands.
#[derive(Clone, Copy)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
}

fn edge(from: &Place, to: &Place) -> String {
    let (x1, y1) = (from.x + from.width, from.y + BOX_HEIGHT / 2);
    let (x2, y2) = (to.x, to.y + BOX_HEIGHT / 2);
    let middle = (x1 + x2) / 2;
    format!(
        "<path d=\"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}\" marker-end=\"url(#tip)\"/>\n"
    )
}

/// The columns from left to right: the last one needs nothing, and each box stands in the column
/// left of the nearest that it needs.
fn columns(drawing: &Drawing) -> Vec<Vec<&Addr>> {
    let heights = heights(drawing);
    let count = heights.values().max().map_or(0, |highest| highest + 1);
    let mut columns = vec![Vec::new(); count];
    for (addr, height) in heights {
        columns[count - 1 - height].push(addr);
    }
    for sweep in 0..SWEEPS {
        let rows: BTreeMap<&Addr, usize> =
            columns.iter().flat_map(|column| column.iter().copied().zip(0..)).collect();
        // To the right and back: each column by its neighbours on the side that was sorted before.
        let mut near: BTreeMap<&Addr, Vec<usize>> = BTreeMap::new();
        for (from, to) in &drawing.edges {
            let (sorted, by) = if sweep % 2 == 0 { (to, from) } else { (from, to) };
            near.entry(sorted).or_default().push(rows[by]);
        }
        let middle = |addr: &Addr| match near.get(addr) {
            // In thousandths of a row.
            Some(rows) => rows.iter().sum::<usize>() * 1_000 / rows.len(),
            None => rows[addr] * 1_000,
        };
        for column in &mut columns {
            column.sort_by_key(|addr| (middle(addr), *addr));
        }
    }
    columns
}

/// The longest way from each node to one that needs nothing.
fn heights(drawing: &Drawing) -> BTreeMap<&Addr, usize> {
    let mut needs: BTreeMap<&Addr, Vec<&Addr>> = BTreeMap::new();
    let mut open: BTreeMap<&Addr, usize> = drawing.nodes.keys().map(|addr| (addr, 0)).collect();
    for (from, to) in &drawing.edges {
        needs.entry(to).or_default().push(from);
        *open.get_mut(from).expect("an edge leads from a node") += 1;
    }
    let mut heights: BTreeMap<&Addr, usize> = drawing.nodes.keys().map(|addr| (addr, 0)).collect();
    let mut ready: Vec<&Addr> =
        open.iter().filter(|(_, count)| **count == 0).map(|(addr, _)| *addr).collect();
    while let Some(addr) = ready.pop() {
        let above = heights[addr] + 1;
        for from in needs.get(addr).into_iter().flatten() {
            let height = heights.get_mut(*from).expect("it is a node");
            *height = above.max(*height);
            let count = open.get_mut(*from).expect("it is a node");
            *count -= 1;
            if *count == 0 {
                ready.push(*from);
            }
        }
    }
    heights
}

fn places<'a>(columns: &[Vec<&'a Addr>], drawing: &Drawing) -> BTreeMap<&'a Addr, Place> {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut places = BTreeMap::new();
    let mut x = MARGIN;
    for column in columns {
        let characters = |addr: &&Addr| addr.to_string().width().max(drawing.nodes[*addr].width());
        let widest = column.iter().map(characters).max().unwrap_or(0);
        let width = widest * CHARACTER_WIDTH + 3 * UNIT;
        let top = MARGIN + (rows - column.len()) * ROW_HEIGHT / 2;
        for (row, addr) in column.iter().enumerate() {
            places.insert(*addr, Place { x, y: top + row * ROW_HEIGHT + UNIT, width });
        }
        x += width + COLUMN_GAP;
    }
    places
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn drawing() -> Drawing {
        let addr = |name: &str| name.parse::<Addr>().expect("an address");
        let nodes = [
            ("box[\"a&b\"]", "machine"),
            ("db", "database"),
            ("lake", "bucket"),
            ("net", "network"),
        ];
        let edges = [("box[\"a&b\"]", "db"), ("box[\"a&b\"]", "lake"), ("db", "net")];
        Drawing {
            nodes: nodes.map(|(name, kind)| (addr(name), kind)).into(),
            edges: edges.map(|(from, to)| (addr(from), addr(to))).into(),
        }
    }

    #[test]
    fn a_picture_has_what_needs_left_of_what_it_needs() {
        expect![[r#"
            <svg xmlns="http://www.w3.org/2000/svg" width="432" height="144" viewBox="0 0 432 144" role="img">
            <title>The resources and what they need</title>
            <style>
            svg { background: #fff }
            rect { fill: #f4f6f8; stroke: #4a5568 }
            path { fill: none; stroke: #8a94a6 }
            text { font: 13px ui-monospace, monospace; text-anchor: middle; fill: #1a202c }
            .kind { fill: #5a6576 }
            </style>
            <defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill: #8a94a6"/></marker></defs>
            <path d="M120 72 C152 72 152 72 184 72" marker-end="url(#tip)"/>
            <path d="M120 72 C228 72 228 44 336 44" marker-end="url(#tip)"/>
            <path d="M272 72 C304 72 304 100 336 100" marker-end="url(#tip)"/>
            <rect x="16" y="52" width="104" height="40" rx="4"/>
            <text x="68" y="70">box[&quot;a&amp;b&quot;]</text>
            <text class="kind" x="68" y="84">machine</text>
            <rect x="184" y="52" width="88" height="40" rx="4"/>
            <text x="228" y="70">db</text>
            <text class="kind" x="228" y="84">database</text>
            <rect x="336" y="24" width="80" height="40" rx="4"/>
            <text x="376" y="42">lake</text>
            <text class="kind" x="376" y="56">bucket</text>
            <rect x="336" y="80" width="80" height="40" rx="4"/>
            <text x="376" y="98">net</text>
            <text class="kind" x="376" y="112">network</text>
            </svg>
        "#]].assert_eq(&svg(&drawing()));
    }

    #[test]
    fn languages_of_others() {
        expect![[r#"
            digraph blueprint {
              rankdir = LR;
              node [shape = box];
              "box[\"a&b\"]" [label = "box[\"a&b\"]\nmachine"];
              "db" [label = "db\ndatabase"];
              "lake" [label = "lake\nbucket"];
              "net" [label = "net\nnetwork"];
              "box[\"a&b\"]" -> "db";
              "box[\"a&b\"]" -> "lake";
              "db" -> "net";
            }
            flowchart LR
              n0["box[#quot;a&b#quot;] (machine)"]
              n1["db (database)"]
              n2["lake (bucket)"]
              n3["net (network)"]
              n0 --> n1
              n0 --> n2
              n1 --> n3
        "#]]
        .assert_eq(&(dot(&drawing()) + &mermaid(&drawing())));
    }

    #[test]
    fn nothing_is_an_empty_picture() {
        assert!(svg(&Drawing::default()).ends_with("</svg>\n"));
    }
}
