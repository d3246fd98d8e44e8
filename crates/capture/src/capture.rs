//! One capture from its beginning to its end: the feed on one thread, the writer on another, and this one that looks
//! after both.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stele_http::Cancelled;

use crate::config::Target;
use crate::control::{self, Command, Control};
use crate::disk::replace;
use crate::events::Events;
use crate::gap::{Reason, Tracker};
use crate::line::micros;
use crate::recorder::{Lost, Recorder, ms};
use crate::segment::{Left, Segment, Segments, pick_up};
use crate::shared::{ASK_EVERY, Means, Shared};
use crate::status::{CaptureState, CaptureSummary, Ended};
use crate::writer::{STATE_VERSION, State, Writer};
use crate::{CaptureConfig, CaptureError, cdp, engine, link, plain, stdin};

/// How often `status.json` is written at least, while the capture runs.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// Hears of complete segments.
pub trait Observer: Sync {
    /// This segment is complete and durable, and never changes. Whoever takes it deletes it when what is in it is
    /// durable elsewhere; what is not deleted is told of again when the capture begins the next time. Called on the thread
    /// that writes: what takes long belongs on another one.
    fn segment(&self, segment: &Segment);
}

impl<F: Fn(&Segment) + Sync> Observer for F {
    fn segment(&self, segment: &Segment) {
        self(segment);
    }
}

/// A feed that is written down.
pub struct Capture {
    shared: Arc<Shared>,
    dir: PathBuf,
    left: Left,
    tracker: Tracker,
    input: Option<Box<dyn Read + Send>>,
    /// Held until the capture ends: one process writes.
    _lock: File,
}

