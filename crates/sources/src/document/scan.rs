//! Where records begin and end inside a JSON value, without reading what they hold.
//!
//! Around records the grammar is followed; inside one only strings and brackets are, because the
//! parser judges each record by itself later. Scanning stops anywhere and goes on with more
//! bytes.

use memchr::memchr3;
use stele_model::json::{DEPTH_MAX, unescape};

use crate::profile::Step;

/// Longest member name outside of records that is compared with a step. Names in paths are short.
const KEY_BYTES_MAX: usize = 1 << 10;

/// Most brackets that are open inside one record. A record of the greatest length could hold no
/// more, and each takes a byte of memory.
const OPEN_MAX: usize = crate::RECORD_BYTES_MAX;

/// What the scanner came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A record begins here.
    Begin(usize),
    /// The record that began last ends here.
    End(usize),
    /// The document is malformed here.
    Break(usize, &'static str),
    /// Nothing more in these bytes.
    Nothing,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A root value, or the end. A second one must begin on another line.
    Root { newline: bool },
    /// A value of a list or of a member.
    Value,
    /// The first value of a list, or its end.
    ValueOrEnd,
    /// A member name.
    Key,
    /// The first member name, or the end.
    KeyOrEnd,
    /// A colon.
    Colon,
    /// A comma, or the end of the list or object.
    CommaOrEnd,
    /// The inside of a string; whether it is a name.
    String { key: bool },
    /// The inside of a number or a word.
    Scalar,
    /// The inside of a record, in a string or not.
    Record { string: bool },
    /// The inside of a record that is a number or a word.
    ScalarRecord,
    /// Behind a root value that is a record and ends here: only space up to the end of the line.
    Tail { end: usize },
}

/// A list or an object around records.
#[derive(Debug, Clone, Copy)]
struct Level {
    object: bool,
    /// How many steps to the records lead here; `None` is off the path.
    steps: Option<usize>,
}

/// Finds the records of documents in a buffer that grows at its end and is cut at its front.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// Next byte of the buffer. Whoever cuts the buffer's front moves it.
    pub at: usize,
    steps: Vec<Step>,
    levels: Vec<Level>,
    state: State,
    key: Vec<u8>,
    key_too_long: bool,
    /// Open brackets of the record being scanned.
    open: Vec<u8>,
    /// The levels around the record that began last.
    around: Vec<Level>,
    deepest: usize,
    starved: bool,
}

