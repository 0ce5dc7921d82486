//! Tables without borders: columns two spaces apart, so that a pipe can cut them.

use comfy_table::{ContentArrangement, Table, presets};

/// Lays rows out in columns under headings. Empty cells are written `-`, so that each line has as
/// many fields as the heading. Cells are never cut and never broken.
pub(super) fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.to_vec());
    for row in rows {
        let cell = |text: String| if text.is_empty() { "-".to_owned() } else { one_line(&text) };
        table.add_row(row.into_iter().map(cell).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