impl Capture {
    /// Checks the configuration, takes the directory `<dir>/<name>`, and picks up what an earlier run left there.
    /// Nothing is listened to yet.
    ///
    /// # Errors
    /// If a setting cannot be used, another process has the capture, or the directory cannot be used.
    pub fn open(name: &str, config: CaptureConfig, means: Means) -> Result<Self, CaptureError> {
        let resolved = config.resolve(name, &*means.secrets)?;
        let dir = means.dir.join(name);
        let failed = |what, path: &Path| {
            let (capture, path) = (name.to_owned(), path.to_owned());
            move |source| CaptureError::Io { capture, what, path, source }
        };
        std::fs::create_dir_all(&dir).map_err(failed("make", &dir))?;
        let lock_path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CaptureError::Taken { path: lock_path }),
            Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path)(error)),
        }
        let left = pick_up(name, &dir)?;
        let state_path = dir.join("state.json");
        let state = read_state(&state_path)?;
        let known = state.clone().unwrap_or_default();
        let mut tracker = Tracker::new(config.number.clone());
        // What was taken away is only in the state, and what the state does not know yet is still there.
        let known_at = known.at.as_deref().and_then(micros);
        let newer = left.reached.at.filter(|at| known_at.is_none_or(|known| *at > known));
        if let Some(at) = newer.or(known_at) {
            let stopped = if newer.is_some() { left.reached.stopped } else { known.stopped };
            let number = if newer.is_some() { left.reached.number.or(known.number) } else { known.number };
            tracker.resume(number, at, if stopped { Reason::NotRunning } else { Reason::Killed });
        }
        // Durable before the first line has it: no two runs have one number.
        let epoch = left.epoch_max.max(known.epoch) + 1;
        let begun = State { version: STATE_VERSION, epoch, stopped: false, ..known };
        let bytes = serde_json::to_vec(&begun).unwrap_or_default();
        replace(&state_path, &bytes).map_err(failed("write", &state_path))?;
        let shared = Arc::new(Shared::new(name, config, resolved, means, epoch));
        Ok(Capture { shared, dir, left, tracker, input: None, _lock: lock })
    }

    /// The stream whose lines a capture of `stdin:` writes down.
    #[must_use]
    pub fn with_input(mut self, input: Box<dyn Read + Send>) -> Self {
        self.input = Some(input);
        self
    }

    /// A handle to tell it what to do, and to ask what it does.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared))
    }

    /// A handle to push events with; `None` unless the capture is one of `events:`.
    pub fn events(&self) -> Option<Events> {
        matches!(self.shared.resolved.target, Target::Events).then(|| Events::new(Arc::clone(&self.shared)))
    }

    /// Opens a capture and runs it: see [`Self::open`] and [`Self::run`].
    ///
    /// # Errors
    /// As both.
    pub fn run_once(
        name: &str,
        config: CaptureConfig,
        means: Means,
        cancelled: Cancelled<'_>,
        observer: &dyn Observer,
    ) -> Result<CaptureSummary, CaptureError> {
        Self::open(name, config, means)?.run(cancelled, observer)
    }

    /// Listens until it is told to stop, and comes back when all that was received is durable and told of. Segments
    /// that were there before are told of first.
    ///
    /// # Errors
    /// If it cannot go on; what was synced before is kept.
    pub fn run(
        mut self,
        cancelled: Cancelled<'_>,
        observer: &dyn Observer,
    ) -> Result<CaptureSummary, CaptureError> {
        for segment in &self.left.segments {
            observer.segment(segment);
        }
        let state_path = self.dir.join("state.json");
        let state = State { epoch: self.shared.epoch, ..read_state(&state_path)?.unwrap_or_default() };
        let writer = Writer {
            shared: Arc::clone(&self.shared),
            segments: Segments::new(&self.dir, self.shared.epoch, Arc::clone(&self.shared.means.disk)),
            state,
            state_path: state_path.clone(),
            dir: self.dir.clone(),
            observer,
            unsynced: Vec::new(),
            unsynced_lines: 0,
            unsynced_cost: 0,
            appended: 0,
            appended_lines: 0,
            joined: false,
            rotate: false,
            last_seq: 0,
            since: None,
            waiting: Vec::new(),
        };
        let input = self.input.take();
        let mut recorder = Recorder::new(Arc::clone(&self.shared), self.tracker.clone());
        let (written, fed) = std::thread::scope(|scope| {
            let shared = &self.shared;
            let writer = scope.spawn(move || {
                let written = writer.run();
                // Whoever waits for room would wait for ever.
                shared.queue.end();
                written
            });
            let completed = self.left.completed.clone();
            let feed = scope.spawn(move || {
                let fed = begin(&mut recorder, &completed).and_then(|()| feed(&mut recorder, input));
                end(&mut recorder, &fed);
                fed
            });
            self.look_after(cancelled, &|| feed.is_finished());
            let fed = feed.join();
            shared.queue.end();
            (writer.join(), fed)
        });
        self.shared.enter(CaptureState::Ended, None);
        self.write_status();
        let broken = |thread| CaptureError::Broken { capture: self.shared.name.clone(), thread };
        written.map_err(|_| broken("writer"))??;
        // However the feed ended: its last line says so, and it is durable.
        self.end_state(&state_path)?;
        fed.map_err(|_| broken("feed"))??;
        Ok(CaptureSummary {
            capture: self.shared.name.clone(),
            epoch: self.shared.epoch,
            ended: self.shared.ended().unwrap_or(Ended::EndOfInput),
            last_loss: self.shared.last_loss(),
            durable_seq: self.shared.durable(),
            last_held: self.shared.last_held(),
            counts: self.shared.counts(),
        })
    }

    /// Sees to the time, the control file and the status until the feed has ended.
    fn look_after(&self, cancelled: Cancelled<'_>, feed_ended: &dyn Fn() -> bool) {
        let shared = &self.shared;
        let begun = shared.means.pace.now();
        let path = self.dir.join("control");
        let (mut shown, mut refused) = (None, false);
        while !feed_ended() {
            let now = shared.means.pace.now();
            if cancelled() {
                shared.stop(Ended::Cancelled);
            }
            if shared.config.for_ms.is_some_and(|for_ms| ms(now.saturating_sub(begun)) >= for_ms) {
                shared.stop(Ended::TimeUp);
            }
            if shared.queue.ended() {
                shared.stop(Ended::Failed);
            }
            match control::read(&path) {
                Ok(Some(words)) => {
                    for word in words {
                        self.obey(word);
                    }
                    self.write_status();
                    refused = std::fs::remove_file(&path).is_err();
                }
                Err(error) if !refused => {
                    tracing::warn!(path = %path.display(), %error, "the control file cannot be read");
                    refused = true;
                }
                Ok(None) | Err(_) => {}
            }
            let state = shared.status().state;
            if shown.is_none_or(|(at, known)| known != state || now.saturating_sub(at) >= STATUS_EVERY) {
                self.write_status();
                shown = Some((now, state));
            }
            shared.means.pace.wait(ASK_EVERY);
        }
    }

    fn obey(&self, word: Result<Command, String>) {
        match word {
            Ok(command) => self.control().tell(command),
            Err(word) => {
                tracing::warn!(capture = %self.shared.name, %word, "the control file holds a word that is no command");
                let mut recorder = Recorder::new(Arc::clone(&self.shared), Tracker::default());
                let data = json!({"word": word, "commands": ["pause", "resume", "rotate", "stop"]});
                // It is in the log too.
                let _ = recorder.system("control_refused", &data);
            }
        }
    }

    /// For people and other programs; nothing depends on it, so it need not survive anything.
    fn write_status(&self) {
        let status = serde_json::to_vec_pretty(&self.shared.status()).unwrap_or_default();
        let (new, path) = (self.dir.join("status.json.new"), self.dir.join("status.json"));
        if let Err(error) = std::fs::write(&new, status).and_then(|()| std::fs::rename(&new, &path)) {
            tracing::debug!(path = %path.display(), %error, "the status cannot be written");
        }
    }

    /// Remembers that the run ended as it should.
    fn end_state(&self, path: &Path) -> Result<(), CaptureError> {
        let state = State { stopped: true, ..read_state(path)?.unwrap_or_default() };
        let bytes = serde_json::to_vec(&state).unwrap_or_default();
        replace(path, &bytes).map_err(|source| CaptureError::Io {
            capture: self.shared.name.clone(),
            what: "write",
            path: path.to_owned(),
            source,
        })
    }
}

