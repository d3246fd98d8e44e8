//! What a job, a queue and a worker look like from outside: each state with its cause and what comes next.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stele_model::Micros;

use crate::job::{Job, JobId, State};
use crate::limits::Limits;
use crate::record::Record;

/// A worker that was not heard of for so long is taken for dead: three of the heartbeats that are far apart.
pub const WORKER_SILENT_MAX: Duration = Duration::from_secs(60);

/// A worker that was not heard of for so long is not listed any more. Those without a name of their own have a new one
/// at each start, and would fill the list.
pub(crate) const WORKER_FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Who works on a queue, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Which run of it: the later one has the larger number.
    pub run: u64,
    /// Since when it runs.
    pub started: Micros,
    /// When it was last heard of.
    pub seen: Micros,
    /// Whether that is recent enough.
    #[serde(default)]
    pub alive: bool,
    /// What it is at.
    pub jobs: Vec<JobId>,
    /// How many it works on at once.
    pub capacity: usize,
    /// Why it begins nothing new, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<String>,
}

impl WorkerStatus {
    /// The reason for which every worker that is alive begins nothing new, if none does.
    pub fn all_held_back(workers: &[WorkerStatus]) -> Option<&str> {
        let mut alive =
            workers.iter().filter(|worker| worker.alive).map(|worker| worker.held_back.as_deref());
        let first = alive.next()??;
        alive.all(|held| held.is_some()).then_some(first)
    }
}

/// How many jobs there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Of each state; those of which there are none are 0.
    pub states: BTreeMap<State, u64>,
    /// When the oldest that a worker could take now was submitted. What is paused, behind another job, or due later
    /// waits for something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_waiting: Option<Micros>,
}

impl Counts {
    /// Those of this state.
    pub fn of(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// Those that wait or run.
    pub fn in_flight(&self) -> u64 {
        self.states.iter().filter(|(state, _)| !state.is_terminal()).map(|(_, count)| count).sum()
    }

    /// Those that wait.
    pub fn waiting(&self) -> u64 {
        self.of(State::Queued)
    }
}

/// Who could take a job, for the cause of one that nobody has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workforce {
    pub(crate) alive: usize,
    pub(crate) held_back: Option<String>,
}

impl Workforce {
    pub(crate) fn of(workers: &[WorkerStatus]) -> Self {
        let alive = workers.iter().filter(|worker| worker.alive).count();
        Self { alive, held_back: WorkerStatus::all_held_back(workers).map(str::to_owned) }
    }
}

pub(crate) fn view(record: &Record, limits: &Limits, workforce: &Workforce, now: Micros) -> Job {
    let body = &record.body;
    let (cause, next_action) = cause(record, limits, workforce, now);
    Job {
        id: record.id,
        spec: (*record.spec).clone(),
        state: body.state,
        paused: body.paused,
        cancelling: body.cancel,
        cause,
        since: body.since,
        next_action,
        attempts: body.attempts,
        attempts_max: limits.attempts_max,
        last_error: body.error.clone(),
        progress: body.progress.clone(),
        worker: body.hold.as_ref().map(|hold| hold.worker.clone()),
        submitted: body.submitted,
        started: body.started,
        finished: body.ended,
        result: body.result.clone(),
    }
}

/// Why it is in its state, and what comes next.
fn cause(record: &Record, limits: &Limits, workforce: &Workforce, now: Micros) -> (String, String) {
    let (id, body) = (record.id, &record.body);
    if body.state.is_terminal() {
        let next = match body.state {
            State::Done => format!("none; `stele report {id}` tells what came of it"),
            State::Failed => format!("mend what the cause names, then `stele retry {id}`"),
            State::Dead => {
                format!("`stele dlq retry {id}` tries it again, `stele dlq purge {id}` gives it up")
            }
            _ => format!("none; `stele retry {id}` takes it up again where it was"),
        };
        return (body.why.clone(), next);
    }
    match &body.hold {
        Some(hold) if hold.until <= now => (
            format!(
                "{} (worker {} was not heard of for {} past its lease)",
                body.state,
                hold.worker,
                seconds(now - hold.until)
            ),
            if body.cancel {
                "is cancelled when the next worker looks".to_owned()
            } else if body.attempts >= limits.attempts_max {
                "becomes a dead letter when the next worker looks".to_owned()
            } else {
                "another worker takes it over".to_owned()
            },
        ),
        Some(hold) => {
            let asked = match (body.cancel, body.paused) {
                (true, _) => Some("is cancelled"),
                (false, true) => Some("is paused"),
                (false, false) => None,
            };
            let cause = match asked {
                None => format!("{} (worker {})", body.state, hold.worker),
                Some(asked) => format!("{} (worker {}; {asked} on request)", body.state, hold.worker),
            };
            let next = match (asked, body.stage.next()) {
                (Some(asked), _) => format!("{asked} at its next checkpoint"),
                (None, Some(stage)) => format!("{stage} when this stage is done"),
                (None, None) => "done when this stage is done".to_owned(),
            };
            (cause, next)
        }
        None => waiting(record, limits, workforce, now),
    }
}

fn waiting(record: &Record, limits: &Limits, workforce: &Workforce, now: Micros) -> (String, String) {
    let body = &record.body;
    let goes_on =
        if body.resume.is_some() || body.started.is_some() { "goes on with" } else { "begins with" };
    let stage = body.stage;
    if body.paused {
        return (
            "queued (paused on request)".to_owned(),
            format!("waits for `stele resume {id}`", id = record.id),
        );
    }
    if let Some(ahead) = body.after.values().next() {
        let others = body.after.values().collect::<std::collections::BTreeSet<_>>().len() - 1;
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        return (
            format!("queued (behind {ahead}{more}: same source)"),
            format!("{goes_on} {stage} when {ahead}{more} ended"),
        );
    }
    if body.due > now {
        let wait = seconds(body.due - now);
        return (
            format!("queued ({})", body.why),
            format!("attempt {} of {} in {wait}", body.attempts + 1, limits.attempts_max),
        );
    }
    if workforce.alive == 0 {
        return (
            "queued (no worker is alive)".to_owned(),
            "start one: `stele worker` or `stele serve`".to_owned(),
        );
    }
    if let Some(reason) = &workforce.held_back {
        return (
            format!("queued (nothing new begins: {reason})"),
            format!("{goes_on} {stage} when that is over"),
        );
    }
    let cause = if body.why.is_empty() { "waits for a worker" } else { &body.why };
    (format!("queued ({cause})"), format!("{goes_on} {stage} when a worker is free"))
}

/// A time for people, rounded up.
pub(crate) fn seconds(micros: Micros) -> String {
    let seconds = (micros.max(0) + 999_999) / 1_000_000;
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", (seconds + 59) / 60) }
}
