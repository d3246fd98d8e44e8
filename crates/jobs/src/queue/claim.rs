//! A worker gets a job, and the token that tells its holder from earlier ones.

use std::time::Duration;

use serde_json::Value;
use stele_model::Micros;

use super::{Queue, changed, one};
use crate::error::JobsError;
use crate::home::{Asker, Stored};
use crate::job::{EventKind, Job, JobId, Stage, State};
use crate::record::{Counted, Hold, Record};
use crate::spec::name_fits;
use crate::view::{Workforce, seconds, view};

/// Candidates of one look: some may be taken by others meanwhile, and some only be put in order.
const CANDIDATES_MAX: usize = 16;

/// Looks of one call. Each finds candidates that were changed by somebody; one more is made by the next call.
const LOOKS_MAX: usize = 8;

/// The shortest lease; a shorter one is over before it was renewed once over a network.
pub(crate) const LEASE_MIN: Duration = Duration::from_millis(100);

/// The longest lease: so long others wait when its holder died.
pub(crate) const LEASE_MAX: Duration = Duration::from_secs(3600);

/// Who claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerId {
    /// The same after a restart, if a restarted worker is to go on at once with what it had; no two processes may
    /// have the same at a time.
    pub name: String,
    /// Tells this run from earlier ones: the larger is the later. The time of its start does.
    pub run: u64,
}

/// The right to work on a job, from the first renewal on, until a certain time, and what is needed to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The job.
    pub job: Job,
    /// Where it goes on.
    pub stage: Stage,
    /// What the last checkpoint left for that.
    pub resume: Option<Value>,
    /// Whose it is.
    pub worker: WorkerId,
    /// Grows with every lease on this job. Whoever writes something may keep it there and refuse a smaller one.
    pub token: u64,
    /// Until when it is valid, unless it is renewed.
    pub until: Micros,
}

/// What can be done with a candidate.
enum Taken {
    Leave,
    Begin,
    End(State, String),
    /// Nobody is at it any more, and nobody should be.
    Free,
}

impl Queue {
    /// The next job for this worker, if there is one: what it held before a restart, then what others held and did
    /// not renew, then what is due again, then new ones, the lanes (tenant and origin) taking turns. A source is
    /// never leased twice at a time.
    ///
    /// `holding` are the jobs that this run of the worker has: what it should have and has not, because an answer got
    /// lost, it gets again. So one worker has to ask for one job after the other.
    ///
    /// # Errors
    ///
    /// The worker's name or the length of the lease cannot be used, or the home cannot be reached.
    pub async fn claim(
        &self,
        worker: &WorkerId,
        holding: &[JobId],
        length: Duration,
    ) -> Result<Option<Lease>, JobsError> {
        name_fits("worker", &worker.name)?;
        if length < LEASE_MIN || length > LEASE_MAX {
            let reason = format!("{length:?}; {LEASE_MIN:?} to {LEASE_MAX:?} do");
            return Err(JobsError::Config { setting: "lease", reason });
        }
        for _ in 0..LOOKS_MAX {
            let now = self.now();
            let limit = CANDIDATES_MAX + holding.len();
            let candidates = self.home.candidates(&Asker { worker: &worker.name, now, limit }).await?;
            let mut looked_at = 0;
            for stored in self.home.jobs(&candidates).await?.into_iter().flatten() {
                match self.taken(&stored.record, worker, holding, now) {
                    Taken::Leave => {}
                    Taken::Begin => {
                        looked_at += 1;
                        if let Some(lease) = self.begin(stored, worker, length, now).await? {
                            return Ok(Some(lease));
                        }
                    }
                    Taken::End(state, why) => {
                        looked_at += 1;
                        let Stored { mut record, version } = stored;
                        let event = record.end(state, why, now);
                        self.commit_end(version, record, vec![event]).await?;
                    }
                    Taken::Free => {
                        looked_at += 1;
                        let Stored { mut record, version } = stored;
                        let event = expired(&mut record, now);
                        record.requeue("its worker was not heard of any more", 0, Counted::Yes, now);
                        self.home.commit(&one(version, record, vec![event])).await?;
                    }
                }
            }
            if looked_at == 0 {
                break;
            }
        }
        Ok(None)
    }

