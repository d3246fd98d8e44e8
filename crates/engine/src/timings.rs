//! How long things took lately: what index, search and copies outside say about how much more work they can take.
//!
//! Only what happened in this process is here. Nothing is decided from it; that is [`crate::jobs`], which is handed
//! shares and quantiles.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stele_model::Micros;

/// What was timed last that is looked at, of each kind: enough for a quantile, and some kilobytes.
const KEPT_MAX: usize = 256;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// One step of bringing the index up to the lake.
    IndexWrite,
    /// One search.
    Search,
    /// One batch that a copy outside was sent.
    SinkWrite,
}

impl Timed {
    /// How long it is looked at. Writes are rare while they are slow, and searches come by the second. When the last
    /// one is older than this, nothing is slow any more: whoever was held back tries again.
    fn window(self) -> Micros {
        let seconds = match self {
            Timed::IndexWrite => 300,
            Timed::Search | Timed::SinkWrite => 60,
        };
        seconds * 1_000_000
    }

    /// Fewer than these say nothing: the first search loads a model, and one slow write is no load.
    fn least(self) -> usize {
        match self {
            Timed::IndexWrite => 3,
            Timed::SinkWrite => 5,
            Timed::Search => 20,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Took {
    ended: Micros,
    micros: Micros,
    failed: bool,
}

/// What was timed lately, for all who share it.
#[derive(Debug, Default)]
pub struct Timings([Mutex<VecDeque<Took>>; 3]);

impl Timings {
    /// Something ended at `now` that took so long, and failed or not.
    pub fn note(&self, what: Timed, took: Micros, now: Micros, failed: bool) {
        let mut kept = self.of(what);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Took { ended: now, micros: took.max(0), failed });
    }

    /// Seconds that 95 of 100 of the last ones took at most; 0 where there were too few lately.
    pub fn p95(&self, what: Timed, now: Micros) -> f64 {
        let mut micros: Vec<Micros> = self.lately(what, now).iter().map(|took| took.micros).collect();
        micros.sort_unstable();
        let place = (micros.len() * 95).div_ceil(100).saturating_sub(1);
        micros.get(place).map_or(0.0, |micros| *micros as f64 / 1e6)
    }

    /// How many of the last ones failed, 0 to 1; 0 where there were too few lately.
    pub fn failing(&self, what: Timed, now: Micros) -> f64 {
        let lately = self.lately(what, now);
        let failed = lately.iter().filter(|took| took.failed).count();
        failed as f64 / lately.len().max(1) as f64
    }

    fn lately(&self, what: Timed, now: Micros) -> Vec<Took> {
        let since = now - what.window();
        let lately: Vec<Took> = self.of(what).iter().copied().filter(|took| took.ended > since).collect();
        if lately.len() < what.least() { Vec::new() } else { lately }
    }

    fn of(&self, what: Timed) -> MutexGuard<'_, VecDeque<Took>> {
        self.0[what as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_MAX, Timed, Timings};

    const SECOND: i64 = 1_000_000;

    #[test]
    fn few_say_nothing_and_old_ones_are_forgotten() {
        let timings = Timings::default();
        for second in 1..=19 {
            timings.note(Timed::Search, second * SECOND, second, false);
        }
        assert_eq!(timings.p95(Timed::Search, 20), 0.0);
        timings.note(Timed::Search, 20 * SECOND, 20, false);
        // The nineteenth of twenty.
        assert_eq!(timings.p95(Timed::Search, 20), 19.0);
        assert_eq!(timings.p95(Timed::IndexWrite, 20), 0.0);
        assert_eq!(timings.p95(Timed::Search, 61 * SECOND), 0.0);
    }

    #[test]
    fn failures_are_a_share_of_the_last_ones() {
        let timings = Timings::default();
        for number in 0..10 {
            timings.note(Timed::SinkWrite, SECOND, number, number >= 6);
        }
        assert_eq!(timings.failing(Timed::SinkWrite, 10), 0.4);
        for number in 0..KEPT_MAX as i64 {
            timings.note(Timed::SinkWrite, SECOND, number, false);
        }
        assert_eq!(timings.failing(Timed::SinkWrite, 10), 0.0);
    }
}
