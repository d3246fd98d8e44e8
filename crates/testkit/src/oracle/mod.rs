//! The naive path counter: what a catalogue has to say, obtained the obvious way.
//!
//! It reads records one after another with its own JSON reader, writes every path out as text and
//! counts into a sorted map. Folding is the certain case only: an object that has members, all of
//! them named by ASCII decimal digits, becomes one segment `{}`. It holds whole files in memory
//! and is slow; what it is good for is that a reader can check it against the rules by eye.
//!
//! ```
//! let mut count = stele_testkit::oracle::Count::default();
//! count.lines(b"{\"event\":\"bid\",\"slots\":{\"1\":2,\"7\":null}}\n");
//! assert_eq!(
//!     count.tsv(),
//!     "bid\tevent\tstring\t1\t1\nbid\tslots\tobject\t1\t1\nbid\tslots.{}\tinteger|null\t2\t1\n"
//! );
//! ```

pub mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub use reader::{Item, Refusal, read};

/// One path of one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Names of the types that occurred.
    pub types: BTreeSet<&'static str>,
    /// Occurrences.
    pub nodes: u64,
    /// Records that hold the path at least once.
    pub records: u64,
}

/// A line that is not a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// The line, counted from 1.
    pub line: u64,
    /// Byte of the line where it stops being JSON, and what was expected there.
    pub refusal: Refusal,
}

/// Everything counted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Count {
    /// Rows by event and path.
    pub rows: BTreeMap<(String, String), Row>,
    /// Accepted records by event.
    pub events: BTreeMap<String, u64>,
    /// Accepted records.
    pub records: u64,
    /// Values below the roots.
    pub nodes: u64,
    /// Lines that are neither records nor blank.
    pub refused: Vec<RefusedLine>,
    /// Lines of nothing but white space.
    pub blank: u64,
}

impl Count {
    /// Counts the lines of a file. A byte order mark at its start is no part of the first line.
    pub fn lines(&mut self, content: &[u8]) {
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let mut lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        for (index, line) in lines.into_iter().enumerate() {
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                self.blank += 1;
            } else if let Err(refusal) = self.record(line) {
                self.refused.push(RefusedLine { line: index as u64 + 1, refusal });
            }
        }
    }

    /// Counts a file that holds one JSON document: each element of a root array, otherwise the
    /// root itself, is a record.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where the document is not JSON; nothing is counted then.
    pub fn document(&mut self, content: &[u8]) -> Result<(), Refusal> {
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let items = read(content)?;
        if items[0].kind == "array" {
            for record in items[1..].chunk_by(|_, next| next.depth > 1) {
                self.add(None, record);
            }
        } else {
            self.add(None, &items);
        }
        Ok(())
    }

    /// Counts one record.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where the text is not JSON; nothing is counted then.
    pub fn record(&mut self, text: &[u8]) -> Result<(), Refusal> {
        self.add(None, &read(text)?);
        Ok(())
    }

    /// Counts one record whose event is known from elsewhere, as where a frame inside names it.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where the text is not JSON; nothing is counted then.
    pub fn record_of(&mut self, event: &str, text: &[u8]) -> Result<(), Refusal> {
        self.add(Some(event), &read(text)?);
        Ok(())
    }

    fn add(&mut self, event: Option<&str>, items: &[Item]) {
        let event = event.map_or_else(|| event_of(items), str::to_owned);
        self.records += 1;
        *self.events.entry(event.clone()).or_default() += 1;
        let mut seen = BTreeSet::new();
        // The path of the container at each depth, and whether its members are folded.
        let root = items[0].depth;
        let mut around = vec![(String::new(), items[0].digit_keys)];
        for item in &items[1..] {
            let depth = item.depth - root;
            around.truncate(depth);
            let (parent, folded) = &around[depth - 1];
            let path = match &item.key {
                None => format!("{parent}[]"),
                Some(_) if *folded => dotted(parent, "{}"),
                Some(key) if is_plain(key) => dotted(parent, key),
                Some(key) => format!("{parent}[{}]", quoted(key)),
            };
            let row = self.rows.entry((event.clone(), path.clone())).or_default();
            row.types.insert(item.kind);
            row.nodes += 1;
            self.nodes += 1;
            if seen.insert(path.clone()) {
                row.records += 1;
            }
            around.push((path, item.digit_keys));
        }
    }

    /// Adds what another count found in other records.
    pub fn merge(&mut self, other: Self) {
        for (key, row) in other.rows {
            let mine = self.rows.entry(key).or_default();
            mine.types.extend(row.types);
            mine.nodes += row.nodes;
            mine.records += row.records;
        }
        for (event, records) in other.events {
            *self.events.entry(event).or_default() += records;
        }
        self.records += other.records;
        self.nodes += other.nodes;
        self.refused.extend(other.refused);
        self.blank += other.blank;
    }

    /// Event, path, types, nodes and records of each row, separated by tabs; sorted by event,
    /// then by path. Control characters and backslashes of an event's name are JSON escapes.
    pub fn tsv(&self) -> String {
        let mut out = String::new();
        for ((event, path), row) in &self.rows {
            let types = row.types.iter().copied().collect::<Vec<_>>().join("|");
            let event = quoted(event).replace("\\\"", "\"");
            let event = &event[1..event.len() - 1];
            let _ = writeln!(out, "{event}\t{path}\t{types}\t{}\t{}", row.nodes, row.records);
        }
        out
    }
}

/// The names under which a record may state its event, in order.
pub const EVENT_KEYS: [&str; 4] = ["event", "event_type", "event_name", "type"];

/// The single members that stand for an event of their own.
pub const CONTROL_KEYS: [&str; 3] = ["_header", "_footer", "_metadata"];

/// The event that a record states; of repeated members the last one counts.
pub fn event_of(items: &[Item]) -> String {
    let depth = items[0].depth + 1;
    let members: Vec<&Item> =
        items[1..].iter().filter(|item| item.depth == depth && item.key.is_some()).collect();
    for name in EVENT_KEYS {
        let last = members.iter().rfind(|item| item.key.as_deref() == Some(name));
        if let Some(text) = last.and_then(|item| item.text.as_ref()) {
            return text.clone();
        }
    }
    if let [only] = members[..]
        && let Some(name) = CONTROL_KEYS.into_iter().find(|name| only.key.as_deref() == Some(name))
    {
        return name.to_owned();
    }
    "unknown".to_owned()
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.contains(['.', '[', ']', '{', '}', '"']) && !key.contains(|c: char| c < ' ')
}

fn dotted(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

fn quoted(key: &str) -> String {
    let mut out = String::from("\"");
    for c in key.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
