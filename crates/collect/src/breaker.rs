//! Leaves a service alone that does not answer: after so many failures in a row nothing is asked for a while, then
//! one request is, and what becomes of it decides.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Failures in a row after which a service is left alone: with the tries of each request, more than a hiccup.
pub const FAILURES_MAX: u32 = 10;

/// How long it is left alone.
pub const COOL_DOWN: Duration = Duration::from_secs(60);

/// Counts failures in a row of one service, for all that ask it.
#[derive(Debug)]
pub struct CircuitBreaker {
    failures_max: u32,
    cool_down: Duration,
    state: Mutex<State>,
    /// How often in a row it was left alone.
    rests: AtomicU32,
}

/// Why one may not ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The service is left alone for so long.
    Resting(Duration),
    /// Somebody else is trying whether it answers again, and will not be waited for longer than this.
    Tried(Duration),
}

impl Closed {
    /// The time after which it is worth to ask again.
    pub fn wait(self) -> Duration {
        match self {
            Closed::Resting(time) | Closed::Tried(time) => time,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Everybody may ask; so many failures in a row.
    Closed(u32),
    /// Nobody may ask before this.
    Open(Duration),
    /// One is asking, since this.
    Trying(Duration),
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new(FAILURES_MAX, COOL_DOWN)
    }
}

impl CircuitBreaker {
    /// Opens after so many failures in a row, for so long.
    pub fn new(failures_max: u32, cool_down: Duration) -> Self {
        let state = Mutex::new(State::Closed(0));
        Self { failures_max: failures_max.max(1), cool_down, state, rests: AtomicU32::new(0) }
    }

    /// Whether one may ask now. Say what became of it by [`Self::succeeded`] or [`Self::failed`].
    ///
    /// # Errors
    /// Why not, and for how long.
    pub fn may_ask(&self, now: Duration) -> Result<(), Closed> {
        let mut state = self.state();
        match *state {
            State::Closed(_) => return Ok(()),
            State::Open(until) if now < until => return Err(Closed::Resting(until - now)),
            // Whoever is trying and never says what became of it is not waited for for ever.
            State::Trying(since) if now < since + self.cool_down => {
                return Err(Closed::Tried(since + self.cool_down - now));
            }
            State::Open(_) | State::Trying(_) => {}
        }
        *state = State::Trying(now);
        Ok(())
    }

    /// The service answered, whatever it said.
    pub fn succeeded(&self) {
        *self.state() = State::Closed(0);
        self.rests.store(0, Ordering::Relaxed);
    }

    /// How often in a row it was left alone, for whoever gives up at some time.
    pub fn rests(&self) -> u32 {
        self.rests.load(Ordering::Relaxed)
    }

    /// It did not.
    pub fn failed(&self, now: Duration) {
        let mut state = self.state();
        *state = match *state {
            State::Closed(failures) if failures + 1 < self.failures_max => State::Closed(failures + 1),
            // A request that was under way when it opened does not make it longer.
            State::Open(until) => State::Open(until),
            _ => {
                self.rests.fetch_add(1, Ordering::Relaxed);
                State::Open(now + self.cool_down)
            }
        };
    }

    /// Whether nobody may ask.
    pub fn is_open(&self, now: Duration) -> bool {
        match *self.state() {
            State::Closed(_) => false,
            State::Open(until) => now < until,
            State::Trying(_) => true,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
