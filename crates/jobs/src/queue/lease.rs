//! What the holder of a lease may do. Whoever holds it no longer is refused, whatever it wants.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use stele_model::Micros;

use super::claim::micros;
use super::{Lease, Queue, TRIES_MAX, one};
use crate::error::JobsError;
use crate::home::Stored;
use crate::job::{Event, EventKind, JobId, LastError, Progress, Stage, State};
use crate::limits::{KEPT_BYTES_MAX, cut};
use crate::record::{Counted, Record};

/// What somebody wants of the holder of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// To stop and to give it up for good: [`Queue::release`] makes it cancelled.
    Cancel,
    /// To stop and to give it back: [`Queue::release`] makes it queued and held.
    Pause,
}

/// A lease goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// Until when it is valid.
    pub until: Micros,
    /// What is asked of its holder, if anything.
    pub asked: Option<Asked>,
}

/// From where a job goes on if its worker is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// With which stage.
    pub stage: Stage,
    /// What that stage needs; at most [`KEPT_BYTES_MAX`] of JSON.
    pub resume: Option<Value>,
    /// How far the job is.
    pub progress: Option<Progress>,
}

/// Why an attempt did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What failed, on which object, what to try.
    pub message: String,
    /// Whether another attempt may work without anybody doing anything.
    pub retryable: bool,
    /// Whether another attempt begins with the first stage, and not with the one that failed.
    pub anew: bool,
}

impl Failure {
    /// Something that may be better the next time.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: true, anew: false }
    }

    /// Something that stays until somebody mends it.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, anew: false }
    }

    /// Something that may be better the next time, when all of it is done again: an input that was not to be had.
    pub fn anew(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: true, anew: true }
    }
}

impl Queue {
    /// The holder is alive. Do it at a third of the lease, and before anything that must not be done by two.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost.
    pub async fn renew(&self, lease: &Lease, length: Duration) -> Result<Renewed, JobsError> {
        self.update("renew a lease", lease.job.id, |record| {
            let until = self.extend(record, lease, Some(length))?;
            Ok((Vec::new(), Renewed { until, asked: asked(record) }))
        })
        .await
    }

    /// What is asked of the job, without a change to anything: to be looked at as often as somebody may ask for its end.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost.
    pub async fn wanted(&self, lease: &Lease) -> Result<Renewed, JobsError> {
        let mut record = self.read(lease.job.id).await?.record;
        let until = self.extend(&mut record, lease, None)?;
        Ok(Renewed { until, asked: asked(&record) })
    }

    /// Says how far the job is, without moving the place from which it goes on.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost.
    pub async fn progress(&self, lease: &Lease, progress: Progress) -> Result<Renewed, JobsError> {
        self.update("report progress", lease.job.id, |record| {
            let until = self.extend(record, lease, None)?;
            if progress.stage != record.body.stage {
                // A checkpoint overtook it.
                return Ok((Vec::new(), Renewed { until, asked: asked(record) }));
            }
            record.report(progress.clone());
            let event = record.event(EventKind::Progress, "", self.now());
            Ok((vec![event], Renewed { until, asked: asked(record) }))
        })
        .await
    }

    /// Whoever goes on with the job goes on from here. What lies behind is durable when this is called.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost; [`JobsError::TooLarge`].
    pub async fn checkpoint(&self, lease: &Lease, checkpoint: Checkpoint) -> Result<Renewed, JobsError> {
        fits("resume data", lease.job.id, checkpoint.resume.as_ref())?;
        self.update("keep a checkpoint", lease.job.id, |record| {
            let until = self.extend(record, lease, None)?;
            let now = self.now();
            record.advance(checkpoint.stage, checkpoint.resume.clone(), now);
            if let Some(progress) = &checkpoint.progress {
                record.report(progress.clone());
            }
            let event = record.event(EventKind::Checkpoint, checkpoint.stage.name(), now);
            Ok((vec![event], Renewed { until, asked: asked(record) }))
        })
        .await
    }

    /// All is done. With it, and as one, each input is known to be done in its state. A text under `cause` in the
    /// result is what is said of it; without one that is that all stages are done. Numbers under `changed` are those of
    /// inputs, from 0, that were read in another state than the one they were submitted in, or not at all: nobody
    /// knows what they are done in, and whatever comes next of them is new.
    ///
    /// If somebody asked for the job's end meanwhile it is cancelled all the same, and says that its work is done.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost; [`JobsError::TooLarge`].
    pub async fn finish(&self, lease: &Lease, result: Option<Value>) -> Result<State, JobsError> {
        fits("result", lease.job.id, result.as_ref())?;
        self.end("finish a job", lease, |record, now| {
            record.body.result.clone_from(&result);
            if record.body.cancel {
                let why = "cancelled on request, when its work was done already: what it wrote stays";
                return Some(record.end(State::Cancelled, why, now));
            }
            record.body.resume = None;
            let said = result.as_ref().and_then(|result| result.get("cause")?.as_str());
            Some(record.end(State::Done, said.map_or_else(|| "all stages are done".to_owned(), cut), now))
        })
        .await
    }

