//! The second opinion: counts every path again, from the raw column of the lake, with code that
//! shares nothing with discovery.
//!
//! It is written to be obviously right rather than fast: it reads one character after another,
//! writes every path out as text, and keeps the counts in one map. It knows only the rules of
//! `P.k`, `P["k"]`, `P[]` and `P.{}` and which paths are folded. The texts come from the lake and
//! were accepted once, so a text that cannot be read here is itself a finding.

use std::collections::{BTreeMap, HashMap};

/// What was counted at one path of one event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathCount {
    /// Values by kind, in the alphabetical order of [`KINDS`].
    pub kinds: [u64; 7],
    /// Records that hold the path.
    pub records: u64,
    last_record: u64,
}

impl PathCount {
    /// All values.
    pub fn nodes(&self) -> u64 {
        self.kinds.iter().sum()
    }
}

/// The names of the kinds, in the order of [`PathCount::kinds`].
pub const KINDS: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

const ARRAY: usize = 0;
const BOOLEAN: usize = 1;
const INTEGER: usize = 2;
const NULL: usize = 3;
const NUMBER: usize = 4;
const OBJECT: usize = 5;
const STRING: usize = 6;

/// Which objects have data for keys.
#[derive(Debug, Clone, Default)]
pub struct FoldedPaths {
    /// Whether an object whose keys are all decimal digits is folded.
    pub digits: bool,
    /// (event, path) → whether it is folded, whatever its keys; an empty event stands for all.
    pub rules: HashMap<(String, String), bool>,
}

/// The counts of everything read so far.
#[derive(Debug, Default)]
pub struct Recount {
    folded: FoldedPaths,
    events: BTreeMap<String, HashMap<String, PathCount>>,
    records: BTreeMap<String, u64>,
    record: u64,
    /// Records that could not be read again, which never happens to a sound lake.
    pub unreadable: u64,
}

impl Recount {
    /// Starts counting under the given folding.
    pub fn new(folded: FoldedPaths) -> Self {
        Self { folded, ..Self::default() }
    }

    /// Counts one record.
    pub fn add(&mut self, event: &str, raw: &str) {
        self.record += 1;
        *self.records.entry(event.to_owned()).or_default() += 1;
        if !self.events.contains_key(event) {
            self.events.insert(event.to_owned(), HashMap::new());
        }
        let Some(paths) = self.events.get_mut(event) else {
            return;
        };
        let mut reader = Reader {
            bytes: raw.as_bytes(),
            at: 0,
            path: String::new(),
            event,
            folded: &self.folded,
            record: self.record,
            paths,
        };
        if reader.value().is_none() {
            self.unreadable += 1;
        }
    }

    /// Records by event.
    pub fn records(&self) -> &BTreeMap<String, u64> {
        &self.records
    }

    /// The counts by event and path.
    pub fn events(&self) -> &BTreeMap<String, HashMap<String, PathCount>> {
        &self.events
    }

    /// Values over all paths.
    pub fn nodes(&self) -> u64 {
        self.events.values().flat_map(HashMap::values).map(PathCount::nodes).sum()
    }

    /// Adds the counts of another part of the same lake.
    pub fn merge(&mut self, other: Recount) {
        for (event, paths) in other.events {
            let ours = self.events.entry(event).or_default();
            for (path, count) in paths {
                let mine = ours.entry(path).or_default();
                mine.records += count.records;
                mine.kinds.iter_mut().zip(count.kinds).for_each(|(a, b)| *a += b);
            }
        }
        for (event, records) in other.records {
            *self.records.entry(event).or_default() += records;
        }
        self.unreadable += other.unreadable;
    }
}

/// One record being read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    path: String,
    event: &'a str,
    folded: &'a FoldedPaths,
    record: u64,
    paths: &'a mut HashMap<String, PathCount>,
}

/// A container that is being read.
struct Open {
    /// `]` or `}`.
    end: u8,
    folded: bool,
    /// Length of the container's own path.
    path: usize,
}

