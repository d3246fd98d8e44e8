//! What happens to one block: every piece of it becomes a record or a residue, and is counted.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::Arc;

use stele_discover::Catalogue;
use stele_lake::{Appender, FileRef, LakeError, Parts};
use stele_model::{ClockChange, FileId, Ledger, Residue, ResidueClass};
use stele_sources::{Block, Format, Piece, PieceKind};

use crate::judge::{Judge, Refused};

/// An input on its way through the workers.
#[derive(Debug)]
pub(crate) struct FileJob {
    /// Number of the input in this run.
    pub(crate) slot: usize,
    pub(crate) uri: String,
    pub(crate) format: Arc<Format>,
    pub(crate) file_id: FileId,
}

/// One block of one input.
pub(crate) struct Task {
    pub(crate) file: Arc<FileJob>,
    pub(crate) block: Block,
}

/// What a worker hands over at a flush.
pub(crate) struct Yield {
    pub(crate) catalogue: Catalogue,
    pub(crate) ledgers: HashMap<usize, Ledger>,
    /// Where the last line of an input begins, if it is rejected and has no `\n`.
    pub(crate) tails: HashMap<usize, u64>,
    pub(crate) changes: ClockChanges,
    pub(crate) parts: Option<Parts>,
}

/// Records whose time is one of two possible readings, because the clocks were changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClockChanges {
    pub(crate) repeated: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for ClockChanges {
    fn add_assign(&mut self, other: Self) {
        self.repeated += other.repeated;
        self.skipped += other.skipped;
    }
}

impl ClockChanges {
    /// What a person should be told.
    pub(crate) fn note(&self) -> Option<String> {
        let mut said = Vec::new();
        if self.repeated > 0 {
            said.push(format!("{} twice, read as the first showing", self.repeated));
        }
        if self.skipped > 0 {
            said.push(format!("{} never, read with the offset before the gap", self.skipped));
        }
        (!said.is_empty()).then(|| {
            format!("records whose time the clocks of the declared zone showed: {}", said.join("; "))
        })
    }
}

/// One thread's tools. Without an appender it only counts.
pub(crate) struct Worker {
    judge: Judge,
    catalogue: Catalogue,
    ledgers: HashMap<usize, Ledger>,
    tails: HashMap<usize, u64>,
    changes: ClockChanges,
    appender: Option<Appender>,
}

impl Worker {
    pub(crate) fn new(catalogue: Catalogue, appender: Option<Appender>) -> Self {
        Self {
            judge: Judge::default(),
            catalogue,
            ledgers: HashMap::new(),
            tails: HashMap::new(),
            changes: ClockChanges::default(),
            appender,
        }
    }

    /// Takes in a block.
    pub(crate) fn process(&mut self, task: &Task) -> Result<(), LakeError> {
        let Task { file, block } = task;
        if let Some(appender) = &mut self.appender {
            appender.set_file(&FileRef { file_id: file.file_id, uri: file.uri.clone() });
        }
        self.catalogue.begin(&file.uri, file.format.name(), block.line_no);
        // One check for the block; only a block that fails it is checked line by line.
        let text = simdutf8::basic::from_utf8(&block.bytes).ok();
        let mut ledger =
            Ledger { bytes_in: block.bytes.len() as u64, lines: block.lines, ..Ledger::default() };
        let mut tail = None;
        // A block may begin with the line end that an earlier run did not see.
        let before_pieces =
            block.pieces().next().map_or(ledger.bytes_in, |first| first.byte_offset - block.byte_offset);
        ledger.bytes_lake += before_pieces;
        for piece in block.pieces() {
            let size = piece.bytes.len() as u64 + u64::from(piece.newline);
            let start = (piece.byte_offset - block.byte_offset) as usize;
            let text = match text {
                Some(text) => text.get(start..start + piece.bytes.len()),
                None => std::str::from_utf8(piece.bytes).ok(),
            };
            match self.judge.judge(&file.format, &piece, text) {
                Ok(record) => {
                    ledger.records += 1;
                    ledger.nodes += self.catalogue.observe(&record.observed(piece.line_no));
                    ledger.bytes_lake += size;
                    match record.envelope.time.change {
                        None => {}
                        Some(ClockChange::Repeated) => self.changes.repeated += 1,
                        Some(ClockChange::Skipped) => self.changes.skipped += 1,
                    }
                    if let Some(appender) = &mut self.appender {
                        appender.record(&record.envelope, record.raw, piece.line_no, piece.byte_offset)?;
                    }
                }
                Err(Refused::Kept(class)) => {
                    ledger.bytes_lake += size;
                    ledger.control += u64::from(class == ResidueClass::Control);
                    ledger.blank += u64::from(class == ResidueClass::Blank);
                    self.keep(&piece, class, "", None)?;
                }
                Err(Refused::Rejected { error_at, reason }) => {
                    tail = (block.last && !piece.newline && piece.kind == PieceKind::Line)
                        .then_some(piece.byte_offset);
                    ledger.quarantined += 1;
                    ledger.bytes_quarantine += size;
                    self.catalogue.reject(piece.line_no, error_at, &reason);
                    self.keep(&piece, ResidueClass::Rejected, &reason, Some(error_at))?;
                }
            }
        }
        let end = block.byte_offset + block.bytes.len() as u64;
        self.catalogue.end(block.lines, block.bytes.len() as u64, tail.map(|start| end - start));
        if let Some(start) = tail {
            self.tails.insert(file.slot, start);
        }
        *self.ledgers.entry(file.slot).or_default() += ledger;
        Ok(())
    }

    fn keep(
        &mut self,
        piece: &Piece<'_>,
        class: ResidueClass,
        reason: &str,
        error_at: Option<u64>,
    ) -> Result<(), LakeError> {
        let Some(appender) = &mut self.appender else {
            return Ok(());
        };
        appender.residue(&Residue {
            class,
            reason: reason.into(),
            error_at,
            bytes: piece.bytes,
            line_no: piece.line_no,
            byte_offset: piece.byte_offset,
        })
    }

    /// Hands over everything since the last flush and starts again with `next`.
    pub(crate) fn flush(&mut self, next: Catalogue, appender: Option<Appender>) -> Result<Yield, LakeError> {
        let parts = match std::mem::replace(&mut self.appender, appender) {
            Some(appender) => Some(appender.finish()?),
            None => None,
        };
        Ok(Yield {
            catalogue: std::mem::replace(&mut self.catalogue, next),
            ledgers: std::mem::take(&mut self.ledgers),
            tails: std::mem::take(&mut self.tails),
            changes: std::mem::take(&mut self.changes),
            parts,
        })
    }
}
