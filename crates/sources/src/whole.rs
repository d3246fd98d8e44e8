//! Content without records, such as a document: kept as it is, in pieces of bounded size.

use memchr::memchr_iter;

use crate::block::{Block, Layout, Part, PartKind};
use crate::content::{Content, Done};
use crate::source::Cut;
use crate::{PIECE_BYTES_MAX, Resume};

/// Content whose beginning says what it is, or whose name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognised {
    /// What it is called, in the lake too.
    pub name: &'static str,
    /// Whether the content itself says so. What only its name says gives way to records in it.
    pub by_content: bool,
}

/// Kinds of content that are kept as a whole, and who knows them apart.
#[derive(Debug, Clone, Copy)]
pub struct WholeFormats {
    /// What they are called.
    pub names: &'static [&'static str],
    /// Says which of them content is, by the name of the input and the first bytes.
    pub recognise: fn(&str, &[u8]) -> Option<Recognised>,
}

impl WholeFormats {
    /// The one that is called `name`.
    pub fn named(&self, name: &str) -> Option<&'static str> {
        self.names.iter().copied().find(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Hands content over in pieces.
pub(crate) struct Whole {
    /// Content offset of the next byte.
    at: u64,
    /// Line of the next byte.
    line_no: u64,
    /// The line in which a run before this one ended has been counted and goes on.
    line_counted: bool,
    spare: Vec<u8>,
    block_bytes: usize,
}

impl Whole {
    pub fn new(block_bytes: usize) -> Self {
        let block_bytes = block_bytes.min(PIECE_BYTES_MAX);
        Self { at: 0, line_no: 1, line_counted: false, spare: Vec::new(), block_bytes }
    }
}

impl Cut for Whole {
    fn next(&mut self, content: &mut Content) -> Option<Block> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        content.fill(&mut bytes, self.block_bytes);
        if bytes.is_empty() {
            return None;
        }
        let last = content.is_ended();
        let newlines = memchr_iter(b'\n', &bytes).count() as u64;
        let open = last && bytes.last() != Some(&b'\n');
        let mut lines = newlines + u64::from(open);
        if self.line_counted && lines > 0 {
            self.line_counted = false;
            lines -= 1;
        }
        let part = Part { start: 0, end: bytes.len(), line_no: self.line_no, kind: PartKind::Whole };
        let block = Block {
            byte_offset: self.at,
            line_no: self.line_no,
            layout: Layout::Parts(vec![part]),
            last,
            lines,
            bytes,
        };
        self.at += block.bytes.len() as u64;
        self.line_no += newlines;
        Some(block)
    }

    fn resume(&mut self, content: &mut Content, resume: &Resume, done: &mut Done) -> Option<Block> {
        let mut buffer = Vec::new();
        while done.bytes < resume.bytes_done {
            let missing = usize::try_from(resume.bytes_done - done.bytes).unwrap_or(usize::MAX);
            buffer.clear();
            content.fill(&mut buffer, PIECE_BYTES_MAX.min(missing));
            if buffer.is_empty() {
                break;
            }
            self.line_no += memchr_iter(b'\n', &buffer).count() as u64;
            done.add(&buffer);
        }
        self.at = done.bytes;
        self.line_counted = resume.lines_done > self.line_no - 1;
        None
    }

    fn recycle(&mut self, bytes: Vec<u8>) {
        self.spare = bytes;
    }
}
