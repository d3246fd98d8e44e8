//! When the next request is made. Time comes from the caller, so that a test need not wait for it.

use std::sync::Mutex;
use std::time::Duration;

use super::HttpConfig;
use crate::embedder::Cancelled;
use crate::{EmbedError, lock};

/// Longest stretch of a wait after which it is asked whether to stop: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Time, as retries and limits see it.
pub trait Pace: Send + Sync {
    /// How long it is since some moment that stays the same. Never goes back.
    fn now(&self) -> Duration;

    /// Comes back after this time.
    fn wait(&self, time: Duration);
}

/// Waits in short stretches, and stops when it is asked to.
pub(super) fn wait(pace: &dyn Pace, time_ms: u64, cancelled: Cancelled<'_>) -> Result<(), EmbedError> {
    let end = pace.now() + Duration::from_millis(time_ms);
    loop {
        if cancelled() {
            return Err(EmbedError::Cancelled);
        }
        let left = end.saturating_sub(pace.now());
        if left.is_zero() {
            return Ok(());
        }
        pace.wait(left.min(ASK_EVERY));
    }
}

/// Milliseconds after the given number of tries. No chance is in it: there is one client, so there
/// is no crowd to be spread.
pub(super) fn backoff(config: &HttpConfig, tries: u32) -> u64 {
    let doubled = 2u64.saturating_pow(tries.saturating_sub(1));
    config.backoff_ms.saturating_mul(doubled).min(config.backoff_ms_max)
}

/// Keeps requests apart, so that no more than so many are made in a minute.
#[derive(Debug)]
pub(super) struct Limiter {
    apart: Duration,
    next: Mutex<Duration>,
}

impl Limiter {
    pub(super) fn new(requests_per_minute: Option<u32>) -> Self {
        let apart =
            requests_per_minute.map_or(Duration::ZERO, |count| Duration::from_secs(60) / count.max(1));
        Limiter { apart, next: Mutex::new(Duration::ZERO) }
    }

    /// Waits for the next free place.
    pub(super) fn wait(&self, pace: &dyn Pace, cancelled: Cancelled<'_>) -> Result<(), EmbedError> {
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
