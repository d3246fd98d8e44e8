//! A job as it is kept, and what may happen to it. Nothing here waits, reads or writes.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_model::Micros;

use crate::job::{Event, EventKind, JobId, LastError, Progress, Stage, State};
use crate::limits::Limits;
use crate::spec::{Content, SourceKey, Spec};

/// Who holds a job, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) worker: String,
    pub(crate) run: u64,
    pub(crate) token: u64,
    pub(crate) until: Micros,
    /// Whether its holder has renewed it, and so is known to know of it.
    pub(crate) used: bool,
}

/// What changes in a job's life; what is to be done does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) state: State,
    pub(crate) since: Micros,
    /// Why it is queued again, or how it ended.
    pub(crate) why: String,
    /// Where it goes on, and what it needs for that.
    pub(crate) stage: Stage,
    pub(crate) resume: Option<Value>,
    pub(crate) attempts: u32,
    /// Not to be begun before.
    pub(crate) due: Micros,
    pub(crate) paused: bool,
    pub(crate) cancel: bool,
    /// Which job is directly ahead of it, for each of its sources where one is.
    pub(crate) after: BTreeMap<SourceKey, JobId>,
    pub(crate) hold: Option<Hold>,
    /// The last fencing token that was given out.
    pub(crate) token: u64,
    /// The token whose holder gave the job back or ended it last.
    pub(crate) released: Option<u64>,
    pub(crate) error: Option<LastError>,
    pub(crate) progress: Progress,
    pub(crate) submitted: Micros,
    pub(crate) started: Option<Micros>,
    pub(crate) ended: Option<Micros>,
    pub(crate) result: Option<Value>,
    /// How many events there were.
    pub(crate) events: u64,
}

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) id: JobId,
    pub(crate) spec: Arc<Spec>,
    pub(crate) body: Body,
}

/// Where a home puts a job, so that whoever looks for one finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Somebody holds it until then.
    Held { until: Micros, worker: String },
    /// It may be begun from then on, ahead of what was never begun.
    Due(Micros),
    /// It may be begun when its lane has its turn.
    Ready,
    /// It waits for something else than time or a worker.
    Blocked,
    /// It ended then.
    Ended(Micros),
}

/// What is to become of a job that somebody held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The attempt counts.
    Yes,
    /// Nobody is to blame: the worker was asked to stop.
    No,
}

impl Record {
    pub(crate) fn new(id: JobId, spec: Arc<Spec>, now: Micros) -> Self {
        let body = Body {
            state: State::Queued,
            since: now,
            why: String::new(),
            stage: Stage::Parsing,
            resume: None,
            attempts: 0,
            due: 0,
            paused: false,
            cancel: false,
            after: BTreeMap::new(),
            hold: None,
            token: 0,
            released: None,
            error: None,
            progress: Progress::none(now),
            submitted: now,
            started: None,
            ended: None,
            result: None,
            events: 0,
        };
        Self { id, spec, body }
    }

    pub(crate) fn shelf(&self) -> Shelf {
        let body = &self.body;
        match (&body.hold, body.ended) {
            // A dead letter waits for somebody: it does not go by itself.
            (_, Some(_)) if body.state == State::Dead => Shelf::Blocked,
            (_, Some(ended)) => Shelf::Ended(ended),
            (Some(hold), None) => Shelf::Held { until: hold.until, worker: hold.worker.clone() },
            (None, None) if body.paused || !body.after.is_empty() => Shelf::Blocked,
            (None, None) if body.due > 0 => Shelf::Due(body.due),
            (None, None) => Shelf::Ready,
        }
    }

