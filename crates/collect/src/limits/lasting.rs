//! Calls that earlier runs made, for windows that outlast a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stele_model::Micros;

/// Windows from this length on are remembered between runs. A run waits for a shorter one, and is seldom begun again
/// before it is over.
pub(crate) const LASTING: Duration = Duration::from_secs(3_600);

/// Parts of a window in which calls are counted together: what leaves it is late by a part at most, and a window is
/// some sixty numbers in a file that is written with each batch.
const PARTS: Micros = 60;

/// How many calls were made, by the length of a window and the end of each of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Made(BTreeMap<Micros, BTreeMap<Micros, u64>>);

impl Made {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts calls that are made now, for windows of these lengths.
    pub(crate) fn add(&mut self, lengths: &BTreeSet<Duration>, calls: u64, now: Micros) {
        for per in lengths.iter().map(micros) {
            let part = (per / PARTS).max(1);
            // As late as it may have been: nothing is allowed too early.
            let end = now.div_euclid(part).saturating_add(1).saturating_mul(part);
            self.count(per, end, calls);
        }
    }

    /// Counts what was counted elsewhere, too.
    pub(crate) fn merge(&mut self, other: &Made) {
        for (per, parts) in &other.0 {
            for (end, calls) in parts {
                self.count(*per, *end, *calls);
            }
        }
    }

    fn count(&mut self, per: Micros, end: Micros, calls: u64) {
        let sum = self.0.entry(per).or_default().entry(end).or_default();
        *sum = sum.saturating_add(calls);
    }

    /// Forgets what is in no window any more. What lies further ahead than a window does was counted by a clock that
    /// was wrong, and would hold its source back until then.
    pub(crate) fn forget(&mut self, now: Micros) {
        for (per, parts) in &mut self.0 {
            parts.retain(|end, _| end.abs_diff(now) < per.unsigned_abs());
        }
        self.0.retain(|_, parts| !parts.is_empty());
    }

    /// What was spent of the window of this length, and how long ago, the oldest first.
    pub(crate) fn ago(&self, per: Duration, now: Micros) -> Vec<(Duration, u64)> {
        let ago = |end: &Micros| Duration::from_micros(u64::try_from(now.saturating_sub(*end)).unwrap_or(0));
        let parts = self.0.get(&micros(&per)).into_iter().flatten();
        parts.map(|(end, calls)| (ago(end), *calls)).collect()
    }
}

fn micros(time: &Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}
