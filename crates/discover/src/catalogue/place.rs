//! Places in the input, small enough to keep beside every path.

use serde::{Deserialize, Serialize};
use stele_model::Micros;

/// A file of this catalogue, a line in it, and the time that the record there states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loc {
    pub(super) file: u32,
    pub(super) line: u64,
    pub(super) time: Option<Micros>,
}

/// The order of the files by URI, so that "first" does not depend on the order of reading. Ranks
/// have gaps, so that a file can come between two others without a change to theirs.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranks(Vec<u64>);

/// Between two neighbours at first: room for 2^32 files at the end, and for 32 that always come
/// right before the last one.
const GAP: u64 = 1 << 32;

impl Ranks {
    /// Ranks files by their order.
    pub(super) fn of(order: impl ExactSizeIterator<Item = u32>) -> Self {
        let mut ranks = vec![0; order.len()];
        for (file, rank) in order.zip(1..) {
            ranks[file as usize] = rank * GAP;
        }
        Self(ranks)
    }

    /// Appends a file that comes between two others; says whether there was room for it.
    pub(super) fn insert(&mut self, before: Option<u32>, after: Option<u32>) -> bool {
        let low = before.map_or(0, |file| self.0[file as usize]);
        let rank = match after {
            None => low.saturating_add(GAP),
            Some(file) => low.midpoint(self.0[file as usize]),
        };
        self.0.push(rank);
        rank > low && after.is_none_or(|file| rank < self.0[file as usize])
    }

    /// Whether `a` comes before `b`.
    #[inline(always)]
    pub(super) fn earlier(&self, a: Loc, b: Loc) -> bool {
        if a.file == b.file { a.line < b.line } else { self.0[a.file as usize] < self.0[b.file as usize] }
    }
}

/// The record that is being counted.
pub(super) struct Now<'a> {
    pub(super) at: Loc,
    /// Whether no record before this one stands later in the input: then no first place can move.
    pub(super) in_order: bool,
    pub(super) ranks: &'a Ranks,
}