impl Scanner {
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            at: 0,
            steps,
            levels: Vec::new(),
            state: State::Root { newline: true },
            key: Vec::new(),
            key_too_long: false,
            open: Vec::new(),
            around: Vec::new(),
            deepest: 0,
            starved: false,
        }
    }

    /// How many steps towards the records a head goes, the list of records itself included.
    pub fn reach(head: &[u8], steps: &[Step]) -> usize {
        let mut scanner = Self::new(steps.to_vec());
        while matches!(scanner.next(head, false), Found::Begin(_) | Found::End(_)) {}
        scanner.deepest
    }

    /// Whether the last call ran out of bytes.
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Whether the record that began last was an element of a list.
    pub fn lists_records(&self) -> bool {
        self.around.last().is_some_and(|level| !level.object)
    }

    /// Whether the record that began last was a root value.
    pub fn records_stand_alone(&self) -> bool {
        self.around.is_empty()
    }

    /// Goes on with a record that begins at `at`, in the list that held the one before.
    pub fn restart(&mut self, at: usize) {
        self.at = at;
        self.levels.clone_from(&self.around);
        self.state = State::Value;
    }

    /// Scans on. Positions are those of `buffer`; `ended` if it will not grow.
    pub fn next(&mut self, buffer: &[u8], ended: bool) -> Found {
        self.starved = false;
        while self.at < buffer.len() {
            let found = match self.state {
                State::Record { string: false } => self.record(buffer),
                State::Record { string: true } | State::String { .. } => self.string(buffer),
                State::Scalar | State::ScalarRecord => self.scalar(buffer),
                _ => self.token(buffer, ended),
            };
            match found {
                Some(Found::Nothing) => break,
                Some(found) => return found,
                None => {}
            }
        }
        self.starved = true;
        if !ended {
            return Found::Nothing;
        }
        let state = std::mem::replace(&mut self.state, State::Root { newline: true });
        match state {
            State::Root { .. } => Found::Nothing,
            State::Tail { end } => Found::End(end),
            State::ScalarRecord if self.levels.is_empty() => Found::End(self.at),
            _ => Found::Break(self.at, "the text ends inside a value"),
        }
    }

    /// One structural byte; `Found::Nothing` if deciding needs more of them.
    fn token(&mut self, buffer: &[u8], ended: bool) -> Option<Found> {
        let (at, byte) = (self.at, buffer[self.at]);
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
            match self.state {
                State::Root { .. } if byte == b'\n' => self.state = State::Root { newline: true },
                State::Tail { end } if byte == b'\n' => {
                    self.state = State::Root { newline: true };
                    return Some(Found::End(end));
                }
                _ => {}
            }
            return None;
        }
        let problem = match (self.state, byte) {
            (State::Tail { .. } | State::Root { newline: false }, _) => "text follows the value",
            (
                State::Root { .. } | State::Value | State::ValueOrEnd,
                b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n',
            ) => {
                return self.value(buffer, ended);
            }
            (State::ValueOrEnd, b']') | (State::KeyOrEnd, b'}') => return self.close(byte),
            (State::CommaOrEnd, b'}' | b']') => return self.close(byte),
            (State::Root { .. } | State::Value | State::ValueOrEnd, _) => "a value was expected",
            (State::Key | State::KeyOrEnd, b'"') => {
                self.key.clear();
                self.key_too_long = false;
                self.at += 1;
                self.state = State::String { key: true };
                return None;
            }
            (State::Key | State::KeyOrEnd, _) => "a member name in quotes was expected",
            (State::Colon, b':') => {
                self.at += 1;
                self.state = State::Value;
                return None;
            }
            (State::Colon, _) => "a colon was expected",
            (State::CommaOrEnd, b',') => {
                self.at += 1;
                let object = self.levels.last().is_some_and(|level| level.object);
                self.state = if object { State::Key } else { State::Value };
                return None;
            }
            _ => "a comma or a closing bracket was expected",
        };
        Some(Found::Break(at, problem))
    }

    /// The first byte of a value.
    fn value(&mut self, buffer: &[u8], ended: bool) -> Option<Found> {
        let (at, byte) = (self.at, buffer[self.at]);
        let steps = match self.levels.last() {
            None => match self.root_is_record(buffer, ended) {
                Some(true) => Some(self.steps.len()),
                Some(false) => Some(0),
                None => return Some(Found::Nothing),
            },
            Some(level) => level
                .steps
                .filter(|steps| match self.steps.get(*steps) {
                    Some(Step::Element) => !level.object,
                    Some(Step::Member(name)) => {
                        level.object && !self.key_too_long && unescape(&self.key) == name.as_str()
                    }
                    None => false,
                })
                .map(|steps| steps + 1),
        };
        self.at += 1;
        if steps == Some(self.steps.len()) {
            self.around.clone_from(&self.levels);
            self.open.clear();
            self.state = match byte {
                b'{' | b'[' => {
                    self.open.push(byte);
                    State::Record { string: false }
                }
                b'"' => State::Record { string: true },
                _ => State::ScalarRecord,
            };
            return Some(Found::Begin(at));
        }
        match byte {
            b'{' | b'[' if self.levels.len() == DEPTH_MAX => {
                return Some(Found::Break(at, "the nesting is too deep"));
            }
            b'{' | b'[' => {
                let object = byte == b'{';
                self.levels.push(Level { object, steps });
                let leads = steps.is_some_and(|steps| match self.steps.get(steps) {
                    Some(Step::Element) => !object,
                    Some(Step::Member(_)) => object,
                    None => false,
                });
                if leads {
                    self.deepest = self.deepest.max(self.levels.len());
                }
                self.state = if object { State::KeyOrEnd } else { State::ValueOrEnd };
            }
            b'"' => self.state = State::String { key: false },
            _ => self.state = State::Scalar,
        }
        None
    }

    /// Whether a root value is one record: always if there is no step, and if the only step is
    /// into a list and the root is no list of objects. `None` if more bytes are needed.
    fn root_is_record(&self, buffer: &[u8], ended: bool) -> Option<bool> {
        match self.steps.as_slice() {
            [] => Some(true),
            [Step::Element] if buffer[self.at] != b'[' => Some(true),
            [Step::Element] => {
                let inside = buffer[self.at + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
                match inside {
                    Some(byte) => Some(*byte != b'{'),
                    None => ended.then_some(true),
                }
            }
            _ => Some(false),
        }
    }

    fn close(&mut self, byte: u8) -> Option<Found> {
        let object = byte == b'}';
        if self.levels.last().is_none_or(|level| level.object != object) {
            return Some(Found::Break(self.at, "the closing bracket does not match"));
        }
        self.at += 1;
        self.levels.pop();
        self.after_value();
        None
    }

    fn after_value(&mut self) {
        self.state = if self.levels.is_empty() { State::Root { newline: false } } else { State::CommaOrEnd };
    }

    /// The record that is being scanned ends at `end`.
    fn after_record(&mut self, end: usize) -> Option<Found> {
        if self.levels.is_empty() {
            self.state = State::Tail { end };
            return None;
        }
        self.after_value();
        Some(Found::End(end))
    }

    fn record(&mut self, buffer: &[u8]) -> Option<Found> {
        while let Some(byte) = buffer.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    self.state = State::Record { string: true };
                    return None;
                }
                b'{' | b'[' if self.open.len() == OPEN_MAX => {
                    return Some(Found::Break(self.at - 1, "too many brackets are open"));
                }
                b'{' | b'[' => self.open.push(*byte),
                b'}' | b']' => {
                    let opening = if *byte == b'}' { b'{' } else { b'[' };
                    if self.open.pop() != Some(opening) {
                        return Some(Found::Break(self.at - 1, "the closing bracket does not match"));
                    }
                    if self.open.is_empty() {
                        return self.after_record(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn string(&mut self, buffer: &[u8]) -> Option<Found> {
        let is_key = self.state == State::String { key: true };
        let rest = &buffer[self.at..];
        let stop = memchr3(b'"', b'\\', b'\n', rest);
        let escape = stop.is_some_and(|stop| rest[stop] == b'\\');
        // An escape is taken whole, so that the next call never begins inside one.
        let take = match stop {
            Some(stop) if escape && stop + 1 == rest.len() => stop,
            Some(stop) => stop + if escape { 2 } else { 0 },
            None => rest.len(),
        };
        if is_key {
            if self.key.len() + take > KEY_BYTES_MAX {
                self.key_too_long = true;
            } else {
                self.key.extend_from_slice(&rest[..take]);
            }
        }
        self.at += take;
        match stop {
            None => None,
            Some(stop) if escape => (stop + 1 == rest.len()).then_some(Found::Nothing),
            Some(stop) if rest[stop] == b'\n' => {
                Some(Found::Break(self.at, "a string does not end on its line"))
            }
            Some(_) => {
                self.at += 1;
                match self.state {
                    State::String { key: true } => self.state = State::Colon,
                    State::String { key: false } => self.after_value(),
                    _ if self.open.is_empty() => return self.after_record(self.at),
                    _ => self.state = State::Record { string: false },
                }
                None
            }
        }
    }

    fn scalar(&mut self, buffer: &[u8]) -> Option<Found> {
        let ends = |byte: &u8| {
            matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{') || byte.is_ascii_whitespace()
        };
        let end = buffer[self.at..].iter().position(ends);
        self.at += end.unwrap_or(buffer.len() - self.at);
        end?;
        if self.state == State::ScalarRecord {
            return self.after_record(self.at);
        }
        self.after_value();
        None
    }
}

/// The text of the first record of a document, by the rule for root lists, if it is whole.
pub(crate) fn first_record(head: &[u8], ended: bool) -> Option<&[u8]> {
    let mut scanner = Scanner::new(vec![Step::Element]);
    let Found::Begin(start) = scanner.next(head, ended) else { return None };
    match scanner.next(head, ended) {
        Found::End(end) => Some(&head[start..end]),
        _ => None,
    }
}
