//! How often one may ask: a bucket of permits for each token, which fills evenly. Time is handed in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stele_model::Micros;

/// Seconds of a token's rate that it may use at once: a page that asks a dozen things does not wait.
const BURST_SECONDS: u32 = 10;

/// One for each token of a file.
#[derive(Debug)]
pub(crate) struct Rates(Vec<Option<Mutex<Bucket>>>);

#[derive(Debug)]
struct Bucket {
    /// Permits a microsecond.
    rate: f64,
    room: f64,
    permits: f64,
    at: Option<Micros>,
}

impl Rates {
    /// Buckets that are full; `None` has no bound.
    pub(crate) fn new(per_minute: impl Iterator<Item = Option<u32>>) -> Self {
        let bucket = |per_minute: u32| {
            let room = f64::from(per_minute.saturating_mul(BURST_SECONDS).div_ceil(60).max(1));
            Mutex::new(Bucket { rate: f64::from(per_minute) / 60e6, room, permits: room, at: None })
        };
        Self(per_minute.map(|rate| rate.map(bucket)).collect())
    }

    /// Takes a permit of one, or says how long it takes until there is one.
    pub(crate) fn take(&self, number: usize, now: Micros) -> Result<(), Duration> {
        let Some(Some(bucket)) = self.0.get(number) else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back gives nothing and takes nothing.
        let passed = bucket.at.map_or(0, |at| now.saturating_sub(at)).max(0);
        bucket.permits = (bucket.permits + passed as f64 * bucket.rate).min(bucket.room);
        bucket.at = Some(now);
        if bucket.permits >= 1.0 {
            bucket.permits -= 1.0;
            return Ok(());
        }
        Err(Duration::from_micros(((1.0 - bucket.permits) / bucket.rate).ceil() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rates;

    #[test]
    fn a_bucket_empties_and_fills() {
        let rates = Rates::new([Some(60), None].into_iter());
        for _ in 0..10 {
            assert!(rates.take(0, 5_000_000).is_ok());
        }
        assert_eq!(rates.take(0, 5_000_000), Err(Duration::from_secs(1)));
        assert_eq!(rates.take(0, 5_500_000), Err(Duration::from_millis(500)));
        assert!(rates.take(0, 6_000_000).is_ok());
        assert!(rates.take(0, 6_000_000).is_err());
        // A clock that is set back does not fill it, and does not close it for good.
        assert!(rates.take(0, 1_000_000).is_err());
        assert!(rates.take(0, 2_000_000).is_ok());
        for _ in 0..1000 {
            assert!(rates.take(1, 0).is_ok());
        }
    }

    #[test]
    fn the_slowest_may_still_ask() {
        let rates = Rates::new([Some(1)].into_iter());
        assert!(rates.take(0, 0).is_ok());
        assert_eq!(rates.take(0, 0), Err(Duration::from_secs(60)));
    }
}
