//! The parser: text in, tape out, no recursion.

use super::text::{is_high_surrogate, is_low_surrogate};
use super::{DIGIT_KEYS, HAS_KEY, KEY_ESCAPED, Kind, Node, Tape};

/// Deepest nesting that is accepted: four times the deepest that was ever seen. Paths are written
/// out in full, so the reports about one record grow with the square of its depth.
pub const DEPTH_MAX: usize = 4_096;

/// Longest text that is accepted; offsets on the tape are 32 bits wide.
pub const TEXT_BYTES_MAX: usize = 1 << 30;

/// Why a text is not one JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct SyntaxError {
    /// Byte of the text where reading stopped, counted from 0.
    pub at: usize,
    /// What was wrong there.
    pub problem: SyntaxProblem,
}

/// What is wrong at the byte where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxProblem {
    /// The text ends inside a value.
    #[error("the text ends inside a value")]
    Truncated,
    /// A value was expected.
    #[error("a value was expected")]
    ExpectedValue,
    /// A member name was expected.
    #[error("a member name in quotes was expected")]
    ExpectedKey,
    /// A colon was expected.
    #[error("a colon was expected")]
    ExpectedColon,
    /// A comma or the end of the container was expected.
    #[error("a comma or a closing bracket was expected")]
    ExpectedComma,
    /// The number does not follow the grammar.
    #[error("the number is malformed")]
    BadNumber,
    /// The escape does not follow the grammar.
    #[error("the escape is malformed")]
    BadEscape,
    /// A control character stands inside a string.
    #[error("a control character stands inside a string")]
    ControlCharacter,
    /// Something follows the value.
    #[error("text follows the value")]
    TrailingText,
    /// More than [`DEPTH_MAX`] levels.
    #[error("nesting is deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// More than [`TEXT_BYTES_MAX`] bytes.
    #[error("the text is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
}

type Parsed<T> = Result<T, SyntaxError>;

fn fail<T>(at: usize, problem: SyntaxProblem) -> Parsed<T> {
    Err(SyntaxError { at, problem })
}

/// What the parser does next.
enum State {
    /// Read a value; its flags and key are given.
    Value { flags: u8, key_start: u32, key_len: u32 },
    /// A value has just ended.
    After,
}

impl Tape {
    /// Parses `text` as exactly one JSON value, white space around it allowed.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] with the byte where reading stopped; the tape is then empty.
    pub fn parse(&mut self, text: &str) -> Parsed<()> {
        match self.run(text.as_bytes()) {
            Ok(end) => {
                let end = skip_space(text.as_bytes(), end);
                if end == text.len() {
                    return Ok(());
                }
                self.nodes.clear();
                fail(end, SyntaxProblem::TrailingText)
            }
            Err(error) => {
                self.nodes.clear();
                Err(error)
            }
        }
    }

    /// Parses the first JSON value of `text` and returns the byte after it; what follows is left.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] as for [`Tape::parse`].
    pub fn parse_prefix(&mut self, text: &str) -> Parsed<usize> {
        let result = self.run(text.as_bytes());
        if result.is_err() {
            self.nodes.clear();
        }
        result
    }

