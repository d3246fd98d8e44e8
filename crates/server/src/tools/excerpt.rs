//! `read_excerpt`: what stands around a place, line by line, damaged lines included.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::lake::sql::Params;

use super::{Tool, arguments};
use crate::desk::{Call, Desk, rows};
use crate::limits::{EXCERPT_LINES_MAX, RESULT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::reply::{Head, LimitReason, Refusal, cut, fact, fitting};

/// Lines before and after unless told otherwise.
const AROUND_DEFAULT: u64 = 3;

/// Pieces that are read at most: a line may hold several, a document all of its own in one line.
const PIECES_MAX: usize = 200;

/// Bytes of the lines; the rest is the head.
const LINES_BYTES: usize = RESULT_BYTES_MAX - (6 << 10);

/// Lines around a place.
pub(crate) struct ReadExcerpt;

/// Which place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// The input: `source` of another result, or any unambiguous end of it.
    source: String,
    /// The line, counted from 1.
    line: u64,
    /// Lines before it, up to 50; 3 unless told otherwise.
    before: Option<u64>,
    /// Lines after it, up to 50; 3 unless told otherwise.
    after: Option<u64>,
}

/// The lines.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Excerpt {
    #[serde(flatten)]
    head: Head,
    /// The name of the input in full.
    source: String,
    /// Its lines that were read.
    source_lines: u64,
    lines: Vec<Line>,
}

/// One piece of the input: a line, or a record of a document.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    line: u64,
    byte_offset: u64,
    /// `record`, or what it is instead: `rejected`, `control`, `blank`, `filler`, `document`.
    class: String,
    /// Why it was rejected.
    reason: Option<String>,
    /// The exact text, unless `text_cut`. Bytes that are no UTF-8 are shown in hexadecimal.
    text: String,
    text_cut: bool,
    /// Bytes of the whole piece.
    bytes: u64,
}

impl Tool for ReadExcerpt {
    const NAME: &'static str = "read_excerpt";
    const TITLE: &'static str = "Read around a place";
    const SAYS: &'static str = "The raw lines of an input around one line, exactly as they were recorded, damaged and control lines \
        included. Use it with source and line of another result, to check a citation or to see what came before and after.";
    type Arguments = Arguments;
    type Result = Excerpt;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Excerpt, Refusal> {
        let source = arguments::said("source", &arguments.source)?;
        let around = |name: &str, given: Option<u64>| match given.unwrap_or(AROUND_DEFAULT) {
            lines if lines <= EXCERPT_LINES_MAX => Ok(lines),
            lines => Err(Refusal::new(format!(
                "{name} is {lines}; up to {EXCERPT_LINES_MAX} lines are read each way."
            ))
            .hint("fewer lines, then a call for those that follow")),
        };
        let (before, after) = (around("before", arguments.before)?, around("after", arguments.after)?);
        let snapshot = desk.snapshot()?;
        let entry = desk.engine.input(&snapshot, source)?;
        let line = arguments.line;
        if line == 0 || line > entry.lines_done.max(1) {
            return Err(Refusal::new(format!("There is no line {line} in that input."))
                .why(format!("{}: {} lines were read, counted from 1", fact(&entry.uri), entry.lines_done))
                .hint("a line in that range"));
        }
        if let Some(text) = desk.engine.document_text(&snapshot, &entry)? {
            let lines = lines_of(&text, line.saturating_sub(before), line.saturating_add(after));
            let given = lines.len();
            let mut lines = fitting(nearest_first(lines, line), LINES_BYTES);
            lines.sort_by_key(|one| one.byte_offset);
            let reason = (lines.len() < given).then_some(LimitReason::Bytes);
            return Ok(Excerpt {
                head: Head::of(snapshot.version()).limited(reason),
                source: fact(&entry.uri),
                source_lines: entry.lines_done,
                lines,
            });
        }
        let sql = desk.sql(&snapshot, call)?;
        let params = Params::none()
            .with("file", entry.file_id.to_string())
            .with("line", long(line))
            .with("from", long(line.saturating_sub(before)))
            .with("to", long(line.saturating_add(after)));
        let found = rows(&sql, &query(), &params)?.into_iter().map(line_of).collect();
        let mut found = nearest_first(found, line);
        let many = found.len() > PIECES_MAX;
        found.truncate(PIECES_MAX);
        let pieces = found.len();
        let mut lines = fitting(found, LINES_BYTES);
        let reason = match (lines.len() < pieces, many) {
            (true, _) => Some(LimitReason::Bytes),
            (false, true) => Some(LimitReason::Rows),
            (false, false) => None,
        };
        lines.sort_by_key(|one| one.byte_offset);
        Ok(Excerpt {
            head: Head::of(snapshot.version()).limited(reason),
            source: fact(&entry.uri),
            source_lines: entry.lines_done,
            lines,
        })
    }
}