/// The first lines of a run.
fn begin(recorder: &mut Recorder, completed: &[(String, u64)]) -> Result<(), CaptureError> {
    let shared = Arc::clone(&recorder.shared);
    let data =
        json!({"epoch": shared.epoch, "target": shared.resolved.shown, "number": shared.config.number});
    let mut said = recorder.system("capture_started", &data);
    for (segment, bytes_cut) in completed {
        let data = json!({"segment": segment, "bytes_cut": bytes_cut});
        said = said.and_then(|_| recorder.system("segment_completed", &data));
    }
    // Only a writer that is gone refuses, and that has an error of its own.
    said.map_or(Ok(()), |_| Ok(()))
}

/// The last lines of a run.
fn end(recorder: &mut Recorder, fed: &Result<(), CaptureError>) {
    let ended = recorder.shared.ended().unwrap_or(match fed {
        Ok(()) => Ended::EndOfInput,
        Err(_) => Ended::Failed,
    });
    recorder.shared.stop(ended);
    let error = fed.as_ref().err().map(|error| stele_model::error::in_full(error));
    let data = json!({"ended": ended, "error": error, "counts": recorder.shared.counts()});
    let _ = recorder.close_gap().and_then(|()| recorder.system("capture_stopped", &data));
}

/// Listens until the run ends.
fn feed(recorder: &mut Recorder, input: Option<Box<dyn Read + Send>>) -> Result<(), CaptureError> {
    let shared = Arc::clone(&recorder.shared);
    match &shared.resolved.target {
        Target::Socket(url) => {
            link::keep_up(recorder, &mut |recorder| plain::listen(recorder, url), &|| true)
        }
        Target::Engine(url) => {
            link::keep_up(recorder, &mut |recorder| engine::listen(recorder, url), &|| true)
        }
        Target::Browser(url) => cdp::listen(recorder, url),
        Target::Stdin => stdin::listen(recorder, input),
        Target::Events => {
            idle(recorder);
            Ok(())
        }
    }
}

/// Pushed events need no thread of their own: this one waits for the end, and writes pauses down.
fn idle(recorder: &mut Recorder) {
    let shared = Arc::clone(&recorder.shared);
    while !shared.stopping() {
        recorder.begin();
        let lost = recorder.connected(json!("events may be pushed")).and_then(|()| -> Result<(), Lost> {
            while shared.wait(ASK_EVERY) {}
            Err(Lost::asked(&shared))
        });
        if let Err(lost) = lost {
            recorder.lost(&lost);
        }
        link::sit_out_pause(&shared);
        if shared.queue.ended() {
            return;
        }
    }
}

fn read_state(path: &Path) -> Result<Option<State>, CaptureError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CaptureError::State { path: path.to_owned(), reason: error.to_string() });
        }
    };
    match serde_json::from_slice::<State>(&text) {
        Ok(state) if state.version == STATE_VERSION => Ok(Some(state)),
        Ok(state) => {
            let reason = format!("its version is {}, and this program knows {STATE_VERSION}", state.version);
            Err(CaptureError::State { path: path.to_owned(), reason })
        }
        Err(error) => Err(CaptureError::State { path: path.to_owned(), reason: error.to_string() }),
    }
}
