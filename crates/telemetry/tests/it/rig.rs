//! Time that goes, and patience that does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stele_http::{ClientConfig, Pace};
use stele_model::{Clock, Micros};

/// The machine's time: what is tried happens on other threads.
pub struct Real(Instant);

impl Pace for Real {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "other threads need the time")]
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

pub fn pace() -> Arc<dyn Pace> {
    Arc::new(Real(Instant::now()))
}

/// A clock that is a second later at each look.
#[derive(Default)]
pub struct Seconds(std::sync::atomic::AtomicI64);

impl Clock for Seconds {
    fn now(&self) -> Micros {
        1_800_000_000_000_000 + 1_000_000 * self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}

/// Two quick tries.
pub fn impatient() -> ClientConfig {
    ClientConfig { tries_max: 2, backoff_ms: 1, timeout_ms_max: 2_000, ..ClientConfig::default() }
}

/// Waits until it is so, for a while.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::yield_now();
    }
}