    fn run(&mut self, bytes: &[u8]) -> Parsed<usize> {
        self.nodes.clear();
        self.open.clear();
        if bytes.len() > TEXT_BYTES_MAX {
            return fail(TEXT_BYTES_MAX, SyntaxProblem::TooLong);
        }
        let mut at = skip_space(bytes, 0);
        let mut state = State::Value { flags: 0, key_start: 0, key_len: 0 };
        loop {
            match state {
                State::Value { flags, key_start, key_len } => {
                    let Some(&first) = bytes.get(at) else {
                        return fail(at, SyntaxProblem::Truncated);
                    };
                    let start = at;
                    let mut escape_bytes = 0;
                    let (kind, end) = match first {
                        b'"' => {
                            let (end, beyond) = string_end(bytes, at + 1)?;
                            escape_bytes = u16::try_from(beyond).unwrap_or(u16::MAX);
                            (Kind::String, end)
                        }
                        b'-' | b'0'..=b'9' => {
                            let (end, kind) = number_end(bytes, at)?;
                            (kind, end)
                        }
                        b'{' | b'[' => {
                            if self.open.len() == DEPTH_MAX {
                                return fail(at, SyntaxProblem::TooDeep);
                            }
                            let (kind, close) =
                                if first == b'{' { (Kind::Object, b'}') } else { (Kind::Array, b']') };
                            let index = self.nodes.len() as u32;
                            let next = skip_space(bytes, at + 1);
                            let empty = bytes.get(next) == Some(&close);
                            let digits = if kind == Kind::Object && !empty { DIGIT_KEYS } else { 0 };
                            self.nodes.push(Node {
                                start: start as u32,
                                end: (next + 1) as u32,
                                key_start,
                                key_len,
                                next: index + 1,
                                kind,
                                flags: flags | digits,
                                escape_bytes: 0,
                            });
                            if empty {
                                at = next + 1;
                                state = State::After;
                            } else {
                                self.open.push(index);
                                at = next;
                                state = if kind == Kind::Object {
                                    self.key(bytes, &mut at)?
                                } else {
                                    State::Value { flags: 0, key_start: 0, key_len: 0 }
                                };
                            }
                            continue;
                        }
                        b't' => (Kind::Boolean, literal_end(bytes, at, b"true")?),
                        b'f' => (Kind::Boolean, literal_end(bytes, at, b"false")?),
                        b'n' => (Kind::Null, literal_end(bytes, at, b"null")?),
                        _ => return fail(at, SyntaxProblem::ExpectedValue),
                    };
                    self.nodes.push(Node {
                        start: start as u32,
                        end: end as u32,
                        key_start,
                        key_len,
                        next: self.nodes.len() as u32 + 1,
                        kind,
                        flags,
                        escape_bytes,
                    });
                    at = end;
                    state = State::After;
                }
                State::After => {
                    let Some(&container) = self.open.last() else {
                        return Ok(at);
                    };
                    let is_object = self.nodes[container as usize].kind == Kind::Object;
                    at = skip_space(bytes, at);
                    match bytes.get(at) {
                        Some(b',') => {
                            at = skip_space(bytes, at + 1);
                            state = if is_object {
                                self.key(bytes, &mut at)?
                            } else {
                                State::Value { flags: 0, key_start: 0, key_len: 0 }
                            };
                        }
                        Some(b'}') if is_object => at = self.close(at),
                        Some(b']') if !is_object => at = self.close(at),
                        Some(_) => return fail(at, SyntaxProblem::ExpectedComma),
                        None => return fail(at, SyntaxProblem::Truncated),
                    }
                }
            }
        }
    }

    /// Reads a key and its colon; `at` ends on the first byte of the value.
    #[inline(always)]
    fn key(&mut self, bytes: &[u8], at: &mut usize) -> Parsed<State> {
        match bytes.get(*at) {
            Some(b'"') => {}
            Some(_) => return fail(*at, SyntaxProblem::ExpectedKey),
            None => return fail(*at, SyntaxProblem::Truncated),
        }
        let key_start = *at + 1;
        let (end, beyond) = string_end(bytes, key_start)?;
        let escaped = beyond > 0;
        let key_len = end - 1 - key_start;
        let first = bytes[key_start];
        if (escaped || !first.is_ascii_digit() || !bytes[key_start..end - 1].iter().all(u8::is_ascii_digit))
            && let Some(&object) = self.open.last()
        {
            let unescaped_digits = escaped && {
                let key = super::unescape(&bytes[key_start..end - 1]);
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit())
            };
            if !unescaped_digits {
                self.nodes[object as usize].flags &= !DIGIT_KEYS;
            }
        }
        let colon = skip_space(bytes, end);
        match bytes.get(colon) {
            Some(b':') => {}
            Some(_) => return fail(colon, SyntaxProblem::ExpectedColon),
            None => return fail(colon, SyntaxProblem::Truncated),
        }
        *at = skip_space(bytes, colon + 1);
        let flags = if escaped { HAS_KEY | KEY_ESCAPED } else { HAS_KEY };
        Ok(State::Value { flags, key_start: key_start as u32, key_len: key_len as u32 })
    }

    /// Ends the innermost container at its closing bracket.
    #[inline(always)]
    fn close(&mut self, at: usize) -> usize {
        if let Some(index) = self.open.pop() {
            let next = self.nodes.len() as u32;
            let node = &mut self.nodes[index as usize];
            node.end = (at + 1) as u32;
            node.next = next;
        }
        at + 1
    }
}

