//! What came of a source the last time, kept for whoever looks. Losing it loses nothing else: how far a source has come is
//! in the lake.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_collect::{Cursors, Outcome, StreamOutcome};
use stele_model::Micros;

use super::{SourceDesk, SourceRun};
use crate::EngineError;
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;

/// Where they are, below the data directory.
const DIR: &str = "sources/runs";

/// Streams that are remembered, those that failed first: a screenful.
const STREAMS_MAX: usize = 100;

/// Characters of a reason that are remembered.
const REASON_CHARS_MAX: usize = 600;

/// Runs whose figures are remembered: as many as tell what is usual from what was once.
const RECENT_MAX: usize = 10;

/// The last run of a source that came to an end, whatever the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// Into whose part of the lake it went.
    pub tenant: String,
    /// When it began.
    pub began: Micros,
    /// When it ended.
    pub ended: Micros,
    /// `ok`, `partial`, `failed` or `cancelled`.
    pub outcome: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What was counted; see [`SourceRun::counts`].
    pub counts: Vec<(String, u64)>,
    /// Its streams.
    pub streams: Vec<LastStream>,
    /// How far streams have come; of very many, the first by name.
    pub cursors: Vec<(String, Value)>,
    /// What it and those before it took, of runs that went well, the newest first.
    #[serde(default)]
    pub recent: Vec<Took>,
}

/// What a run took that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// Whether it read everything; if not, it went on where another one had stopped.
    pub anew: bool,
    /// Requests or queries.
    pub calls: u64,
    /// Tokens, where they are counted.
    pub tokens: u64,
    /// Records that came into the lake.
    pub records: u64,
    /// Bytes that came into the lake.
    pub bytes: u64,
}

/// What came of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastStream {
    /// Its name.
    pub stream: String,
    /// `ok`, `unavailable` or `failed`.
    pub outcome: String,
    /// Why, where it is not `ok`.
    pub reason: Option<String>,
    /// Records that it gave.
    pub records: u64,
}

impl LastRun {
    pub(super) fn of(run: &SourceRun, tenant: &str, (began, ended): (Micros, Micros)) -> Self {
        let cut = |text: &str| text.chars().take(REASON_CHARS_MAX).collect::<String>();
        Self {
            tenant: tenant.to_owned(),
            began,
            ended,
            outcome: run.outcome.to_owned(),
            error: run.error.as_deref().map(cut),
            counts: run.counts().iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            streams: LastStream::first(&run.collected.streams),
            cursors: Vec::new(),
            recent: Vec::new(),
        }
    }

    /// The same behind what is known of the run `before`: `is_anew` says whether it read everything, `reached` how far the
    /// source has come, where that could be found out.
    pub(super) fn after(mut self, before: Option<Self>, is_anew: bool, reached: Option<&Cursors>) -> Self {
        let before = before.map(|before| (before.cursors, before.recent)).unwrap_or_default();
        let count = |name: &str| self.counts.iter().find(|(known, _)| known == name).map_or(0, |(_, n)| *n);
        let took = Took {
            anew: is_anew,
            calls: count("calls"),
            tokens: count("tokens"),
            records: count("records"),
            bytes: count("bytes_in"),
        };
        // One that broke off took less than it would have.
        self.recent = (self.outcome == "ok").then_some(took).into_iter().chain(before.1).collect();
        self.recent.truncate(RECENT_MAX);
        self.cursors = match reached {
            Some(cursors) => {
                cursors.iter().take(STREAMS_MAX).map(|(stream, cursor)| (stream.to_owned(), cursor)).collect()
            }
            None => before.0,
        };
        self
    }
}

impl LastStream {
    /// As many of these as are told, those that failed first.
    pub(crate) fn first(streams: &[StreamOutcome]) -> Vec<Self> {
        let mut streams: Vec<&StreamOutcome> = streams.iter().collect();
        streams.sort_by_key(|stream| !matches!(stream.outcome, Outcome::Failed { .. }));
        streams.into_iter().take(STREAMS_MAX).map(Self::of).collect()
    }

    /// Why it did not come to its end, where it did not.
    pub(crate) fn failure(&self) -> Option<String> {
        let why = self.reason.as_deref().unwrap_or("it did not come to its end");
        (self.outcome == "failed").then(|| format!("{}: {why}", self.stream))
    }

    /// A stream as it is told.
    pub fn of(stream: &StreamOutcome) -> Self {
        let (outcome, reason) = match &stream.outcome {
            Outcome::Ok => ("ok", None),
            Outcome::Unavailable { reason } => ("unavailable", Some(reason)),
            Outcome::Failed { reason } => ("failed", Some(reason)),
        };
        Self {
            stream: stream.stream.clone(),
            outcome: outcome.to_owned(),
            reason: reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()),
            records: stream.records,
        }
    }
}

fn path(engine: &Engine, source: &str) -> PathBuf {
    engine.data_dir().join(DIR).join(format!("{source}.json"))
}

/// Remembers a run.
pub(super) fn keep(engine: &Engine, source: &str, last: &LastRun) -> Result<(), EngineError> {
    let path = path(engine, source);
    let dir = path.parent().unwrap_or(engine.data_dir());
    std::fs::create_dir_all(dir).at("create", dir)?;
    write_durably(&path, &serde_json::to_vec(last).unwrap_or_default())
}

/// Forgets a source.
pub(super) fn forget(engine: &Engine, source: &str) -> Result<(), EngineError> {
    let path = path(engine, source);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &path),
        _ => Ok(()),
    }
}

impl SourceDesk<'_> {
    /// What came of a source the last time; nothing where it was never collected, or what is kept cannot be understood.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read.
    pub fn last_run(&self, source: &str) -> Result<Option<LastRun>, EngineError> {
        let path = path(self.engine, source);
        let last: Option<LastRun> = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).at("read", &path),
        };
        Ok(last.filter(|last| last.tenant == self.engine.settings().tenant))
    }

    /// Remembers that these streams begin anew.
    pub(super) fn forget_cursors(&self, source: &str, streams: &[String]) -> Result<(), EngineError> {
        let Some(mut last) = self.last_run(source)? else { return Ok(()) };
        last.cursors.retain(|(stream, _)| !streams.contains(stream));
        if !streams.is_empty() {
            // What going on took says nothing of a run that goes over a stream again.
            last.recent.retain(|took| took.anew);
        }
        keep(self.engine, source, &last)
    }
}
