//! The one thread that writes: takes what was received, makes it durable, completes segments and tells of them.
//!
//! Lines are appended at once and synced after a time or a number of bytes. Until then they stay in memory, so that
//! they can be written to another segment if the disk fails: after a failed sync nobody knows what it holds.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};

use crate::disk::replace;
use crate::line::instant;
use crate::queue::{Item, cost};
use crate::segment::{Seen, Segment, Segments};
use crate::shared::{ASK_EVERY, Shared};
use crate::{CaptureError, Observer};

/// Bytes that are synced without waiting for the time: a slow disk needs a second for no more.
const SYNC_BYTES: usize = 4 << 20;

/// Wait between two tries on a disk that fails.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// How long a failing disk is tried after somebody asked for the stop.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);

/// What a run leaves for the next one beside its segments, which may be taken by then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub version: u32,
    pub epoch: u64,
    /// When the last line was made, as text.
    #[serde(default)]
    pub at: Option<String>,
    /// The last number of the feed.
    #[serde(default)]
    pub number: Option<i64>,
    /// Whether the run ended as it should.
    #[serde(default)]
    pub stopped: bool,
}

/// The form of the file.
pub(crate) const STATE_VERSION: u32 = 1;

pub(crate) struct Writer<'a> {
    pub shared: Arc<Shared>,
    pub segments: Segments,
    pub state: State,
    pub state_path: PathBuf,
    pub dir: PathBuf,
    pub observer: &'a dyn Observer,
    /// Lines that are not durable.
    pub unsynced: Vec<u8>,
    pub unsynced_lines: u64,
    pub unsynced_cost: usize,
    /// How many bytes of them are in the segment that grows.
    pub appended: usize,
    pub appended_lines: u64,
    /// Whether the next line belongs into the same segment.
    pub joined: bool,
    /// Whether somebody asked for the end of the segment, which has to wait while lines are joined.
    pub rotate: bool,
    /// Number of the last of them, and since when the first one waits.
    pub last_seq: u64,
    pub since: Option<Duration>,
    pub waiting: Vec<Sender<()>>,
}

