//! `find_examples`: records of an event, or that hold a field, at their places.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::lake::sql::Params;

use super::{Tool, arguments};
use crate::cursor::Cursor;
use crate::desk::{Call, Desk, rows};
use crate::limits::TEXT_BYTES_MAX;
use crate::reply::{Cause, Head, Paging, Refusal, cut, fact};

/// Examples of a page unless told otherwise: what shows the shape.
const LIMIT_DEFAULT: u64 = 5;

/// Examples of a page at most: each may take [`TEXT_BYTES_MAX`] and more.
const LIMIT_MAX: u64 = 50;

/// Records that hold something.
pub(crate) struct FindExamples;

/// What they hold.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Only records of this event; needed unless `path` is given.
    event: Option<String>,
    /// Only records that hold this path, as describe_event writes it; needed unless `event` is given.
    path: Option<String>,
    /// Records of a page, up to 50; 5 unless told otherwise.
    #[serde(skip_serializing)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// A page of records.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Examples {
    #[serde(flatten)]
    head: Head,
    /// In the order of the inputs and of the places in them.
    examples: Vec<Example>,
}

/// One record.
#[derive(Debug, Serialize, JsonSchema)]
struct Example {
    /// `file:line`: cite it.
    at: String,
    source: String,
    line: u64,
    byte_offset: u64,
    record_id: String,
    event: String,
    /// Its time as it was written.
    time: Option<String>,
    /// What stands at `path`, as JSON text; its end may be missing if it is long.
    value: Option<String>,
    /// The exact text of the record, unless `record_cut`.
    record: String,
    record_cut: bool,
    /// Bytes of the whole record.
    record_bytes: u64,
}

impl Tool for FindExamples {
    const NAME: &'static str = "find_examples";
    const TITLE: &'static str = "Find example records";
    const SAYS: &'static str = "Records of an event, or that hold a field, exactly as they were recorded, with file:line. \
        Use it to see real values or to cite a place; read_excerpt shows what stands around one.";
    type Arguments = Arguments;
    type Result = Examples;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Examples, Refusal> {
        let size = arguments::count("limit", arguments.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
        let Arguments { event, path, .. } = &arguments;
        for (name, text) in [("event", event), ("path", path)] {
            text.as_deref().map(|text| arguments::said(name, text)).transpose()?;
        }
        if event.is_none() && path.is_none() {
            return Err(Refusal::new("Neither event nor path is given.").hint("one of them, or both"));
        }
        let (subject, cursor) = arguments::cursor_of(Self::NAME, &arguments, arguments.cursor.as_deref())?;
        let newest = desk.snapshot()?;
        // A list goes on in the lake where it began, as long as that is kept.
        let snapshot = match cursor {
            Some(cursor) if cursor.lake != newest.version() => {
                desk.engine.snapshot_at(cursor.lake).map_err(|error| {
                    Refusal::new("The cursor is stale: the version of the lake where the list began is gone.")
                        .because(Cause::Changed)
                        .why(error.to_string())
                        .hint("leave cursor out to begin again")
                })?
            }
            _ => newest,
        };
        let at = cursor.unwrap_or(Cursor { position: 0, lake: snapshot.version(), index: 0 });
        if let (Some(event), None) = (event, cursor) {
            let view = desk.view(&snapshot, call)?;
            super::events::named(&view, event)?;
        }
        let sql = desk.sql(&snapshot, call)?;
        let mut params = Params::none().with("tenant", desk.engine.settings().tenant.as_str());
        for (name, text) in [("event", event), ("path", path)] {
            if let Some(text) = text {
                params = params.with(name, text.as_str());
            }
        }
        let found = rows(&sql, &query(event.is_some(), path.as_deref(), at.position, size + 1), &params)?;
        let more = found.len() as u64 > size;
        let examples = found.into_iter().take(size as usize).map(example).collect();
        let (examples, head) = Paging { subject, at }.page(examples, more);
        Ok(Examples { head, examples })
    }
}

/// The columns are in the order in which [`example`] takes them.
fn query(event: bool, path: Option<&str>, offset: u64, limit: u64) -> String {
    let many = path.is_some_and(|path| path.contains("[]") || path.contains("{}"));
    // A record that is a frame is no JSON; its paths are those of its payload.
    let value = match (path, many) {
        (None, _) => "NULL",
        (Some(_), false) => "coalesce(json_at(raw, $path), json_at(payload(raw), $path))",
        (Some(_), true) => {
            "CASE WHEN len(values_at(raw, $path)) > 0 THEN to_json(values_at(raw, $path)) \
             WHEN len(values_at(payload(raw), $path)) > 0 THEN to_json(values_at(payload(raw), $path)) END"
        }
    };
    let mut wanted = "tenant_id = $tenant".to_owned();
    if event {
        wanted.push_str(" AND event_type = $event");
    }
    if path.is_some() {
        wanted.push_str(&format!(" AND ({value}) IS NOT NULL"));
    }
    format!(
        "SELECT source, line_no, byte_offset, record_id, event_type, ts_raw, \
           left(({value})::VARCHAR, {TEXT_BYTES_MAX}), left(raw, {TEXT_BYTES_MAX}), byte_len, length(raw) > {TEXT_BYTES_MAX} \
         FROM events WHERE {wanted} ORDER BY file_id, byte_offset, record_id LIMIT {limit} OFFSET {offset}"
    )
}

fn example(row: Vec<Option<String>>) -> Example {
    let mut columns = row.into_iter();
    let mut next = || columns.next().flatten();
    let [source, line, byte_offset, record_id, event] = std::array::from_fn(|_| next().unwrap_or_default());
    let time = next();
    let value = next();
    let (record, cut_here) = cut(&next().unwrap_or_default(), TEXT_BYTES_MAX);
    let bytes = next().unwrap_or_default();
    let cut_there = next().is_some_and(|cut| cut == "true");
    Example {
        at: format!("{}:{line}", fact(&source)),
        source: fact(&source),
        line: line.parse().unwrap_or_default(),
        byte_offset: byte_offset.parse().unwrap_or_default(),
        record_id: fact(&record_id),
        event: fact(&event),
        time: time.as_deref().map(fact),
        value: value.map(|value| cut(&value, TEXT_BYTES_MAX / 4).0),
        record,
        record_cut: cut_here || cut_there,
        record_bytes: bytes.parse().unwrap_or_default(),
    }
}
