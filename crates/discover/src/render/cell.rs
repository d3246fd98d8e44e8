//! Markdown that stays a table whatever the data holds.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// Longest value shown in a cell, in characters: wide enough to recognise it.
const CELL_CHARS_MAX: usize = 60;

/// `text` as prose: nothing in it is taken for markup, and it is one line.
pub(crate) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '#' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// `text` as a code span that fits into a table cell.
pub(crate) fn code(text: &str) -> String {
    if text.is_empty() {
        return String::from("` `");
    }
    let text = visible(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    let touches = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let pad = if touches { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// A value as a code span, cut to the width of a cell.
pub(crate) fn value(json: &str) -> String {
    code(&clip(json))
}

/// `text`, cut to the width of a cell.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Many values as code spans.
pub(crate) fn values<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(value).collect::<Vec<_>>().join(", ")
}

/// The two lines that open a table.
pub(crate) fn head(out: &mut dyn io::Write, columns: &[&str]) -> io::Result<()> {
    writeln!(out, "| {} |", columns.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(columns.len()))
}

/// One row of cells that are already escaped.
pub(crate) fn row<S: AsRef<str>>(out: &mut dyn io::Write, cells: &[S]) -> io::Result<()> {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    writeln!(out, "| {} |", cells.join(" | "))
}

/// Control characters, line breaks and marks that turn the writing direction, made visible.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    // Nearly every text is plain, and a path can be as long as the nesting is deep.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{2028}'
            | '\u{2029}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn longest_run(text: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
