//! Rows become lines of JSON, lines become batches. A row is written once, into a buffer that stays.

use std::ops::Range;

use serde_json::Value;
use stele_collect::{Batcher, CollectError, Means, Sink};

use crate::TablesError;
use crate::dialect::{CURSOR_COLUMN, Dialect};
use crate::json;
use crate::order::Order;
use crate::window::{RowHash, Saved, Window, row_hash};

/// Cursors behind which no other comes: a run that had reached one would find nothing new for ever.
const ENDLESS: [&[u8]; 3] = [b"\"infinity\"", b"\"Infinity\"", b"\"NaN\""];

/// What a stream is, as each of its lines says it.
#[derive(Debug, Clone)]
pub(crate) struct Label<'a> {
    pub(crate) source: &'a str,
    pub(crate) stream: &'a str,
    pub(crate) tenant_id: Option<&'a str>,
    pub(crate) platform: &'static str,
    /// For errors that say how a statement has to be written.
    pub(crate) dialect: Dialect,
    pub(crate) key: &'a [String],
    pub(crate) cursor: &'a [String],
}

/// How rows of one statement are remembered.
#[derive(Debug)]
pub(crate) enum Memory {
    /// They are not: reading begins anew each time, or behind a key.
    Key,
    /// By their cursors.
    Cursor(Window, Order),
    /// Those without a cursor, each by all of it.
    Nulls(Vec<RowHash>, std::collections::HashSet<RowHash>),
}

