//! The logical hash: one number for what a graph says, whatever parts and order it came in.
//!
//! It is the sum, modulo 2^256, of the BLAKE3 hashes of its rows, each over the name of its table and
//! all of its cells. A sum does not depend on order.

use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type, UInt32Type, UInt64Type};

use crate::decode::{self, Bad};
use crate::tables::{Kind, Table};

/// A sum of row hashes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LogicalHash([u64; 4]);

impl LogicalHash {
    fn add(&mut self, row: &[u8; 32]) {
        let mut carry = false;
        for (limb, bytes) in self.0.iter_mut().zip(row.chunks_exact(8)) {
            let mut more = [0; 8];
            more.copy_from_slice(bytes);
            let (sum, first) = limb.overflowing_add(u64::from_le_bytes(more));
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }
}

impl fmt::Display for LogicalHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

impl fmt::Debug for LogicalHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Adds the rows of a batch that has every column of the table.
pub(crate) fn add(hash: &mut LogicalHash, table: Table, batch: &RecordBatch) -> Result<(), Bad> {
    for row in 0..batch.num_rows() {
        let mut hasher = blake3::Hasher::new();
        part(&mut hasher, Some(table.name().as_bytes()));
        for (column, (_, kind, _)) in batch.columns().iter().zip(table.columns()) {
            cell(&mut hasher, column, *kind, row)?;
        }
        hash.add(hasher.finalize().as_bytes());
    }
    Ok(())
}

/// A part with its length in front. Absent and empty differ.
fn part(hasher: &mut blake3::Hasher, bytes: Option<&[u8]>) {
    let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
    hasher.update(&length.to_le_bytes());
    hasher.update(bytes.unwrap_or_default());
}

fn cell(hasher: &mut blake3::Hasher, column: &ArrayRef, kind: Kind, row: usize) -> Result<(), Bad> {
    let wrong = || format!("a column does not hold {}", kind.data_type());
    if column.is_null(row) {
        part(hasher, None);
        return Ok(());
    }
    match kind {
        Kind::Text => {
            let column = column.as_string_opt::<i32>().ok_or_else(wrong)?;
            part(hasher, Some(column.value(row).as_bytes()));
        }
        Kind::Texts => {
            let texts = decode::list(column.as_list_opt().ok_or_else(wrong)?, row)?;
            part(hasher, Some(&(texts.len() as u64).to_le_bytes()));
            texts.iter().for_each(|text| part(hasher, Some(text.as_bytes())));
        }
        Kind::U32 => {
            let column = column.as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?;
            part(hasher, Some(&column.value(row).to_le_bytes()));
        }
        Kind::U64 => {
            let column = column.as_primitive_opt::<UInt64Type>().ok_or_else(wrong)?;
            part(hasher, Some(&column.value(row).to_le_bytes()));
        }
        Kind::Bool => {
            let column = column.as_boolean_opt().ok_or_else(wrong)?;
            part(hasher, Some(&[u8::from(column.value(row))]));
        }
        Kind::F32 => {
            let column = column.as_primitive_opt::<Float32Type>().ok_or_else(wrong)?;
            part(hasher, Some(&column.value(row).to_le_bytes()));
        }
        Kind::F64 => {
            let column = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
            part(hasher, Some(&column.value(row).to_le_bytes()));
        }
    }
    Ok(())
}
