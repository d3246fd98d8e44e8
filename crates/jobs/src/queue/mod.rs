//! The rules of the queue, written once for every home.
//!
//! Each verb reads what it needs, thinks, and hands in one [`Change`], which holds as a whole if nothing of what was
//! read has changed meanwhile; otherwise it reads again.

mod claim;
mod control;
mod endings;
mod lease;
mod look;
mod submit;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use stele_model::{Clock, Micros};

use crate::error::JobsError;
use crate::home::{Change, Home, JobChange, SourceChange, Stored};
use crate::job::{Event, JobId, State};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::record::{DoneAs, Record, Source};
use crate::redis::{Redis, RedisConfig};
use crate::spec::SourceKey;
use crate::sqlite::Sqlite;

pub(crate) use claim::{LEASE_MAX, LEASE_MIN, micros};
pub use claim::{Lease, WorkerId};
pub use control::{Cleaned, Control};
pub use endings::Endings;
pub use lease::{Asked, Checkpoint, Failure, Renewed};
pub use look::{Filter, Page};
pub use submit::{Duplicate, Submitted};

/// How often others may be faster before that is said. Each time somebody else got something done.
const TRIES_MAX: u32 = 64;

/// A queue of jobs. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    home: Arc<dyn Home>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// Submissions before it is counted again how many jobs there are.
    room: Arc<AtomicU64>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("home", &self.home.name()).finish_non_exhaustive()
    }
}

impl Queue {
    /// A queue in a file of SQLite, made if it is not there. Several processes of one machine may share it.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is something else, or is of another version.
    pub async fn sqlite(file: &Path, limits: Limits, clock: Arc<dyn Clock>) -> Result<Self, JobsError> {
        limits.check()?;
        Ok(Self::over(Arc::new(Sqlite::open(file).await?), limits, clock))
    }

    /// The same, which is opened when it is needed: whoever asks before it can be hears why not, and later perhaps
    /// more.
    ///
    /// # Errors
    ///
    /// [`JobsError::Config`] if the limits cannot be used.
    pub fn sqlite_later(file: &Path, limits: Limits, clock: Arc<dyn Clock>) -> Result<Self, JobsError> {
        limits.check()?;
        Ok(Self::over(Arc::new(Sqlite::at(file)), limits, clock))
    }

