//! A result as one Parquet file.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::{End, Written, cell};
use crate::sql::{Rows, SqlError};

/// Bytes of one row group in memory before it is written: a hundred of them would still fit a laptop.
const ROW_GROUP_BYTES_MAX: usize = 32 << 20;

/// Rows that are handed to the writer at once: the size of a vector of the engine.
const BATCH_ROWS: usize = 2048;

/// Writes a result as Parquet, zstd-compressed; an existing file at that place is the caller's care.
///
/// # Errors
///
/// If the query fails, a column has a type that Parquet cannot hold, or the output refuses.
pub fn write_parquet(rows: &mut Rows<'_>, out: impl Write + Send) -> Result<Written, SqlError> {
    let fields: Vec<Field> = rows.schema().fields().iter().map(|field| storable(field)).collect();
    let schema = Arc::new(Schema::new(fields));
    let level = ZstdLevel::try_new(1).map_err(failed)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    // The engine cuts its batches as its threads happen to finish; the file must not show it.
    let mut even = BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS);
    let mut written = 0;
    loop {
        let batch = rows.next_batch()?;
        match &batch {
            Some(batch) => {
                let arrays = batch.columns().iter().zip(schema.fields());
                let arrays = arrays.map(|(array, field)| stored(array, field)).collect::<Result<_, _>>()?;
                even.push_batch(RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(arrow)?)
                    .map_err(arrow)?;
                written += batch.num_rows() as u64;
            }
            None => even.finish_buffered_batch().map_err(arrow)?,
        }
        while let Some(batch) = even.next_completed_batch() {
            writer.write(&batch).map_err(failed)?;
            if writer.in_progress_size() > ROW_GROUP_BYTES_MAX {
                writer.flush().map_err(failed)?;
            }
        }
        if batch.is_none() {
            break;
        }
    }
    writer.close().map_err(failed)?;
    Ok(Written { rows: written, end: if rows.limited() { End::Limited } else { End::Complete } })
}

/// Parquet has no spans of months and nanoseconds: they are written as ISO 8601 text.
fn storable(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Interval(_) | DataType::Null => DataType::Utf8,
        other => other.clone(),
    };
    Field::new(field.name(), data_type, true)
}

fn stored(array: &ArrayRef, field: &Field) -> Result<ArrayRef, SqlError> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    let texts = (0..array.len()).map(|row| {
        let mut text = String::new();
        let some = cell::text(array, row, &Default::default(), &mut text)?;
        Ok(some.then_some(text))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray, SqlError>>()?))
}

fn arrow(error: ArrowError) -> SqlError {
    failed(error.into())
}

fn failed(error: ParquetError) -> SqlError {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => SqlError::Output(*source),
            Err(other) => SqlError::Format { format: "Parquet", detail: other.to_string() },
        },
        other => SqlError::Format { format: "Parquet", detail: other.to_string() },
    }
}
