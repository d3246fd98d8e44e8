//! Which distinct values a path has: exactly while they are few, and then as the smallest hashes.
//!
//! The hashes that are kept are always the smallest of all that were ever offered, and the values
//! that are kept belong to the smallest of those. So the result does not depend on the order of
//! arrival, and two sketches merge into what one sketch over everything would have been.

use serde::{Deserialize, Serialize};

use super::place::{Loc, Now, Ranks};
use crate::{DISTINCT_EXACT_MAX, SAMPLE_BYTES_MAX, VALUES_MAX};

/// The distinct values of one path.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sketch {
    /// The smallest hashes, ascending.
    hashes: Vec<u64>,
    /// The values of the first hashes, in the same order.
    values: Vec<Kept>,
    /// Whether a hash was ever turned away: then there are more than [`DISTINCT_EXACT_MAX`].
    full: bool,
    /// The hash that was offered last; the same value often comes again at once.
    #[serde(skip)]
    last: u64,
}

/// A value and the first place where it occurred.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// JSON text, cut at [`SAMPLE_BYTES_MAX`].
    pub(super) text: Box<str>,
    pub(super) cut: bool,
    pub(super) first: Loc,
}

impl Kept {
    fn new(text: &str, first: Loc) -> Self {
        let mut end = text.len().min(SAMPLE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self { text: text[..end].into(), cut: end < text.len(), first }
    }
}

pub(super) fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

impl Sketch {
    /// Offers a value. Most offers end at the first comparison.
    #[inline(always)]
    pub(super) fn offer(&mut self, text: &str, now: &Now<'_>) {
        let hash = hash(text.as_bytes());
        if self.full && self.hashes[DISTINCT_EXACT_MAX - 1] < hash {
            return;
        }
        if hash == self.last && now.in_order {
            return;
        }
        self.take(hash, now.at, now.ranks, |at| Kept::new(text, at));
        self.last = hash;
    }

    fn take(&mut self, hash: u64, at: Loc, ranks: &Ranks, kept: impl FnOnce(Loc) -> Kept) {
        match self.hashes.binary_search(&hash) {
            Ok(index) => {
                if let Some(known) = self.values.get_mut(index)
                    && ranks.earlier(at, known.first)
                {
                    known.first = at;
                }
            }
            Err(index) => {
                if self.hashes.len() == DISTINCT_EXACT_MAX {
                    self.full = true;
                    if index == DISTINCT_EXACT_MAX {
                        return;
                    }
                    self.hashes.pop();
                }
                self.hashes.insert(index, hash);
                if index < VALUES_MAX {
                    self.values.truncate(VALUES_MAX - 1);
                    self.values.insert(index, kept(at));
                }
            }
        }
    }

    /// Takes in everything that `other` was offered.
    pub(super) fn merge(&mut self, other: &Sketch, ranks: &Ranks) {
        self.full |= other.full;
        self.last = 0;
        for (index, hash) in other.hashes.iter().enumerate() {
            match other.values.get(index) {
                Some(kept) => self.take(*hash, kept.first, ranks, |_| kept.clone()),
                // Not among the smallest of `other`, so not among the smallest of both.
                None => self.take_hash(*hash),
            }
        }
    }

    fn take_hash(&mut self, hash: u64) {
        if let Err(index) = self.hashes.binary_search(&hash) {
            self.hashes.insert(index, hash);
            if self.hashes.len() > DISTINCT_EXACT_MAX {
                self.hashes.pop();
                self.full = true;
            }
        }
    }

    /// Calls `change` on every place that is kept.
    pub(super) fn relocate(&mut self, change: impl Fn(&mut Loc)) {
        self.values.iter_mut().for_each(|kept| change(&mut kept.first));
    }

    /// Distinct values: exact unless [`Sketch::is_exact`] is false.
    pub(super) fn distinct(&self) -> u64 {
        match self.hashes.last() {
            Some(&largest) if self.full => {
                let share = largest as f64 / u64::MAX as f64;
                ((DISTINCT_EXACT_MAX - 1) as f64 / share).round() as u64
            }
            _ => self.hashes.len() as u64,
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        !self.full
    }

    /// The values that are kept, and whether they are all there are.
    pub(super) fn values(&self) -> (&[Kept], bool) {
        let all = !self.full && self.hashes.len() <= VALUES_MAX && !self.values.iter().any(|kept| kept.cut);
        (&self.values, all)
    }
}
