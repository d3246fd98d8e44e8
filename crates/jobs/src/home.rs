//! Where jobs are kept: what every home does, and nothing about what it means.
//!
//! The rules are in [`crate::queue`] and written once. They read, think, and hand in a [`Change`] that holds only if
//! nothing that they read has changed meanwhile.

use async_trait::async_trait;
use stele_model::Micros;

use crate::error::JobsError;
use crate::job::{Ending, Event, EventKind, JobId, State};
use crate::record::{Record, Source};
use crate::spec::SourceKey;
use crate::view::{Counts, WorkerStatus};

/// The largest number that a log of ends begins with: what comes after it stays below 2^53, beyond which Lua rounds.
const FIRST_ENDING_MAX: Micros = 1 << 52;

/// A job with the version in which it was read.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) version: u64,
}

/// All that one operation changes: as a whole, or not at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) jobs: Vec<JobChange>,
    pub(crate) sources: Vec<SourceChange>,
    /// The lane that has just had its turn, and when.
    pub(crate) served: Option<(String, Micros)>,
}

#[derive(Debug, Clone)]
pub(crate) struct JobChange {
    /// The version that was read; nothing if there is to be none.
    pub(crate) read: Option<u64>,
    pub(crate) id: JobId,
    /// Nothing if it is to be forgotten.
    pub(crate) record: Option<Record>,
    pub(crate) events: Vec<Event>,
}

impl JobChange {
    /// If the job ends with it: the number of that end, where it is the first that is kept of its tenant; each later one
    /// has the next number, whatever clocks say. The first is the time, so that a home that was made anew goes on beyond
    /// what anybody has seen of the one before.
    pub(crate) fn ending(&self) -> Option<u64> {
        let ended = self.record.as_ref()?.body.ended?;
        let ends = self.events.iter().any(|event| event.kind == EventKind::Ended);
        ends.then(|| ended.clamp(1, FIRST_ENDING_MAX).cast_unsigned())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SourceChange {
    pub(crate) key: SourceKey,
    /// The version that was read; 0 if there was none.
    pub(crate) read: u64,
    pub(crate) source: Source,
}

/// Who asks for work.
#[derive(Debug, Clone)]
pub(crate) struct Asker<'a> {
    pub(crate) worker: &'a str,
    pub(crate) now: Micros,
    pub(crate) limit: usize,
}

#[async_trait]
pub(crate) trait Home: Send + Sync {
    /// Where that is, without a password.
    fn name(&self) -> String;

    /// What it cannot promise as it is set up.
    async fn doubts(&self) -> Result<Vec<String>, JobsError> {
        Ok(Vec::new())
    }

    /// Whether it does what it should. Where the last write did not work, something that changes nothing is written.
    async fn check(&self) -> Result<(), JobsError>;

    /// The same, and what is kept is gone through, which may take a while.
    async fn examine(&self) -> Result<(), JobsError> {
        self.check().await
    }

    /// Each job that was asked for, or nothing.
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Stored>>, JobsError>;

    /// Each source that was asked for, with the version in which it was read: 0 if nothing is known of it.
    async fn sources(&self, keys: &[SourceKey]) -> Result<Vec<(Source, u64)>, JobsError>;

    /// Makes the change durable, or says that something else was there than was read. After an error it is not
    /// known which of the two it was.
    async fn commit(&self, change: &Change) -> Result<bool, JobsError>;

    /// Jobs that this worker may be able to take: those that it held, those whose hold ran out, those that are due,
    /// and the first of every lane, the lane first whose last turn is longest ago.
    async fn candidates(&self, asker: &Asker<'_>) -> Result<Vec<JobId>, JobsError>;

    /// Jobs of this tenant, or of all, in one of these states, the newest first, older than `before`.
    async fn page(
        &self,
        tenant: Option<&str>,
        states: &[State],
        before: Option<(Micros, JobId)>,
        limit: usize,
    ) -> Result<Vec<JobId>, JobsError>;

    /// Events of a job after this number.
    async fn events(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Event>, JobsError>;

    /// How many there are of each state, and when the oldest that could begin now was submitted: of this tenant, or of
    /// all.
    async fn counts(&self, tenant: Option<&str>, now: Micros) -> Result<Counts, JobsError>;

    /// Jobs that ended before that.
    async fn ended(&self, before: Micros, limit: usize) -> Result<Vec<JobId>, JobsError>;

    /// Ends of this tenant's jobs after this number, the oldest first, each with its number.
    async fn endings(&self, tenant: &str, after: u64, limit: usize) -> Result<Vec<(u64, Ending)>, JobsError>;

    /// The number of the newest of them; 0 if none is kept.
    async fn newest_ending(&self, tenant: &str) -> Result<u64, JobsError>;

    /// A worker says that it is alive; nothing instead of it if it goes.
    async fn greet(&self, name: &str, status: Option<&WorkerStatus>) -> Result<(), JobsError>;

    /// The workers that were heard of.
    async fn workers(&self) -> Result<Vec<WorkerStatus>, JobsError>;
}
