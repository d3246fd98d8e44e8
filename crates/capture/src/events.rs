//! Events that are pushed: taken when there is room, and acknowledged when they are durable.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::PushError;
use crate::line::{Direction, Line, instant};
use crate::recorder::ms;
use crate::shared::{ASK_EVERY, Put, Shared};

/// Events of one batch, at most: an answer should not be waited for longer than a moment.
pub const PUSH_EVENTS_MAX: usize = 10_000;

/// Longest name of an event, and longest id.
const NAME_BYTES_MAX: usize = 1024;

/// How long somebody is made to wait for the disk before being told that it is not known.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);

/// The least that somebody is told to wait; more the more bytes there are before.
const RETRY_AFTER_MS: u64 = 250;

/// What a slow disk writes in a millisecond: it tells how long to wait.
const DISK_BYTES_PER_MS: u64 = 10_000;

/// An event as it is pushed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What kind it is: the event type of its record.
    pub event: String,
    /// When it happened, as its sender says; when it came, unless given.
    #[serde(default)]
    pub ts: Option<String>,
    /// The id that its sender gave it. Pushed again it should have the same one.
    #[serde(default)]
    pub id: Option<String>,
    /// What it says: any JSON, kept byte for byte unless it has line breaks, which become blanks.
    pub data: Box<RawValue>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// Events that are durable now: all of the batch.
    pub events: u64,
    /// The run, and the number of the last event in it.
    pub epoch: u64,
    /// See [`Self::epoch`].
    pub seq: u64,
}

/// A handle to push events with. Any number of threads may have one.
#[derive(Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Events { shared }
    }

    /// Takes a batch, all of it or nothing, and comes back when it is durable. Does not wait for room: whoever pushes
    /// is told when to come back.
    ///
    /// # Errors
    /// [`PushError::Busy`] if there is no room, [`PushError::Unconfirmed`] if it was taken and the disk is silent; the
    /// others say what to change.
    pub fn push(&self, batch: &[Event]) -> Result<Pushed, PushError> {
        let shared = &self.shared;
        let invalid = |reason: String| Err(PushError::Invalid { reason });
        if batch.is_empty() || batch.len() > PUSH_EVENTS_MAX {
            return invalid(format!(
                "it has {} events; 1 to {PUSH_EVENTS_MAX} are taken at once",
                batch.len()
            ));
        }
        let (mut bytes, bytes_max) = (0, shared.config.frame_bytes_max);
        for (place, event) in batch.iter().enumerate() {
            bytes += event.data.get().len();
            if bytes > bytes_max {
                return invalid(format!(
                    "its events up to the one at {place} have more than {bytes_max} bytes; send fewer"
                ));
            }
            let named = [Some(&event.event), event.id.as_ref(), event.ts.as_ref()];
            let long = |text: &&String| text.is_empty() || text.len() > NAME_BYTES_MAX;
            if named.into_iter().flatten().any(|text| long(&text)) {
                return invalid(format!(
                    "event, id and ts of the one at {place} have to have 1 to {NAME_BYTES_MAX} bytes"
                ));
            }
        }
        if shared.stopping() || shared.queue.ended() {
            return Err(PushError::Ended);
        }
        if shared.paused() {
            return Err(PushError::Paused);
        }
        let now = instant(shared.means.clock.now());
        let connection = format!("{}-push", shared.epoch);
        let flat: Vec<Option<Box<RawValue>>> = batch.iter().map(|event| on_one_line(&event.data)).collect();
        let lines: Vec<Line<'_>> = batch
            .iter()
            .zip(&flat)
            .map(|(event, flat)| Line {
                connection: &connection,
                ts: event.ts.clone().unwrap_or_else(|| now.clone()),
                received_at: event.ts.as_ref().map(|_| now.as_str()),
                direction: Some(Direction::Received),
                event: Some(&event.event),
                original_id: event.id.as_deref(),
                data: Some(flat.as_deref().unwrap_or(&event.data)),
                ..Line::default()
            })
            .collect();
        let (done, durable) = bounded(1);
        let put = Put { lines: &lines, joined: None, done: Some(done) };
        let Some(seq) = shared.put(put, &mut |_| false) else {
            if shared.queue.ended() {
                return Err(PushError::Ended);
            }
            shared.count(|counts| counts.refused += 1);
            let queued_bytes = shared.queue.bytes();
            let retry_after_ms = RETRY_AFTER_MS + queued_bytes as u64 / DISK_BYTES_PER_MS;
            return Err(PushError::Busy { queued_bytes, retry_after_ms });
        };
        let events = batch.len() as u64;
        shared.count(|counts| {
            counts.received += events;
            counts.received_bytes += bytes as u64;
        });
        let begun = shared.means.pace.now();
        loop {
            let waited = shared.means.pace.now().saturating_sub(begun);
            match durable.recv_timeout(ASK_EVERY) {
                Ok(()) => return Ok(Pushed { events, epoch: shared.epoch, seq }),
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = "the writer has ended".to_owned();
                    return Err(PushError::Unconfirmed { reason });
                }
                Err(RecvTimeoutError::Timeout) if waited >= CONFIRM_WITHIN => {
                    let reason = format!("the disk has not answered for {} ms", ms(waited));
                    return Err(PushError::Unconfirmed { reason });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// The same JSON without line breaks, where it has any. They can only stand between its parts.
fn on_one_line(data: &RawValue) -> Option<Box<RawValue>> {
    let text = data.get();
    text.contains(['\n', '\r']).then(|| RawValue::from_string(text.replace(['\n', '\r'], " ")).ok())?
}