impl Reader<'_> {
    /// Reads the whole record; `None` if it is not JSON.
    fn value(&mut self) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // At the start of a value whose path is `self.path`.
            self.space();
            let kind = match self.peek()? {
                b'{' => OBJECT,
                b'[' => ARRAY,
                b'"' => {
                    self.string()?;
                    STRING
                }
                b't' | b'f' => {
                    self.word();
                    BOOLEAN
                }
                b'n' => {
                    self.word();
                    NULL
                }
                _ => self.number()?,
            };
            if !open.is_empty() {
                self.count(kind);
            }
            if kind == OBJECT || kind == ARRAY {
                let folded = kind == OBJECT && self.is_folded();
                self.at += 1;
                self.space();
                let end = if kind == OBJECT { b'}' } else { b']' };
                open.push(Open { end, folded, path: self.path.len() });
                if self.peek()? != end {
                    self.enter(open.last()?)?;
                    continue;
                }
            }
            // After a value: close what ends here, then go to the next child.
            loop {
                self.space();
                let Some(container) = open.last() else {
                    return if self.at == self.bytes.len() { Some(()) } else { None };
                };
                self.path.truncate(container.path);
                let byte = self.peek()?;
                self.at += 1;
                if byte == container.end {
                    open.pop();
                } else if byte == b',' {
                    self.space();
                    self.enter(open.last()?)?;
                    break;
                } else {
                    return None;
                }
            }
        }
    }

    /// Extends the path by the step to the next child, reading its key if it has one.
    fn enter(&mut self, container: &Open) -> Option<()> {
        if container.end == b']' {
            self.path.push_str("[]");
            return Some(());
        }
        let key = self.string()?;
        self.space();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        let plain = !key.is_empty() && !key.contains(|c: char| ".[]{}\"".contains(c) || c < ' ');
        if container.folded || plain {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(if container.folded { "{}" } else { &key });
        } else {
            self.path.push('[');
            self.path.push_str(&serde_json::to_string(&key).ok()?);
            self.path.push(']');
        }
        Some(())
    }

    fn count(&mut self, kind: usize) {
        if !self.paths.contains_key(&self.path) {
            self.paths.insert(self.path.clone(), PathCount::default());
        }
        if let Some(count) = self.paths.get_mut(&self.path) {
            count.kinds[kind] += 1;
            if count.last_record != self.record {
                count.last_record = self.record;
                count.records += 1;
            }
        }
    }

    /// Whether the object that begins here has data for keys.
    fn is_folded(&mut self) -> bool {
        if !self.folded.rules.is_empty() {
            let for_event = self.folded.rules.get(&(self.event.to_owned(), self.path.clone()));
            let for_all = || self.folded.rules.get(&(String::new(), self.path.clone()));
            if let Some(rule) = for_event.or_else(for_all) {
                return *rule;
            }
        }
        self.folded.digits && self.all_keys_are_digits()
    }

    /// Looks ahead over the object's own keys.
    fn all_keys_are_digits(&mut self) -> bool {
        let start = self.at;
        let mut depth = 0usize;
        let mut keys = 0usize;
        let mut expect_key = false;
        let mut digits = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let text = self.string().unwrap_or_default();
                    if depth == 1 && expect_key {
                        keys += 1;
                        digits &= !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                        expect_key = false;
                    }
                    continue;
                }
                b'{' | b'[' => {
                    depth += 1;
                    expect_key = depth == 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b',' if depth == 1 => expect_key = true,
                _ => {}
            }
            if !digits {
                break;
            }
            self.at += 1;
        }
        self.at = start;
        digits && keys > 0
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn word(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_lowercase()) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let literal = &self.bytes[start..self.at];
        if literal.is_empty() {
            return None;
        }
        Some(if literal.iter().any(|b| b".eE".contains(b)) { NUMBER } else { INTEGER })
    }

    /// Reads a string; a lone surrogate escape stays as it is written.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let literal = std::str::from_utf8(self.bytes.get(start..self.at)?).ok()?;
        if !literal.contains('\\') {
            return literal.get(1..literal.len() - 1).map(str::to_owned);
        }
        match serde_json::from_str(literal) {
            Ok(text) => Some(text),
            // Only lone surrogates are legal JSON that the library refuses.
            Err(_) => lone_surrogates_kept(literal),
        }
    }
}

/// Decodes a literal piece by piece, keeping the escapes that stand for no character. `None` if
/// there is any other that is none.
fn lone_surrogates_kept(literal: &str) -> Option<String> {
    let inside = literal.get(1..literal.len() - 1)?;
    let mut out = String::new();
    let mut at = 0;
    while at < inside.len() {
        let rest = &inside[at..];
        if !rest.starts_with('\\') {
            let end = rest.find('\\').unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            at += end;
            continue;
        }
        let lengths: &[usize] = if rest.starts_with("\\u") { &[12, 6] } else { &[2] };
        let decoded = lengths.iter().find_map(|&length| {
            let piece = rest.get(..length)?;
            if length == 12 && !piece.get(6..)?.starts_with("\\u") {
                return None;
            }
            let text: String = serde_json::from_str(&format!("\"{piece}\"")).ok()?;
            Some((text, length))
        });
        match decoded {
            Some((text, length)) => {
                out.push_str(&text);
                at += length;
            }
            None => {
                out.push_str(rest.get(..6)?);
                at += 6;
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{FoldedPaths, Recount};

    #[track_caller]
    fn check(text: &str, unreadable: u64, path: &str) {
        let mut recount = Recount::new(FoldedPaths::default());
        recount.add("e", text);
        assert_eq!(recount.unreadable, unreadable, "{text}");
        assert!(recount.events()["e"].contains_key(path) == (unreadable == 0), "{:?}", recount.events());
    }

    #[test]
    fn a_text_that_is_no_json_is_counted_as_that() {
        let broken = [
            "{\u{e9}\":1}",
            "{\"\\\u{e9}\u{e9}\u{e9}\":1}",
            "{\"\\u12\":1}",
            "{\"",
            "{\"\\",
            "{\"a\\\":1}",
            "{",
        ];
        broken.iter().for_each(|text| check(text, 1, "a"));
        check("{\"a\\ud800\\t\":1}", 0, r#"["a\\ud800\t"]"#);
    }
}
