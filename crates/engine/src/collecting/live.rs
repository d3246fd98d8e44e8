//! A live feed, listened to: what it says goes into the lake segment by segment.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, bounded};
use stele_capture::{
    Capture, CaptureConfig, CaptureSeen, CaptureSummary, Command, Means, Segment, SystemDisk, Told,
};
use stele_http::{Secret, wait};
use stele_sources::Input;

use super::sink::BUSY_WAIT_MS;
use crate::answering::Paced;
use crate::discover::InputOptions;
use crate::engine::Engine;
use crate::error::At;
use crate::ingest::IngestOptions;
use crate::progress::{Cancel, Progress};
use crate::{EngineError, IngestSummary};

/// Where captures write, below the data directory.
const DIR: &str = "captures";

/// The format of what they write, as its profile is called.
const FORMAT: &str = "capture";

/// Segments that wait to go into the lake and are remembered: those of five days, a megabyte of memory. One that is not
/// is found again when the capture begins the next time; it stays where it is until then, and that is said.
const WAITING_MAX: usize = 8192;

/// Segments that go into the lake with one commit, if so many wait: a feed makes one a minute, and what piled up while nobody
/// took them should not cost a commit each.
const SEGMENTS_A_COMMIT: usize = 256;

/// Bytes of them, about: as much as one commit of an ingest takes.
const COMMIT_BYTES: u64 = 256 << 20;

/// What came of a capture.
#[derive(Debug, serde::Serialize)]
pub struct Listened {
    /// What was received, and what is missing.
    #[serde(flatten)]
    pub capture: CaptureSummary,
    /// Records that went into the lake.
    pub records: u64,
    /// Lines that are no records.
    pub quarantined: u64,
    /// The newest version of the lake.
    pub lake_version: Option<u64>,
    /// Segments that are durable and are not in the lake yet, with the reason; the next capture of this name brings
    /// them in.
    pub left: Vec<String>,
}

impl Engine {
    /// Every capture of this data directory, whichever process runs it.
    ///
    /// # Errors
    ///
    /// If they cannot be looked for.
    pub fn captures(&self) -> Result<Vec<CaptureSeen>, EngineError> {
        Ok(stele_capture::captures(&self.data_dir().join(DIR))?)
    }

    /// Tells a capture that runs to do something; it obeys within a fraction of a second.
    ///
    /// # Errors
    ///
    /// [`EngineError::NotListening`] if there is none, it has ended, or it has not obeyed what it was told before.
    pub fn tell_capture(&self, name: &str, command: Command) -> Result<(), EngineError> {
        let refuse = |why, is_there| EngineError::NotListening { name: name.to_owned(), why, is_there };
        match stele_capture::tell(&self.data_dir().join(DIR), name, command)? {
            Told::Yes => Ok(()),
            Told::Unknown => Err(refuse("there is no such capture", false)),
            Told::NotRunning => {
                Err(refuse("it has ended; `stele capture` goes on under the same name", true))
            }
            Told::Busy => {
                Err(refuse("it has not obeyed yet what it was told before; ask again in a moment", true))
            }
        }
    }

