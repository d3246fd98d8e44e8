//! How far a source is trusted, on each record that is collected of it: the last member of its line.

use stele_collect::TRUST_SCORE;

/// What every record of a source bears.
#[derive(Debug)]
pub(super) struct Trust {
    /// What a line ends with in the place of its last bracket.
    tail: Vec<u8>,
    is_usual: bool,
}

impl Trust {
    /// `score` is from 0 to 1.
    pub(super) fn of(score: f64) -> Self {
        let tail = format!(",\"trust_score\":{}}}", serde_json::Value::from(score)).into_bytes();
        Self { tail, is_usual: score == TRUST_SCORE }
    }

    /// Appends a record, which ends with its bracket, as it goes into the lake; no line feed is among its bytes.
    pub(super) fn put(&self, record: &[u8], to: &mut Vec<u8>) {
        to.extend_from_slice(record.strip_suffix(b"}").unwrap_or(record));
        to.extend_from_slice(&self.tail);
    }

    /// Whether a record without it reads as trusted alike: those were kept before records bore it.
    pub(super) fn is_usual(&self) -> bool {
        self.is_usual
    }
}
