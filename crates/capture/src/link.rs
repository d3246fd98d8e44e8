//! One connection after another: what stands is used, what is lost is sought again after growing waits.

use std::sync::Arc;
use std::time::Duration;

use crate::CaptureError;
use crate::gap::Reason;
use crate::recorder::{Lost, Recorder};
use crate::shared::{ASK_EVERY, Shared};
use crate::status::CaptureState;

/// How long a connection has to have stood before the waits begin anew: one that is taken and dropped at once is no
/// success.
const STEADY: Duration = Duration::from_secs(10);

/// Doublings of the wait; beyond these it is as long as it gets whatever the settings.
const DOUBLINGS_MAX: u32 = 20;

/// Connects again and again, until the run ends or `wanted` says no. `once` connects, listens, and says why it is over.
///
/// # Errors
/// If the feed refuses before anything was heard of it, or all tries that are allowed in a row have failed.
pub(crate) fn keep_up(
    recorder: &mut Recorder,
    once: &mut dyn FnMut(&mut Recorder) -> Lost,
    wanted: &dyn Fn() -> bool,
) -> Result<(), CaptureError> {
    let shared = Arc::clone(&recorder.shared);
    let mut failures = 0u32;
    loop {
        sit_out_pause(&shared);
        if shared.stopping() || shared.queue.ended() || !wanted() {
            return Ok(());
        }
        recorder.begin();
        let begun = shared.means.pace.now();
        let lost = once(recorder);
        // A server may repeat the address that it does not know, and a client the one that does not answer.
        let lost = Lost { detail: shared.resolved.hide(&lost.detail), ..lost };
        recorder.lost(&lost);
        tracing::debug!(capture = %shared.name, ?lost, "a connection is over");
        if matches!(lost.reason, Reason::Stopped | Reason::Paused) {
            failures = 0;
            continue;
        }
        let lived = shared.means.pace.now().saturating_sub(begun);
        failures = if lived >= STEADY { 1 } else { failures.saturating_add(1) };
        let capture = || shared.name.clone();
        let target = || shared.resolved.shown.clone();
        if lost.lasting && !recorder.ever {
            return Err(CaptureError::Refused { capture: capture(), target: target(), reason: lost.detail });
        }
        if shared.config.connects_max.is_some_and(|tries_max| failures >= tries_max) {
            let (tries, reason) = (failures, lost.detail);
            return Err(CaptureError::GaveUp { capture: capture(), target: target(), tries, reason });
        }
        shared.enter(CaptureState::Connecting, Some(lost.detail));
        shared.wait(backoff(&shared, failures));
    }
}

/// The wait after so many failures in a row: doubled each time up to the bound, and then between half and all of it,
/// so that all who lost one server do not come back at once.
fn backoff(shared: &Shared, failures: u32) -> Duration {
    let config = &shared.config;
    let doubled = config.reconnect_ms.saturating_mul(1 << failures.saturating_sub(1).min(DOUBLINGS_MAX));
    let most = doubled.min(config.reconnect_ms_max);
    let half = most / 2;
    Duration::from_millis(half + (shared.means.chance)() % (most - half + 1))
}

/// Comes back when the capture is not paused, or ends.
pub(crate) fn sit_out_pause(shared: &Shared) {
    if shared.paused() && !shared.stopping() {
        shared.enter(CaptureState::Paused, None);
    }
    while shared.paused() && !shared.stopping() {
        shared.means.pace.wait(ASK_EVERY);
    }
}