impl Writer<'_> {
    /// Comes back when the queue has ended and all of it is durable.
    pub fn run(mut self) -> Result<(), CaptureError> {
        loop {
            let (items, ended) = self.shared.queue.take(self.patience());
            for item in items {
                self.unsynced_cost += cost(&item);
                match item {
                    Item::Lines(lines) => {
                        self.joined = lines.joined.unwrap_or(self.joined);
                        self.unsynced.extend_from_slice(&lines.bytes);
                        self.unsynced_lines += lines.count;
                        self.last_seq = lines.last_seq;
                        self.since.get_or_insert(self.shared.means.pace.now());
                        self.waiting.extend(lines.done);
                        if self.unsynced.len() >= SYNC_BYTES {
                            self.keep(true)?;
                        }
                    }
                    Item::Rotate => self.rotate = true,
                }
                if !self.joined && (self.rotate || self.segment_is_full()) {
                    self.complete()?;
                }
            }
            let due = self.since.is_some_and(|since| {
                self.shared.means.pace.now().saturating_sub(since)
                    >= Duration::from_millis(self.shared.config.sync_ms)
            });
            self.keep(due || ended || !self.waiting.is_empty())?;
            if ended || (!self.joined && self.segment_is_full()) {
                self.complete()?;
            }
            if ended {
                // Nothing is taken in after the end, so that was all.
                return Ok(());
            }
        }
    }

    /// How long nothing has to be done unless something comes.
    fn patience(&self) -> Duration {
        match self.since {
            Some(since) => {
                let due = since + Duration::from_millis(self.shared.config.sync_ms);
                due.saturating_sub(self.shared.means.pace.now()).min(ASK_EVERY)
            }
            None => ASK_EVERY,
        }
    }

    fn segment_is_full(&self) -> bool {
        let config = &self.shared.config;
        let (bytes, since) = self.segments.size().unwrap_or((0, self.shared.means.pace.now()));
        let age = self.shared.means.pace.now().saturating_sub(since);
        let more = (self.unsynced.len() - self.appended) as u64;
        bytes + more >= config.segment_bytes || age >= Duration::from_millis(config.segment_ms)
    }

    /// Appends what is not appended, and makes it durable if `sync`. Tries until it is, or until somebody who asked
    /// for the stop has waited long enough.
    fn keep(&mut self, sync: bool) -> Result<(), CaptureError> {
        self.room()?;
        self.persist(|writer| {
            let rest = &writer.unsynced[writer.appended..];
            if !rest.is_empty() {
                let lines = writer.unsynced_lines - writer.appended_lines;
                let now = writer.shared.means.pace.now();
                writer.segments.append(rest, lines, now)?;
                (writer.appended, writer.appended_lines) = (writer.unsynced.len(), writer.unsynced_lines);
            }
            if sync && !writer.unsynced.is_empty() {
                writer.segments.sync()?;
            }
            Ok(())
        })?;
        if sync && !self.unsynced.is_empty() {
            self.shared.set_durable(self.last_seq);
            self.shared.queue.written(std::mem::take(&mut self.unsynced_cost));
            self.note();
            self.unsynced.clear();
            // One long message is no reason to keep its room for ever.
            self.unsynced.shrink_to(SYNC_BYTES);
            (self.unsynced_lines, self.appended, self.appended_lines, self.since) = (0, 0, 0, None);
            for waiting in self.waiting.drain(..) {
                // Whoever waited may be gone.
                let _ = waiting.send(());
            }
        }
        Ok(())
    }

    /// Completes the segment that grows, and tells of it.
    fn complete(&mut self) -> Result<(), CaptureError> {
        self.rotate = false;
        self.keep(true)?;
        let mut finished = None;
        self.persist(|writer| {
            finished = writer.segments.finish()?;
            Ok(())
        })?;
        match finished {
            Some(segment) => self.tell(&segment),
            None => Ok(()),
        }
    }

    /// The state goes first: a segment may be taken away the moment that it is told of.
    fn tell(&mut self, segment: &Segment) -> Result<(), CaptureError> {
        let bytes = serde_json::to_vec(&self.state).unwrap_or_default();
        self.persist(|writer| replace(&writer.state_path, &bytes))?;
        self.shared.count(|counts| {
            counts.segments += 1;
            counts.segment_bytes += segment.bytes;
        });
        self.observer.segment(segment);
        Ok(())
    }

    /// Remembers where the feed has come to, from the lines that became durable.
    fn note(&mut self) {
        let mut lines = self.unsynced.split(|byte| *byte == b'\n').rev().filter_map(Seen::of).peekable();
        if let Some(at) = lines.peek().and_then(Seen::at) {
            self.state.at = Some(instant(at));
        }
        if self.shared.config.number.is_some() {
            self.state.number = lines.find_map(|line| line.number()).or(self.state.number);
        }
    }

    /// Waits while complete segments lie about that nobody takes.
    fn room(&mut self) -> Result<(), CaptureError> {
        if self.unsynced.len() == self.appended || self.segments.size().is_some() {
            return Ok(());
        }
        let bytes_max = self.shared.config.waiting_bytes_max;
        while !self.shared.stopping() && waiting_bytes(&self.dir) >= bytes_max {
            let cause = format!(
                "complete segments of {bytes_max} bytes and more wait in {}; nothing is written until somebody takes them",
                self.dir.display()
            );
            self.shared.hold(Some(cause));
            self.shared.means.pace.wait(RETRY_EVERY);
        }
        self.shared.hold(None);
        Ok(())
    }

    /// Does something on the disk until it succeeds. After a failure the segment ends where it was durable, and what
    /// was not goes into the next one.
    fn persist(&mut self, mut work: impl FnMut(&mut Self) -> io::Result<()>) -> Result<(), CaptureError> {
        let mut since_stop = None;
        loop {
            let Err(error) = work(self) else {
                self.shared.hold(None);
                return Ok(());
            };
            tracing::warn!(capture = %self.shared.name, %error, "the disk takes nothing");
            self.shared.count(|counts| counts.disk_failures += 1);
            self.shared.hold(Some(format!("cannot write in {}: {error}", self.dir.display())));
            if !self.unsynced.is_empty() {
                let ended = self.segments.abandon();
                (self.appended, self.appended_lines) = (0, 0);
                if let Some(segment) = ended {
                    self.tell(&segment)?;
                }
            }
            let now = self.shared.means.pace.now();
            if self.shared.stopping() || self.shared.queue.ended() {
                let since = *since_stop.get_or_insert(now);
                if now.saturating_sub(since) >= GIVE_UP_AFTER {
                    let first_lost = self.shared.durable() + 1;
                    let (capture, lines) = (self.shared.name.clone(), self.unsynced_lines);
                    return Err(CaptureError::Unwritten { capture, lines, first_lost, source: error });
                }
            }
            self.shared.means.pace.wait(RETRY_EVERY);
        }
    }
}

/// Bytes of the complete segments in a directory. One that cannot be read says so when it is written to.
fn waiting_bytes(dir: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jsonl"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