    /// It did not work. Another attempt follows after a wait, if one may follow; otherwise the job has failed, or is a
    /// dead letter.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost.
    pub async fn fail(&self, lease: &Lease, failure: &Failure) -> Result<State, JobsError> {
        let (limits, message) = (self.limits, cut(&failure.message));
        self.end("fail a job", lease, |record, now| {
            let attempt = record.body.attempts;
            let stage = record.body.stage;
            record.body.error = Some(LastError { message: message.clone(), stage, attempt, at: now });
            if record.body.cancel {
                return Some(record.end(State::Cancelled, "cancelled on request", now));
            }
            if !failure.retryable {
                return Some(record.end(State::Failed, format!("{stage} failed: {message}"), now));
            }
            if failure.anew {
                // A dead letter that somebody tries again begins with the first stage, too.
                record.body.stage = Stage::ALL[0];
                record.body.resume = None;
            }
            if attempt >= limits.attempts_max {
                let why = format!("{attempt} of {attempt} attempts failed, the last at {stage}: {message}");
                return Some(record.end(State::Dead, why, now));
            }
            let why = format!("attempt {attempt} of {} failed at {stage}: {message}", limits.attempts_max);
            let due = now.saturating_add(record.backoff(&limits));
            record.requeue(why, due, Counted::Yes, now);
            None
        })
        .await
    }

    /// The holder gives it back: since it is asked to stop, or since somebody asked for the job's end or pause. The
    /// attempt does not count.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if the lease is lost.
    pub async fn release(&self, lease: &Lease, why: &str) -> Result<State, JobsError> {
        let why = cut(why);
        self.end("release a job", lease, |record, now| {
            if record.body.cancel {
                return Some(record.end(State::Cancelled, "cancelled on request", now));
            }
            record.requeue(why.clone(), 0, Counted::No, now);
            None
        })
        .await
    }

    /// The lease ran out since its home was away, and the work has stopped: the attempt does not count, unless somebody
    /// else has begun another meanwhile.
    ///
    /// # Errors
    ///
    /// [`JobsError::Fenced`] if it is somebody else's by now.
    pub(crate) async fn excuse(&self, lease: &Lease) -> Result<(), JobsError> {
        self.update("give back a job", lease.job.id, |record| {
            if record.body.hold.is_none() && record.body.released == Some(lease.token) {
                return Ok((Vec::new(), ()));
            }
            // Whether it ran out plays no part: that is what is excused.
            check(record, lease, Micros::MIN)?;
            if record.body.cancel {
                // Whoever claims next ends it.
                return Ok((Vec::new(), ()));
            }
            let now = self.now();
            record.body.released = Some(lease.token);
            let why = "its queue could not be reached";
            record.requeue(why, 0, Counted::No, now);
            Ok((vec![record.event(EventKind::Released, why, now)], ()))
        })
        .await
    }

    /// Checks the lease, and lengthens it if that is wanted.
    fn extend(
        &self,
        record: &mut Record,
        lease: &Lease,
        length: Option<Duration>,
    ) -> Result<Micros, JobsError> {
        let now = self.now();
        check(record, lease, now)?;
        let Some(hold) = &mut record.body.hold else { return Ok(now) };
        hold.used = true;
        if let Some(length) = length {
            // A clock that was put back does not shorten it.
            hold.until = hold.until.max(now.saturating_add(micros(length)));
        }
        Ok(hold.until)
    }

    /// Ends the lease. `change` gives the event of an end, or nothing where the job is queued again.
    async fn end(
        &self,
        what: &'static str,
        lease: &Lease,
        mut change: impl FnMut(&mut Record, Micros) -> Option<Event> + Send,
    ) -> Result<State, JobsError> {
        for _ in 0..TRIES_MAX {
            let Stored { mut record, version } = self.read(lease.job.id).await?;
            if record.body.hold.is_none() && record.body.released == Some(lease.token) {
                // It was done, and the answer got lost.
                return Ok(record.body.state);
            }
            let now = self.now();
            check(&record, lease, now)?;
            record.body.released = Some(lease.token);
            let ended = change(&mut record, now);
            let state = record.body.state;
            let committed = match ended {
                Some(event) => self.commit_end(version, record, vec![event]).await?,
                None => {
                    let kind = if record.body.due > 0 { EventKind::Retrying } else { EventKind::Released };
                    let event = record.event(kind, record.body.why.clone(), now);
                    self.home.commit(&one(version, record, vec![event])).await?
                }
            };
            if committed {
                return Ok(state);
            }
        }
        Err(JobsError::Contended { what, tries: TRIES_MAX })
    }
}

/// Whether the lease is still the one that counts. One that ran out counts no more, even if nobody has taken the job
/// yet: somebody may at any moment.
fn check(record: &Record, lease: &Lease, now: Micros) -> Result<(), JobsError> {
    let reason = match &record.body.hold {
        // A home that lost its last moments may give a token again, though not to the same run of the same worker.
        Some(hold)
            if (hold.token, &hold.worker, hold.run)
                != (lease.token, &lease.worker.name, lease.worker.run) =>
        {
            format!("worker {} has it now", hold.worker)
        }
        Some(hold) if hold.until <= now => "it was not renewed in time".to_owned(),
        Some(_) => return Ok(()),
        None => format!("the job is {}", record.body.state),
    };
    Err(JobsError::Fenced { id: lease.job.id, reason })
}

fn asked(record: &Record) -> Option<Asked> {
    match (record.body.cancel, record.body.paused) {
        (true, _) => Some(Asked::Cancel),
        (false, true) => Some(Asked::Pause),
        (false, false) => None,
    }
}

fn fits(what: &'static str, id: JobId, value: Option<&Value>) -> Result<(), JobsError> {
    let bytes = value.map_or(0, |value| value.to_string().len());
    if bytes > KEPT_BYTES_MAX {
        return Err(JobsError::TooLarge { what, id, bytes, max: KEPT_BYTES_MAX });
    }
    Ok(())
}
