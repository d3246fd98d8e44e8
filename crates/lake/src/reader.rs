//! Rows out of a part: chosen columns, chosen rows, in batches of bounded size.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use crate::error::{At, LakeError};
use crate::part;

/// Rows of a batch where rows are small: enough to forget the overhead of a batch.
const BATCH_ROWS_MAX: usize = 1024;

/// A batch is cut to so many rows that even if each were as long as the longest one of its row
/// groups, their texts would not take more than this.
const BATCH_BYTES: usize = 8 << 20;

/// A part that is open for reading; its footer is read once.
pub(crate) struct PartReader {
    file: File,
    metadata: ArrowReaderMetadata,
}

impl PartReader {
    pub(crate) fn open(path: &Path) -> Result<Self, LakeError> {
        let file = part::open(path)?;
        // The offset index lets a reader jump into a row group.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).at("read", path)?;
        Ok(Self { file, metadata })
    }

    fn parquet(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// The row numbers of the row groups, and each group's facts.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Range<u64>, &RowGroupMetaData)> {
        let mut start = 0;
        self.parquet().row_groups().iter().map(move |group| {
            let first = start;
            start += group.num_rows().max(0) as u64;
            (first..start, group)
        })
    }

    /// Reads some columns of some consecutive rows.
    pub(crate) fn rows(
        &self,
        path: &Path,
        columns: &[&str],
        rows: Range<u64>,
    ) -> Result<ParquetRecordBatchReader, LakeError> {
        let mut chosen = Vec::new();
        let mut skip = 0;
        let mut longest = 1;
        for (index, (group_rows, group)) in self.groups().enumerate() {
            if group_rows.start < rows.end && rows.start < group_rows.end {
                if chosen.is_empty() {
                    skip = rows.start.saturating_sub(group_rows.start);
                }
                longest = longest.max(longest_text(group));
                chosen.push(index);
            }
        }
        let file = self.file.try_clone().at("open", path)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let count = rows.end.saturating_sub(rows.start);
        let selection =
            RowSelection::from(vec![RowSelector::skip(skip as usize), RowSelector::select(count as usize)]);
        builder
            .with_projection(mask)
            .with_row_groups(chosen)
            .with_row_selection(selection)
            .with_batch_size((BATCH_BYTES / longest).clamp(1, BATCH_ROWS_MAX))
            .build()
            .at("read", path)
    }

    /// Rows of the whole part.
    pub(crate) fn row_count(&self) -> u64 {
        self.parquet().file_metadata().num_rows().max(0) as u64
    }
}

fn longest_text(group: &RowGroupMetaData) -> usize {
    let column = group.columns().iter().find(|column| column.column_path().string() == "byte_len");
    match column.and_then(|column| column.statistics()) {
        Some(Statistics::Int64(lengths)) => lengths.max_opt().map_or(1, |longest| (*longest).max(1) as usize),
        _ => 1,
    }
}

/// Whether a row group may hold rows of an input.
pub(crate) fn may_hold(group: &RowGroupMetaData, file_id: &str) -> bool {
    let column = group.columns().iter().find(|column| column.column_path().string() == "file_id");
    match column.and_then(|column| column.statistics()) {
        Some(Statistics::ByteArray(ids)) => {
            let within = |low: &[u8], high: &[u8]| low <= file_id.as_bytes() && file_id.as_bytes() <= high;
            match (ids.min_bytes_opt(), ids.max_bytes_opt()) {
                (Some(low), Some(high)) => within(low, high),
                _ => true,
            }
        }
        _ => true,
    }
}
