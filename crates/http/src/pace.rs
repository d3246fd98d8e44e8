//! When the next request is made. Time comes from the caller, so that a test need not wait for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Cancelled, HttpError};

/// Longest stretch of a wait after which it is asked whether to stop: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Time, as retries and limits see it.
pub trait Pace: Send + Sync {
    /// How long it is since some moment that stays the same. Never goes back.
    fn now(&self) -> Duration;

    /// Comes back after this time.
    fn wait(&self, time: Duration);
}

/// Time that passes only when somebody waits, so that a test of an hour takes no time.
#[derive(Debug, Default)]
pub struct Still {
    now: Mutex<Duration>,
}

impl Pace for Still {
    fn now(&self) -> Duration {
        *lock(&self.now)
    }

    fn wait(&self, time: Duration) {
        *lock(&self.now) += time;
    }
}

/// Waits in short stretches, and stops when it is asked to.
///
/// # Errors
/// [`HttpError::Cancelled`].
pub fn wait(pace: &dyn Pace, time_ms: u64, cancelled: Cancelled<'_>) -> Result<(), HttpError> {
    let end = pace.now() + Duration::from_millis(time_ms);
    loop {
        if cancelled() {
            return Err(HttpError::Cancelled);
        }
        let left = end.saturating_sub(pace.now());
        if left.is_zero() {
            return Ok(());
        }
        pace.wait(left.min(ASK_EVERY));
    }
}

/// Keeps requests apart, so that no more than so many are made in a minute.
#[derive(Debug)]
pub(crate) struct Limiter {
    apart: Duration,
    next: Mutex<Duration>,
}

impl Limiter {
    pub(crate) fn new(requests_per_minute: Option<u32>) -> Self {
        let apart =
            requests_per_minute.map_or(Duration::ZERO, |count| Duration::from_secs(60) / count.max(1));
        Limiter { apart, next: Mutex::new(Duration::ZERO) }
    }

    /// Waits for the next free place.
    pub(crate) fn wait(&self, pace: &dyn Pace, cancelled: Cancelled<'_>) -> Result<(), HttpError> {
        let now = pace.now();
        let place = {
            let mut next = lock(&self.next);
            let place = now.max(*next);
            *next = place + self.apart;
            place
        };
        // Rounded up: a request that is early by a part of a millisecond is early.
        let time = place.saturating_sub(now).as_micros().div_ceil(1000);
        wait(pace, u64::try_from(time).unwrap_or(u64::MAX), cancelled)
    }
}

/// A time is whole between any two statements, so a panic of another thread is no reason to stop.
fn lock(time: &Mutex<Duration>) -> MutexGuard<'_, Duration> {
    time.lock().unwrap_or_else(PoisonError::into_inner)
}
