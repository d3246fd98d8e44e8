//! From content to rows, one after the other, whatever the format.

mod csv;
mod detect;
mod json;
mod lines;
mod parquet;
mod values;

use std::fs::File;

use self::detect::detect;
pub(crate) use self::detect::{PARQUET, unpacked_name};
use crate::config::{CsvConfig, Format};
use crate::feed::Feed;
use crate::state::FileState;
use crate::{FilesError, config::FilesConfig};

/// Bytes that are kept of a line beyond [`crate::ROW_BYTES_MAX`]: who looks for what went wrong needs the beginning.
const BEGINNING_BYTES: usize = 1 << 20;

/// What came next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// A row, with the line that it begins in, or its number where there are no lines.
    Row(u64),
    /// Something that is no row, with the same and the reason; all of it.
    Bad(u64, String),
    /// The beginning of something that is too long to be kept: its line, its first byte in the content, and the reason.
    Beginning { number: u64, at: u64, why: String },
    /// A last line that is not finished. It was not taken.
    Unfinished(u64),
    /// Nothing.
    End,
}

/// The rows of one content.
pub(crate) trait Rows {
    /// Reads what comes next. A row is appended to `out` as JSON, and what is none as it is there.
    ///
    /// # Errors
    /// If the content cannot be read on. What came before is sound.
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Next, FilesError>;

    /// Writes down how far it has come.
    fn mark(&mut self, state: &mut FileState);

    /// Names of columns and what they hold, where that is known before anything is read.
    fn fields(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// How text becomes rows.
pub(crate) struct Reading<'c> {
    pub csv: &'c CsvConfig,
    /// Whether a last line that does not make sense may still be written.
    pub may_grow: bool,
}

/// Rows of text, from where the feed stands; `from` is what was known there.
pub(crate) fn of_text(
    format: Format,
    head: &[u8],
    feed: Feed,
    from: &FileState,
    reading: &Reading<'_>,
) -> Result<Box<dyn Rows>, FilesError> {
    Ok(match format {
        Format::Jsonl => Box::new(lines::Lines::new(feed, from, false, reading.may_grow)),
        Format::Text => Box::new(lines::Lines::new(feed, from, true, reading.may_grow)),
        Format::Json => Box::new(json::Document::new(feed, head, from)),
        Format::Csv => Box::new(csv::Separated::new(feed, head, from, reading.csv, reading.may_grow)?),
        Format::Parquet => {
            return Err(FilesError::Unknown {
                why: "it is no Parquet: it does not begin with `PAR1`".to_owned(),
            });
        }
    })
}

/// Rows of Parquet. `marks` is what is known of the file as a whole.
pub(crate) fn of_parquet(file: File, marks: FileState, from_row: u64) -> Result<Box<dyn Rows>, FilesError> {
    Ok(Box::new(parquet::Columns::new(file, marks, from_row)?))
}

/// The format of a file: as configured, or as it looks.
pub(crate) fn format_of(
    config: &FilesConfig,
    name: &str,
    head: &[u8],
    cut: bool,
) -> Result<Format, FilesError> {
    match config.format {
        Some(format) => Ok(format),
        None => detect(name, head, cut),
    }
}