/// Takes the rows of a statement, and hands over batches.
pub(crate) struct Gather<'a> {
    label: Label<'a>,
    /// What each line begins with, up to what is different in each.
    head: Vec<u8>,
    memory: Memory,
    /// What the state is while rows without a cursor are read.
    rest: Saved,
    sink: &'a mut dyn Sink,
    means: &'a Means<'a>,
    batcher: Batcher,
    /// Rows that were gathered and not handed over yet.
    waiting: u64,
    /// What the sink has kept: nothing is said twice.
    known: Value,
    /// The sink did not keep a batch. Its rows are gone from here, and no cursor may go past them in this run.
    refused: bool,
    /// Rows of this run, and how many there may be.
    pub(crate) handed: u64,
    rows_max: u64,
    /// The limit was reached.
    pub(crate) full: bool,
    counted: u64,
    /// `,"name":` for each column; the first without the comma.
    names: Vec<Vec<u8>>,
    /// Places of the key's columns, and of the cursor's.
    key_at: Vec<usize>,
    cursor_at: Option<usize>,
    hidden: Option<usize>,
    /// The row: `{"a":1,…}`, what is hidden behind it, and where each value is.
    row: Vec<u8>,
    data_end: usize,
    places: Vec<Range<usize>>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(
        label: Label<'a>,
        sink: &'a mut dyn Sink,
        means: &'a Means<'a>,
        rows_max: Option<u64>,
        known: &Value,
    ) -> Self {
        let mut head = b"{".to_vec();
        let mut field = |name: &str, value: &str| {
            head.extend_from_slice(if head.len() == 1 { b"\"" } else { b",\"" });
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b"\":");
            json::text(&mut head, value.as_bytes());
        };
        field("source", label.source);
        field("stream", label.stream);
        field("doc_type", "row");
        if let Some(tenant_id) = label.tenant_id {
            field("tenant_id", tenant_id);
        }
        field("platform", label.platform);
        Gather {
            batcher: Batcher::new(label.stream),
            waiting: 0,
            known: known.clone(),
            refused: false,
            label,
            head,
            memory: Memory::Key,
            rest: Saved::default(),
            sink,
            means,
            handed: 0,
            rows_max: rows_max.unwrap_or(u64::MAX),
            full: false,
            counted: 0,
            names: Vec::new(),
            key_at: Vec::new(),
            cursor_at: None,
            hidden: None,
            row: Vec::new(),
            data_end: 0,
            places: Vec::new(),
        }
    }

    /// How the rows that follow are remembered, and what else is kept beside that.
    pub(crate) fn remember(&mut self, memory: Memory, rest: Saved) {
        self.memory = memory;
        self.rest = rest;
        self.places.clear();
    }

    /// Names of the columns that every row of the statement has. Called before its first row.
    pub(crate) fn begin(&mut self, columns: &[String]) -> Result<(), TablesError> {
        self.names.clear();
        self.places.clear();
        let place = |name: &String| {
            columns.iter().position(|column| column == name).ok_or_else(|| TablesError::Stopped {
                code: "tables_no_column",
                why: format!(
                    "{} has no column {name}; its columns are {}",
                    self.label.stream,
                    columns.join(", ")
                ),
            })
        };
        self.key_at = self.label.key.iter().map(place).collect::<Result<_, _>>()?;
        self.hidden = (self.label.cursor.len() > 1).then_some(columns.len() - 1);
        self.cursor_at = match self.label.cursor {
            [] => None,
            [one] => Some(place(one)?),
            _ => self.hidden,
        };
        for (at, name) in columns.iter().enumerate() {
            if columns[..at].contains(name) {
                let why = format!(
                    "two columns of {} are called {name}; give one of them another name with AS",
                    self.label.stream
                );
                return Err(TablesError::Stopped { code: "tables_column_twice", why });
            }
            let mut label = if at == 0 { Vec::new() } else { b",".to_vec() };
            json::text(&mut label, name.as_bytes());
            label.push(b':');
            self.names.push(label);
        }
        debug_assert!(self.hidden.is_none_or(|at| columns[at] == CURSOR_COLUMN), "the last is hidden");
        Ok(())
    }

    /// A row begins.
    pub(crate) fn row(&mut self) {
        self.row.clear();
        self.places.clear();
        self.row.push(b'{');
    }

    /// Its next value: what `write` appends is one JSON value.
    #[inline]
    pub(crate) fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.places.len();
        if self.hidden == Some(at) {
            self.row.push(b'}');
            self.data_end = self.row.len();
        } else if let Some(name) = self.names.get(at) {
            self.row.extend_from_slice(name);
        }
        let from = self.row.len();
        write(&mut self.row);
        self.places.push(from..self.row.len());
    }

    /// The row is complete. Says whether it is time for [`Self::pause`].
    pub(crate) fn end(&mut self) -> Result<bool, TablesError> {
        if self.hidden.is_none() {
            self.row.push(b'}');
            self.data_end = self.row.len();
        }
        if self.is_new()? {
            self.write();
            self.handed += 1;
            self.waiting += 1;
        }
        self.full = self.handed >= self.rows_max;
        Ok(self.full || self.batcher.is_full(self.sink))
    }

    /// Whether the row was not handed over before.
    fn is_new(&mut self) -> Result<bool, TablesError> {
        let data = &self.row[..self.data_end];
        match &mut self.memory {
            Memory::Key => Ok(true),
            Memory::Nulls(kept, before) => {
                let hash = row_hash(std::iter::once(data));
                if kept.len() < crate::window::REMEMBERED_MAX {
                    kept.push(hash);
                }
                Ok(!before.contains(&hash))
            }
            Memory::Cursor(window, order) => {
                let cursor =
                    self.cursor_at.map_or(b"null".as_slice(), |at| &self.row[self.places[at].clone()]);
                if ENDLESS.contains(&cursor) {
                    let why = format!(
                        "a row of {} has the cursor {}, and nothing could come after it; leave such rows out by a query",
                        self.label.stream,
                        String::from_utf8_lossy(cursor)
                    );
                    return Err(TablesError::Stopped { code: "tables_endless_cursor", why });
                }
                if let Some(broken) = order.breaks(cursor) {
                    return Err(broken.error(self.label.stream, self.label.cursor, self.label.dialect));
                }
                let hash = if self.key_at.is_empty() {
                    row_hash(std::iter::once(data))
                } else {
                    let key = self.key_at.iter().map(|at| &self.row[self.places[*at].clone()]);
                    row_hash(std::iter::once(cursor).chain(key))
                };
                if !self.key_at.is_empty() && window.repeats(&hash) {
                    let why = format!(
                        "two rows of {} have the key {} and the same cursor; name columns in `key` that identify a row",
                        self.label.stream,
                        String::from_utf8_lossy(&self.key_text())
                    );
                    return Err(TablesError::Stopped { code: "tables_key_not_unique", why });
                }
                Ok(!window.passes(cursor, hash))
            }
        }
    }

    /// Writes the row as a line, as a [`stele_collect::Collectable`] is written.
    fn write(&mut self) {
        let id = match self.key_at.as_slice() {
            [] => Vec::new(),
            [one] => self.row[self.places[*one].clone()].to_vec(),
            _ => self.key_text(),
        };
        let ts = self.cursor_at.map(|at| &self.row[self.places[at].clone()]).filter(|ts| is_moment(ts));
        let (head, data) = (&self.head, &self.row[..self.data_end]);
        self.batcher.push_with(|lines| {
            lines.reserve(head.len() + id.len() + data.len() + 64);
            lines.extend_from_slice(head);
            if !id.is_empty() {
                lines.extend_from_slice(b",\"original_id\":");
                match id.as_slice() {
                    [b'"', ..] => lines.extend_from_slice(&id),
                    _ => json::text(lines, &id),
                }
            }
            if let Some(ts) = ts {
                lines.extend_from_slice(b",\"ts\":");
                lines.extend_from_slice(ts);
            }
            lines.extend_from_slice(b",\"data\":");
            lines.extend_from_slice(data);
            lines.extend_from_slice(b"}\n");
        });
    }

    /// The key as a JSON array.
    fn key_text(&self) -> Vec<u8> {
        let mut text = b"[".to_vec();
        for (at, place) in self.key_at.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&self.row[self.places[*place].clone()]);
        }
        text.push(b']');
        text
    }

    /// The key of the last row, if there was one.
    fn last_key(&self) -> Option<Vec<Value>> {
        if self.places.len() < self.names.len() || self.places.is_empty() || self.key_at.is_empty() {
            return None;
        }
        serde_json::from_slice(&self.key_text()).ok()
    }

    /// What is to be kept now; `more` is whether rows may follow that were not read.
    pub(crate) fn saved(&self, more: bool) -> Saved {
        match &self.memory {
            Memory::Key => {
                let behind = if more { self.last_key().or_else(|| self.rest.behind.clone()) } else { None };
                Saved { behind, ..self.rest.clone() }
            }
            Memory::Nulls(kept, before) => {
                let mut nulls = kept.clone();
                // Those that were not reached yet are still known.
                if more {
                    nulls.extend(before.iter().filter(|hash| !kept.contains(hash)));
                }
                nulls.truncate(crate::window::REMEMBERED_MAX);
                Saved { nulls, ..self.rest.clone() }
            }
            Memory::Cursor(window, _) => {
                Saved { nulls: self.rest.nulls.clone(), ..window.saved(more, self.last_key()) }
            }
        }
    }

    /// Whether more rows lie within the lag than are remembered.
    pub(crate) fn overflowed(&self) -> bool {
        matches!(&self.memory, Memory::Cursor(window, _) if window.overflowed())
    }

    /// Between two rows: hands over what has become a batch. Says whether reading goes on.
    pub(crate) fn pause(&mut self) -> Result<bool, TablesError> {
        if self.batcher.is_full(self.sink) {
            self.hand_over(true)?;
        }
        if self.counted != self.handed {
            (self.means.progress)(self.label.stream, self.handed);
            self.counted = self.handed;
        }
        if (self.means.cancelled)() {
            self.hand_over(true)?;
            return Err(CollectError::Cancelled.into());
        }
        Ok(!self.full)
    }

    /// Hands over what there is after something went wrong; if there is nothing, nothing has changed.
    pub(crate) fn hand_over_waiting(&mut self) -> Result<(), TablesError> {
        if self.waiting == 0 { Ok(()) } else { self.hand_over(true) }
    }

    /// Hands over what there is, and where the stream goes on then. After a batch that was refused nothing is: a sink that
    /// keeps batches again would keep a cursor without the rows before it.
    pub(crate) fn hand_over(&mut self, more: bool) -> Result<(), TablesError> {
        if self.refused {
            return Ok(());
        }
        let cursor = self.saved(more).to_value();
        if self.waiting == 0 && cursor == self.known {
            return Ok(());
        }
        let taken = self.flush(cursor.clone());
        self.refused = taken.is_err();
        taken?;
        (self.waiting, self.known) = (0, cursor);
        Ok(())
    }

    /// Gives the sink what there is, with how far that came.
    fn flush(&mut self, cursor: Value) -> Result<(), CollectError> {
        self.batcher.reached(cursor, self.sink)?;
        self.batcher.flush(self.sink)
    }
}

/// Whether a JSON value is a text that begins as a date does.
fn is_moment(json: &[u8]) -> bool {
    matches!(json, [b'"', y, _, _, _, b'-', _, _, b'-', ..] if y.is_ascii_digit())
}
