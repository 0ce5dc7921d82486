//! How text may look: width, colours, and how much of it.

use crate::diag::render::{Color, Look};
use anstyle::{AnsiColor, Style as Ansi};
use unicode_width::UnicodeWidthStr;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Enough to judge: what is alike is said once and counted.
    Brief,
    /// Everything: `--full`.
    Full,
}

/// How a report may look. The caller knows the terminal and NO_COLOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colour codes are written.
    pub color: Color,
    /// How many columns a line may have. Names and paths are never cut for it.
    pub width: usize,
    /// How much is said.
    pub detail: Detail,
}

impl Style {
    /// Plain text, 100 columns, brief: for pipes and tests.
    pub const PLAIN: Style = Style { color: Color::Off, width: 100, detail: Detail::Brief };

    /// The same for diagnostics.
    pub fn look(self) -> Look {
        Look { color: self.color, width: self.width }
    }

    /// Puts colour codes round a text, where they may be.
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        let style = match ink {
            Ink::None => return text.to_owned(),
            Ink::Good => AnsiColor::Green.on_default(),
            Ink::Change => AnsiColor::Yellow.on_default(),
            Ink::Bad => AnsiColor::Red.on_default(),
            Ink::Danger => AnsiColor::Red.on_default().bold(),
            Ink::Strong => Ansi::new().bold(),
        };
        match self.color {
            Color::Off => text.to_owned(),
            Color::On => format!("{style}{text}{style:#}"),
        }
    }
}

/// What a colour means. Nothing is said by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    None,
    Good,
    Change,
    Bad,
    Danger,
    Strong,
}

/// Breaks a text at spaces so that no line has more than `width` columns. The first line begins behind
/// `used` columns, the others stand `indent` columns in. A word that is longer keeps its line to
/// itself. Colour codes must not be in it yet.
pub(super) fn wrap(text: &str, used: usize, indent: usize, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut columns = used;
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        let is_empty = line.trim().is_empty();
        if !is_empty && columns + 1 + word.width() > width {
            lines.push(format!("{:indent$}{word}", ""));
            columns = indent + word.width();
            continue;
        }
        if !is_empty {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += word.width();
    }
    lines
}
