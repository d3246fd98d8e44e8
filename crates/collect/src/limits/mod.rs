//! When the next request may be made: what the configuration allows, and what the service says.
//!
//! One limiter serves all workers that speak to one account. Time is handed in, nothing is slept here but through
//! a [`Pace`].

mod lasting;
mod window;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stele_http::{Cancelled, Pace};

pub(crate) use lasting::{LASTING, Made};
pub use window::Window;
pub(crate) use window::windows_of;

use crate::{CollectError, Watch, wait_for_limit};
use window::Spent;

/// How long it is believed that nothing is left, where the service does not say when there is again: the minute that most count in.
const EMPTY_FOR: Duration = Duration::from_secs(60);

/// First wait after a refusal that says no time, and the longest: it doubles in between.
const REFUSED_FOR: Duration = Duration::from_secs(1);
const REFUSED_FOR_MAX: Duration = Duration::from_secs(60);

/// How long a path stays slower than the others after it alone was refused.
const LOWERED_FOR: Duration = Duration::from_secs(3_600);

/// Paths that have a limit of their own. A service has a handful; what comes after them shares the limit of all.
const PATHS_MAX: usize = 256;

/// Longest wait for one request. Who waits longer should know, and come back.
pub const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// What an answer says about limits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Heard {
    /// How many there are in a window.
    pub total: Option<f64>,
    /// How many are left.
    pub remaining: Option<f64>,
    /// How long the window is, where that is known of the service. Then what others use is told from what we use.
    pub window: Option<Duration>,
    /// In what time there are more again.
    pub reset_after: Option<Duration>,
    /// How long one is asked to wait; 0 is as if nothing was said, or all tries would be gone at once.
    pub retry_after: Option<Duration>,
    /// Whether it was a refusal for too many requests.
    pub refused: bool,
}

/// Decides when requests are made, for all that share an account.
#[derive(Debug)]
pub struct RateLimiter {
    /// Part of each window that is left to others who use the account.
    reserve: f64,
    wait_max: Duration,
    /// The longest window: so much time lies before moment zero of those who ask, for what was spent by then.
    before: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    windows: Vec<Spent>,
    paths: BTreeMap<String, PathState>,
    /// Nobody asks before this.
    until: Duration,
    /// The last answer that said so had nothing left until this.
    empty_until: Duration,
    refusals: u32,
}

#[derive(Debug, Default)]
struct PathState {
    /// What was spent in the last minute, and how much that may be since it was refused.
    spent: Option<Spent>,
    lowered_until: Duration,
    until: Duration,
    refusals: u32,
}

impl RateLimiter {
    /// Of these windows, all of which hold. None at all leaves it to the service.
    pub fn new(windows: &[Window]) -> Self {
        let before = windows.iter().map(|window| window.per).max().unwrap_or_default();
        let windows = windows.iter().map(|window| Spent::new(*window)).collect();
        let state = Mutex::new(State { windows, ..State::default() });
        Self { reserve: 0.0, wait_max: WAIT_MAX, before, state }
    }

    /// Counts in its windows of this length what was spent before moment zero of those who ask: how long before, and how
    /// much, the oldest first.
    #[must_use]
    pub fn with_spent(mut self, per: Duration, spent: impl IntoIterator<Item = (Duration, u64)>) -> Self {
        let spent: Vec<(Duration, u64)> = spent.into_iter().collect();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for window in state.windows.iter_mut().filter(|window| window.per == per) {
            for (ago, credits) in &spent {
                window.spend(self.before.saturating_sub(*ago), *credits as f64);
            }
        }
        self
    }

    /// Leaves a part of every window, from 0 to 1, to others.
    #[must_use]
    pub fn with_reserve(mut self, part: f64) -> Self {
        self.reserve = part.clamp(0.0, 0.99);
        self
    }

    /// Waits at most this long for one request.
    #[must_use]
    pub fn with_wait_max(mut self, wait_max: Duration) -> Self {
        self.wait_max = wait_max;
        self
    }

