//! One file of the sample on its way to disk, with the facts that are expected of it.

use std::io::{self, Write};

use sha2::{Digest, Sha256};
use stele_model::id::to_hex;
use stele_model::json::quote;

use super::{Book, Style, Tree};

/// What a reader has to find out about one file. Sizes and hashes are of the content, after
/// decompression, unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Path below the sample's directory, with `/`.
    pub path: String,
    /// The format's id.
    pub format: &'static str,
    /// `none` or `gzip`.
    pub compression: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// Of these, bytes of rejected lines; a line's `\n` belongs to it.
    pub bytes_quarantine: u64,
    /// Lines; a last line without `\n` is a line.
    pub lines: u64,
    /// Accepted records.
    pub records: u64,
    /// Rejected lines.
    pub quarantined: u64,
    /// Control lines.
    pub control: u64,
    /// Lines of nothing but white space.
    pub blank: u64,
    /// Values below the roots of the records.
    pub nodes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl FileFacts {
    pub(super) fn json(&self) -> String {
        format!(
            "{{\"path\": {}, \"format\": {}, \"compression\": {}, \"bytes\": {}, \"bytes_quarantine\": {}, \
             \"lines\": {}, \"records\": {}, \"quarantined\": {}, \"control\": {}, \"blank\": {}, \
             \"nodes\": {}, \"sha256\": {}}}",
            quote(&self.path),
            quote(self.format),
            quote(self.compression),
            self.bytes,
            self.bytes_quarantine,
            self.lines,
            self.records,
            self.quarantined,
            self.control,
            self.blank,
            self.nodes,
            quote(&self.sha256),
        )
    }
}

/// What a reader is to make of a line that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Rejected,
    Control,
    Blank,
}

/// A file being written. Every line goes through here, so the facts are complete.
pub(super) struct Sheet<'a> {
    out: Box<dyn Write + 'a>,
    book: &'a mut Book,
    /// Facts so far; hash and lines are set at the end.
    pub facts: FileFacts,
    hasher: Sha256,
    ends_with_newline: bool,
    text: String,
    /// What ends each line.
    pub line_end: &'static str,
}

impl<'a> Sheet<'a> {
    pub fn new(out: Box<dyn Write + 'a>, book: &'a mut Book, facts: FileFacts) -> Self {
        let text = String::new();
        Self { out, book, facts, hasher: Sha256::new(), ends_with_newline: true, text, line_end: "\n" }
    }

    /// Writes bytes that are no part of a line of their own.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.facts.bytes += bytes.len() as u64;
        self.facts.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.ends_with_newline = bytes.last().map_or(self.ends_with_newline, |last| *last == b'\n');
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    /// Writes a record without a line end.
    pub fn record_inline(&mut self, event: &str, tree: &Tree, style: Style) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        tree.write(&mut text, style);
        self.count(event, tree);
        self.put(text.as_bytes())?;
        self.text = text;
        Ok(())
    }

    /// Counts a record whose text is written in some other way.
    pub fn count(&mut self, event: &str, tree: &Tree) {
        self.facts.records += 1;
        self.facts.nodes += self.book.count(event, tree);
    }

    /// Writes a record as a line.
    pub fn record(&mut self, event: &str, tree: &Tree, style: Style) -> io::Result<()> {
        self.record_inline(event, tree, style)?;
        self.put(self.line_end.as_bytes())
    }

    /// Writes a line that is no record.
    pub fn line(&mut self, fate: Fate, bytes: &[u8]) -> io::Result<()> {
        let end = self.line_end;
        self.line_ending(fate, bytes, end)
    }

    /// The same with a line end of its own, which may be none for the last line.
    pub fn line_ending(&mut self, fate: Fate, bytes: &[u8], end: &str) -> io::Result<()> {
        match fate {
            Fate::Rejected => {
                self.facts.quarantined += 1;
                self.facts.bytes_quarantine += (bytes.len() + end.len()) as u64;
            }
            Fate::Control => self.facts.control += 1,
            Fate::Blank => self.facts.blank += 1,
        }
        self.put(bytes)?;
        self.put(end.as_bytes())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<FileFacts> {
        self.out.flush()?;
        self.facts.lines += u64::from(!self.ends_with_newline);
        self.facts.sha256 = to_hex(&self.hasher.finalize());
        Ok(self.facts)
    }
}