/// Those nearest to the line come first, and are kept if not all fit; before all of them comes what stands
/// in the line itself, wherever it begins.
fn nearest_first(mut lines: Vec<Line>, line: u64) -> Vec<Line> {
    let itself = lines.iter().map(|one| one.line).filter(|begin| *begin <= line).max();
    lines.sort_by_key(|one| (Some(one.line) != itself, one.line.abs_diff(line), one.byte_offset));
    lines
}

/// Lines of a document, from one to another.
fn lines_of(text: &str, from: u64, to: u64) -> Vec<Line> {
    let mut offset = 0;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if number > to {
            break;
        }
        if number >= from {
            let (shown, text_cut) = cut(line.trim_end_matches(['\r', '\n']), TEXT_BYTES_MAX);
            lines.push(Line {
                line: number,
                byte_offset: offset,
                class: "document".to_owned(),
                reason: None,
                text: shown,
                text_cut,
                bytes: line.len() as u64,
            });
        }
        offset += line.len() as u64;
    }
    lines
}

fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Where no piece begins in the line itself, the one that begins before it goes on there: records of a
/// document span lines.
fn query() -> String {
    let events = format!(
        "SELECT line_no, byte_offset, 'record' AS class, NULL AS reason, left(raw, {TEXT_BYTES_MAX}) AS text, \
         length(raw) > {TEXT_BYTES_MAX} AS is_cut, byte_len FROM events WHERE file_id = $file"
    );
    let residue = format!(
        "SELECT line_no, byte_offset, class, reason, \
         left(coalesce(TRY(decode(bytes)), hex(bytes)), {TEXT_BYTES_MAX}) AS text, \
         coalesce(length(TRY(decode(bytes))), 2 * byte_len) > {TEXT_BYTES_MAX} AS is_cut, byte_len \
         FROM residue WHERE file_id = $file"
    );
    format!(
        "WITH pieces AS ({events} UNION ALL {residue}), \
         itself AS (SELECT max(line_no) AS begins FROM pieces WHERE line_no <= $line) \
         SELECT pieces.* FROM pieces, itself WHERE line_no BETWEEN $from AND $to OR line_no = begins \
         ORDER BY line_no IS DISTINCT FROM begins, abs(line_no - $line), byte_offset LIMIT {}",
        PIECES_MAX + 1
    )
}

fn line_of(row: Vec<Option<String>>) -> Line {
    let mut columns = row.into_iter();
    let mut next = || columns.next().flatten();
    let [line, byte_offset, class] = std::array::from_fn(|_| next().unwrap_or_default());
    let reason = next();
    let (text, cut_here) = cut(&next().unwrap_or_default(), TEXT_BYTES_MAX);
    let cut_there = next().is_some_and(|cut| cut == "true");
    Line {
        line: line.parse().unwrap_or_default(),
        byte_offset: byte_offset.parse().unwrap_or_default(),
        class: fact(&class),
        reason: reason.as_deref().map(fact),
        text,
        text_cut: cut_here || cut_there,
        bytes: next().and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
    }
}
