//! How far each file has come, and how a file is known again that was renamed, packed or appended to.
//!
//! What is compared is content, unpacked: of what was read of a file, the hash of all of it, in the stretches in which it
//! was read. The first bytes have hashes of their own, of growing length, so that most files that are not the same are
//! told apart without being read far.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use stele_model::Micros;

use crate::find::{Met, Stamp};

/// Lengths of beginnings that have a hash: a line, a long header, and what no header is.
pub(crate) const HEADS: [u64; 3] = [1 << 10, 64 << 10, 1 << 20];

/// Stretches of one file that are remembered. One more, and all of it is read once to make them one.
pub(crate) const PARTS_MAX: usize = 64;

/// Files that are not there any more and are remembered, those that were read last: some 300 bytes each. One that was
/// forgotten is read again if it comes back.
pub(crate) const GONE_MAX: usize = 100_000;

/// Bytes of a hash that are kept.
const HASH_BYTES: usize = 16;

/// What is written between the name of a file and what tells which of several that had it.
pub(crate) const EARLIER: &str = "#";

/// A hash of content, written in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(u128);

impl Digest {
    pub(crate) fn of(hasher: &blake3::Hasher) -> Self {
        let mut bytes = [0; HASH_BYTES];
        hasher.finalize_xof().fill(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:0width$x}", self.0, width = HASH_BYTES * 2)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
    }
}

/// Of a length of content: its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark(pub u64, pub Digest);

/// How far a file has come. Lies in the lake as a cursor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FileState {
    /// As it lay there when it was read.
    pub size: u64,
    pub mtime: Micros,
    pub changed: Micros,
    /// Bytes of content up to which it was read.
    pub at: u64,
    /// Rows that were read, and lines where it has lines.
    pub rows: u64,
    pub lines: u64,
    /// Whether it was read to its end.
    pub done: bool,
    /// Whether the end of its list was read, where its rows are one: what follows is no element.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// Whether it was a whole: one that is moved or deleted when it was read is not gone on with under another name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Why not all of what was read is kept, with the place: such a file is never deleted or put away as one that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    pub heads: Vec<Mark>,
    /// Stretches up to `at`, one after the other. Where it is written, the one of a short file is none: its last beginning is
    /// all of it, and there may be very many of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Mark>,
}

impl FileState {
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { size: self.size, mtime: self.mtime }
    }

    pub(crate) fn lay_there_as(&mut self, met: &Met) {
        (self.size, self.mtime, self.changed) = (met.stamp.size, met.stamp.mtime, met.changed);
    }

    pub(crate) fn value(&self) -> Value {
        let is_short = matches!(self.parts.as_slice(), [part] if self.heads.last() == Some(part));
        let parts = if is_short { Vec::new() } else { self.parts.clone() };
        serde_json::to_value(Self { parts, ..self.clone() }).unwrap_or_default()
    }

    /// As [`Self::value`] has written it.
    fn of(cursor: Value) -> serde_json::Result<Self> {
        let mut state: Self = serde_json::from_value(cursor)?;
        if state.parts.is_empty() && state.at > 0 {
            state.parts.extend(state.heads.last().cloned());
        }
        Ok(state)
    }

    /// The name that it is kept under when another file has taken its own.
    pub(crate) fn earlier_name(&self, name: &str) -> String {
        let tells = self.parts.last().map(|mark| mark.1.to_string()).unwrap_or_default();
        format!("{name}{EARLIER}{}-{}", tells.get(..8).unwrap_or_default(), self.at)
    }
}

/// Every file that is known, by its name.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub files: BTreeMap<String, FileState>,
    /// Cursors that cannot be understood.
    pub lost: Vec<String>,
}

impl Known {
    pub(crate) fn of<'a>(cursors: impl Iterator<Item = (&'a str, Value)>) -> Self {
        let mut known = Self::default();
        for (name, cursor) in cursors {
            match FileState::of(cursor) {
                Ok(state) => drop(known.files.insert(name.to_owned(), state)),
                Err(_) => known.lost.push(name.to_owned()),
            }
        }
        known
    }
}

/// Hashes content as it is gone over.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    /// From the beginning, until the longest of [`HEADS`] is over; none if it was not begun at the beginning.
    head: Option<blake3::Hasher>,
    heads: Vec<Mark>,
    before: Vec<Mark>,
    part: blake3::Hasher,
    part_bytes: u64,
    at: u64,
}

impl Tracker {
    /// From the beginning.
    pub(crate) fn new() -> Self {
        Self {
            head: Some(blake3::Hasher::new()),
            heads: Vec::new(),
            before: Vec::new(),
            part: blake3::Hasher::new(),
            part_bytes: 0,
            at: 0,
        }
    }

    /// Behind what was read before.
    pub(crate) fn behind(state: &FileState) -> Self {
        Self {
            head: None,
            heads: state.heads.clone(),
            before: state.parts.clone(),
            part: blake3::Hasher::new(),
            part_bytes: 0,
            at: state.at,
        }
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        self.part.update(bytes);
        self.part_bytes += bytes.len() as u64;
        while let Some(head) = self.head.as_mut().filter(|_| !bytes.is_empty()) {
            let Some(next) = HEADS.into_iter().find(|length| *length > self.at) else {
                self.head = None;
                break;
            };
            let take = bytes.len().min(usize::try_from(next - self.at).unwrap_or(usize::MAX));
            head.update(&bytes[..take]);
            self.at += take as u64;
            bytes = &bytes[take..];
            if self.at == next {
                self.heads.push(Mark(next, Digest::of(head)));
            }
        }
        self.at += bytes.len() as u64;
    }

