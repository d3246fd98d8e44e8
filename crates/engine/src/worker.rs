//! What happens to one block: every piece of it becomes a record or a residue, and is counted.
//!
//! This is the only place where a record is parsed on its way in. The tape that comes out of it
//! feeds the envelope, the catalogue and the lake.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use stele_discover::{Catalogue, Frame, Observed};
use stele_lake::{Appender, FileRef, LakeError, Parts};
use stele_model::json::{SyntaxError, SyntaxProblem, Tape};
use stele_model::{FileId, Ledger, Residue, ResidueClass};
use stele_sources::{Block, Format, FrameScratch, Piece, PieceKind};

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
    pub(crate) parts: Option<Parts>,
}

/// One thread's tools. Without an appender it only counts.
pub(crate) struct Worker {
    tape: Tape,
    frames: FrameScratch,
    catalogue: Catalogue,
    ledgers: HashMap<usize, Ledger>,
    tails: HashMap<usize, u64>,
    appender: Option<Appender>,
}

impl Worker {
    pub(crate) fn new(catalogue: Catalogue, appender: Option<Appender>) -> Self {
        Self {
            tape: Tape::default(),
            frames: FrameScratch::default(),
            catalogue,
            ledgers: HashMap::new(),
            tails: HashMap::new(),
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
            match self.read(file, &piece, text)? {
                Fate::Record { nodes } => {
                    ledger.records += 1;
                    ledger.nodes += nodes;
                    ledger.bytes_lake += size;
                }
                Fate::Kept(class) => {
                    ledger.bytes_lake += size;
                    ledger.control += u64::from(class == ResidueClass::Control);
                    ledger.blank += u64::from(class == ResidueClass::Blank);
                }
                Fate::Rejected { error_at, reason } => {
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

    fn read(&mut self, file: &FileJob, piece: &Piece<'_>, text: Option<&str>) -> Result<Fate, LakeError> {
        let kept = match piece.kind {
            PieceKind::Filler => Some(ResidueClass::Filler),
            PieceKind::Line if piece.bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) => {
                Some(ResidueClass::Blank)
            }
            PieceKind::Line if file.format.is_control(piece.bytes) => Some(ResidueClass::Control),
            PieceKind::Rejected(reason) => {
                return Ok(Fate::Rejected { error_at: piece.byte_offset, reason: reason.to_owned() });
            }
            PieceKind::Line | PieceKind::Record => None,
        };
        if let Some(class) = kept {
            self.keep(piece, class, "", None)?;
            return Ok(Fate::Kept(class));
        }
        let Some(text) = text else {
            return Ok(invalid_utf8(piece));
        };
        let json = match file.format.json_of(text) {
            Ok(json) => json,
            Err(error) => {
                return Ok(Fate::Rejected { error_at: piece.byte_offset, reason: error.to_string() });
            }
        };
        if let Err(error) = self.tape.parse(json) {
            let reason = describe(json, error).into_owned();
            return Ok(Fate::Rejected { error_at: piece.byte_offset + error.at as u64, reason });
        }
        let envelope = file.format.read(text, &self.tape, &mut self.frames);
        let nodes = self.catalogue.observe(&Observed {
            event: &envelope.event_type,
            text: json,
            tape: &self.tape,
            line: piece.line_no,
            seq: envelope.seq,
            time: envelope.time.micros,
            payload: envelope.payload,
            frame: frame_of(&self.frames),
        });
        if let Some(appender) = &mut self.appender {
            appender.record(&envelope, text, piece.line_no, piece.byte_offset)?;
        }
        Ok(Fate::Record { nodes })
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
            reason: Cow::Borrowed(reason),
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
            parts,
        })
    }
}

/// The payload that was decoded from a string of the record that was read last.
pub(crate) fn frame_of(frames: &FrameScratch) -> Option<Frame<'_>> {
    frames.payload().map(|(text, tape, node, _)| Frame { text, tape, node })
}

/// What became of a piece.
enum Fate {
    Record { nodes: u64 },
    Kept(ResidueClass),
    Rejected { error_at: u64, reason: String },
}

fn invalid_utf8(piece: &Piece<'_>) -> Fate {
    let at = std::str::from_utf8(piece.bytes).map_or_else(|error| error.valid_up_to(), str::len);
    Fate::Rejected { error_at: piece.byte_offset + at as u64, reason: "invalid UTF-8".to_owned() }
}

/// The reason in words, with the commonest kinds of damage called by their names.
fn describe(text: &str, error: SyntaxError) -> Cow<'static, str> {
    let rest = &text.as_bytes()[error.at.min(text.len())..];
    match error.problem {
        SyntaxProblem::ExpectedValue if rest.starts_with(b"NaN") => "NaN is not JSON".into(),
        SyntaxProblem::ExpectedValue if rest.starts_with(b"Infinity") || rest.starts_with(b"-Infinity") => {
            "Infinity is not JSON".into()
        }
        _ if text.starts_with('\0') => "the line begins with NUL bytes".into(),
        _ if text.starts_with('#') => "a note, not a record".into(),
        SyntaxProblem::TrailingText if rest.starts_with(b"{") => {
            "a second record begins on the same line".into()
        }
        problem => problem.to_string().into(),
    }
}
