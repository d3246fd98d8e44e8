//! The time of this machine, for a desk that programs ask.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stele_http::Pace;

/// Time that passes by itself.
pub struct Real(Instant);

impl Default for Real {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Pace for Real {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        // Nobody ever signals: it is the time limit that is wanted.
        let (lock, signal) = (Mutex::new(()), Condvar::new());
        let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(signal.wait_timeout(held, time));
    }
}
