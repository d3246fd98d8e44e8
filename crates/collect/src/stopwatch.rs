//! How long something took in a run, all together, in the time that a run is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stele_http::Pace;

/// Sums up what was timed. Copies count together. One without a pace counts nothing.
#[derive(Clone, Default)]
pub struct Stopwatch {
    pace: Option<Arc<dyn Pace>>,
    micros: Arc<AtomicU64>,
}

impl Stopwatch {
    /// One that goes by this pace.
    pub fn new(pace: Arc<dyn Pace>) -> Self {
        Self { pace: Some(pace), micros: Arc::default() }
    }

    /// Does the work, and adds the time that it took.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(pace) = &self.pace else { return work() };
        let began = pace.now();
        let done = work();
        let took = pace.now().saturating_sub(began);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        done
    }

    /// All that was timed.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stopwatch").field(&self.total()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use stele_http::{Pace, Still};

    use super::Stopwatch;

    #[test]
    fn what_is_timed_is_summed_up_by_all_copies() {
        let pace = Arc::new(Still::default());
        let watch = Stopwatch::new(pace.clone());
        let copy = watch.clone();
        assert_eq!(watch.time(|| pace.wait(Duration::from_millis(3))), ());
        pace.wait(Duration::from_secs(9));
        copy.time(|| pace.wait(Duration::from_millis(4)));
        assert_eq!(watch.total(), Duration::from_millis(7));
        let none = Stopwatch::default();
        none.time(|| pace.wait(Duration::from_millis(1)));
        assert_eq!(none.total(), Duration::ZERO);
    }
}
