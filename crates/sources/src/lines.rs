//! Blocks of whole lines. A line is cut at `\n` and nowhere else; what a line means is not
//! decided here.

use memchr::{memchr, memchr_iter, memrchr};

use crate::block::{Block, Layout, Part, PartKind};
use crate::content::{Content, Done};
use crate::source::Cut;
use crate::{PIECE_BYTES_MAX, RECORD_BYTES_MAX, Resume};

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts content into lines.
pub(crate) struct Lines {
    /// Content offset of the next byte.
    at: u64,
    /// Line of the next byte.
    line_no: u64,
    /// Read and not yet handed over.
    carry: Vec<u8>,
    /// Memory for the next block.
    spare: Vec<u8>,
    block_bytes: usize,
    inside: Inside,
}

/// Where the next byte stands.
enum Inside {
    /// At the start of a line.
    Nothing,
    /// In a line whose beginning was handed over as rejected.
    TooLong,
    /// In a line that was handed over as far as it went, as the last of a run before this one;
    /// whether it has been counted.
    Earlier { counted: bool },
}

impl Lines {
    pub fn new(block_bytes: usize) -> Self {
        let (carry, spare) = (Vec::new(), Vec::new());
        Self { at: 0, line_no: 1, carry, spare, block_bytes, inside: Inside::Nothing }
    }

    /// Takes `bytes` out as a block and advances.
    fn block(&mut self, bytes: Vec<u8>, layout: Layout, lines: u64, ended: bool) -> Block {
        let last = self.carry.is_empty() && ended;
        let block = Block { byte_offset: self.at, line_no: self.line_no, layout, last, lines, bytes };
        self.at += block.bytes.len() as u64;
        self.line_no += lines;
        block
    }

    /// The rest of a line whose beginning is already out, as far as it is known.
    fn rest_of_line(&mut self, mut bytes: Vec<u8>, ended: bool) -> Block {
        let newline = memchr(b'\n', &bytes);
        let ends = newline.is_some() || ended;
        // One byte is kept back while the end is open, so that a `\n` never stands alone.
        let cut = newline.map_or(if ends { bytes.len() } else { bytes.len() - 1 }, |at| at + 1);
        self.carry = bytes.split_off(cut);
        let (reason, counts) = match self.inside {
            Inside::Earlier { counted } => ("the line begins before the part that was read now", !counted),
            _ => (TOO_LONG, true),
        };
        let parts = rejected(newline.unwrap_or(bytes.len()), self.line_no, reason);
        if ends {
            self.inside = Inside::Nothing;
        }
        let line_no = self.line_no;
        let mut block = self.block(bytes, Layout::Parts(parts), u64::from(ends && counts), ended);
        if ends {
            self.line_no = line_no + 1;
        }
        block.line_no = line_no;
        block
    }
}

impl Cut for Lines {
    fn next(&mut self, content: &mut Content) -> Option<Block> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        bytes.reserve(self.block_bytes.max(self.carry.len()));
        bytes.append(&mut self.carry);
        let mut searched = 0;
        let mut budget = self.block_bytes;
        loop {
            let missing = budget.saturating_sub(bytes.len());
            content.fill(&mut bytes, missing);
            let ended = content.is_ended();
            if bytes.is_empty() {
                return None;
            }
            if self.at == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
                self.carry = bytes.split_off(BYTE_ORDER_MARK.len());
                let alone = self.carry.is_empty() && ended;
                let kind = if alone { PartKind::Rejected(ONLY_A_MARK.to_owned()) } else { PartKind::Filler };
                let part = Part { start: 0, end: bytes.len(), line_no: 1, kind };
                return Some(self.block(bytes, Layout::Parts(vec![part]), u64::from(alone), ended));
            }
            if !matches!(self.inside, Inside::Nothing) {
                return Some(self.rest_of_line(bytes, ended));
            }
            if ended {
                break;
            }
            if let Some(at) = memrchr(b'\n', &bytes[searched..]) {
                self.carry = bytes[searched + at + 1..].to_vec();
                bytes.truncate(searched + at + 1);
                break;
            }
            searched = bytes.len();
            if bytes.len() >= RECORD_BYTES_MAX {
                self.carry = bytes.split_off(bytes.len() - 1);
                self.inside = Inside::TooLong;
                let parts = rejected(bytes.len(), self.line_no, TOO_LONG);
                return Some(self.block(bytes, Layout::Parts(parts), 0, ended));
            }
            budget = (2 * bytes.len()).min(RECORD_BYTES_MAX);
        }
        let open = bytes.last() != Some(&b'\n');
        let lines = memchr_iter(b'\n', &bytes).count() as u64 + u64::from(open);
        Some(self.block(bytes, Layout::Lines, lines, content.is_ended()))
    }

    fn resume(&mut self, content: &mut Content, resume: &Resume, done: &mut Done) -> Option<Block> {
        let (mut newlines, mut ends_line) = (0, true);
        let mut buffer = Vec::new();
        while done.bytes < resume.bytes_done {
            let missing = resume.bytes_done - done.bytes;
            buffer.clear();
            content.fill(&mut buffer, PIECE_BYTES_MAX.min(usize::try_from(missing).unwrap_or(usize::MAX)));
            if buffer.is_empty() {
                break;
            }
            newlines += memchr_iter(b'\n', &buffer).count() as u64;
            ends_line = buffer.last() == Some(&b'\n')
                || (done.bytes == 0 && buffer == BYTE_ORDER_MARK && resume.lines_done == 0);
            done.add(&buffer);
        }
        (self.at, self.line_no) = (done.bytes, newlines + 1);
        if !ends_line {
            self.inside = Inside::Earlier { counted: resume.lines_done > newlines };
        }
        None
    }

    fn recycle(&mut self, bytes: Vec<u8>) {
        self.spare = bytes;
    }
}

/// Why a file is rejected that promises text and holds none.
const ONLY_A_MARK: &str = "a byte order mark and nothing after it";

/// Why a line or a record is rejected that is longer than [`RECORD_BYTES_MAX`].
pub(crate) const TOO_LONG: &str = "longer than 64 MiB";
const _: () = assert!(RECORD_BYTES_MAX == 64 << 20, "the text above says 64 MiB");

/// `len` bytes of one line as parts of bounded size.
fn rejected(len: usize, line_no: u64, reason: &str) -> Vec<Part> {
    (0..len)
        .step_by(PIECE_BYTES_MAX)
        .map(|start| Part {
            start,
            end: (start + PIECE_BYTES_MAX).min(len),
            line_no,
            kind: PartKind::Rejected(reason.to_owned()),
        })
        .collect()
}
