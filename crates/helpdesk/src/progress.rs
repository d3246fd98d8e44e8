//! How far a run is, as numbers that add up. Pure.

use serde::Serialize;

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Things that there are, as far as is known.
    pub total: u64,
    /// Those that were collected.
    pub processed: u64,
    /// Those that could not be had.
    pub failed: u64,
    /// Those that had not changed.
    pub skipped: u64,
    /// The percentage that was shown last: it never goes back, also when more things turn up.
    shown: u8,
}

impl Progress {
    /// Nothing is done yet of so many things.
    pub fn of(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// Things that something became of.
    pub fn done(&self) -> u64 {
        self.processed + self.failed + self.skipped
    }

    /// Things that nothing became of yet. `total` is `processed` + `failed` + `skipped` + this.
    pub fn remaining(&self) -> u64 {
        self.total.saturating_sub(self.done())
    }

    /// Counts what became of things. If that are more than there should be, there are more.
    pub fn add(&mut self, processed: u64, failed: u64, skipped: u64) {
        self.processed += processed;
        self.failed += failed;
        self.skipped += skipped;
        self.total = self.total.max(self.done());
    }

    /// More things turned up.
    pub fn found(&mut self, more: u64) {
        self.total += more;
    }

    /// From 0 to 100, never less than before; 0 of nothing.
    pub fn percentage(&mut self) -> u8 {
        let now = (self.done() * 100).checked_div(self.total).unwrap_or(0);
        self.shown = self.shown.max(u8::try_from(now).unwrap_or(100));
        self.shown
    }

    /// Seconds that the rest will take after so many milliseconds; `None` until there is a rate.
    pub fn remaining_s(&self, elapsed_ms: u64) -> Option<u64> {
        if elapsed_ms == 0 || self.done() == 0 {
            return None;
        }
        let rest_ms = u128::from(self.remaining()) * u128::from(elapsed_ms) / u128::from(self.done());
        u64::try_from(rest_ms.div_ceil(1000)).ok()
    }
}
