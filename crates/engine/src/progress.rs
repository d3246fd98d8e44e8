//! What is going on, for whoever shows it; and how they say stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::EngineError;

/// A moment of a long piece of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// What is being done, such as `ingest` or `recount`.
    pub stage: &'static str,
    /// The input at hand.
    pub item: String,
    /// How much is done.
    pub done: u64,
    /// How much there is in all, as far as known now.
    pub total: Option<u64>,
    /// What `done` and `total` count.
    pub unit: Unit,
    /// Records found so far, whatever is counted.
    pub records: u64,
}

/// What a stage counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of input.
    Bytes,
    /// Records.
    Records,
    /// Texts, as they are searched.
    Texts,
    /// Documents.
    Documents,
    /// Nodes, edges and points of a copy outside.
    Entries,
}

impl Unit {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::Records => "records",
            Unit::Texts => "texts",
            Unit::Documents => "documents",
            Unit::Entries => "entries",
        }
    }
}

/// Receives updates, one a block or some thousand records: whoever shows them decides how often.
pub trait Progress: Sync {
    /// Shows one moment.
    fn update(&self, update: &Update);
    /// Says something that the user should know although the work goes on.
    fn note(&self, text: &str);
    /// Says what was counted since the work began, by name, where that is more than an [`Update`] holds.
    fn counted(&self, _counts: &[(&'static str, u64)]) {}
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn update(&self, _update: &Update) {}
    fn note(&self, _text: &str) {}
}

/// A request to stop at the next safe place.
#[derive(Default)]
pub struct Cancel {
    asked: AtomicBool,
    /// Asked before something is made durable: whether whoever wants it still may have it done.
    may_commit: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Cancel {
    /// One that is also asked before each commit to the lake. Work that is done under a lease is not
    /// committed once somebody else may have taken it over.
    pub fn guarding(may_commit: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { may_commit: Some(Arc::new(may_commit)), ..Self::default() }
    }

    /// One that nobody asks for a stop, and that is asked before each commit as this one is.
    pub(crate) fn of_commits(&self) -> Self {
        Self { asked: AtomicBool::new(false), may_commit: self.may_commit.clone() }
    }

    /// Asks for the stop.
    pub fn cancel(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends the work here if somebody asked; `before` says what was not reached.
    pub(crate) fn check(&self, before: &'static str) -> Result<(), EngineError> {
        if self.is_cancelled() { Err(EngineError::Cancelled(before)) } else { Ok(()) }
    }

    /// Ends the work here if what was done may not be committed any more.
    pub(crate) fn check_commit(&self) -> Result<(), EngineError> {
        match &self.may_commit {
            Some(may) if !may() => Err(EngineError::Cancelled("anything more was committed")),
            _ => Ok(()),
        }
    }
}