    /// Waits until a request may be made, and counts it. `watch` hears how long that takes.
    ///
    /// # Errors
    /// If that would take longer than [`WAIT_MAX`], or somebody asked for the stop.
    pub fn acquire(
        &self,
        path: &str,
        credits: u32,
        pace: &dyn Pace,
        cancelled: Cancelled<'_>,
        watch: &dyn Watch,
    ) -> Result<(), CollectError> {
        let since = pace.now();
        loop {
            let now = pace.now();
            let Err(time) = self.try_acquire(now, path, credits) else { return Ok(()) };
            if now.saturating_sub(since) + time > self.wait_max {
                return Err(CollectError::Stopped {
                    code: "rate_limit",
                    why: format!(
                        "the limit of requests is reached, and the next may be made in {} s; run it again then: it goes on where it stopped",
                        time.as_secs()
                    ),
                });
            }
            wait_for_limit(pace, time, cancelled, watch).map_err(|_| CollectError::Cancelled)?;
        }
    }

    /// Counts a request if it may be made now.
    ///
    /// # Errors
    /// The time after which it is worth to ask again.
    pub fn try_acquire(&self, now: Duration, path: &str, credits: u32) -> Result<(), Duration> {
        let now = now + self.before;
        let (mut state, credits) = (self.state(), f64::from(credits));
        let share = 1.0 - self.reserve;
        let mut wait = state.until.max(state.empty_until).saturating_sub(now);
        for window in &mut state.windows {
            wait = wait.max(window.wait(now, credits, share));
        }
        let is_known = state.paths.contains_key(path);
        if is_known || state.paths.len() < PATHS_MAX {
            let path = state.paths.entry(path.to_owned()).or_default();
            wait = wait.max(path.until.saturating_sub(now));
            if now < path.lowered_until
                && let Some(spent) = &mut path.spent
            {
                wait = wait.max(spent.wait(now, credits, 1.0));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for window in &mut state.windows {
            window.spend(now, credits);
        }
        if let Some(path) = state.paths.get_mut(path) {
            // Only counted until it is refused: then what was spent is what may be.
            path.spent.get_or_insert_with(|| Spent::new(Window::minute(u32::MAX))).spend(now, credits);
        }
        Ok(())
    }

    /// Learns from an answer to a request for `path`.
    pub fn heard(&self, now: Duration, path: &str, heard: &Heard) {
        let now = now + self.before;
        let mut state = self.state();
        match (heard.window, heard.total, heard.remaining) {
            (Some(per), Some(total), Some(remaining)) => state.learn(now, per, total, remaining),
            (_, _, Some(remaining)) => {
                let nothing = now + heard.reset_after.unwrap_or(EMPTY_FOR);
                state.empty_until = if remaining < 1.0 { nothing } else { Duration::ZERO };
            }
            _ => {}
        }
        if !heard.refused {
            state.refusals = 0;
            if let Some(path) = state.paths.get_mut(path) {
                path.refusals = 0;
            }
            return;
        }
        // Refused although something is left: the path has a limit of its own, which no header shows.
        let path_alone = heard.remaining.is_some_and(|remaining| remaining >= 1.0);
        let wait = |refusals: u32| {
            let asked = heard.retry_after.filter(|time| !time.is_zero());
            asked.unwrap_or_else(|| (REFUSED_FOR * 2u32.saturating_pow(refusals.min(6))).min(REFUSED_FOR_MAX))
        };
        match state.paths.get_mut(path).filter(|_| path_alone) {
            Some(path) => {
                path.until = path.until.max(now + wait(path.refusals));
                path.refusals += 1;
                path.lowered_until = now + LOWERED_FOR;
                if let Some(spent) = &mut path.spent {
                    // The last of them was one too many.
                    spent.max = spent.sum(now).min(spent.max) - 1.0;
                    spent.max = spent.max.max(1.0);
                }
            }
            None => {
                state.until = state.until.max(now + wait(state.refusals));
                state.refusals += 1;
            }
        }
    }

    /// A state is whole between any two statements, so a panic of another worker is no reason to stop.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The service's own number replaces ours for windows of this length, and what is missing there beyond what we
    /// spent was spent by others.
    fn learn(&mut self, now: Duration, per: Duration, total: f64, remaining: f64) {
        let at = self.windows.iter().position(|window| window.per == per).unwrap_or_else(|| {
            self.windows.push(Spent::new(Window { requests: u32::MAX, per }));
            self.windows.len() - 1
        });
        let window = &mut self.windows[at];
        window.max = window.configured.min(total.max(1.0));
        let others = total - remaining - window.sum(now);
        window.others = (others >= 1.0).then_some((now, others));
    }
}
