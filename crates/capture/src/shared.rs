//! What the threads of a capture know in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stele_http::{Pace, Secret};
use stele_model::{Clock, Micros};

use crate::CaptureConfig;
use crate::config::Resolved;
use crate::disk::Disk;
use crate::gap::Reason;
use crate::line::Line;
use crate::queue::{Item, Lines, Queue};
use crate::status::{CaptureState, CaptureStatus, Counts, Ended};

/// How often it is asked whether to stop or to pause while something else is awaited: soon enough for a person.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(50);

/// Looks up a variable. Only whoever starts the capture knows the environment.
pub type Secrets = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// What a capture needs from outside.
#[derive(Clone)]
pub struct Means {
    /// Where captures write: each has a directory of its own in it.
    pub dir: std::path::PathBuf,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The time that waits are measured in.
    pub pace: Arc<dyn Pace>,
    /// Variables of the configuration.
    pub secrets: Secrets,
    /// The file system, or what a test has instead.
    pub disk: Arc<dyn Disk>,
    /// Any number, for waits that a crowd of clients should not have in common.
    pub chance: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// What changes together.
#[derive(Default)]
struct Now {
    state: CaptureState,
    since: Micros,
    cause: Option<String>,
    counts: Counts,
    latency_us: Option<u64>,
    ended: Option<Ended>,
    last_loss: Option<Reason>,
    /// What keeps the writer from writing; stands before what the feed does.
    held: Option<String>,
    last_held: Option<String>,
}

/// One run of a capture.
pub(crate) struct Shared {
    pub name: String,
    pub config: CaptureConfig,
    pub resolved: Resolved,
    pub means: Means,
    pub epoch: u64,
    pub queue: Queue,
    durable_seq: AtomicU64,
    paused: AtomicBool,
    /// The number of the last line. Whoever holds it may put lines into the queue, so they stand there in order.
    seq: Mutex<u64>,
    connections: AtomicU64,
    now: Mutex<Now>,
}

impl Shared {
    pub fn new(name: &str, config: CaptureConfig, resolved: Resolved, means: Means, epoch: u64) -> Self {
        let since = means.clock.now();
        Shared {
            name: name.to_owned(),
            queue: Queue::new(config.queue_bytes_max),
            config,
            resolved,
            means,
            epoch,
            durable_seq: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            seq: Mutex::new(0),
            connections: AtomicU64::new(0),
            now: Mutex::new(Now { since, ..Now::default() }),
        }
    }

    /// The number of the next connection.
    pub fn next_connection(&self) -> String {
        format!("{}-{}", self.epoch, self.connections.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Makes lines and puts them into the queue, all of them or none; waits for room as long as `patience` says so.
    /// Gives the number of the last one, or `None` if there was no room.
    pub fn put(&self, put: Put<'_>, patience: &mut dyn FnMut(Duration) -> bool) -> Option<u64> {
        let mut seq = lock(&self.seq);
        let mut bytes = Vec::new();
        for (offset, line) in (1..).zip(put.lines) {
            line.write(&self.name, *seq + offset, &mut bytes);
        }
        let count = put.lines.len() as u64;
        let last_seq = *seq + count;
        let mut item = Item::Lines(Lines { bytes, count, last_seq, joined: put.joined, done: put.done });
        let begun = self.means.pace.now();
        let mut wait = Duration::ZERO;
        let mut stalled = false;
        let taken = loop {
            match self.queue.push(item, wait) {
                Ok(()) => break true,
                Err(_) if self.queue.ended() => break false,
                Err(back) => item = back,
            }
            if !patience(self.means.pace.now().saturating_sub(begun)) {
                break false;
            }
            if !stalled {
                self.count(|counts| counts.stalls += 1);
            }
            (stalled, wait) = (true, ASK_EVERY);
        };
        if stalled {
            let waited = self.means.pace.now().saturating_sub(begun);
            self.count(|counts| counts.stalled_ms += u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        }
        if !taken {
            return None;
        }
        *seq = last_seq;
        self.count(|counts| counts.lines += count);
        Some(last_seq)
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.now).counts);
    }

    pub fn counts(&self) -> Counts {
        lock(&self.now).counts
    }

    pub fn latency(&self, us: u64) {
        lock(&self.now).latency_us = Some(us);
    }

    /// What the feed does from now on.
    pub fn enter(&self, state: CaptureState, cause: Option<String>) {
        let mut now = lock(&self.now);
        if now.state != state {
            now.since = self.means.clock.now();
        }
        (now.state, now.cause) = (state, cause);
    }

    /// What keeps the writer from writing; `None` is nothing.
    pub fn hold(&self, cause: Option<String>) {
        let mut now = lock(&self.now);
        if cause.is_some() {
            now.last_held.clone_from(&cause);
        }
        now.held = cause;
    }

    pub fn durable(&self) -> u64 {
        self.durable_seq.load(Ordering::Acquire)
    }

    pub fn set_durable(&self, seq: u64) {
        self.durable_seq.store(seq, Ordering::Release);
    }

    pub fn paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    pub fn pause(&self, pause: bool) {
        self.paused.store(pause, Ordering::Relaxed);
    }

    /// Ends the run; the first reason counts.
    pub fn stop(&self, why: Ended) {
        lock(&self.now).ended.get_or_insert(why);
    }

    pub fn ended(&self) -> Option<Ended> {
        lock(&self.now).ended
    }

    pub fn stopping(&self) -> bool {
        self.ended().is_some()
    }

    pub fn set_last_loss(&self, reason: Reason) {
        lock(&self.now).last_loss = Some(reason);
    }

    pub fn last_loss(&self) -> Option<Reason> {
        lock(&self.now).last_loss
    }

    pub fn last_held(&self) -> Option<String> {
        lock(&self.now).last_held.clone()
    }

    pub fn status(&self) -> CaptureStatus {
        let queued_bytes = self.queue.bytes();
        let now = lock(&self.now);
        let (state, cause) = match &now.held {
            Some(held) if now.state != CaptureState::Ended => (CaptureState::Held, Some(held.clone())),
            _ => (now.state, now.cause.clone()),
        };
        CaptureStatus {
            capture: self.name.clone(),
            target: self.resolved.shown.clone(),
            state,
            since: now.since,
            cause,
            epoch: self.epoch,
            durable_seq: self.durable(),
            queued_bytes,
            latency_us: now.latency_us,
            last_held: now.last_held.clone(),
            counts: now.counts,
        }
    }

    /// Waits in short stretches; `false` if the run ends or pauses meanwhile.
    pub fn wait(&self, time: Duration) -> bool {
        let end = self.means.pace.now() + time;
        loop {
            if self.stopping() || self.paused() {
                return false;
            }
            let left = end.saturating_sub(self.means.pace.now());
            if left.is_zero() {
                return true;
            }
            self.means.pace.wait(left.min(ASK_EVERY));
        }
    }
}

/// Lines that belong together.
pub(crate) struct Put<'a> {
    pub lines: &'a [Line<'a>],
    /// See [`Lines::joined`].
    pub joined: Option<bool>,
    pub done: Option<crossbeam_channel::Sender<()>>,
}

/// Numbers are whole between any two statements, so a panic of another thread is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
