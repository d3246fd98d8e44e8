//! Lines: of JSON, one value each, or of any text.

use std::io::Write;

use serde_json::value::RawValue;

use super::{BEGINNING_BYTES, Next, Rows};
use crate::FilesError;
use crate::feed::{Feed, ROW_BYTES_MAX};
use crate::state::FileState;

/// See the module.
pub(super) struct Lines {
    feed: Feed,
    text: bool,
    may_grow: bool,
    /// Lines that were taken.
    lines: u64,
    rows: u64,
}

impl Lines {
    pub(super) fn new(feed: Feed, from: &FileState, text: bool, may_grow: bool) -> Self {
        Self { may_grow: may_grow && !feed.is_packed(), feed, text, lines: from.lines, rows: from.rows }
    }

    /// Bytes up to the end of the line, and whether it has one.
    fn line(&mut self) -> Result<(usize, bool), FilesError> {
        let mut looked = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.feed.ready()[looked..]) {
                return Ok((looked + at + 1, true));
            }
            looked = self.feed.ready().len();
            if looked > ROW_BYTES_MAX {
                return Ok((looked, false));
            }
            if !self.feed.more() {
                self.feed.failure()?;
                return Ok((looked, false));
            }
        }
    }

    /// Takes a line that is too long, to its end. What is damaged in it is said by the next one, as what came before
    /// was taken.
    fn long(&mut self, out: &mut Vec<u8>) -> Next {
        out.extend_from_slice(&self.feed.ready()[..BEGINNING_BYTES]);
        let at = self.feed.at();
        let mut bytes = 0;
        loop {
            let ready = self.feed.ready();
            let end = memchr::memchr(b'\n', ready);
            let take = end.map_or(ready.len(), |at| at + 1);
            bytes += take;
            self.feed.consume(take);
            if end.is_some() || !self.feed.more() {
                break;
            }
        }
        self.lines += 1;
        let why = format!(
            "the line has {bytes} bytes, and {ROW_BYTES_MAX} are the most; its first {BEGINNING_BYTES} are kept aside, and \
             only the file has the rest; `stele ingest` keeps a file with such lines whole"
        );
        Next::Beginning { number: self.lines, at, why }
    }
}

impl Rows for Lines {
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Next, FilesError> {
        loop {
            let (end, finished) = self.line()?;
            if end == 0 {
                return Ok(Next::End);
            }
            if end > ROW_BYTES_MAX {
                return Ok(self.long(out));
            }
            let line = &self.feed.ready()[..end];
            let bare =
                if self.feed.at() == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
            let bare = match self.text {
                true => {
                    bare.strip_suffix(b"\n").map_or(bare, |bare| bare.strip_suffix(b"\r").unwrap_or(bare))
                }
                false => bare.trim_ascii(),
            };
            if bare.is_empty() {
                self.feed.consume(end);
                self.lines += 1;
                continue;
            }
            let bad = match self.text {
                true => match std::str::from_utf8(bare) {
                    Ok(text) => {
                        out.extend_from_slice(b"{\"line\":");
                        // A buffer takes everything.
                        let _ = serde_json::to_writer(&mut *out, text);
                        let _ = out.write_all(b"}");
                        None
                    }
                    Err(_) => Some("it is no UTF-8; say in `encoding` what it is".to_owned()),
                },
                false => match serde_json::from_slice::<&RawValue>(bare) {
                    Ok(value) => {
                        out.extend_from_slice(value.get().as_bytes());
                        None
                    }
                    Err(error) => Some(format!("it is no JSON: {error}")),
                },
            };
            let number = self.lines + 1;
            // Text that has no end may be half of what it will be; JSON that has none cannot be right.
            if !finished && self.may_grow && (bad.is_some() || self.text) {
                if bad.is_none() {
                    out.clear();
                }
                return Ok(Next::Unfinished(number));
            }
            let next = match bad {
                None => {
                    self.rows += 1;
                    Next::Row(number)
                }
                Some(why) => {
                    out.extend_from_slice(bare);
                    Next::Bad(number, why)
                }
            };
            self.feed.consume(end);
            self.lines += 1;
            return Ok(next);
        }
    }

    fn mark(&mut self, state: &mut FileState) {
        self.feed.marks(state);
        (state.lines, state.rows) = (self.lines, self.rows);
    }
}