#[inline(always)]
fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

fn literal_end(bytes: &[u8], at: usize, word: &[u8]) -> Parsed<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(word) {
        return Ok(at + word.len());
    }
    let same = rest.iter().zip(word).take_while(|(a, b)| a == b).count();
    let problem = if same == rest.len() { SyntaxProblem::Truncated } else { SyntaxProblem::ExpectedValue };
    fail(at + same, problem)
}

/// Reads `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
#[inline(always)]
fn number_end(bytes: &[u8], start: usize) -> Parsed<(usize, Kind)> {
    let mut at = start + usize::from(bytes[start] == b'-');
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits_end(bytes, at + 1),
        Some(_) => return fail(at, SyntaxProblem::BadNumber),
        None => return fail(at, SyntaxProblem::Truncated),
    }
    let mut kind = Kind::Integer;
    if bytes.get(at) == Some(&b'.') {
        kind = Kind::Number;
        at = some_digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        kind = Kind::Number;
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = some_digits_end(bytes, at)?;
    }
    if let Some(b'0'..=b'9') = bytes.get(at) {
        return fail(at, SyntaxProblem::BadNumber);
    }
    Ok((at, kind))
}

#[inline(always)]
fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

fn some_digits_end(bytes: &[u8], at: usize) -> Parsed<usize> {
    match bytes.get(at) {
        Some(b'0'..=b'9') => Ok(digits_end(bytes, at + 1)),
        Some(_) => fail(at, SyntaxProblem::BadNumber),
        None => fail(at, SyntaxProblem::Truncated),
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// High bit set in every byte of `word` that is `"`, `\` or below 0x20. A borrow can only set a
/// bit above the first true one, so the lowest set bit is exact.
#[inline(always)]
fn string_stops(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let slash = word ^ (ONES * 0x5c);
    let below = word.wrapping_sub(ONES * 0x20);
    ((quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash) | (below & !word)) & HIGHS
}

/// From the byte after the opening quote to the byte after the closing one, and how many bytes its
/// escapes take beyond one a character.
#[inline(always)]
fn string_end(bytes: &[u8], mut at: usize) -> Parsed<(usize, usize)> {
    let mut beyond = 0;
    // Where the escape of a high surrogate ended.
    let mut pair = 0;
    loop {
        while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let stops = string_stops(u64::from_le_bytes(*chunk));
            if stops != 0 {
                at += stops.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, beyond)),
            Some(b'\\') => {
                let end = escape_end(bytes, at)?;
                beyond += end - at - 1;
                if is_high_surrogate(&bytes[at..]) {
                    pair = end;
                } else if pair == at && is_low_surrogate(&bytes[at..]) {
                    beyond += 1;
                }
                at = end;
            }
            Some(0..=0x1f) => return fail(at, SyntaxProblem::ControlCharacter),
            Some(_) => at += 1,
            None => return fail(at, SyntaxProblem::Truncated),
        }
    }
}

#[inline]
fn escape_end(bytes: &[u8], at: usize) -> Parsed<usize> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            for offset in 2..6 {
                match bytes.get(at + offset) {
                    Some(b) if b.is_ascii_hexdigit() => {}
                    Some(_) => return fail(at + offset, SyntaxProblem::BadEscape),
                    None => return fail(at + offset, SyntaxProblem::Truncated),
                }
            }
            Ok(at + 6)
        }
        Some(_) => fail(at + 1, SyntaxProblem::BadEscape),
        None => fail(at + 1, SyntaxProblem::Truncated),
    }
}