    /// Listens to a feed until it ends or is told to, and brings what it says into the lake. What a run that was killed
    /// left is brought in first.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used, somebody else has the capture, or what comes cannot be written down.
    pub fn capture(
        &self,
        name: &str,
        config: CaptureConfig,
        input: Option<Box<dyn Read + Send>>,
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Listened, EngineError> {
        let means = Means {
            dir: self.data_dir().join(DIR),
            clock: self.shared_clock(),
            pace: Arc::new(Paced::new(self.shared_clock())),
            secrets: Arc::new(move |name: &str| variable(name).map(Secret::new)),
            disk: Arc::new(SystemDisk),
            chance: Arc::new(|| RandomState::new().build_hasher().finish()),
        };
        let mut capture = Capture::open(name, config, means)?;
        if let Some(input) = input {
            capture = capture.with_input(input);
        }
        let (told, segments) = bounded::<Segment>(WAITING_MAX);
        let beyond = AtomicU64::new(0);
        let (summary, kept) = std::thread::scope(|scope| {
            let keeper = scope.spawn(|| self.keep_segments(name, &segments, progress));
            let beyond = &beyond;
            let observer = move |segment: &Segment| {
                if told.try_send(segment.clone()).is_err() {
                    beyond.fetch_add(1, Ordering::Relaxed);
                }
            };
            let cancelled = || cancel.is_cancelled();
            let summary = capture.run(&cancelled, &observer);
            drop(observer);
            (summary, keeper.join())
        });
        let (kept, mut left) = kept.map_err(|_| EngineError::WorkerLost)?;
        match beyond.into_inner() {
            0 => {}
            count => left.push(format!(
                "{count} segments more wait on the disk; the next capture called {name} brings them in"
            )),
        }
        Ok(Listened {
            capture: summary?,
            records: kept.records,
            quarantined: kept.quarantined,
            lake_version: kept.lake_version,
            left,
        })
    }

    /// Brings segments into the lake as they come, also after somebody asked for the stop: they are all that is left to
    /// do.
    fn keep_segments(
        &self,
        name: &str,
        segments: &Receiver<Segment>,
        progress: &dyn Progress,
    ) -> (IngestSummary, Vec<String>) {
        let (mut kept, mut left) = (IngestSummary::default(), Vec::new());
        let mut next = segments.recv().ok();
        while let Some(first) = next.take() {
            let (mut bytes, mut some) = (first.bytes, vec![first]);
            // Whatever waits goes along.
            while some.len() < SEGMENTS_A_COMMIT && bytes < COMMIT_BYTES {
                let Ok(segment) = segments.try_recv() else { break };
                bytes += segment.bytes;
                some.push(segment);
            }
            let mut stays = |segment: &Segment, why: &str| {
                let said = format!("{} is not in the lake yet: {why}", segment.path.display());
                progress.note(&said);
                left.push(said);
            };
            match self.keep_these(name, &some) {
                Ok(summary) => {
                    kept.records += summary.records;
                    kept.quarantined += summary.quarantined;
                    kept.lake_version = summary.lake_version.or(kept.lake_version);
                    for segment in &some {
                        let uri = uri(name, segment);
                        let failure = summary.failures.iter().find(|failure| failure.uri == uri);
                        let removed = match failure {
                            Some(failure) => Err(failure.reason.clone()),
                            None => std::fs::remove_file(&segment.path)
                                .at("remove", &segment.path)
                                .map_err(|error| stele_model::error::in_full(&error)),
                        };
                        if let Err(why) = removed {
                            stays(segment, &why);
                        }
                    }
                }
                Err(error) => {
                    let why = stele_model::error::in_full(&error);
                    some.iter().for_each(|segment| stays(segment, &why));
                }
            }
            next = segments.recv().ok();
        }
        (kept, left)
    }

    fn keep_these(&self, name: &str, segments: &[Segment]) -> Result<IngestSummary, EngineError> {
        let found = |segment: &Segment| Input {
            uri: uri(name, segment),
            path: Some(segment.path.clone()),
            size_on_disk: segment.bytes,
        };
        let options = IngestOptions {
            inputs: InputOptions { format: Some(FORMAT.to_owned()), ..InputOptions::default() },
            found: segments.iter().map(found).collect(),
            ..IngestOptions::default()
        };
        let pace = Paced::new(self.shared_clock());
        loop {
            match self.ingest(&[], &options, &crate::NoProgress, &Cancel::default()) {
                Err(error) if error.is_busy() => {
                    wait(&pace, BUSY_WAIT_MS, &stele_http::never)
                        .map_err(|_| EngineError::Cancelled("the segments before were kept"))?;
                }
                summary => return summary,
            }
        }
    }
}

/// The name of a segment in the lake.
fn uri(name: &str, segment: &Segment) -> String {
    format!("capture://{name}/{:06}-{:06}.jsonl", segment.epoch, segment.number)
}