    /// What is known of everything up to here.
    pub(crate) fn marks(&self, state: &mut FileState) {
        state.at = self.at;
        state.heads.clone_from(&self.heads);
        if let Some(head) = self.head.as_ref().filter(|_| self.at > 0 && !HEADS.contains(&self.at)) {
            state.heads.push(Mark(self.at, Digest::of(head)));
        }
        state.parts.clone_from(&self.before);
        if self.part_bytes > 0 {
            state.parts.push(Mark(self.part_bytes, Digest::of(&self.part)));
        }
    }
}

/// Whether content, of which pieces come one after the other, begins with what was read of a file.
pub(crate) struct Comparison<'s> {
    parts: std::slice::Iter<'s, Mark>,
    part: Option<(&'s Mark, u64, blake3::Hasher)>,
    same: bool,
}

impl<'s> Comparison<'s> {
    pub(crate) fn with(state: &'s FileState) -> Self {
        let mut parts = state.parts.iter();
        let part = parts.next().map(|mark| (mark, mark.0, blake3::Hasher::new()));
        Self { parts, part, same: true }
    }

    /// Takes as much as there is to compare; gives how much that was.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some((mark, missing, hasher)) = self.part.as_mut().filter(|_| self.same) {
            let take = (bytes.len() - taken).min(usize::try_from(*missing).unwrap_or(usize::MAX));
            if take == 0 {
                break;
            }
            hasher.update(&bytes[taken..taken + take]);
            taken += take;
            *missing -= take as u64;
            if *missing == 0 {
                self.same = Digest::of(hasher) == mark.1;
                self.part = self.parts.next().map(|mark| (mark, mark.0, blake3::Hasher::new()));
            }
        }
        taken
    }

    /// Nothing is left to compare, or it is of no use any more.
    pub(crate) fn is_over(&self) -> bool {
        self.part.is_none() || !self.same
    }

    /// Whether all of it was there and the same.
    pub(crate) fn is_same(&self) -> bool {
        self.part.is_none() && self.same
    }
}

/// Whether content begins as a file did. `head` is its beginning, as long as the longest of [`HEADS`] if there is so much.
pub(crate) fn begins_alike(state: &FileState, head: &[u8]) -> bool {
    let (mut hasher, mut done) = (blake3::Hasher::new(), 0);
    state.heads.iter().all(|Mark(length, hash)| {
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        let Some(bytes) = head.get(done..length) else { return false };
        hasher.update(bytes);
        done = length;
        Digest::of(&hasher) == *hash
    })
}

#[cfg(test)]
mod tests {
    use super::{Comparison, FileState, HEADS, Tracker, begins_alike};

    fn read(content: &[u8], step: usize) -> FileState {
        let mut tracker = Tracker::new();
        content.chunks(step).for_each(|chunk| tracker.add(chunk));
        let mut state = FileState::default();
        tracker.marks(&mut state);
        state
    }

    fn compared(state: &FileState, content: &[u8], step: usize) -> bool {
        let mut comparison = Comparison::with(state);
        for chunk in content.chunks(step) {
            comparison.add(chunk);
        }
        comparison.is_same()
    }

    #[test]
    fn content_is_known_again_however_it_comes() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
        let longest = HEADS[2] as usize;
        for length in [1, 1023, 1024, 1025, 70_000, longest, 2_500_000] {
            let state = read(&content[..length], 8192);
            assert_eq!(state, read(&content[..length], 1 << 30), "{length}");
            assert!(begins_alike(&state, &content[..longest]), "{length}");
            assert!(compared(&state, &content, 5000) && !compared(&state, &content[..length - 1], 5000));
            let mut other = content.clone();
            other[length - 1] ^= 1;
            assert!(!compared(&state, &other, 5000), "{length}");
            assert_eq!(begins_alike(&state, &other[..longest]), length > longest, "{length}");
        }
    }

    #[test]
    fn what_is_known_is_read_as_it_was_written() {
        let content: Vec<u8> = (0..5_000_u32).map(|at| (at / 7) as u8).collect();
        for length in [0, 4, 1023, 1024, 1025, 5000] {
            let state = FileState { done: true, size: 9, ..read(&content[..length], 100) };
            let written = state.value();
            assert_eq!(FileState::of(written.clone()).unwrap(), state, "{length}");
            assert!(written.get("parts").is_none(), "{length}");
            // As it was written before.
            assert_eq!(FileState::of(serde_json::to_value(&state).unwrap()).unwrap(), state);
        }
        let head = read(b"one\n", 4).heads.remove(0);
        assert_eq!(head.1.to_string(), blake3::hash(b"one\n").to_hex()[..32]);
    }

    #[test]
    fn what_was_read_in_stretches_is_known_as_one() {
        let content = b"one\ntwo\nthree\n";
        let mut state = read(&content[..4], 4);
        let mut tracker = Tracker::behind(&state);
        tracker.add(&content[4..]);
        tracker.marks(&mut state);
        assert_eq!((state.at, state.parts.len()), (14, 2));
        assert_eq!(FileState::of(state.value()).unwrap(), state);
        assert!(compared(&state, content, 3) && !compared(&state, b"one\ntwo\nthird\n", 3));
    }
}
