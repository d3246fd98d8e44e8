//! Records out of JSON values that span lines: a root array of objects, an archive that holds
//! messages somewhere inside, or values that are a record each.
//!
//! The content is scanned once and never held as a whole: a block goes out as soon as the parts
//! in it are settled. A document that breaks loses nothing: the damaged stretch is rejected, and
//! reading goes on at the next line that begins as the first record did, or, where records are no
//! elements of a list, at the next line that is a whole value.

mod scan;

use memchr::{memchr, memchr_iter, memmem, memrchr};
use stele_model::json::Tape;

use crate::block::{Block, Layout, Part, PartKind};
use crate::content::{Content, Done};
use crate::lines::{BYTE_ORDER_MARK, TOO_LONG};
use crate::profile::Step;
use crate::source::Cut;
use crate::{PIECE_BYTES_MAX, RECORD_BYTES_MAX, Resume};

use scan::Found;
pub(crate) use scan::{Scanner, first_record};

/// How many bytes may be scanned a second time after breaks, over a whole document. As much as
/// one record may hold: then even a document of nothing but breaks costs a bounded while.
const RESCAN_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// Cuts content into the records of documents.
pub(crate) struct Documents {
    parts: Parts,
    block_bytes: usize,
    scanner: Scanner,
    /// A record has begun where the settled parts end.
    record_open: bool,
    /// The open record is too long, and its beginning was rejected.
    too_long: bool,
    /// White space in front of the first record on its line, where it begins one.
    margin: Option<Vec<u8>>,
    seen_record: bool,
    /// Why nothing can be made of the bytes here.
    broken: Option<String>,
    rescan_budget: usize,
    /// The line in which a run before this one ended has been counted and goes on.
    line_counted: bool,
}

/// Content that is read and not cut into blocks yet, and the parts at its front.
struct Parts {
    buffer: Vec<u8>,
    /// Content offset of the buffer.
    offset: u64,
    /// Line of the first byte of the buffer, and of the byte where `list` ends.
    first_line: u64,
    line_no: u64,
    list: Vec<Part>,
    /// Where `list` ends.
    settled: usize,
}

impl Parts {
    /// Settles everything up to `end`.
    fn close(&mut self, end: usize, kind: &PartKind) {
        while self.settled < end {
            let bound = if *kind == PartKind::Record { end } else { self.settled + PIECE_BYTES_MAX };
            let (start, end) = (self.settled, end.min(bound));
            self.list.push(Part { start, end, line_no: self.line_no, kind: kind.clone() });
            self.line_no += newlines(&self.buffer[start..end]);
            self.settled = end;
        }
    }

