//! An input written back byte for byte, from nothing but the lake.
//!
//! Every content byte of an input belongs to one piece: a record or a row of quarantine. Between
//! two neighbours, and after the last, there is nothing or one `\n`. Anything else is an error that
//! names the bytes, and at the end SHA-256 has to be the one that ingest computed.

use std::io::{self, Write};
use std::path::Path;

use arrow::array::{AsArray, BinaryArray, StringArray};
use sha2::{Digest, Sha256};
use stele_model::id::to_hex;
use stele_model::{FileEntry, FileState};

use crate::error::LakeError;
use crate::part::PartInfo;
use crate::rows::Columns;
use crate::runs::{self, Merge};
use crate::snapshot::Snapshot;

/// Bytes that are hashed and written at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
}

/// Writes the first `bytes_done` bytes of an input to `out`, as they were read.
///
/// # Errors
///
/// [`LakeError::Pruned`] where rows were removed on request, [`LakeError::Replay`] where bytes are
/// missing, doubled or different, [`LakeError::Output`] where `out` refuses. Part of the input may
/// have been written by then.
pub fn replay(snapshot: &Snapshot, entry: &FileEntry, out: &mut dyn Write) -> Result<Replayed, LakeError> {
    let pruned = snapshot.pruned()?.into_iter().rfind(|pruned| pruned.file_id == entry.file_id);
    let said = |pruned: &crate::Pruned| LakeError::Pruned {
        uri: entry.uri.clone(),
        rows: pruned.rows,
        reason: pruned.reason.clone(),
        at: pruned.at,
    };
    if let Some(pruned) = pruned.as_ref().filter(|pruned| pruned.at >= entry.updated_at) {
        return Err(said(pruned));
    }
    match (write_pieces(snapshot, entry, out), pruned) {
        (Err(LakeError::Replay { .. }), Some(pruned)) => Err(said(&pruned)),
        (result, _) => result,
    }
}

fn write_pieces(snapshot: &Snapshot, entry: &FileEntry, out: &mut dyn Write) -> Result<Replayed, LakeError> {
    let file_id = entry.file_id.to_string();
    let parts: Vec<PartInfo> =
        snapshot.event_parts().iter().chain(snapshot.quarantine_parts()).cloned().collect();
    let mut runs = Vec::new();
    for index in 0..parts.len() {
        runs.extend(runs::find(&parts, index, Some(&file_id))?);
    }
    let mut sink =
        Sink { out, entry, buffer: Vec::with_capacity(BUFFER_BYTES * 2), hash: Sha256::new(), at: 0 };
    let merge = Merge::new(&parts, &["byte_offset", "byte_len", "raw", "bytes"], runs);
    merge.each(|batch, rows, part| {
        let path = parts.get(part).map_or(Path::new(""), |part| part.path.as_path());
        let columns = Columns { batch, path };
        let (offsets, lengths) = (columns.longs("byte_offset")?, columns.longs("byte_len")?);
        let pieces = Pieces::of(&columns)?;
        for row in rows {
            let offset = offsets.value(row).max(0) as u64;
            if offset >= entry.bytes_done {
                return Ok(());
            }
            let bytes = pieces.bytes(row);
            if lengths.value(row) != bytes.len() as i64 {
                return Err(columns.bad(&format!("the row at byte {offset} is not as long as it says")));
            }
            sink.take(offset, bytes)?;
        }
        Ok(())
    })?;
    sink.finish()
}

/// The bytes of rows: `raw` of events, `bytes` of residues.
enum Pieces<'a> {
    Raw(&'a StringArray),
    Bytes(&'a BinaryArray),
}

impl<'a> Pieces<'a> {
    fn of(columns: &Columns<'a>) -> Result<Self, LakeError> {
        match columns.batch.column_by_name("bytes").and_then(|bytes| bytes.as_binary_opt()) {
            Some(bytes) => Ok(Self::Bytes(bytes)),
            None => Ok(Self::Raw(columns.texts("raw")?)),
        }
    }

    fn bytes(&self, row: usize) -> &'a [u8] {
        match self {
            Self::Raw(raw) => raw.value(row).as_bytes(),
            Self::Bytes(bytes) => bytes.value(row),
        }
    }
}

/// Puts pieces together.
struct Sink<'a> {
    out: &'a mut dyn Write,
    entry: &'a FileEntry,
    buffer: Vec<u8>,
    hash: Sha256,
    /// Bytes that are accounted for.
    at: u64,
}

impl Sink<'_> {
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LakeError> {
        self.fill_to(offset)?;
        // Under an older name the input ended in the middle of a line that has grown since.
        let wanted = usize::try_from(self.entry.bytes_done - offset).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(wanted)];
        self.at += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.pass_on()?;
        }
        Ok(())
    }

    /// Puts a line end into a gap of one byte.
    fn fill_to(&mut self, offset: u64) -> Result<(), LakeError> {
        match offset.checked_sub(self.at) {
            Some(0) => Ok(()),
            Some(1) => {
                self.buffer.push(b'\n');
                self.at = offset;
                Ok(())
            }
            Some(missing) => Err(self.wrong(format!("{missing} bytes are missing at byte {}", self.at))),
            None => Err(self.wrong(format!("the bytes from {offset} to {} are there twice", self.at))),
        }
    }

    fn pass_on(&mut self) -> Result<(), LakeError> {
        self.hash.update(&self.buffer);
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|source| LakeError::Output { source })
    }

    fn finish(mut self) -> Result<Replayed, LakeError> {
        self.fill_to(self.entry.bytes_done)?;
        self.pass_on()?;
        self.out.flush().map_err(|source: io::Error| LakeError::Output { source })?;
        let sha256 = to_hex(&self.hash.clone().finalize());
        if sha256 != self.entry.sha256 {
            let text = format!("its SHA-256 is {sha256}, and was {} when it was read", self.entry.sha256);
            return Err(self.wrong(text));
        }
        Ok(Replayed { bytes: self.at, sha256 })
    }

    fn wrong(&self, detail: String) -> LakeError {
        let whole = match self.entry.state {
            FileState::Partial => " (it was read only in part)",
            FileState::Complete | FileState::Duplicate => "",
        };
        LakeError::Replay { uri: self.entry.uri.clone(), detail: format!("{detail}{whole}") }
    }
}
