//! A job as others see it: what state it is in, why, since when, and what comes next.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use stele_model::Micros;
use stele_model::id::{IdHasher, to_hex};

use crate::error::JobsError;
use crate::spec::Spec;

/// Hexadecimal digits of an id: 48 bits, so that a million jobs in one queue meet once in 500 queues, and one that
/// is taken is never given again.
const ID_DIGITS: usize = 12;

/// The name of a job: `j` and twelve hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId([u8; ID_DIGITS / 2]);

impl JobId {
    /// The id of what is submitted at this time; `again` tells apart what is submitted twice in one microsecond.
    pub(crate) fn of(spec: &[u8], at: Micros, again: u32) -> Self {
        let hash =
            IdHasher::new("job").part(spec).part(&at.to_le_bytes()).part(&again.to_le_bytes()).finish();
        let mut id = [0; ID_DIGITS / 2];
        id.copy_from_slice(&hash[..ID_DIGITS / 2]);
        Self(id)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "j{}", to_hex(&self.0))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = JobsError;

    fn from_str(text: &str) -> Result<Self, JobsError> {
        text.strip_prefix('j')
            .and_then(stele_model::id::from_hex)
            .map(Self)
            .ok_or_else(|| JobsError::Unknown { id: text.chars().take(64).collect() })
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is done to the inputs, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Bytes become records and documents in the lake.
    Parsing,
    /// Entities and references are found.
    Extracting,
    /// The graph is brought up to it.
    Graphing,
    /// Texts get vectors.
    Embedding,
    /// The index is brought up to the lake.
    Indexing,
    /// It is looked whether all of it can be found.
    Postchecks,
    /// What happened is written down.
    Reporting,
}

impl Stage {
    /// All of them, first to last.
    pub const ALL: [Stage; 7] = [
        Stage::Parsing,
        Stage::Extracting,
        Stage::Graphing,
        Stage::Embedding,
        Stage::Indexing,
        Stage::Postchecks,
        Stage::Reporting,
    ];

    /// The one after it.
    pub fn next(self) -> Option<Stage> {
        Self::ALL.get(self as usize + 1).copied()
    }

    /// How it is written.
    pub fn name(self) -> &'static str {
        self.state().name()
    }

    /// The state of a job that is at it.
    pub fn state(self) -> State {
        match self {
            Stage::Parsing => State::Parsing,
            Stage::Extracting => State::Extracting,
            Stage::Graphing => State::Graphing,
            Stage::Embedding => State::Embedding,
            Stage::Indexing => State::Indexing,
            Stage::Postchecks => State::Postchecks,
            Stage::Reporting => State::Reporting,
        }
    }

    /// Where in the whole it lies, in percent: its beginning and its end. Reading and vectors take most of the time.
    pub(crate) fn percents(self) -> (f64, f64) {
        match self {
            Stage::Parsing => (0.0, 35.0),
            Stage::Extracting => (35.0, 45.0),
            Stage::Graphing => (45.0, 55.0),
            Stage::Embedding => (55.0, 85.0),
            Stage::Indexing => (85.0, 95.0),
            Stage::Postchecks => (95.0, 98.0),
            // What is at 100 is done.
            Stage::Reporting => (98.0, 99.9),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits: for a worker, for another job, for its next attempt, or for somebody to resume it.
    Queued,
    /// See [`Stage::Parsing`].
    Parsing,
    /// See [`Stage::Extracting`].
    Extracting,
    /// See [`Stage::Graphing`].
    Graphing,
    /// See [`Stage::Embedding`].
    Embedding,
    /// See [`Stage::Indexing`].
    Indexing,
    /// See [`Stage::Postchecks`].
    Postchecks,
    /// See [`Stage::Reporting`].
    Reporting,
    /// All of it is done.
    Done,
    /// It cannot be done as it is, and was not tried again.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
    /// It was tried as often as it may be: a dead letter.
    Dead,
}

impl State {
    /// All of them, in the order of a job's life.
    pub const ALL: [State; 12] = [
        State::Queued,
        State::Parsing,
        State::Extracting,
        State::Graphing,
        State::Embedding,
        State::Indexing,
        State::Postchecks,
        State::Reporting,
        State::Done,
        State::Failed,
        State::Cancelled,
        State::Dead,
    ];

    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Parsing => "parsing",
            State::Extracting => "extracting",
            State::Graphing => "graphing",
            State::Embedding => "embedding",
            State::Indexing => "indexing",
            State::Postchecks => "postchecks",
            State::Reporting => "reporting",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Dead => "dead",
        }
    }

