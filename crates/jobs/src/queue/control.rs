//! What people ask for: cancel, pause, resume, retry, purge, clean, forget.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stele_model::Micros;

use super::{Queue, TRIES_MAX, one};
use crate::error::JobsError;
use crate::home::{Change, JobChange, SourceChange, Stored};
use crate::job::{EventKind, Job, JobId, State};
use crate::spec::SourceKey;

/// Jobs that one step of [`Queue::clean`] takes, and sources that one of [`Queue::forget`] does, each in one change.
/// With histories of a few dozen events that is some ten milliseconds, in which nobody else writes.
const CLEAN_STEP: usize = 100;

/// Something asked of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// It is not wanted any more. One that runs ends at its next checkpoint.
    Cancel,
    /// It is to be held. One that runs is given back at its next checkpoint.
    Pause,
    /// It is not to be held any more.
    Resume,
    /// One that failed, is dead or was cancelled gets all its attempts again, from the last checkpoint on; one that
    /// waits for its next attempt need not wait.
    Retry,
}

impl Control {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Control::Cancel => "cancel",
            Control::Pause => "pause",
            Control::Resume => "resume",
            Control::Retry => "retry",
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Control {
    type Err = JobsError;

    fn from_str(text: &str) -> Result<Self, JobsError> {
        [Control::Cancel, Control::Pause, Control::Resume, Control::Retry]
            .into_iter()
            .find(|control| control.name() == text)
            .ok_or_else(|| {
                JobsError::spec("action", format!("{text:?} is none of cancel, pause, resume and retry"))
            })
    }
}

/// What a cleaning took away, or would take away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Jobs that ended before the time and are forgotten. What they wrote stays.
    pub jobs: Vec<JobId>,
    /// Whether nothing was taken away.
    pub dry_run: bool,
}

/// What a control does to a job.
enum Step {
    /// It is so already.
    Nothing,
    /// It stays where it stands in line.
    Mark,
    End,
    Revive,
}

impl Queue {
    /// Asks something of a job. What is asked already, or is so already, is no error.
    ///
    /// # Errors
    ///
    /// There is no such job, or it is in a state in which that cannot be: [`JobsError::State`].
    pub async fn control(&self, id: JobId, control: Control) -> Result<Job, JobsError> {
        for _ in 0..TRIES_MAX {
            let Stored { mut record, version } = self.read(id).await?;
            let (state, now) = (record.body.state, self.now());
            let refuse = |advice| Err(JobsError::State { what: control.name(), id, state, advice });
            let body = &mut record.body;
            let step = match control {
                Control::Cancel if state == State::Cancelled || body.cancel => Step::Nothing,
                Control::Cancel if state.is_terminal() => {
                    return refuse("it has ended, and what it wrote stays");
                }
                Control::Cancel if body.hold.is_none() => Step::End,
                Control::Cancel => {
                    body.cancel = true;
                    Step::Mark
                }
                Control::Pause if state.is_terminal() => {
                    return refuse("only what waits or runs can be held");
                }
                Control::Pause if body.cancel => return refuse("it is being cancelled"),
                Control::Pause if body.paused => Step::Nothing,
                Control::Pause => {
                    body.paused = true;
                    Step::Mark
                }
                Control::Resume if state == State::Done => {
                    return refuse("nothing of it is left to go on with; `--force` does its inputs again");
                }
                Control::Resume if state.is_terminal() => return refuse("`retry` takes it up again"),
                Control::Resume if !body.paused => Step::Nothing,
                Control::Resume => {
                    body.paused = false;
                    Step::Mark
                }
                Control::Retry if state == State::Done => {
                    return refuse("submit its inputs again with `--force`");
                }
                Control::Retry if state.is_terminal() => Step::Revive,
                Control::Retry if body.due > now => {
                    body.due = 0;
                    Step::Mark
                }
                Control::Retry => return refuse("it waits or runs already"),
            };
            let committed = match step {
                Step::Nothing => true,
                Step::Mark => {
                    let event = record.event(EventKind::Control, control.name(), now);
                    self.home.commit(&one(version, record, vec![event])).await?
                }
                Step::End => {
                    let event = record.end(State::Cancelled, "cancelled on request", now);
                    self.commit_end(version, record, vec![event]).await?
                }
                Step::Revive => {
                    record.revive("tried again on request", now);
                    let keys: Vec<SourceKey> = record.sources().map(|(key, _)| key).collect();
                    let sources = Self::line_up(&mut record, self.home.sources(&keys).await?)?;
                    let event = record.event(EventKind::Control, control.name(), now);
                    self.home.commit(&Change { sources, ..one(version, record, vec![event]) }).await?
                }
            };
            if committed {
                return self.get(id).await;
            }
        }
        Err(JobsError::Contended { what: control.name(), tries: TRIES_MAX })
    }

