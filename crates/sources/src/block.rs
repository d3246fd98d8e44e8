//! A stretch of content that a worker can take away, and the pieces that it falls into.
//!
//! Every byte of content lies in exactly one piece, or is the one `\n` between two of them.

use memchr::memchr;

/// A stretch of content. Blocks of one input follow one another without a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Content offset of the first byte.
    pub byte_offset: u64,
    /// Line of the first byte, counted from 1.
    pub line_no: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they fall into.
    pub layout: Layout,
    /// Whether the input ends here.
    pub last: bool,
    /// Lines that end in this block. A last line without `\n` ends with the input.
    pub lines: u64,
}

/// How the bytes of a block are divided.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// At every `\n`.
    Lines,
    /// Into these ranges, in order. One `\n` may stand after any of them.
    Parts(Vec<Part>),
}

/// A range of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// First byte, counted from the start of the block.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of the first byte, counted from 1.
    pub line_no: u64,
    /// What the bytes are.
    pub kind: PartKind,
}

/// What a part of a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartKind {
    /// The text of one record.
    Record,
    /// Brackets, commas and everything else around records.
    Filler,
    /// Bytes that cannot be a record, and why.
    Rejected(String),
    /// Bytes of content that is kept as a whole.
    Whole,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind<'a> {
    /// A line: a record, a control line, a blank line or damage.
    Line,
    /// The text of one record out of a document.
    Record,
    /// Bytes around records.
    Filler,
    /// Bytes that cannot be a record, and why.
    Rejected(&'a str),
    /// Bytes of content that is kept as a whole.
    Whole,
}

/// One piece of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes, without the `\n` that follows.
    pub bytes: &'a [u8],
    /// Content offset of the first byte.
    pub byte_offset: u64,
    /// Line of the first byte, counted from 1.
    pub line_no: u64,
    /// What it is.
    pub kind: PieceKind<'a>,
    /// Whether a `\n` follows that belongs to no piece. It counts with this one.
    pub newline: bool,
}

impl Block {
    /// The pieces in order. An empty line is a piece of no bytes.
    pub fn pieces(&self) -> Pieces<'_> {
        Pieces { block: self, at: 0, part: 0, line_no: self.line_no }
    }
}

/// Iterator over the pieces of a block.
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    block: &'a Block,
    at: usize,
    part: usize,
    line_no: u64,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    #[inline]
    fn next(&mut self) -> Option<Piece<'a>> {
        let block = self.block;
        match &block.layout {
            Layout::Lines => {
                let rest = block.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
                let (bytes, newline) = match memchr(b'\n', rest) {
                    Some(end) => (&rest[..end], true),
                    None => (rest, false),
                };
                let piece = Piece {
                    bytes,
                    byte_offset: block.byte_offset + self.at as u64,
                    line_no: self.line_no,
                    kind: PieceKind::Line,
                    newline,
                };
                self.at += bytes.len() + usize::from(newline);
                self.line_no += 1;
                Some(piece)
            }
            Layout::Parts(parts) => {
                let part = parts.get(self.part)?;
                self.part += 1;
                let next = parts.get(self.part).map_or(block.bytes.len(), |part| part.start);
                Some(Piece {
                    bytes: &block.bytes[part.start..part.end],
                    byte_offset: block.byte_offset + part.start as u64,
                    line_no: part.line_no,
                    kind: match &part.kind {
                        PartKind::Record => PieceKind::Record,
                        PartKind::Filler => PieceKind::Filler,
                        PartKind::Rejected(reason) => PieceKind::Rejected(reason),
                        PartKind::Whole => PieceKind::Whole,
                    },
                    newline: next > part.end,
                })
            }
        }
    }
}
