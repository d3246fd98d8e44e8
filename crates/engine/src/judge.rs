//! What a piece of an input is: a record, something that is kept as it stands, or damage.
//!
//! This is the only place where a record is parsed, on its way in and whenever it is counted again.
//! The tape that comes out of it feeds the envelope, the catalogue and the lake.

use std::borrow::Cow;

use stele_discover::{Frame, Observed};
use stele_model::json::{SyntaxError, SyntaxProblem, Tape, Value};
use stele_model::{Envelope, ResidueClass};
use stele_sources::{Format, FrameScratch, Piece, PieceKind};

/// The tools of a judge; make one a thread.
#[derive(Default)]
pub(crate) struct Judge {
    tape: Tape,
    frames: FrameScratch,
}

/// A piece that is a record.
pub(crate) struct Accepted<'a> {
    /// Its exact text.
    pub(crate) raw: &'a str,
    pub(crate) envelope: Envelope<'a>,
    /// The JSON in it: all of it, but for a bare frame.
    json: &'a str,
    tape: &'a Tape,
    frame: Option<Frame<'a>>,
}

/// A piece that is none.
pub(crate) enum Refused {
    Kept(ResidueClass),
    Rejected { error_at: u64, reason: Cow<'static, str> },
}

impl Judge {
    /// Says what `piece` is. `text` is the piece if it is UTF-8.
    #[inline]
    pub(crate) fn judge<'a>(
        &'a mut self,
        format: &Format,
        piece: &Piece<'a>,
        text: Option<&'a str>,
    ) -> Result<Accepted<'a>, Refused> {
        let at = piece.byte_offset;
        match piece.kind {
            PieceKind::Filler => return Err(Refused::Kept(ResidueClass::Filler)),
            PieceKind::Whole => return Err(Refused::Kept(ResidueClass::Document)),
            PieceKind::Line if piece.bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) => {
                return Err(Refused::Kept(ResidueClass::Blank));
            }
            PieceKind::Line if format.is_control(piece.bytes) => {
                return Err(Refused::Kept(ResidueClass::Control));
            }
            PieceKind::Rejected(reason) => return Err(rejected(at, reason.to_owned())),
            PieceKind::Line | PieceKind::Record => {}
        }
        let Some(raw) = text else {
            let valid = std::str::from_utf8(piece.bytes).map_or_else(|error| error.valid_up_to(), str::len);
            return Err(rejected(at + valid as u64, "invalid UTF-8"));
        };
        let json =
            format.json_of(raw).map_err(|error| rejected(at + error.at() as u64, error.to_string()))?;
        let Self { tape, frames } = self;
        tape.parse(json).map_err(|error| rejected(at + error.at as u64, describe(json, error)))?;
        let tape = &*tape;
        let envelope = format.read(raw, tape, frames);
        let frame = frames.payload().map(|(text, tape, node, _)| Frame { text, tape, node });
        Ok(Accepted { raw, envelope, json, tape, frame })
    }
}

impl Accepted<'_> {
    /// The root of its JSON.
    pub(crate) fn root(&self) -> Value<'_> {
        self.tape.value(self.json, 0)
    }

    /// The record as discovery counts it.
    #[inline]
    pub(crate) fn observed(&self, line: u64) -> Observed<'_> {
        Observed {
            event: &self.envelope.event_type,
            text: self.json,
            tape: self.tape,
            line,
            seq: self.envelope.seq,
            time: self.envelope.time.micros,
            change: self.envelope.time.change,
            payload: self.envelope.payload,
            frame: self.frame,
        }
    }
}

fn rejected(error_at: u64, reason: impl Into<Cow<'static, str>>) -> Refused {
    Refused::Rejected { error_at, reason: reason.into() }
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