    /// The sources of its inputs.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (SourceKey, Option<Content>)> {
        let tenant = &self.spec.options.tenant;
        self.spec.inputs.iter().map(move |input| (SourceKey::new(tenant, &input.uri), input.content()))
    }

    /// Numbers of the inputs that were not read in the state in which they were submitted, as its result says.
    pub(crate) fn changed_inputs(&self) -> HashSet<usize> {
        let said = self.body.result.as_ref().and_then(|result| result.get("changed")?.as_array());
        said.into_iter().flatten().filter_map(|number| usize::try_from(number.as_u64()?).ok()).collect()
    }

    pub(crate) fn event(&mut self, kind: EventKind, message: impl Into<String>, now: Micros) -> Event {
        let body = &mut self.body;
        body.events += 1;
        Event {
            job: self.id,
            number: body.events,
            kind,
            state: body.state,
            progress: body.progress.clone(),
            message: message.into(),
            at: now,
        }
    }

    fn enter(&mut self, state: State, now: Micros) {
        if self.body.state != state {
            self.body.state = state;
            self.body.since = now;
        }
    }

    /// A worker begins, or goes on.
    pub(crate) fn begin(&mut self, worker: &str, run: u64, until: Micros, now: Micros) -> Event {
        let body = &mut self.body;
        body.token += 1;
        body.hold = Some(Hold { worker: worker.to_owned(), run, token: body.token, until, used: false });
        body.attempts += 1;
        body.due = 0;
        body.why.clear();
        body.started.get_or_insert(now);
        self.body.progress.stage = self.body.stage;
        self.enter(self.body.stage.state(), now);
        self.body.since = now;
        self.event(EventKind::Started, format!("worker {worker}, attempt {}", self.body.attempts), now)
    }

    /// From here it goes on, whoever goes on.
    pub(crate) fn advance(&mut self, stage: Stage, resume: Option<Value>, now: Micros) {
        self.body.stage = stage;
        self.body.resume = resume;
        self.enter(stage.state(), now);
    }

    /// Takes over how far it is. A percentage that falls is one of an attempt that does again what was lost.
    pub(crate) fn report(&mut self, progress: Progress) {
        let least = self.body.progress.percent;
        self.body.progress = progress;
        let percent = &mut self.body.progress.percent;
        *percent = if percent.is_finite() { percent.clamp(least, 99.9_f64.max(least)) } else { least };
    }

    /// Back to the queue.
    pub(crate) fn requeue(&mut self, why: impl Into<String>, due: Micros, counted: Counted, now: Micros) {
        let body = &mut self.body;
        body.hold = None;
        body.due = due;
        body.why = why.into();
        body.progress.rate = None;
        body.progress.eta_s = None;
        if counted == Counted::No {
            body.attempts = body.attempts.saturating_sub(1);
        }
        self.enter(State::Queued, now);
    }

    /// The end, or what looks like it until somebody asks for another attempt.
    pub(crate) fn end(&mut self, state: State, why: impl Into<String>, now: Micros) -> Event {
        let why = why.into();
        let body = &mut self.body;
        body.hold = None;
        body.due = 0;
        body.paused = false;
        body.cancel = false;
        body.after.clear();
        body.ended = Some(now);
        body.why.clone_from(&why);
        body.progress.rate = None;
        body.progress.eta_s = None;
        body.progress.at = now;
        if state == State::Done {
            body.progress.percent = 100.0;
        }
        self.enter(state, now);
        self.event(EventKind::Ended, why, now)
    }

    /// Begins anew after an end: at the stage where it was, with all its attempts.
    pub(crate) fn revive(&mut self, why: &str, now: Micros) {
        let body = &mut self.body;
        body.ended = None;
        body.result = None;
        body.attempts = 0;
        body.due = 0;
        body.why = why.to_owned();
        self.enter(State::Queued, now);
    }

    /// What to wait before the next attempt: twice as long each time. Its id spreads jobs that failed together.
    pub(crate) fn backoff(&self, limits: &Limits) -> Micros {
        let doublings = self.body.attempts.saturating_sub(1).min(32);
        let full =
            limits.backoff.as_micros().saturating_mul(1 << doublings).min(limits.backoff_max.as_micros());
        let full = Micros::try_from(full).unwrap_or(Micros::MAX / 4);
        let text = format!("{}/{}", self.id, self.body.attempts);
        let hash = stele_model::id::IdHasher::new("backoff").part(text.as_bytes()).finish();
        // Between half of it and all of it.
        full / 2 + full / 2 * Micros::from(hash[0]) / 255
    }
}

/// What the queue knows of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Jobs that have it among their inputs and have not ended, in the order in which they get it.
    pub(crate) line: VecDeque<InLine>,
    /// What it was last done in.
    pub(crate) done: Option<DoneAs>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InLine {
    pub(crate) job: JobId,
    pub(crate) content: Option<Content>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DoneAs {
    pub(crate) job: JobId,
    pub(crate) content: Content,
    pub(crate) at: Micros,
}
