//! Batches into a Parquet file.
//!
//! As the library's `ArrowWriter`, except that columns which seldom change go to [`Sticky`], and that
//! the Arrow schema is not embedded: it adds nothing that Parquet's own does not say, and other
//! readers would have to parse it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;

use super::properties;
use super::sticky::Sticky;
use crate::tables::Table;

/// A Parquet file that is being written.
pub(super) struct Encoder<W: Write + Send> {
    file: SerializedFileWriter<W>,
    table: Table,
    factory: ArrowRowGroupWriterFactory,
    /// The columns of the row group that is under way; empty between two of them.
    columns: Vec<Column>,
}

enum Column {
    Sticky(Sticky),
    Arrow(Box<ArrowColumnWriter>),
}

impl<W: Write + Send> Encoder<W> {
    pub(super) fn new(to: W, table: Table) -> Result<Self> {
        let schema = ArrowSchemaConverter::new().convert(&table.part_schema())?;
        let properties = Arc::new(properties::of(table));
        let file = SerializedFileWriter::new(to, schema.root_schema_ptr(), properties)?;
        let factory = ArrowRowGroupWriterFactory::new(&file, table.part_schema());
        Ok(Self { file, table, factory, columns: Vec::new() })
    }

    /// Encodes the rows of a batch that has the table's schema.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.columns.is_empty() {
            self.start_group()?;
        }
        let schema = self.table.part_schema();
        for ((field, array), column) in schema.fields().iter().zip(batch.columns()).zip(&mut self.columns) {
            match column {
                Column::Sticky(runs) => runs.extend(array)?,
                Column::Arrow(writer) => {
                    for leaf in compute_leaves(field, array)? {
                        writer.write(&leaf)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn start_group(&mut self) -> Result<()> {
        let writers = self.factory.create_column_writers(self.file.flushed_row_groups().len())?;
        let leaves = self.file.schema_descr().columns();
        let column = |(writer, leaf): (ArrowColumnWriter, &parquet::schema::types::ColumnDescPtr)| {
            match properties::sticky(leaf.name()) {
                Some(bounded) => Column::Sticky(Sticky::new(Arc::clone(leaf), bounded)),
                None => Column::Arrow(Box::new(writer)),
            }
        };
        self.columns = writers.into_iter().zip(leaves).map(column).collect();
        Ok(())
    }

    /// Encoded bytes that are held in memory.
    pub(super) fn memory(&self) -> usize {
        let size = |column: &Column| match column {
            Column::Sticky(runs) => runs.memory(),
            Column::Arrow(writer) => writer.memory_size(),
        };
        self.columns.iter().map(size).sum()
    }

    /// Bytes that went to the file.
    pub(super) fn bytes_written(&self) -> usize {
        self.file.bytes_written()
    }

    /// Ends the row group.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in std::mem::take(&mut self.columns) {
            match column {
                Column::Sticky(runs) => {
                    let (bytes, close) = runs.close()?;
                    group.append_column(&bytes, close)?;
                }
                Column::Arrow(writer) => writer.close()?.append_to_row_group(&mut group)?,
            }
        }
        group.close()?;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        self.file.finish()?;
        Ok(())
    }

    /// What the file is written to.
    pub(super) fn inner(&self) -> &W {
        self.file.inner()
    }
}
