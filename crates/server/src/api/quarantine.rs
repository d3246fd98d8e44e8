//! `GET /api/quarantine`: damaged lines, as bytes: what is wrong with them can often only be seen there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::lake::sql::Params;

use crate::desk::{Call, Desk, rows};
use crate::reply::{Cause, Paging, Refusal, cut, fact};
use crate::tools::{Tool, arguments};

/// Bytes of a line that are shown: a few screens of a dump. `stele replay` gives all.
const BYTES_SHOWN_MAX: u64 = 512;

/// Reasons that are told with their counts.
const REASONS_MAX: usize = 50;

/// Damaged lines.
pub(crate) struct Quarantine;

/// Which of them.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Only lines of this input: `source` of another result, or any unambiguous end of it.
    source: Option<String>,
    /// Only lines that were rejected for this reason, as `reasons` has it.
    reason: Option<String>,
    /// Lines of a page, up to 100; 20 unless told otherwise.
    #[serde(skip_serializing)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// A page of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Damaged {
    #[serde(flatten)]
    head: crate::reply::Head,
    /// Damaged lines that the question is about.
    total: u64,
    /// Why lines were rejected, the commonest first.
    reasons: Vec<ReasonCount>,
    /// In the order of the inputs and of the places in them.
    lines: Vec<Line>,
}

/// One reason.
#[derive(Debug, Serialize, JsonSchema)]
struct ReasonCount {
    reason: String,
    lines: u64,
    bytes: u64,
}

/// One damaged line.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    /// `file:line`: cite it.
    at: String,
    source: String,
    line: u64,
    byte_offset: u64,
    reason: String,
    /// Offset in the line of the byte at which reading failed; null if that is not known.
    error_at: Option<u64>,
    /// Bytes of the whole line.
    bytes: u64,
    /// The first of them, each as two hexadecimal digits.
    hex: String,
    /// Whether there are more than `hex` has.
    cut: bool,
    /// As text where it is one.
    text: Option<String>,
}

impl Tool for Quarantine {
    const NAME: &'static str = "quarantine";
    const TITLE: &'static str = "Damaged lines";
    const SAYS: &'static str = "Lines that could not be read as records, with the reason, the place and the bytes. They are kept as they \
        were found and come back when an input is written back.";
    type Arguments = Arguments;
    type Result = Damaged;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Damaged, Refusal> {
        let size = arguments::page_size("limit", arguments.limit)?;
        let (subject, cursor) = arguments::cursor_of(Self::NAME, &arguments, arguments.cursor.as_deref())?;
        let snapshot = desk.snapshot()?;
        let Paging { subject, at } = arguments::paging((subject, cursor), snapshot.version(), 0)?;
        let sql = desk.sql(&snapshot, call)?;
        let mut wanted = "true".to_owned();
        let mut params = Params::none();
        if let Some(source) = &arguments.source {
            let entry = desk.engine.input(&snapshot, arguments::said("source", source)?)?;
            wanted.push_str(" AND file_id = $file");
            params = params.with("file", entry.file_id.to_string());
        }
        if let Some(reason) = &arguments.reason {
            wanted.push_str(" AND coalesce(reason, '') = $reason");
            params = params.with("reason", reason.as_str());
        }
        let counts = format!(
            "SELECT coalesce(reason, ''), count(*), sum(byte_len)::BIGINT FROM quarantine WHERE {wanted} \
             GROUP BY 1 ORDER BY 2 DESC, 1"
        );
        let all: Vec<ReasonCount> = rows(&sql, &counts, &params)?.into_iter().map(reason_of).collect();
        let total = all.iter().map(|one| one.lines).sum();
        let query = format!(
            "SELECT source, line_no, byte_offset, reason, error_at, byte_len, hex(bytes[1:{BYTES_SHOWN_MAX}]), \
             CASE WHEN text IS NULL THEN NULL ELSE left(text, {BYTES_SHOWN_MAX}) END \
             FROM quarantine WHERE {wanted} ORDER BY source, file_id, byte_offset \
             LIMIT {} OFFSET {}",
            size + 1,
            at.position
        );
        let mut lines: Vec<Line> = rows(&sql, &query, &params)?.into_iter().map(line_of).collect();
        let more = lines.len() as u64 > size;
        lines.truncate(size as usize);
        let (lines, head) = Paging { subject, at }.page(lines, more);
        let reasons = all.into_iter().take(REASONS_MAX).collect();
        if arguments.reason.is_some() && total == 0 {
            return Err(Refusal::new("No line was rejected for that reason.")
                .because(Cause::Missing)
                .hint("a reason as `reasons` has it, without any filter"));
        }
        Ok(Damaged { head, total, reasons, lines })
    }
}

fn reason_of(row: Vec<Option<String>>) -> ReasonCount {
    let [reason, lines, bytes] = texts(row);
    ReasonCount { reason, lines: lines.parse().unwrap_or_default(), bytes: bytes.parse().unwrap_or_default() }
}

fn line_of(mut row: Vec<Option<String>>) -> Line {
    let text = row.pop().flatten().map(|text| cut(&text, BYTES_SHOWN_MAX as usize).0);
    let [source, line, byte_offset, reason, error_at, bytes, hex] = texts(row);
    let (line, byte_offset) = (line.parse().unwrap_or_default(), byte_offset.parse().unwrap_or_default());
    let bytes = bytes.parse().unwrap_or_default();
    Line {
        at: format!("{}:{line}", fact(&source)),
        source: fact(&source),
        line,
        byte_offset,
        reason: fact(&reason),
        // The lake counts it from the beginning of the content.
        error_at: error_at
            .parse()
            .ok()
            .and_then(|at: u64| at.checked_sub(byte_offset))
            .filter(|at| *at <= bytes),
        bytes,
        cut: hex.len() as u64 / 2 < bytes,
        hex,
        text,
    }
}

fn texts<const N: usize>(row: Vec<Option<String>>) -> [String; N] {
    let mut columns = row.into_iter();
    std::array::from_fn(|_| columns.next().flatten().unwrap_or_default())
}
