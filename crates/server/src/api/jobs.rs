//! Jobs: what is queued, how far it is, what came of it, and what can be done about it. How they come into the
//! queue is `starting.rs`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use stele_engine::jobs::{Control, Job, JobId, JobsError, State, WorkerStatus};

use crate::desk::{Call, Desk};
use crate::jobs::Jobs;
use crate::reply::{Cause, Refusal, cut, fact};
use crate::tools::{Tool, arguments};

/// Inputs of a job that are named.
const INPUTS_SHOWN: usize = 20;

/// Jobs of a page unless told otherwise.
const JOBS_DEFAULT: u64 = 20;

/// Jobs of a page at most.
const JOBS_MAX: u64 = 200;

/// Bytes of what came of a job, as it is told here; its report has all.
const RESULT_BYTES: usize = 16 << 10;

/// The queue of this service.
pub(crate) fn queue(desk: &Desk) -> Result<&Jobs, Refusal> {
    desk.jobs.as_ref().ok_or_else(|| {
        Refusal::new("This service has no queue.")
            .because(Cause::Unavailable)
            .hint("`stele serve` without --mcp-only")
    })
}

/// One job.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobView {
    id: String,
    /// `queued`, a stage (`parsing`, `extracting`, `graphing`, `embedding`, `indexing`, `postchecks`,
    /// `reporting`), `done`, `failed`, `cancelled` or `dead`.
    state: &'static str,
    paused: bool,
    cancelling: bool,
    /// Why it is in that state.
    cause: String,
    /// Since when, in microseconds since 1970.
    since: i64,
    /// What happens next, by itself or by whom.
    next_action: String,
    attempts: u32,
    attempts_max: u32,
    tag: Option<String>,
    /// Who asked: `cli`, `http` or `watcher:NAME`.
    origin: String,
    /// The source that it collects; null where it has files.
    source: Option<String>,
    /// How many inputs it has.
    input_count: usize,
    /// The first of them.
    inputs: Vec<String>,
    progress: ProgressView,
    /// Why the last attempt did not work.
    last_error: Option<String>,
    worker: Option<String>,
    submitted: i64,
    started: Option<i64>,
    finished: Option<i64>,
    /// What came of it, as the work says it; null where it is too long for here.
    result: Option<Value>,
}

/// How far a job is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProgressView {
    stage: &'static str,
    /// Of the whole job, from 0 to 100; it never falls.
    percent: f64,
    done: u64,
    total: Option<u64>,
    unit: String,
    counts: BTreeMap<String, u64>,
    /// `unit` a second; null before it can be told.
    rate: Option<f64>,
    /// Seconds to the end of this stage; null where that is not known.
    eta_s: Option<f64>,
    message: String,
}

pub(crate) fn job_view(job: &Job) -> JobView {
    let progress = &job.progress;
    let result = job.result.as_ref().filter(|result| result.to_string().len() <= RESULT_BYTES);
    JobView {
        id: job.id.to_string(),
        state: job.state.name(),
        paused: job.paused,
        cancelling: job.cancelling,
        cause: fact(&job.cause),
        since: job.since,
        next_action: fact(&job.next_action),
        attempts: job.attempts,
        attempts_max: job.attempts_max,
        tag: job.spec.options.tag.clone(),
        origin: job.spec.origin.to_string(),
        source: job.spec.source_id().map(fact),
        input_count: job.spec.inputs.len(),
        inputs: job.spec.inputs.iter().take(INPUTS_SHOWN).map(|input| fact(&input.uri)).collect(),
        progress: ProgressView {
            stage: progress.stage.name(),
            percent: progress.percent,
            done: progress.done,
            total: progress.total,
            unit: fact(&progress.unit),
            counts: progress.counts.clone(),
            rate: progress.rate,
            eta_s: progress.eta_s,
            message: fact(&progress.message),
        },
        last_error: job.last_error.as_ref().map(|error| cut(&error.message, 2000).0),
        worker: job.worker.clone(),
        submitted: job.submitted,
        started: job.started,
        finished: job.finished,
        result: result.cloned(),
    }
}

/// How the queue stands.
pub(crate) struct QueueStatus;

/// Nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The queue on one page.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QueueView {
    /// Jobs by state.
    jobs: BTreeMap<&'static str, u64>,
    /// Seconds that the oldest one that waits has waited; null where none waits.
    oldest_waiting_s: Option<f64>,
    /// Why no new job begins; null where jobs begin.
    held_back: Option<String>,
    /// Workers that are alive.
    workers_alive: usize,
    /// Those that were heard of lately; with nobody's jobs but one's own.
    workers: Vec<WorkerView>,
}

/// Who works on it.
#[derive(Debug, Serialize, JsonSchema)]
struct WorkerView {
    name: String,
    alive: bool,
    /// Jobs that it works on at once.
    capacity: usize,
    /// Jobs that it works on now.
    working_on: usize,
    held_back: Option<String>,
}

impl Tool for QueueStatus {
    const NAME: &'static str = "queue_status";
    const TITLE: &'static str = "State of the queue";
    const SAYS: &'static str = "How many jobs there are of each state, how long the oldest has waited, who works, and why nothing new \
        begins where it does not.";
    type Arguments = Nothing;
    type Result = QueueView;

