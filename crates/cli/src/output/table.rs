//! Tables for people: no boxes, a rule below the header, numbers to the right.

use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

/// Only the rule below the header, in the order that the table library wants its strokes.
const STYLE: &str = "     ──            ";

/// A table with these column names. A name that starts with `>` is a column of numbers.
pub struct Rows {
    table: Table,
    right: Vec<bool>,
}

impl Rows {
    /// An empty table.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut table = Table::new();
        table.load_preset(STYLE);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        let mut right = Vec::new();
        let mut header = Vec::new();
        for name in names {
            let name = name.as_ref();
            right.push(name.starts_with('>'));
            header.push(name.strip_prefix('>').unwrap_or(name).to_owned());
        }
        let header: Vec<Cell> = header.iter().zip(&right).map(|(name, right)| cell(name, *right)).collect();
        table.set_header(header);
        Self { table, right }
    }

    /// Adds a row.
    pub fn row<S: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = S>) {
        let cells: Vec<Cell> =
            texts.into_iter().zip(&self.right).map(|(text, right)| cell(text.as_ref(), *right)).collect();
        self.table.add_row(cells);
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.table.row_count() == 0
    }
}

fn cell(text: &str, right: bool) -> Cell {
    // Here and not when the table is written, so that columns are as wide as what they show.
    let text = text.replace(['\n', '\t'], " ");
    Cell::new(super::visible(&text)).set_alignment(if right {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    })
}

impl std::fmt::Display for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.table.lines() {
            writeln!(f, " {}", line.trim_end())?;
        }
        Ok(())
    }
}
