//! What is being said right now? Live feeds, written down line by line as they speak.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use stele_capture::{Capture, CaptureConfig, CaptureError, Means, Segment, Template};
//! # fn run(means: Means, ingest: &(dyn Fn(&Segment) + Sync)) -> Result<(), CaptureError> {
//! let url = Template::new("socketio+https://feed.example/?token=${FEED_TOKEN}");
//! let config = CaptureConfig { url, number: Some("/seq".into()), ..CaptureConfig::default() };
//! let capture = Capture::open("feed", config, means)?; // picks up what a killed run left
//! let control = capture.control(); // pause, resume, rotate, stop, status: from any thread
//! let summary = capture.run(&stele_http::never, &ingest)?; // hears of each complete segment
//! assert_eq!(summary.counts.missing, 0);
//! # drop(control);
//! # Ok(())
//! # }
//! ```
//!
//! Each message becomes a line of a segment, byte for byte, with its time, its direction and its connection; each
//! segment becomes an input like any other recording. A line is acknowledged when it is synced, and what was
//! acknowledged is in exactly one complete segment, whatever happens to the process. What could not be received is a
//! line too: a gap with its two ends, and where the feed numbers its messages with the count of those that are missing.
//!
//! What is read and not written yet is bounded. When the disk is slow the socket is not read, and the peer has to wait;
//! what it throws away meanwhile shows in the gaps.
//!
//! What is not here: no lake and no index, no configuration file and no environment; the clock, the time to wait and
//! the disk come in as arguments.

mod capture;
mod cdp;
mod config;
mod control;
mod disk;
mod engine;
mod error;
mod events;
mod gap;
mod line;
mod link;
mod outside;
mod plain;
mod queue;
mod recorder;
mod segment;
mod shared;
mod shown;
mod socket;
mod status;
mod stdin;
mod writer;

pub use capture::{Capture, Observer};
pub use config::{CaptureConfig, Emit, Namespace, Template, Transport};
pub use control::{Command, Control};
pub use disk::{Disk, DiskFile, SystemDisk};
pub use error::{CaptureError, PushError};
pub use events::{Event, Events, PUSH_EVENTS_MAX, Pushed};
pub use gap::Reason;
pub use outside::{CaptureSeen, Told, captures, tell};
pub use segment::Segment;
pub use shared::{Means, Secrets};
pub use status::{CaptureState, CaptureStatus, CaptureSummary, Counts, Ended};
