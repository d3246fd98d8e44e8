//! The bytes of documents, many at a time.
//!
//! Replay finds the rows of one input among all; for thousands of small documents that is most of the
//! work. Here the parts are gone over once, and whatever is a whole document in one row is handed over
//! as it comes. The few that have several rows are put together afterwards, one by one.

use std::collections::HashMap;

use arrow::array::AsArray;
use stele_model::{FileId, ResidueClass};

use crate::error::At;
use crate::error::LakeError;
use crate::pieces::PieceIndex;
use crate::reader::PartReader;
use crate::rows::Columns;
use crate::snapshot::Snapshot;

/// The columns that say which rows are wanted.
const PLACES: &[&str] = &["file_id", "class", "byte_offset", "byte_len"];

/// With the bytes.
const COLUMNS: &[&str] = &["file_id", "class", "byte_offset", "byte_len", "bytes"];

impl Snapshot {
    /// Hands over the content of each document in `wanted`, which says how many bytes it has. They come
    /// in the order in which they lie in the lake; one that is not there as a whole does not come.
    ///
    /// # Errors
    ///
    /// When a part cannot be read, or whatever `take` returns.
    pub fn each_document<E: From<LakeError>>(
        &self,
        wanted: &HashMap<FileId, u64>,
        take: &mut dyn FnMut(FileId, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut in_pieces = Vec::new();
        for part in self.quarantine_parts() {
            let reader = PartReader::open(&part.path)?;
            for (rows, _) in reader.groups() {
                // Most groups hold nothing that is wanted; their bytes are not even unpacked.
                let mut any = false;
                for batch in reader.rows(&part.path, PLACES, rows.clone())? {
                    let batch = batch.at("read", &part.path)?;
                    let columns = Columns { batch: &batch, path: &part.path };
                    for row in 0..batch.num_rows() {
                        let Some((id, length)) = wanted_at(&columns, row, wanted)? else { continue };
                        match columns.long("byte_len", row)? >= length {
                            true => any = true,
                            false => in_pieces.push((id, length)),
                        }
                    }
                }
                if !any {
                    continue;
                }
                for batch in reader.rows(&part.path, COLUMNS, rows)? {
                    let batch = batch.at("read", &part.path)?;
                    let columns = Columns { batch: &batch, path: &part.path };
                    let bytes = batch.column_by_name("bytes").and_then(|bytes| bytes.as_binary_opt::<i32>());
                    let bytes = bytes.ok_or_else(|| columns.bad("column bytes is not binary"))?;
                    for row in 0..batch.num_rows() {
                        let Some((id, length)) = wanted_at(&columns, row, wanted)? else { continue };
                        // A name that stands for less than has come since ends within the row.
                        let length = usize::try_from(length).unwrap_or(usize::MAX);
                        if let Some(bytes) = bytes.value(row).get(..length) {
                            take(id, bytes.to_vec())?;
                        }
                    }
                }
            }
        }
        if in_pieces.is_empty() {
            return Ok(());
        }
        let index = PieceIndex::of_all(self)?;
        for (id, length) in in_pieces {
            let mut content = Vec::new();
            index.each_bytes(id, |_, bytes| {
                content.extend_from_slice(bytes);
                Ok(())
            })?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if content.len() >= length {
                content.truncate(length);
                take(id, content)?;
            }
        }
        Ok(())
    }
}

/// The document that a row is the beginning of, with the bytes that are wanted of it.
fn wanted_at(
    columns: &Columns<'_>,
    row: usize,
    wanted: &HashMap<FileId, u64>,
) -> Result<Option<(FileId, u64)>, LakeError> {
    if columns.text("class", row)? != ResidueClass::Document.name() || columns.long("byte_offset", row)? != 0
    {
        return Ok(None);
    }
    let id =
        FileId::from_hex(columns.text("file_id", row)?).ok_or_else(|| columns.bad("unreadable file_id"))?;
    Ok(wanted.get(&id).map(|length| (id, *length)))
}