    fn run(desk: &Desk, _call: &Call, _arguments: Nothing) -> Result<QueueView, Refusal> {
        let jobs = queue(desk)?;
        let counted = jobs.look(jobs.counts())?;
        let workers = jobs.look(jobs.queue.workers())?;
        let now = desk.engine.now();
        let worker = |worker: &WorkerStatus| WorkerView {
            name: fact(&worker.name),
            alive: worker.alive,
            capacity: worker.capacity,
            working_on: worker.jobs.len(),
            held_back: worker.held_back.as_deref().map(fact),
        };
        let states = State::ALL.into_iter();
        Ok(QueueView {
            jobs: states.map(|state| (state.name(), counted.of(state))).collect(),
            oldest_waiting_s: counted.oldest_waiting.map(|at| now.saturating_sub(at).max(0) as f64 / 1e6),
            held_back: WorkerStatus::all_held_back(&workers).map(str::to_owned),
            workers_alive: workers.iter().filter(|worker| worker.alive).count(),
            workers: workers.iter().map(worker).collect(),
        })
    }
}

/// Jobs, the newest first.
pub(crate) struct ListJobs;

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListArguments {
    /// Only those in this state.
    state: Option<String>,
    /// Jobs of a page, up to 200; 20 unless told otherwise.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobList {
    jobs: Vec<JobView>,
    /// Pass it as `cursor`, with the same state, for what follows; null at the end.
    next_cursor: Option<String>,
}

impl Tool for ListJobs {
    const NAME: &'static str = "list_jobs";
    const TITLE: &'static str = "List the jobs";
    const SAYS: &'static str =
        "Jobs of this tenant, the newest first, each with its state, the cause, and what happens next.";
    type Arguments = ListArguments;
    type Result = JobList;

    fn run(desk: &Desk, _call: &Call, arguments: ListArguments) -> Result<JobList, Refusal> {
        let jobs = queue(desk)?;
        let limit = arguments::count("limit", arguments.limit, JOBS_DEFAULT, JOBS_MAX)? as usize;
        let states = arguments.state.iter().map(|state| state.parse()).collect::<Result<Vec<State>, _>>()?;
        let before = match &arguments.cursor {
            // It has to be a job of this tenant, like all that it is told of.
            Some(id) => Some(jobs.look(jobs.get(id))?.id),
            None => None,
        };
        let (found, next) = jobs.look(jobs.list(states, before, limit))?;
        let next_cursor = next.as_ref().map(JobId::to_string);
        Ok(JobList { jobs: found.iter().map(job_view).collect(), next_cursor })
    }
}

/// One job.
pub(crate) struct ShowJob;

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The id of the job.
    id: String,
}

impl Tool for ShowJob {
    const NAME: &'static str = "show_job";
    const TITLE: &'static str = "One job";
    const SAYS: &'static str =
        "A job as it stands: state, cause, what happens next, progress, and what came of it.";
    type Arguments = Named;
    type Result = JobView;

    fn run(desk: &Desk, _call: &Call, arguments: Named) -> Result<JobView, Refusal> {
        let jobs = queue(desk)?;
        Ok(job_view(&jobs.look(jobs.get(&arguments.id))?))
    }
}

/// Steers a job.
pub(crate) struct ControlJob;

/// Which, and what is asked of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlArguments {
    /// The id of the job.
    id: String,
    /// `cancel`, `pause`, `resume` or `retry`.
    #[schemars(schema_with = "actions")]
    action: String,
}

fn actions(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": ["cancel", "pause", "resume", "retry"] })
}

impl Tool for ControlJob {
    const NAME: &'static str = "control_job";
    const TITLE: &'static str = "Steer a job";
    const SAYS: &'static str = "Cancels, pauses, resumes or retries a job. One that runs follows at its next checkpoint; what is asked for \
        already is no error. Needs a token that may run.";
    type Arguments = ControlArguments;
    type Result = JobView;

    fn run(desk: &Desk, _call: &Call, arguments: ControlArguments) -> Result<JobView, Refusal> {
        let jobs = queue(desk)?;
        let control: Control = arguments.action.parse().map_err(|_: JobsError| {
            Refusal::new("There is no such action.")
                .why(fact(&arguments.action))
                .hint("`cancel`, `pause`, `resume` or `retry`")
        })?;
        let job = jobs.look(jobs.get(&arguments.id))?;
        Ok(job_view(&jobs.wait(jobs.queue.control(job.id, control))?))
    }
}

/// What a job says of itself at its end.
pub(crate) struct JobReport;

/// The report.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReportView {
    id: String,
    /// `manifests/jobs/ID/report.json`, as the job wrote it; null while there is none.
    #[schemars(with = "Option<Value>")]
    report: Option<Box<RawValue>>,
}

/// Bytes of a report that are told: a thousand inputs with their counts.
const REPORT_BYTES_MAX: usize = 4 << 20;

impl Tool for JobReport {
    const NAME: &'static str = "job_report";
    const TITLE: &'static str = "Report of a job";
    const SAYS: &'static str = "What a job came to: inputs, counts, ledger, drift, sample queries, timings, and whether its data is ready for \
        queries.";
    type Arguments = Named;
    type Result = ReportView;

    fn run(desk: &Desk, _call: &Call, arguments: Named) -> Result<ReportView, Refusal> {
        // The id is one that the queue knows by now, and so no path.
        let id = queue(desk)?.known(&arguments.id)?.to_string();
        let text = desk.engine.report_text(&id)?;
        if text.as_ref().is_some_and(|text| text.len() > REPORT_BYTES_MAX) {
            return Err(Refusal::new("The report is larger than an answer may be.")
                .because(Cause::Limit)
                .hint("`stele report JOB`"));
        }
        let report = text.map(RawValue::from_string).transpose().map_err(|error| {
            Refusal::new("The report is damaged.")
                .because(Cause::Failed)
                .why(error.to_string())
                .hint("`stele retry JOB` has it written again")
        })?;
        Ok(ReportView { id, report })
    }
}
