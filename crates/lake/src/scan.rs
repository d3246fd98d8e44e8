//! Every record of a snapshot, part by part, for whoever counts again.
//!
//! This reads the Parquet parts directly, so a recount shares no code with SQL.

use std::path::Path;

use arrow::array::{Int64Array, RecordBatch, StringArray};

use crate::error::{At, LakeError};
use crate::part::PartInfo;
use crate::reader::PartReader;
use crate::rows::Columns;
use crate::snapshot::Snapshot;

const COLUMNS: &[&str] = &["event_type", "raw", "file_id", "line_no", "byte_offset", "source"];

/// Some records of one part.
pub struct Records<'a> {
    batch: &'a RecordBatch,
    event_type: &'a StringArray,
    raw: &'a StringArray,
    file_id: &'a StringArray,
    line_no: &'a Int64Array,
    byte_offset: &'a Int64Array,
    source: &'a StringArray,
}

/// One record, as far as a recount needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The event type.
    pub event_type: &'a str,
    /// The exact text.
    pub raw: &'a str,
    /// The input, 32 hexadecimal digits.
    pub file_id: &'a str,
    /// Line, counted from 1.
    pub line_no: u64,
    /// Content offset of the first byte.
    pub byte_offset: u64,
    /// The input's URI.
    pub source: &'a str,
}

impl<'a> Records<'a> {
    fn new(batch: &'a RecordBatch, path: &'a Path) -> Result<Self, LakeError> {
        let columns = Columns { batch, path };
        Ok(Self {
            batch,
            event_type: columns.texts("event_type")?,
            raw: columns.texts("raw")?,
            file_id: columns.texts("file_id")?,
            line_no: columns.longs("line_no")?,
            byte_offset: columns.longs("byte_offset")?,
            source: columns.texts("source")?,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records, in the order of the part.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'a>> + '_ {
        (0..self.len()).map(|row| RecordRef {
            event_type: self.event_type.value(row),
            raw: self.raw.value(row),
            file_id: self.file_id.value(row),
            line_no: self.line_no.value(row).max(0) as u64,
            byte_offset: self.byte_offset.value(row).max(0) as u64,
            source: self.source.value(row),
        })
    }
}

impl Snapshot {
    /// Hands every record to `take`, in batches of bounded size.
    ///
    /// # Errors
    ///
    /// When a part cannot be read, or whatever `take` returns.
    pub fn scan_records<E: From<LakeError>>(
        &self,
        mut take: impl FnMut(&Records<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.event_parts().iter().try_for_each(|part| scan_part(part, &mut take))
    }
}

/// Hands every record of one part to `take`; parts may be scanned by several threads.
///
/// # Errors
///
/// When the part cannot be read, or whatever `take` returns.
pub fn scan_part<E: From<LakeError>>(
    part: &PartInfo,
    take: &mut impl FnMut(&Records<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let reader = PartReader::open(&part.path)?;
    let all = 0..reader.row_count();
    for batch in reader.rows(&part.path, COLUMNS, all)? {
        let batch = batch.at("read", &part.path)?;
        take(&Records::new(&batch, &part.path)?)?;
    }
    Ok(())
}