    /// Whether nothing more happens unless somebody asks for it.
    pub fn is_terminal(self) -> bool {
        matches!(self, State::Done | State::Failed | State::Cancelled | State::Dead)
    }

    /// Whether a worker is at it.
    pub fn is_running(self) -> bool {
        self != State::Queued && !self.is_terminal()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = JobsError;

    fn from_str(text: &str) -> Result<Self, JobsError> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(State::name).join(", ");
            JobsError::spec("state", format!("{text:?} is none of {names}"))
        })
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, or comes next.
    pub stage: Stage,
    /// Of the whole job, 0 to 100. It never falls, and is 100 when the job is done and not before.
    pub percent: f64,
    /// How much of this stage is done, in `unit`.
    pub done: u64,
    /// How much there is; nothing where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// `records`, `bytes`, `texts` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// What was counted so far, over all stages: `records`, `quarantined`, `vectors` …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// `unit` per second of this stage in this attempt; nothing before it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds to the end of this stage; nothing where no rate or no total is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<f64>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When this was so.
    pub at: Micros,
}

impl Progress {
    /// That of a job that nobody has begun.
    pub(crate) fn none(at: Micros) -> Self {
        Self {
            stage: Stage::Parsing,
            percent: 0.0,
            done: 0,
            total: None,
            unit: String::new(),
            counts: BTreeMap::new(),
            rate: None,
            eta_s: None,
            message: String::new(),
            at,
        }
    }
}

/// Why an attempt did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// What failed, on which object, what to try.
    pub message: String,
    /// At which stage.
    pub stage: Stage,
    /// In which attempt, from 1.
    pub attempt: u32,
    /// When.
    pub at: Micros,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What is to be done.
    pub spec: Spec,
    /// Where it is in its life.
    pub state: State,
    /// Whether it is held until somebody resumes it; one that runs stops at its next checkpoint.
    pub paused: bool,
    /// Whether somebody asked for its end; one that runs stops at its next checkpoint.
    pub cancelling: bool,
    /// Why it is in that state.
    pub cause: String,
    /// Since when it is.
    pub since: Micros,
    /// What happens next, by itself or by whom.
    pub next_action: String,
    /// How often it was begun, not counting when its worker was only asked to stop.
    pub attempts: u32,
    /// How often it may be.
    pub attempts_max: u32,
    /// Why the last attempt did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// How far it is.
    pub progress: Progress,
    /// Who is at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When it was submitted.
    pub submitted: Micros,
    /// When it was first begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Micros>,
    /// When it ended, whatever the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<Micros>,
    /// What came of it, as the work says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It was taken into the queue.
    Submitted,
    /// A worker began, or went on.
    Started,
    /// Something was done; see the progress.
    Progress,
    /// What is done up to here will not be done again.
    Checkpoint,
    /// An attempt failed, and another follows.
    Retrying,
    /// Its worker gave it back.
    Released,
    /// Its worker was not heard of any more.
    Expired,
    /// Somebody asked for something: `message` says what.
    Control,
    /// It ended; `state` says how.
    Ended,
}

/// An end of a job. One that is taken up again may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// Which job.
    pub job: JobId,
    /// How it ended.
    pub state: State,
}

/// A line of a job's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Which job's.
    pub job: JobId,
    /// Counts up from 1 within the job: the place to go on reading from.
    pub number: u64,
    /// What happened.
    pub kind: EventKind,
    /// The state after it.
    pub state: State,
    /// How far the job was.
    pub progress: Progress,
    /// Why, or what, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When.
    pub at: Micros,
}