    /// Takes the settled parts out as a block.
    fn cut(&mut self, ended: bool) -> Block {
        let rest = self.buffer.split_off(self.settled);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let last = ended && self.buffer.is_empty();
        let open = last && bytes.last() != Some(&b'\n');
        let block = Block {
            byte_offset: self.offset,
            line_no: self.first_line,
            lines: self.line_no - self.first_line + u64::from(open),
            layout: Layout::Parts(std::mem::take(&mut self.list)),
            last,
            bytes,
        };
        self.offset += self.settled as u64;
        self.settled = 0;
        self.first_line = self.line_no;
        block
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

impl Documents {
    pub fn new(content: &mut Content, steps: Vec<Step>, block_bytes: usize) -> Self {
        let mut parts =
            Parts { buffer: Vec::new(), offset: 0, first_line: 1, line_no: 1, list: Vec::new(), settled: 0 };
        let mut scanner = Scanner::new(steps);
        if content.head(BYTE_ORDER_MARK.len()) == BYTE_ORDER_MARK {
            content.fill(&mut parts.buffer, BYTE_ORDER_MARK.len());
            scanner.at = BYTE_ORDER_MARK.len();
        }
        Self {
            parts,
            block_bytes,
            scanner,
            record_open: false,
            too_long: false,
            margin: None,
            seen_record: false,
            broken: None,
            rescan_budget: RESCAN_BYTES_MAX,
            line_counted: false,
        }
    }

    fn begin(&mut self, at: usize) {
        self.parts.close(at, &PartKind::Filler);
        self.record_open = true;
        if !std::mem::replace(&mut self.seen_record, true) {
            let line = memrchr(b'\n', &self.parts.buffer[..at]).map_or(0, |newline| newline + 1);
            let margin = &self.parts.buffer[line..at];
            self.margin = margin.iter().all(u8::is_ascii_whitespace).then(|| margin.to_vec());
        }
    }

    fn end(&mut self, at: usize) {
        let kind = if self.too_long { PartKind::Rejected(TOO_LONG.to_owned()) } else { PartKind::Record };
        self.parts.close(at, &kind);
        self.record_open = false;
        self.too_long = false;
    }

    fn break_at(&mut self, at: usize, problem: &str) {
        let place = self.parts.offset + at as u64;
        self.broken = Some(format!("the document breaks at byte {place}: {problem}"));
        // Inside a record, the next one may have been taken for part of it; between two, the
        // next one may begin right here.
        let mut from = self.parts.settled;
        if !std::mem::take(&mut self.record_open) {
            self.parts.close(at, &PartKind::Filler);
            from = at - at.min(self.margin.as_ref().map_or(0, |margin| margin.len() + 1));
        }
        let again = self.scanner.at.saturating_sub(from);
        if again <= self.rescan_budget {
            self.rescan_budget -= again;
            self.scanner.at = from;
        }
        self.too_long = false;
    }

    /// Rejects bytes up to the next line that begins as the first record did.
    fn recover(&mut self, ended: bool) {
        let Some(reason) = self.broken.take() else { return };
        let rejected = PartKind::Rejected(reason);
        let from = self.scanner.at;
        if let Some(margin) = self.margin.as_ref().filter(|_| self.scanner.lists_records()) {
            let sign = [b"\n", margin.as_slice(), b"{"].concat();
            if let Some(at) = memmem::find(&self.parts.buffer[from..], &sign) {
                let start = from + at + sign.len() - 1;
                self.parts.close(start, &rejected);
                self.scanner.restart(start);
                return;
            }
        }
        if self.seen_record && self.scanner.records_stand_alone() {
            let (at, found) = next_line(&self.parts.buffer, from, ended);
            self.parts.close(at, &rejected);
            if found {
                self.scanner.restart(at);
                return;
            }
            self.scanner.at = at;
            let PartKind::Rejected(reason) = rejected else { return };
            self.broken = Some(reason);
            return;
        }
        let keep = if ended { 0 } else { self.margin.as_ref().map_or(0, |margin| margin.len() + 1) };
        let end = self.parts.buffer.len().saturating_sub(keep);
        self.parts.close(end, &rejected);
        self.scanner.at = end.max(from);
        let PartKind::Rejected(reason) = rejected else { return };
        self.broken = Some(reason);
    }
}

/// The next line behind `from` that is a whole JSON value, or begins one over several lines as a
/// pretty printer does: where it begins. If there is none, up to where that is certain.
fn next_line(buffer: &[u8], from: usize, ended: bool) -> (usize, bool) {
    let mut tape = Tape::default();
    let mut at = from;
    while let Some(newline) = memchr(b'\n', &buffer[at..]) {
        let start = at + newline + 1;
        at = match memchr(b'\n', &buffer[start..]) {
            Some(len) => start + len,
            None if ended || buffer.len() - start > PIECE_BYTES_MAX => buffer.len(),
            // With its line end, by which the next call finds it.
            None => return (start - 1, false),
        };
        let line = buffer[start..at].trim_ascii_end();
        let begins = matches!(line.first(), Some(b'{' | b'['));
        let mut whole = || str::from_utf8(line).is_ok_and(|text| tape.parse(text).is_ok());
        if begins && (line.len() == 1 || whole()) {
            return (start, true);
        }
    }
    (buffer.len(), false)
}

/// What of a block lies behind its first `old` bytes.
fn rest(mut block: Block, old: usize) -> Option<Block> {
    if old == block.bytes.len() {
        return None;
    }
    let Layout::Parts(parts) = block.layout else { return None };
    let passed = newlines(&block.bytes[..old]);
    let later = parts.into_iter().filter(|part| part.end > old).map(|part| {
        let start = part.start.max(old);
        let line_no = part.line_no + newlines(&block.bytes[part.start..start]);
        // A record is never divided; the point can only lie in one if blocks were cut otherwise.
        let kind = if start > part.start && part.kind == PartKind::Record {
            PartKind::Rejected("the record begins before the part that was read now".to_owned())
        } else {
            part.kind
        };
        Part { start: start - old, end: part.end - old, line_no, kind }
    });
    block.layout = Layout::Parts(later.collect());
    block.bytes.drain(..old);
    block.byte_offset += old as u64;
    block.line_no += passed;
    block.lines -= passed;
    Some(block)
}

impl Documents {
    /// Leaves out a line that was counted before it ended.
    fn uncount(&mut self, mut block: Block) -> Block {
        if self.line_counted && block.lines > 0 {
            block.lines -= 1;
            self.line_counted = false;
        }
        block
    }

    fn cut(&mut self, content: &mut Content) -> Option<Block> {
        loop {
            let ended = content.is_ended();
            if self.broken.is_some() {
                self.recover(ended);
            } else {
                match self.scanner.next(&self.parts.buffer, ended) {
                    Found::Begin(at) => self.begin(at),
                    Found::End(at) => self.end(at),
                    Found::Break(at, problem) => self.break_at(at, problem),
                    Found::Nothing if !self.record_open => {
                        self.parts.close(self.scanner.at, &PartKind::Filler);
                    }
                    Found::Nothing if self.parts.buffer.len() - self.parts.settled > RECORD_BYTES_MAX => {
                        self.too_long = true;
                        self.parts.close(self.scanner.at, &PartKind::Rejected(TOO_LONG.to_owned()));
                    }
                    Found::Nothing => {}
                }
            }
            let all = self.parts.settled == self.parts.buffer.len();
            if self.parts.settled >= self.block_bytes || (ended && all && self.parts.settled > 0) {
                self.scanner.at = self.scanner.at.saturating_sub(self.parts.settled);
                return Some(self.parts.cut(ended));
            }
            if ended && all {
                return None;
            }
            if !ended && (self.broken.is_some() || self.scanner.is_starved()) {
                content.fill(&mut self.parts.buffer, self.block_bytes);
            }
        }
    }
}

impl Cut for Documents {
    fn next(&mut self, content: &mut Content) -> Option<Block> {
        let block = self.cut(content)?;
        Some(self.uncount(block))
    }

    /// Scans again what was handed over before, for the state at its end.
    fn resume(&mut self, content: &mut Content, resume: &Resume, done: &mut Done) -> Option<Block> {
        let (mut beyond, mut lines) = (None, 0);
        while done.bytes < resume.bytes_done {
            let Some(block) = self.cut(content) else { break };
            let missing = usize::try_from(resume.bytes_done - done.bytes).unwrap_or(usize::MAX);
            let old = missing.min(block.bytes.len());
            done.add(&block.bytes[..old]);
            lines += newlines(&block.bytes[..old]);
            beyond = rest(block, old);
        }
        self.line_counted = resume.lines_done > lines;
        beyond.map(|block| self.uncount(block))
    }
}