    fn taken(&self, record: &Record, worker: &WorkerId, holding: &[JobId], now: Micros) -> Taken {
        let body = &record.body;
        if body.ended.is_some() || (body.hold.is_none() && (body.paused || !body.after.is_empty())) {
            return Taken::Leave;
        }
        if let Some(hold) = &body.hold {
            if !is_lost(hold, worker, now) && !is_own(hold, worker, holding, record.id) {
                return Taken::Leave;
            }
            if body.cancel {
                return Taken::End(State::Cancelled, "cancelled on request; its worker is gone".to_owned());
            }
        } else if body.due > now {
            return Taken::Leave;
        }
        let unanswered = body.hold.as_ref().is_some_and(|hold| is_unanswered(hold, worker));
        if body.attempts >= self.limits.attempts_max && !unanswered {
            let last = body.error.as_ref().map(|error| format!("; before that: {}", error.message));
            let why = format!(
                "its worker was not heard of any more in attempt {} of {}, at {}{}",
                body.attempts,
                self.limits.attempts_max,
                body.stage,
                last.unwrap_or_default()
            );
            return Taken::End(State::Dead, why);
        }
        if body.paused { Taken::Free } else { Taken::Begin }
    }

    async fn begin(
        &self,
        stored: Stored,
        worker: &WorkerId,
        length: Duration,
        now: Micros,
    ) -> Result<Option<Lease>, JobsError> {
        let Stored { mut record, version } = stored;
        let mut events = Vec::new();
        if let Some(hold) = record.body.hold.clone() {
            events.push(expired(&mut record, now));
            if is_unanswered(&hold, worker) {
                record.body.attempts = record.body.attempts.saturating_sub(1);
            }
        }
        let until = now.saturating_add(micros(length));
        events.push(record.begin(&worker.name, worker.run, until, now));
        let mut change = one(version, record.clone(), Vec::new());
        change.jobs = vec![changed(version, record.clone(), events)];
        change.served = Some((record.spec.lane(), now));
        if !self.home.commit(&change).await? {
            return Ok(None);
        }
        let workforce = Workforce { alive: 1, held_back: None };
        Ok(Some(Lease {
            stage: record.body.stage,
            resume: record.body.resume.clone(),
            worker: worker.clone(),
            token: record.body.token,
            until,
            job: view(&record, &self.limits, &workforce, now),
        }))
    }
}

pub(crate) fn micros(length: Duration) -> Micros {
    Micros::try_from(length.as_micros()).unwrap_or(Micros::MAX / 4)
}

/// Whether its holder has had its time.
fn is_lost(hold: &Hold, worker: &WorkerId, now: Micros) -> bool {
    // A later run of the same worker knows that the earlier one is dead.
    hold.until <= now || (hold.worker == worker.name && hold.run < worker.run)
}

/// Whether this very run should have it and does not know of it.
fn is_own(hold: &Hold, worker: &WorkerId, holding: &[JobId], id: JobId) -> bool {
    hold.worker == worker.name && hold.run == worker.run && !holding.contains(&id)
}

/// Whether the answer to this very run's claim got lost: the attempt was never begun, so it does not count.
fn is_unanswered(hold: &Hold, worker: &WorkerId) -> bool {
    hold.worker == worker.name && hold.run == worker.run && !hold.used
}

fn expired(record: &mut Record, now: Micros) -> crate::job::Event {
    let message = match &record.body.hold {
        Some(hold) if hold.until <= now => {
            format!(
                "worker {} was not heard of for {} past its lease",
                hold.worker,
                seconds(now - hold.until)
            )
        }
        Some(hold) => format!("worker {} began anew", hold.worker),
        None => String::new(),
    };
    record.event(EventKind::Expired, message, now)
}