    /// Gives a job up for good: one that has ended is forgotten, with its history. What it wrote stays.
    ///
    /// # Errors
    ///
    /// There is no such job, or it has not ended.
    pub async fn purge(&self, id: JobId) -> Result<(), JobsError> {
        for _ in 0..TRIES_MAX {
            let Stored { record, version } = self.read(id).await?;
            let state = record.body.state;
            if !state.is_terminal() {
                return Err(JobsError::State { what: "purge", id, state, advice: "cancel it first" });
            }
            let gone = JobChange { read: Some(version), id, record: None, events: Vec::new() };
            if self.home.commit(&Change { jobs: vec![gone], ..Change::default() }).await? {
                return Ok(());
            }
        }
        Err(JobsError::Contended { what: "purge a job", tries: TRIES_MAX })
    }

    /// Forgets jobs that ended before this time, with their histories. Dead letters stay: they wait for somebody, who
    /// has [`Queue::purge`]. That an input is done is not forgotten.
    ///
    /// # Errors
    ///
    /// The home cannot be reached; what is gone by then is gone.
    pub async fn clean(&self, ended_before: Micros, dry_run: bool) -> Result<Cleaned, JobsError> {
        let mut cleaned = Cleaned { jobs: Vec::new(), dry_run };
        if dry_run {
            let max = usize::try_from(crate::limits::JOBS_MAX).unwrap_or(usize::MAX);
            cleaned.jobs = self.home.ended(ended_before, max).await?;
            return Ok(cleaned);
        }
        loop {
            let gone = self.clean_some(ended_before).await?;
            if gone.is_empty() {
                return Ok(cleaned);
            }
            cleaned.jobs.extend(gone);
        }
    }

    /// One step of [`Queue::clean`]. Gives what is gone: nothing if there is nothing more.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub(crate) async fn clean_some(&self, ended_before: Micros) -> Result<Vec<JobId>, JobsError> {
        for _ in 0..TRIES_MAX {
            let ids = self.home.ended(ended_before, CLEAN_STEP).await?;
            let found: Vec<Stored> = self.home.jobs(&ids).await?.into_iter().flatten().collect();
            let gone: Vec<JobId> = found.iter().map(|stored| stored.record.id).collect();
            let forgotten = |stored: Stored| JobChange {
                read: Some(stored.version),
                id: stored.record.id,
                record: None,
                events: Vec::new(),
            };
            let jobs = found.into_iter().map(forgotten).collect();
            if gone.is_empty() || self.home.commit(&Change { jobs, ..Change::default() }).await? {
                return Ok(gone);
            }
        }
        Err(JobsError::Contended { what: "forget old jobs", tries: TRIES_MAX })
    }

    /// Forgets that these sources are done, as after a lake was made anew: they are new when they come again.
    /// Gives how many were known.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn forget(&self, tenant: &str, uris: &[String]) -> Result<u64, JobsError> {
        let mut known = 0;
        for uris in uris.chunks(CLEAN_STEP) {
            known += self.forget_some(tenant, uris).await?;
        }
        Ok(known)
    }

    async fn forget_some(&self, tenant: &str, uris: &[String]) -> Result<u64, JobsError> {
        let keys: Vec<SourceKey> = uris.iter().map(|uri| SourceKey::new(tenant, uri)).collect();
        for _ in 0..TRIES_MAX {
            let found = self.home.sources(&keys).await?;
            let mut sources = Vec::new();
            for (key, (mut source, read)) in keys.iter().zip(found) {
                if source.done.take().is_some() {
                    sources.push(SourceChange { key: key.clone(), read, source });
                }
            }
            let known = sources.len() as u64;
            if known == 0 || self.home.commit(&Change { sources, ..Change::default() }).await? {
                return Ok(known);
            }
        }
        Err(JobsError::Contended { what: "forget sources", tries: TRIES_MAX })
    }
}
