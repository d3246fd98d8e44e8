//! How long a copy outside takes for what it is sent.

use std::sync::{Mutex, PoisonError};

use stele_model::{Clock, Micros};
use stele_sinks::{Cancelled, Found, Page, Point, PointId, Sink, SinkError, Stamp};

use crate::timings::{Timed, Timings};

/// Times of one sink that are told with its report: those of a hundred thousand points.
const TOLD_MAX: usize = 200;

/// Times the batches that are sent, and tells them to whoever holds jobs back.
pub(super) struct Watch<'a> {
    clock: &'a dyn Clock,
    timings: &'a Timings,
    seconds: Mutex<Vec<f64>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(clock: &'a dyn Clock, timings: &'a Timings) -> Self {
        Self { clock, timings, seconds: Mutex::default() }
    }

    pub(super) fn now(&self) -> Micros {
        self.clock.now()
    }

    /// A batch was begun then, and has just ended.
    pub(super) fn sent(&self, began: Micros, failed: bool) {
        let now = self.clock.now();
        let took = now.saturating_sub(began).max(0);
        self.timings.note(Timed::SinkWrite, took, now, failed);
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if seconds.len() < TOLD_MAX {
            // To the millisecond, which is what anybody can tell apart.
            seconds.push((took as f64 / 1e3).round() / 1e3);
        }
    }

    /// Seconds that each batch took, of the first ones.
    pub(super) fn seconds(self) -> Vec<f64> {
        self.seconds.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store whose writes are timed.
pub(super) struct Watched<'a> {
    pub(super) sink: &'a dyn Sink,
    pub(super) watch: &'a Watch<'a>,
}

impl Watched<'_> {
    fn timed<T>(&self, send: impl FnOnce() -> Result<T, SinkError>) -> Result<T, SinkError> {
        let began = self.watch.now();
        let sent = send();
        self.watch.sent(began, sent.is_err());
        sent
    }
}

impl Sink for Watched<'_> {
    fn shown(&self) -> &str {
        self.sink.shown()
    }

    fn look(&self, cancelled: Cancelled<'_>) -> Result<Option<Found>, SinkError> {
        self.sink.look(cancelled)
    }

    fn make(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.sink.make(stamp, cancelled)
    }

    fn mark(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.sink.mark(stamp, cancelled)
    }

    fn remove(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.sink.remove(cancelled)
    }

    fn page(&self, from: Option<&str>, cancelled: Cancelled<'_>) -> Result<Page, SinkError> {
        self.sink.page(from, cancelled)
    }

    fn upsert(&self, points: &[Point], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.timed(|| self.sink.upsert(points, cancelled))
    }

    fn delete(&self, ids: &[PointId], cancelled: Cancelled<'_>) -> Result<(), SinkError> {
        self.timed(|| self.sink.delete(ids, cancelled))
    }

    fn count(&self, cancelled: Cancelled<'_>) -> Result<u64, SinkError> {
        self.sink.count(cancelled)
    }
}
