//! Columns: rows of Parquet, a stretch of a row group at a time.

use std::fs::File;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ConvertedType};
use parquet::errors::ParquetError;

use super::values::{Member, members};
use super::{Next, Rows};
use crate::FilesError;
use crate::state::FileState;

/// Rows that are decoded at a time: what they take is in memory beside the pages that they are of.
const BATCH_ROWS: usize = 1024;

/// See the module.
pub(super) struct Columns {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    members: Vec<Member>,
    batch: Option<RecordBatch>,
    /// Within the batch.
    at: usize,
    rows: u64,
    marks: FileState,
}

impl Columns {
    pub(super) fn new(file: File, marks: FileState, from_row: u64) -> Result<Self, FilesError> {
        let broken = |source| FilesError::Parquet { row: from_row, source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
        readable(&builder)?;
        let schema = builder.schema().clone();
        let reader = builder
            .with_batch_size(BATCH_ROWS)
            .with_offset(usize::try_from(from_row).unwrap_or(usize::MAX))
            .build()
            .map_err(broken)?;
        let members = members(schema.fields())?;
        Ok(Self { reader, schema, members, batch: None, at: 0, rows: from_row, marks })
    }
}

/// Refuses what is packed by the one codec that is not built in, and what would lose a part of its values, before any of
/// it is read.
fn readable(builder: &ParquetRecordBatchReaderBuilder<File>) -> Result<(), FilesError> {
    for column in builder.parquet_schema().columns() {
        if column.converted_type() == ConvertedType::INTERVAL {
            let why = format!(
                "its column {} has intervals, whose months would be lost; write it anew with them as text",
                column.path().string()
            );
            return Err(FilesError::Unknown { why });
        }
    }
    let columns = builder.metadata().row_groups().iter().flat_map(|group| group.columns());
    for column in columns {
        if matches!(column.compression(), Compression::LZO) {
            let why = format!(
                "the pages of its column {} are packed by lzo, which is not read here; write it anew with another codec, such \
                 as zstd, by the program that wrote it",
                column.column_path().string()
            );
            return Err(FilesError::Unknown { why });
        }
    }
    Ok(())
}

impl Rows for Columns {
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Next, FilesError> {
        while self.batch.as_ref().is_none_or(|batch| self.at == batch.num_rows()) {
            let Some(batch) = self.reader.next() else { return Ok(Next::End) };
            let broken = |error| FilesError::Parquet { row: self.rows, source: ParquetError::from(error) };
            self.batch = Some(batch.map_err(broken)?);
            self.at = 0;
        }
        if let Some(batch) = &self.batch {
            out.push(b'{');
            for (at, (member, column)) in self.members.iter().zip(batch.columns()).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                member.write(column.as_ref(), self.at, out)?;
            }
            out.push(b'}');
        }
        self.at += 1;
        self.rows += 1;
        Ok(Next::Row(self.rows))
    }

    fn mark(&mut self, state: &mut FileState) {
        // What is known of a file of this kind is known of all of it.
        state.at = self.marks.at;
        state.heads.clone_from(&self.marks.heads);
        state.parts.clone_from(&self.marks.parts);
        state.rows = self.rows;
        state.lines = 0;
    }

    fn fields(&self) -> Vec<(String, String)> {
        self.schema
            .fields()
            .iter()
            .map(|field| (field.name().clone(), field.data_type().to_string()))
            .collect()
    }
}
