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

/// The order of the files by URI, so that "first" does not depend on the order of reading.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranks(Vec<u32>);

impl Ranks {
    /// Ranks the files that have these URIs.
    pub(super) fn of<'a>(uris: impl Iterator<Item = &'a str>) -> Self {
        let uris: Vec<&str> = uris.collect();
        let mut order: Vec<u32> = (0..uris.len() as u32).collect();
        order.sort_by_key(|&file| uris[file as usize]);
        let mut ranks = vec![0; uris.len()];
        for (rank, &file) in order.iter().enumerate() {
            ranks[file as usize] = rank as u32;
        }
        Self(ranks)
    }

    /// Appends a file that comes after all others.
    pub(super) fn push_last(&mut self) {
        self.0.push(self.0.len() as u32);
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
