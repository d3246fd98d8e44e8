//! How long something took in a run, all together, in the time that a run is given; and how much of it went into waiting
//! for a limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stele_http::Pace;

/// Sums up what was timed. Copies count together. One without a pace counts nothing.
#[derive(Clone, Default)]
pub struct Stopwatch {
    pace: Option<Arc<dyn Pace>>,
    counted: Arc<Mutex<Counted>>,
}

/// What was counted until `at`.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    at: Duration,
    /// How many are at work that is timed, and how many wait for a limit.
    working: u32,
    limited: u32,
    worked: Duration,
    waited: Duration,
}

impl Stopwatch {
    /// One that goes by this pace.
    pub fn new(pace: Arc<dyn Pace>) -> Self {
        Self { pace: Some(pace), counted: Arc::default() }
    }

    /// Does the work, and adds the time that it took.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        self.turned(|counted| counted.working += 1);
        let done = work();
        self.turned(|counted| counted.working -= 1);
        done
    }

    /// A thread waits for a limit until this is dropped. As long as one does, what is timed is waiting for that limit.
    pub fn limited(&self) -> Limited {
        self.turned(|counted| counted.limited += 1);
        Limited(self.clone())
    }

    /// All that was timed, without the waits for a limit.
    pub fn total(&self) -> Duration {
        self.lock().worked
    }

    /// What was timed while somebody waited for a limit.
    pub fn limited_total(&self) -> Duration {
        self.lock().waited
    }

    /// Somebody begins or ends here: what has passed until now belongs to those who were at it.
    fn turned(&self, turn: impl FnOnce(&mut Counted)) {
        let Some(pace) = &self.pace else { return };
        let mut counted = self.lock();
        let now = pace.now();
        let passed = now.saturating_sub(counted.at);
        counted.at = counted.at.max(now);
        if counted.working > 0 {
            match counted.limited {
                0 => counted.worked += passed,
                _ => counted.waited += passed,
            }
        }
        turn(&mut counted);
    }

    /// A count is whole between any two statements, so a panic of another thread is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a limit.
#[derive(Debug)]
#[must_use = "the wait ends when it is dropped"]
pub struct Limited(Stopwatch);

impl Drop for Limited {
    fn drop(&mut self) {
        self.0.turned(|counted| counted.limited -= 1);
    }
}

impl std::fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stopwatch").field(&*self.lock()).finish()
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

    #[test]
    fn a_wait_for_a_limit_is_told_from_the_work_that_it_holds_up() {
        let pace = Arc::new(Still::default());
        let watch = Stopwatch::new(pace.clone());
        let pass = |millis| pace.wait(Duration::from_millis(millis));
        watch.time(|| {
            pass(1);
            // Two wait for the same limit, one of them a little longer.
            let (one, other) = (watch.limited(), watch.limited());
            pass(30);
            drop(other);
            pass(5);
            drop(one);
            pass(2);
        });
        // Where nobody is held up, it is no part of what was timed.
        let _one = watch.limited();
        pass(100);
        assert_eq!(watch.total(), Duration::from_millis(3));
        assert_eq!(watch.limited_total(), Duration::from_millis(35));
    }
}