    /// A queue in Redis. Workers of several hosts may share it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses, or holds something else under these names.
    pub async fn redis(
        config: &RedisConfig,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JobsError> {
        limits.check()?;
        Ok(Self::over(Arc::new(Redis::open(config).await?), limits, clock))
    }

    /// A queue that is gone with the process, for tests.
    ///
    /// # Errors
    ///
    /// [`JobsError::Config`] if the limits cannot be used.
    pub fn memory(memory: &Memory, limits: Limits, clock: Arc<dyn Clock>) -> Result<Self, JobsError> {
        limits.check()?;
        Ok(Self::over(Arc::new(memory.clone()), limits, clock))
    }

    fn over(home: Arc<dyn Home>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { home, clock, limits, room: Arc::default() }
    }

    /// Where the jobs are kept, for people; without a password.
    pub fn home(&self) -> String {
        self.home.name()
    }

    /// How attempts are made.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Now, as the queue has it.
    pub(crate) fn now(&self) -> Micros {
        self.clock.now()
    }

    async fn read(&self, id: JobId) -> Result<Stored, JobsError> {
        let found = self.home.jobs(&[id]).await?.into_iter().next().flatten();
        found.ok_or_else(|| JobsError::Unknown { id: id.to_string() })
    }

    /// Changes one job and nothing else, as often as it takes. What `change` gives is handed through.
    async fn update<T>(
        &self,
        what: &'static str,
        id: JobId,
        mut change: impl FnMut(&mut Record) -> Result<(Vec<Event>, T), JobsError> + Send,
    ) -> Result<T, JobsError> {
        for _ in 0..TRIES_MAX {
            let Stored { mut record, version } = self.read(id).await?;
            let before = record.clone();
            let (events, given) = change(&mut record)?;
            if record == before || self.home.commit(&one(version, record, events)).await? {
                return Ok(given);
            }
        }
        Err(JobsError::Contended { what, tries: TRIES_MAX })
    }

    /// Commits a job that has just ended: it leaves the line of each of its sources, and whoever stood behind it
    /// moves up. If it is done, its inputs are, save those that were read in another state than they were submitted in.
    ///
    /// Gives whether it was committed, as a home does.
    async fn commit_end(&self, version: u64, record: Record, events: Vec<Event>) -> Result<bool, JobsError> {
        let (id, ended) = (record.id, record.body.ended.unwrap_or_default());
        let (done, begun) = (record.body.state == State::Done, record.body.started.is_some());
        let changed_inputs = record.changed_inputs();
        let sources: Vec<_> = record
            .sources()
            .enumerate()
            .map(|(number, (key, content))| (key, content.filter(|_| !changed_inputs.contains(&number))))
            .collect();
        let keys: Vec<SourceKey> = sources.iter().map(|(key, _)| key.clone()).collect();
        let found = self.home.sources(&keys).await?;
        let mut change = one(version, record, events);
        // Whom to tell that somebody else is ahead of them now, or nobody.
        let mut behind: BTreeMap<JobId, Vec<(SourceKey, Option<JobId>)>> = BTreeMap::new();
        for ((key, content), (mut source, read)) in sources.into_iter().zip(found) {
            let before = source.clone();
            if let Some(place) = source.line.iter().position(|waiting| waiting.job == id) {
                source.line.remove(place);
                if let Some(next) = source.line.get(place) {
                    let ahead = place.checked_sub(1).map(|ahead| source.line[ahead].job);
                    behind.entry(next.job).or_default().push((key.clone(), ahead));
                }
            }
            if let (true, Some(content)) = (done, content) {
                source.done = Some(DoneAs { job: id, content, at: ended });
            } else if begun {
                // Nobody knows what it was done in, or how far it came, so whatever comes next is new.
                source.done = None;
            }
            if source != before {
                change.sources.push(SourceChange { key, read, source });
            }
        }
        let waiting: Vec<JobId> = behind.keys().copied().collect();
        for stored in self.home.jobs(&waiting).await?.into_iter().flatten() {
            let Stored { mut record, version } = stored;
            for (key, ahead) in behind.remove(&record.id).unwrap_or_default() {
                match ahead {
                    Some(ahead) => record.body.after.insert(key, ahead),
                    None => record.body.after.remove(&key),
                };
            }
            change.jobs.push(changed(version, record, Vec::new()));
        }
        self.home.commit(&change).await
    }

    /// Puts a job at the end of the line of each of its sources.
    ///
    /// Gives what is to be committed with it.
    fn line_up(record: &mut Record, sources: Vec<(Source, u64)>) -> Result<Vec<SourceChange>, JobsError> {
        let inputs: Vec<_> = record.sources().collect();
        let mut changes = Vec::with_capacity(inputs.len());
        for ((key, content), (mut source, read)) in inputs.into_iter().zip(sources) {
            if source.line.len() >= crate::limits::LINE_MAX {
                let (jobs, max) = (source.line.len() as u64, crate::limits::LINE_MAX as u64);
                return Err(JobsError::Full { what: "line of one of its sources", jobs, max });
            }
            if let Some(ahead) = source.line.back() {
                record.body.after.insert(key.clone(), ahead.job);
            }
            source.line.push_back(crate::record::InLine { job: record.id, content });
            changes.push(SourceChange { key, read, source });
        }
        Ok(changes)
    }
}

fn one(version: u64, record: Record, events: Vec<Event>) -> Change {
    Change { jobs: vec![changed(version, record, events)], ..Change::default() }
}

fn changed(version: u64, record: Record, events: Vec<Event>) -> JobChange {
    JobChange { read: Some(version), id: record.id, record: Some(record), events }
}
