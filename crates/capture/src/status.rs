//! What a capture does and has done, for whoever asks.

use serde::{Deserialize, Serialize};
use stele_model::Micros;

use crate::gap::Reason;

/// What a capture is busy with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureState {
    /// It has no connection yet, or none any more.
    #[default]
    Connecting,
    /// It listens.
    Listening,
    /// Somebody asked for the pause.
    Paused,
    /// The disk takes nothing, or nobody takes the segments.
    Held,
    /// It has ended.
    Ended,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Whoever runs it asked for the stop.
    Cancelled,
    /// Somebody else did, by [`crate::Control`] or the control file.
    Stopped,
    /// The time that was given is over.
    TimeUp,
    /// The stream came to its end.
    EndOfInput,
    /// It could not go on.
    Failed,
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines that were made.
    pub lines: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Bytes of received messages.
    pub received_bytes: u64,
    /// Connections that stood.
    pub connections: u64,
    /// Tries to connect that failed.
    pub failures: u64,
    /// Gaps that were recorded.
    pub gaps: u64,
    /// Messages that these lack, as far as the feed's numbers tell.
    pub missing: u64,
    /// Messages that were there and were not kept, as they were too long.
    pub dropped: u64,
    /// Batches of pushed events that were refused for want of room.
    pub refused: u64,
    /// How often a feed had to wait for the disk.
    pub stalls: u64,
    /// How long, in milliseconds.
    pub stalled_ms: u64,
    /// Failures of the disk.
    pub disk_failures: u64,
    /// Segments that were completed.
    pub segments: u64,
    /// Bytes in them.
    pub segment_bytes: u64,
}

/// What a capture does at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureStatus {
    /// Its name.
    pub capture: String,
    /// What it listens to, without secrets.
    pub target: String,
    /// What it is busy with.
    pub state: CaptureState,
    /// Since when.
    pub since: Micros,
    /// Why, where that is not as it should be.
    pub cause: Option<String>,
    /// The number of the run.
    pub epoch: u64,
    /// All lines up to this number are durable.
    pub durable_seq: u64,
    /// Bytes that wait for the disk.
    pub queued_bytes: usize,
    /// The last latency that was measured, in microseconds.
    pub latency_us: Option<u64>,
    /// What kept it from writing the last time, be that over or not.
    pub last_held: Option<String>,
    /// What was done.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptureSummary {
    /// The capture's name.
    pub capture: String,
    /// The number of the run.
    pub epoch: u64,
    /// Why it ended.
    pub ended: Ended,
    /// Why the last connection was lost before that, if it was.
    pub last_loss: Option<Reason>,
    /// All lines up to this number are durable.
    pub durable_seq: u64,
    /// What kept it from writing the last time, if anything did.
    pub last_held: Option<String>,
    /// What was done.
    #[serde(flatten)]
    pub counts: Counts,
}
