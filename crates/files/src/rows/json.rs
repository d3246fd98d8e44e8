//! JSON that is not in lines: a list whose elements are rows, or values one after the other, each a row.
//!
//! A value is found by its brackets and quotes before it is looked at, so that only one has to be in memory.

use serde_json::value::RawValue;

use super::{Next, Rows};
use crate::FilesError;
use crate::feed::{Feed, ROW_BYTES_MAX};
use crate::state::FileState;

/// See the module.
pub(super) struct Document {
    feed: Feed,
    list: bool,
    rows: u64,
    /// Elements that were taken, rows or not.
    elements: u64,
    /// Whether the bracket of the list was taken.
    opened: bool,
    /// Whether the comma before the next element was taken: content may end there, and go on later.
    behind_comma: bool,
    closed: bool,
}

/// How far the end of a value was looked for.
#[derive(Default)]
struct Scan {
    at: usize,
    depth: usize,
    text: bool,
    escaped: bool,
}

impl Document {
    pub(super) fn new(feed: Feed, head: &[u8], from: &FileState) -> Self {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let before = feed.before();
        Self {
            feed,
            list: text.first() == Some(&b'['),
            rows: from.rows,
            elements: from.lines,
            // Blanks may be all that was there.
            opened: from.lines > 0 || matches!(before, Some(b'[' | b']')),
            // No value ends with a comma.
            behind_comma: from.lines > 0 && before == Some(b','),
            // What was read by an earlier version was closed if it came to an end.
            closed: from.closed || (from.done && before == Some(b']')),
        }
    }

    /// The next byte that is no blank, which is not taken.
    fn peek(&mut self) -> Result<Option<u8>, FilesError> {
        loop {
            if self.feed.at() == 0 && self.feed.head(3) == b"\xef\xbb\xbf" {
                self.feed.consume(3);
            }
            let bytes = self.feed.ready();
            let blanks = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = bytes.get(blanks).copied();
            self.feed.consume(blanks);
            if found.is_some() {
                return Ok(found);
            }
            if !self.feed.more() {
                self.feed.failure()?;
                return Ok(None);
            }
        }
    }

    fn malformed<T>(&self, why: impl Into<String>) -> Result<T, FilesError> {
        Err(FilesError::Malformed { at: self.feed.at(), why: why.into() })
    }

    /// Length of the value that begins here.
    fn value(&mut self) -> Result<usize, FilesError> {
        let mut scan = Scan::default();
        loop {
            if let Some(end) = scan.over(self.feed.ready()) {
                return Ok(end);
            }
            if self.feed.ready().len() > ROW_BYTES_MAX {
                let why = format!(
                    "the value that begins here has more than {ROW_BYTES_MAX} bytes; write its rows as a list, or one a line"
                );
                return self.malformed(why);
            }
            if !self.feed.more() {
                self.feed.failure()?;
                // A number ends where the content does; within a list it may be half of one.
                if !self.list && scan.depth == 0 && !scan.text && scan.at > 0 {
                    return Ok(scan.at);
                }
                let number = self.elements + 1;
                return self.malformed(format!(
                    "the file ends within value {number}, which begins here; it is cut off"
                ));
            }
        }
    }

    /// Comes to the next element of the list; `false` is its end.
    fn element(&mut self) -> Result<bool, FilesError> {
        if !self.opened {
            self.feed.consume(1);
            self.opened = true;
        } else if self.elements > 0 && !self.behind_comma {
            match self.peek()? {
                Some(b']') => return self.close(),
                Some(b',') => {
                    self.feed.consume(1);
                    self.behind_comma = true;
                }
                None => return self.cut_off(),
                Some(_) => return self.malformed("there is no comma between two values of the list"),
            }
        }
        match self.peek()? {
            None => self.cut_off(),
            Some(b']' | b',') if self.behind_comma => self.malformed("a comma is followed by no value"),
            Some(b']') => self.close(),
            Some(_) => Ok(true),
        }
    }

    fn cut_off<T>(&self) -> Result<T, FilesError> {
        self.malformed("the file ends within its list; it is cut off")
    }

    fn close(&mut self) -> Result<bool, FilesError> {
        self.feed.consume(1);
        self.closed = true;
        match self.peek()? {
            None => Ok(false),
            Some(_) => self.malformed("something follows the end of the list"),
        }
    }
}

impl Rows for Document {
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Next, FilesError> {
        let Some(first) = self.peek()? else {
            return match self.list && !self.closed {
                true => self.cut_off(),
                false => Ok(Next::End),
            };
        };
        if self.list {
            if self.closed {
                return self.malformed("something follows the end of the list");
            }
            if !self.element()? {
                return Ok(Next::End);
            }
            self.peek()?;
        } else if matches!(first, b',' | b']' | b'}' | b':') {
            return self.malformed("no value begins here");
        }
        let end = self.value()?;
        let bytes = &self.feed.ready()[..end];
        let number = self.elements + 1;
        let next = match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(value) => {
                out.extend_from_slice(value.get().as_bytes());
                self.rows += 1;
                Next::Row(number)
            }
            Err(error) if self.list => {
                out.extend_from_slice(bytes);
                Next::Bad(number, format!("element {number} of the list is no JSON: {error}"))
            }
            // Where the next one begins cannot be said.
            Err(error) => return self.malformed(format!("value {number} is no JSON: {error}")),
        };
        self.feed.consume(end);
        self.elements += 1;
        self.behind_comma = false;
        Ok(next)
    }

    fn mark(&mut self, state: &mut FileState) {
        self.feed.marks(state);
        (state.lines, state.rows, state.closed) = (self.elements, self.rows, self.closed);
    }
}

impl Scan {
    /// Looks on in what there is of a value; gives its length when its end was found.
    fn over(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(byte) = bytes.get(self.at) {
            if self.text {
                // Most of a text is nothing of interest.
                if self.escaped {
                    self.escaped = false;
                } else if let Some(skip) = memchr::memchr2(b'"', b'\\', &bytes[self.at..]) {
                    self.at += skip;
                    match bytes[self.at] {
                        b'\\' => self.escaped = true,
                        _ => {
                            self.text = false;
                            if self.depth == 0 {
                                return Some(self.at + 1);
                            }
                        }
                    }
                } else {
                    self.at = bytes.len();
                    return None;
                }
                self.at += 1;
                continue;
            }
            match byte {
                b'"' if self.depth == 0 && self.at > 0 => return Some(self.at),
                b'"' => self.text = true,
                b'{' | b'[' if self.depth == 0 && self.at > 0 => return Some(self.at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(self.at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.at + 1);
                    }
                }
                b',' if self.depth == 0 => return Some(self.at),
                byte if byte.is_ascii_whitespace() && self.depth == 0 => return Some(self.at),
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}
