//! Batches of a result as text or as a file. One batch is in memory at a time.

mod cell;
mod parquet;
mod text;

use std::io::{self, Write};

use arrow::array::RecordBatch;

pub use self::parquet::write_parquet;
use super::{Column, Rows, SqlError};

/// A textual output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header: lines end in CRLF only inside values that hold one, otherwise in LF.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// How the writing of a result ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every row was written.
    Complete,
    /// The row limit ended it.
    Limited,
    /// The reader of the output went away; no error, but not everything was written.
    Closed,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// How it ended.
    pub end: End,
}

/// Writes a result as text.
///
/// # Errors
///
/// If the query fails or the output refuses for another reason than that its reader went away.
pub fn write(rows: &mut Rows<'_>, format: Format, out: &mut dyn Write) -> Result<Written, SqlError> {
    let columns = rows.columns().to_vec();
    let mut buffer = String::new();
    let mut written = 0;
    if format == Format::Csv {
        text::csv_header(&columns, &mut buffer);
    }
    loop {
        if !accepted(out.write_all(buffer.as_bytes()))? {
            return Ok(Written { rows: written, end: End::Closed });
        }
        buffer.clear();
        let Some(batch) = rows.next_batch()? else { break };
        for row in 0..batch.num_rows() {
            match format {
                Format::Csv => text::csv_row(&batch, &columns, row, &mut buffer)?,
                Format::Jsonl => text::json_row(&batch, &columns, row, &mut buffer)?,
            }
        }
        written += batch.num_rows() as u64;
    }
    let end = match accepted(out.flush())? {
        false => End::Closed,
        true if rows.limited() => End::Limited,
        true => End::Complete,
    };
    Ok(Written { rows: written, end })
}

/// False if the reader of the output went away, which is no error.
pub(crate) fn accepted(result: io::Result<()>) -> Result<bool, SqlError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(SqlError::Output(error)),
    }
}

/// Appends one value as text; nothing for NULL.
pub(crate) fn value_text(
    batch: &RecordBatch,
    columns: &[Column],
    (column, row): (usize, usize),
    out: &mut String,
) -> Result<(), SqlError> {
    cell::text(batch.column(column), row, &columns[column].shape, out).map(drop)
}

/// Appends one value as JSON.
pub(crate) fn value_json(
    batch: &RecordBatch,
    columns: &[Column],
    (column, row): (usize, usize),
    out: &mut String,
) -> Result<(), SqlError> {
    cell::json(batch.column(column), row, &columns[column].shape, out)
}

/// The rows of a batch as texts, for a table on a terminal; `None` is NULL.
///
/// # Errors
///
/// If a column has a type that has no text.
pub fn texts(batch: &RecordBatch, columns: &[Column]) -> Result<Vec<Vec<Option<String>>>, SqlError> {
    (0..batch.num_rows())
        .map(|row| {
            batch
                .columns()
                .iter()
                .zip(columns)
                .map(|(array, column)| {
                    let mut text = String::new();
                    let some = cell::text(array, row, &column.shape, &mut text)?;
                    Ok(some.then_some(text))
                })
                .collect()
        })
        .collect()
}
