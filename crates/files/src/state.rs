//! How far each file has come, and how a file is known again that was renamed, packed or appended to.
//!
//! What is compared is content, unpacked: of what was read of a file, the hash of all of it, in the stretches in which it
//! was read. The first bytes have hashes of their own, of growing length, so that most files that are not the same are
//! told apart without being read far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
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

/// Of a length of content: its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark(pub u64, pub String);

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
    /// Whether it was a whole: one that is moved or deleted when it was read is not gone on with under another name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    pub heads: Vec<Mark>,
    /// Stretches up to `at`, one after the other.
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
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The name that it is kept under when another file has taken its own.
    pub(crate) fn earlier_name(&self, name: &str) -> String {
        let tells = self.parts.last().map_or("", |mark| mark.1.get(..8).unwrap_or_default());
        format!("{name}{EARLIER}{tells}-{}", self.at)
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
    pub(crate) fn of<'a>(cursors: impl Iterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut known = Self::default();
        for (name, cursor) in cursors {
            match FileState::deserialize(cursor) {
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
                self.heads.push(Mark(next, hex(head)));
            }
        }
        self.at += bytes.len() as u64;
    }

    /// What is known of everything up to here.
    pub(crate) fn marks(&self, state: &mut FileState) {
        state.at = self.at;
        state.heads.clone_from(&self.heads);
        if let Some(head) = self.head.as_ref().filter(|_| self.at > 0 && !HEADS.contains(&self.at)) {
            state.heads.push(Mark(self.at, hex(head)));
        }
        state.parts.clone_from(&self.before);
        if self.part_bytes > 0 {
            state.parts.push(Mark(self.part_bytes, hex(&self.part)));
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
                self.same = hex(hasher) == mark.1;
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
        hex(&hasher) == *hash
    })
}

pub(crate) fn hex(hasher: &blake3::Hasher) -> String {
    let hash = hasher.finalize();
    hash.to_hex()[..HASH_BYTES * 2].to_owned()
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
    fn what_was_read_in_stretches_is_known_as_one() {
        let content = b"one\ntwo\nthree\n";
        let mut state = read(&content[..4], 4);
        let mut tracker = Tracker::behind(&state);
        tracker.add(&content[4..]);
        tracker.marks(&mut state);
        assert_eq!((state.at, state.parts.len()), (14, 2));
        assert!(compared(&state, content, 3) && !compared(&state, b"one\ntwo\nthird\n", 3));
    }
}
