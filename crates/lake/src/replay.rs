//! An input written back byte for byte, from nothing but the lake.
//!
//! Every content byte of an input belongs to one piece: a record or a row of quarantine. Between
//! two neighbours, and after the last, there is nothing or one `\n`. Anything else is an error that
//! names the bytes, and at the end SHA-256 has to be the one that ingest computed.

use std::collections::HashMap;
use std::io::{self, Write};

use sha2::{Digest, Sha256};
use stele_model::id::to_hex;
use stele_model::{FileEntry, FileId, FileState};

use crate::error::LakeError;
use crate::pieces::PieceIndex;
use crate::snapshot::{Pruned, Snapshot};

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

/// Writes inputs back from one snapshot.
pub struct Replayer {
    index: PieceIndex,
    pruned: HashMap<FileId, Vec<Pruned>>,
}

impl Replayer {
    /// For one input.
    ///
    /// # Errors
    ///
    /// When the lake cannot be read.
    pub fn of_one(snapshot: &Snapshot, input: FileId) -> Result<Self, LakeError> {
        Self::new(snapshot, PieceIndex::of_one(snapshot, input)?)
    }

    /// For all inputs; their pieces are found in one pass.
    ///
    /// # Errors
    ///
    /// When the lake cannot be read.
    pub fn of_all(snapshot: &Snapshot) -> Result<Self, LakeError> {
        Self::new(snapshot, PieceIndex::of_all(snapshot)?)
    }

    fn new(snapshot: &Snapshot, index: PieceIndex) -> Result<Self, LakeError> {
        let mut pruned: HashMap<FileId, Vec<Pruned>> = HashMap::new();
        for one in snapshot.pruned()? {
            pruned.entry(one.file_id).or_default().push(one);
        }
        Ok(Self { index, pruned })
    }

    /// Writes the first `bytes_done` bytes of an input to `out`, as they were read.
    ///
    /// # Errors
    ///
    /// [`LakeError::Pruned`] where rows were removed on request, [`LakeError::Lost`] where a salvage
    /// gave some up, [`LakeError::Replay`] where bytes
    /// are missing, doubled or different, [`LakeError::Output`] where `out` refuses. Part of the
    /// input may have been written by then.
    pub fn replay(&self, entry: &FileEntry, out: &mut dyn Write) -> Result<Replayed, LakeError> {
        let pruned = self.pruned.get(&entry.file_id).map(Vec::as_slice).unwrap_or_default();
        let pruned = pruned.iter().rfind(|pruned| pruned.affects(entry));
        let said = |pruned: &Pruned| match pruned.lost {
            true => LakeError::Lost { uri: entry.uri.clone(), rows: pruned.rows, at: pruned.at },
            false => LakeError::Pruned {
                uri: entry.uri.clone(),
                rows: pruned.rows,
                reason: pruned.reason.clone(),
                at: pruned.at,
            },
        };
        if let Some(pruned) = pruned.filter(|pruned| pruned.at >= entry.updated_at) {
            return Err(said(pruned));
        }
        match (self.write_pieces(entry, out), pruned) {
            (Err(LakeError::Replay { .. }), Some(pruned)) => Err(said(pruned)),
            (result, _) => result,
        }
    }

    fn write_pieces(&self, entry: &FileEntry, out: &mut dyn Write) -> Result<Replayed, LakeError> {
        let mut sink =
            Sink { out, entry, buffer: Vec::with_capacity(BUFFER_BYTES * 2), hash: Sha256::new(), at: 0 };
        self.index.each_bytes(entry.file_id, |offset, bytes| match offset < entry.bytes_done {
            true => sink.take(offset, bytes),
            false => Ok(()),
        })?;
        sink.finish()
    }
}

/// Writes the first `bytes_done` bytes of one input to `out`, as they were read.
///
/// # Errors
///
/// As [`Replayer::replay`].
pub fn replay(snapshot: &Snapshot, entry: &FileEntry, out: &mut dyn Write) -> Result<Replayed, LakeError> {
    Replayer::of_one(snapshot, entry.file_id)?.replay(entry, out)
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
