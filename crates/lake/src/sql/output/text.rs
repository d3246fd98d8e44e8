//! A row as CSV and as a JSON object.

use arrow::array::{Array, RecordBatch};
use stele_model::json::quote;

use super::cell;
use crate::sql::{Column, SqlError};

pub(super) fn csv_header(columns: &[Column], out: &mut String) {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        csv_value(&column.name, out);
    }
    out.push('\n');
}

/// NULL is nothing between commas, the empty text is `""`.
pub(super) fn csv_row(
    batch: &RecordBatch,
    columns: &[Column],
    row: usize,
    out: &mut String,
) -> Result<(), SqlError> {
    let mut value = String::new();
    for (index, (array, column)) in batch.columns().iter().zip(columns).enumerate() {
        if index > 0 {
            out.push(',');
        }
        value.clear();
        if cell::text(array, row, &column.shape, &mut value)? {
            csv_value(&value, out);
        }
    }
    out.push('\n');
    Ok(())
}

fn csv_value(value: &str, out: &mut String) {
    let plain =
        !value.is_empty() && !value.contains([',', '"', '\n', '\r']) && value.trim().len() == value.len();
    if plain {
        out.push_str(value);
        return;
    }
    out.push('"');
    out.push_str(&value.replace('"', "\"\""));
    out.push('"');
}

pub(super) fn json_row(
    batch: &RecordBatch,
    columns: &[Column],
    row: usize,
    out: &mut String,
) -> Result<(), SqlError> {
    out.push('{');
    for (index, (array, column)) in batch.columns().iter().zip(columns).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&quote(&column.name));
        out.push(':');
        cell::json(array as &dyn Array, row, &column.shape, out)?;
    }
    out.push_str("}\n");
    Ok(())
}
