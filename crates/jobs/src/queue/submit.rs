//! A job comes into the queue, without what is done or on its way already.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::{Queue, TRIES_MAX};
use crate::error::JobsError;
use crate::home::{Change, JobChange};
use crate::job::{EventKind, JobId, Stage};
use crate::limits::JOBS_MAX;
use crate::record::{Record, Source};
use crate::spec::{Input, SourceKey, Spec};

/// An input that needs no job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The input.
    pub input: Input,
    /// The job that did it or is to do it.
    pub of: JobId,
    /// Whether it is still to do.
    pub in_flight: bool,
}

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// The new job; none if all of its inputs are duplicates.
    pub job: Option<JobId>,
    /// Inputs that were left out of it.
    pub duplicates: Vec<Duplicate>,
}

impl Queue {
    /// Takes a job into the queue. An input that is done in this very state, or is to be done by a job on its way,
    /// is left out, unless `force` asks for it again. So is a source that a job which has not asked it yet is to collect:
    /// that one will find what is new by then. Behind one that is collecting there is a place for one more.
    ///
    /// # Errors
    ///
    /// It is no job, the queue is full, or its home cannot be reached. In the last case the job may have been taken;
    /// to submit it again does no harm, since its inputs are then duplicates.
    pub async fn submit(&self, spec: Spec) -> Result<Submitted, JobsError> {
        spec.check()?;
        self.find_room().await?;
        for again in 0..TRIES_MAX {
            let keys: Vec<SourceKey> =
                spec.inputs.iter().map(|input| SourceKey::new(&spec.options.tenant, &input.uri)).collect();
            let found = self.home.sources(&keys).await?;
            let (mut inputs, mut sources, mut duplicates) = (Vec::new(), Vec::new(), Vec::new());
            for (input, (source, version)) in spec.inputs.iter().zip(found) {
                let known = match input.source_id() {
                    Some(_) => self.to_be_collected(&source).await?,
                    None => duplicate(input, &source),
                };
                match known.filter(|_| !spec.options.force) {
                    Some((of, in_flight)) => {
                        duplicates.push(Duplicate { input: input.clone(), of, in_flight });
                    }
                    None => {
                        inputs.push(input.clone());
                        sources.push((source, version));
                    }
                }
            }
            if inputs.is_empty() {
                return Ok(Submitted { job: None, duplicates });
            }
            let now = self.now();
            let spec = Arc::new(Spec { inputs, ..spec.clone() });
            let text = serde_json::to_vec(&*spec).unwrap_or_default();
            let id = JobId::of(&text, now, again);
            let mut record = Record::new(id, spec, now);
            let sources = Self::line_up(&mut record, sources)?;
            let event = record.event(EventKind::Submitted, record.spec.origin.to_string(), now);
            let job = JobChange { read: None, id, record: Some(record), events: vec![event] };
            if self.home.commit(&Change { jobs: vec![job], sources, served: None }).await? {
                return Ok(Submitted { job: Some(id), duplicates });
            }
        }
        Err(JobsError::Contended { what: "submit a job", tries: TRIES_MAX })
    }
}

impl Queue {
    /// The job that is to collect a source and has not begun with that.
    async fn to_be_collected(&self, source: &Source) -> Result<Option<(JobId, bool)>, JobsError> {
        let Some(last) = source.line.back() else { return Ok(None) };
        let stored = self.home.jobs(&[last.job]).await?.into_iter().next().flatten();
        let is_to_begin = stored.is_some_and(|stored| {
            let body = &stored.record.body;
            body.hold.is_none() && body.stage == Stage::ALL[0] && !body.cancel
        });
        Ok(is_to_begin.then_some((last.job, true)))
    }

    /// Whether there is room for one more job. Counting takes longer the more there are, so it is done again when a
    /// sixteenth of the room that there was is used up: several who submit can be too many by that much each.
    async fn find_room(&self) -> Result<(), JobsError> {
        let left = |room: u64| room.checked_sub(1);
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            return Ok(());
        }
        let in_flight = self.home.counts(None, self.now()).await?.in_flight();
        let Some(room) = JOBS_MAX.checked_sub(in_flight).filter(|room| *room > 0) else {
            return Err(JobsError::Full { what: "queue", jobs: in_flight, max: JOBS_MAX });
        };
        self.room.store(room / 16, Ordering::Relaxed);
        Ok(())
    }
}

/// Which job did this input, or will have done it when this one's turn came, and whether that is still to come.
fn duplicate(input: &Input, source: &Source) -> Option<(JobId, bool)> {
    let content = input.content()?;
    // What counts is the state that the source will be left in: after A and B, A is new again.
    if let Some(last) = source.line.back() {
        return (last.content.as_ref() == Some(&content)).then_some((last.job, true));
    }
    source.done.as_ref().filter(|done| done.content == content).map(|done| (done.job, false))
}
