//! What leaves the lake as files: the records themselves, training slices, and what can be saved
//! of damaged lines.
//!
//! All are deterministic. Every export has a total order, so the same snapshot and the same
//! question give the same bytes, which [`Exported::sha256`] proves. Not here: byte-exact copies of
//! inputs, which [`mod@crate::replay`] writes.

mod digest;
mod salvage;
mod selection;

use std::io::Write;

use arrow::array::RecordBatch;
use stele_model::json::{Tape, quote};

use self::digest::Digest;
pub use self::salvage::salvage;
pub use self::selection::{Order, Selection};
use crate::sql::output::{self, End, Format, Written};
use crate::sql::{Column, Params, Rows, Sql, SqlError};

/// What a line of [`jsonl`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The record as it was recorded. Line ends inside a record, which JSON allows between its
    /// tokens only, become spaces; a bare frame, which is no JSON, becomes a string.
    Record,
    /// The columns of `events` that are not null, with the record as text under `raw`: format F13.
    Envelope,
}

/// What a slice is made of.
#[derive(Debug, Clone)]
pub enum Slice {
    /// Records, with all columns of `events`.
    Records(Selection),
    /// The rows of a query, put in order by all of its columns from left to right.
    Query {
        /// One SELECT statement.
        text: String,
        /// Its parameters.
        params: Params,
    },
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub sha256: [u8; 32],
    /// How it ended.
    pub end: End,
}

/// Writes records as JSON lines.
///
/// # Errors
///
/// If the query fails, or the output refuses for another reason than that its reader went away.
pub fn jsonl(
    sql: &Sql,
    selection: &Selection,
    line: Line,
    out: &mut dyn Write,
) -> Result<Exported, SqlError> {
    let columns = match line {
        Line::Record => "raw",
        Line::Envelope => "*",
    };
    let (text, params) = selection.query(columns);
    let mut rows = sql.query(&text, &params)?;
    let mut tape = Tape::default();
    write_lines(&mut rows, out, |batch, columns, row, text| {
        match line {
            Line::Record => record(batch, columns, row, &mut tape, text)?,
            Line::Envelope => envelope(batch, columns, row, text)?,
        }
        Ok(1)
    })
}

/// Writes what `lines` makes of each row, which says how many lines that is.
fn write_lines(
    rows: &mut Rows<'_>,
    out: &mut dyn Write,
    mut lines: impl FnMut(&RecordBatch, &[Column], usize, &mut String) -> Result<u64, SqlError>,
) -> Result<Exported, SqlError> {
    let columns = rows.columns().to_vec();
    let mut digest = Digest::new(out);
    let mut buffer = String::new();
    let mut written = Written { rows: 0, end: End::Complete };
    while let Some(batch) = rows.next_batch()? {
        buffer.clear();
        let mut count = 0;
        for row in 0..batch.num_rows() {
            count += lines(&batch, &columns, row, &mut buffer)?;
        }
        if !output::accepted(digest.write_all(buffer.as_bytes()))? {
            written.end = End::Closed;
            break;
        }
        written.rows += count;
    }
    if !output::accepted(digest.flush())? {
        written.end = End::Closed;
    }
    Ok(digest.finish(written))
}

/// Writes a slice as text. For sums of floats that never differ in their last digit, open the
/// [`Sql`] with one thread.
///
/// # Errors
///
/// If the query fails, or the output refuses for another reason than that its reader went away.
pub fn slice(sql: &Sql, slice: &Slice, format: Format, out: &mut dyn Write) -> Result<Exported, SqlError> {
    let mut digest = Digest::new(out);
    let written = output::write(&mut slice.rows(sql)?, format, &mut digest)?;
    Ok(digest.finish(written))
}

/// Writes a slice as one Parquet file.
///
/// # Errors
///
/// If the query fails, a column has a type that Parquet cannot hold, or the output refuses.
pub fn slice_parquet(sql: &Sql, slice: &Slice, out: impl Write + Send) -> Result<Exported, SqlError> {
    let mut digest = Digest::new(out);
    let written = output::write_parquet(&mut slice.rows(sql)?, &mut digest)?;
    Ok(digest.finish(written))
}

impl Slice {
    fn rows<'a>(&self, sql: &'a Sql) -> Result<Rows<'a>, SqlError> {
        match self {
            Slice::Records(selection) => {
                let (text, params) = selection.query("*");
                sql.query(&text, &params)
            }
            Slice::Query { text, params } => sql.query_in_order(text, params),
        }
    }
}

fn record(
    batch: &RecordBatch,
    columns: &[Column],
    row: usize,
    tape: &mut Tape,
    out: &mut String,
) -> Result<(), SqlError> {
    let start = out.len();
    output::value_text(batch, columns, (0, row), out)?;
    let end = out.trim_end_matches(['\r', '\n']).len();
    out.truncate(end.max(start));
    // A bare frame such as `42["e"]` is no JSON by itself; all of them begin with a digit.
    if out[start..].starts_with(|first: char| first.is_ascii_digit()) && tape.parse(&out[start..]).is_err() {
        let quoted = quote(&out[start..]);
        out.replace_range(start.., &quoted);
    }
    if out[start..].contains(['\r', '\n']) {
        let flat = out[start..].replace(['\r', '\n'], " ");
        out.replace_range(start.., &flat);
    }
    out.push('\n');
    Ok(())
}

fn envelope(batch: &RecordBatch, columns: &[Column], row: usize, out: &mut String) -> Result<(), SqlError> {
    let mut separator = '{';
    for (index, column) in columns.iter().enumerate() {
        if batch.column(index).is_null(row) {
            continue;
        }
        out.push(separator);
        separator = ',';
        out.push_str(&quote(&column.name));
        out.push(':');
        output::value_json(batch, columns, (index, row), out)?;
    }
    out.push_str("}\n");
    Ok(())
}
