//! The stages as a worker calls them: each runs in a thread, tells how far it is, and hears when it
//! should end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stele_jobs::{Context, End, Failure, Halt, Job, Report, Stage, Why, Work};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_telemetry::RunState;
use stele_watch::Fetching;

use super::pressure::Gate;
use super::sourced::summed;
use super::stages::Carried;
use crate::engine::Engine;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::{EngineError, Environment, Settings};

/// Wait before a lake, a graph or an index that somebody else writes to is asked for again: short beside
/// what they do with it, and long beside the asking.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// Wait before a full disk is written to again: a stage that is begun anew reads much for nothing.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// Engines that are kept open, one a tenant. Each holds an index and a model open; where one more is needed, all of
/// them are let go, and each is opened anew when its tenant has the next job.
const ENGINES_MAX: usize = 8;

/// Where a worker can be made to die: before a stage, and when it is done and the queue does not know yet.
fn points(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Parsing => ("jobs.parsing.begin", "jobs.parsing.done"),
        Stage::Extracting => ("jobs.extracting.begin", "jobs.extracting.done"),
        Stage::Graphing => ("jobs.graphing.begin", "jobs.graphing.done"),
        Stage::Embedding => ("jobs.embedding.begin", "jobs.embedding.done"),
        Stage::Indexing => ("jobs.indexing.begin", "jobs.indexing.done"),
        Stage::Postchecks => ("jobs.postchecks.begin", "jobs.postchecks.done"),
        Stage::Reporting => ("jobs.reporting.begin", "jobs.reporting.done"),
    }
}

/// Does the stages of jobs, for every tenant.
pub struct EngineWork {
    pub(super) settings: Settings,
    pub(super) environment: Environment,
    fetching: Fetching,
    gate: Gate,
    engines: Mutex<HashMap<String, Arc<Engine>>>,
}

impl EngineWork {
    /// Work with these settings; a job's tenant takes the place of theirs.
    ///
    /// # Errors
    ///
    /// If the marks that hold jobs back make no sense.
    pub fn new(
        settings: Settings,
        environment: Environment,
        fetching: Fetching,
    ) -> Result<Self, EngineError> {
        let gate = Gate::new(&settings.job_marks, &settings.data_dir, Arc::clone(&environment.timings))?;
        Ok(Self { settings, environment, fetching, gate, engines: Mutex::default() })
    }

    /// Fails or dies here, if that is what was asked for.
    fn hit(&self, point: &'static str) -> Result<(), Halt> {
        Ok(self.environment.faults.hit(point).map_err(|error| Failure::passing(error.to_string()))?)
    }

    pub(super) fn engine(&self, tenant: &str) -> Result<Arc<Engine>, EngineError> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(tenant) {
            return Ok(Arc::clone(engine));
        }
        if engines.len() >= ENGINES_MAX {
            engines.clear();
        }
        let settings = Settings { tenant: tenant.to_owned(), ..self.settings.clone() };
        let engine = Arc::new(Engine::new(settings, self.environment.clone())?);
        engines.insert(tenant.to_owned(), Arc::clone(&engine));
        Ok(engine)
    }

    /// Runs a stage once, in a thread.
    async fn once(
        &self,
        engine: &Arc<Engine>,
        stage: Stage,
        job: &Arc<Job>,
        carried: Carried,
        context: &Context,
    ) -> Result<(Carried, Result<(), EngineError>), Halt> {
        let held = context.clone();
        let cancel = Arc::new(Cancel::guarding(move || held.asked() != Some(Why::Fenced)));
        let (engine, job, asked) = (Arc::clone(engine), Arc::clone(job), Arc::clone(&cancel));
        let fetching = self.fetching.clone();
        let shown = Shown {
            context: context.clone(),
            stage,
            counts: Mutex::new(carried.counts()),
            before: job.spec.source_id().map(|_| carried.before.clone()),
        };
        let mut thread = tokio::task::spawn_blocking(move || {
            let mut carried = carried;
            let span = tracing::info_span!(
                "job.stage",
                trace = %job.id,
                job = %job.id,
                stage = stage.name(),
                attempt = job.attempts,
                tenant = job.spec.options.tenant,
                error = tracing::field::Empty,
            );
            let done =
                span.in_scope(|| engine.job_stage(stage, &job, &mut carried, &fetching, &shown, &asked));
            if let Err(error) = &done {
                span.record("error", in_full(error));
            }
            (carried, done)
        });
        let ended = context.ended();
        tokio::pin!(ended);
        let joined = tokio::select! {
            joined = &mut thread => joined,
            _ = &mut ended => {
                cancel.cancel();
                thread.await
            }
        };
        joined.map_err(|error| {
            Failure::passing(format!("{stage} ended by a fault of the program: {error}")).into()
        })
    }
}

#[async_trait]
impl Work for EngineWork {
    async fn held_back(&self) -> Option<String> {
        self.gate.held_back(self.environment.clock.now()).map(|held| held.reason)
    }

    async fn began(&self, job: &Job, context: &Context) {
        self.tell(RunState::Start, job, context);
    }

    async fn became(&self, job: &Job, context: &Context, end: End<'_>) {
        self.tell_end(job, context, end);
    }

    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        resume: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt> {
        let engine = self.engine(&job.spec.options.tenant).map_err(|error| failure(&error))?;
        let job = Arc::new(job.clone());
        let mut carried = Carried::of(resume);
        if stage != Stage::Parsing {
            self.tell(RunState::Running, &job, context);
        }
        let (begin, done) = points(stage);
        self.hit(begin)?;
        loop {
            context.confirm().await?;
            let collecting = stage == Stage::Parsing && job.spec.source_id().is_some();
            if collecting {
                // What attempts before this one told is durable: it was told after it was kept.
                carried.before = context.progress().counts;
            }
            let (left, outcome) = self.once(&engine, stage, &job, carried, context).await?;
            carried = left;
            let error = match outcome {
                Ok(()) => break,
                Err(error) => error,
            };
            if collecting {
                // The queue hears of the last batches before it hears that this attempt is over.
                context.checkpoint(None).await?;
            }
            if error.kind() == ErrorKind::Cancelled {
                // Paused, and resumed before it stopped.
                context.go_on()?;
                continue;
            }
            // Neither is a fault of the job, and an attempt less would help nobody.
            if !error.is_busy() && !error.is_disk_full() {
                return Err(ended_badly(&engine, stage, &job, carried, failure(&error), context).await);
            }
            context.report(Report {
                counts: carried.counts(),
                message: format!("waits: {}", in_full(&error)),
                ..Report::default()
            });
            tokio::time::sleep(if error.is_busy() { BUSY_WAIT } else { FULL_WAIT }).await;
        }
        self.hit(done)?;
        if stage != Stage::Reporting {
            return Ok(Some(carried.value()));
        }
        if let Some(unfinished) = carried.unfinished.clone() {
            let failure = match unfinished.may_pass {
                true => Failure::anew(unfinished.why),
                false => Failure::lasting(unfinished.why),
            };
            return Err(ended_badly(&engine, stage, &job, carried, failure, context).await);
        }
        if let Some(away) = carried.away() {
            return Err(ended_badly(&engine, stage, &job, carried, Failure::anew(away), context).await);
        }
        let report = engine.read_report(&job.id.to_string()).map_err(|error| failure(&error))?;
        Ok(report.map(|report| {
            json!({
                "cause": carried.cause(),
                "ready_for_queries": report.ready_for_queries,
                "reasons": report.reasons,
                "errors": report.errors_total,
                "lake_version": report.lake_version,
                "counts": carried.counts(),
                "changed": carried.changed(),
            })
        }))
    }
}

fn failure(error: &EngineError) -> Failure {
    let message = in_full(error);
    if error.may_pass() { Failure::passing(message) } else { Failure::lasting(message) }
}

/// Writes the report of a job that is not tried again. Until then the one of an attempt before is there, if
/// any.
async fn ended_badly(
    engine: &Arc<Engine>,
    stage: Stage,
    job: &Arc<Job>,
    mut carried: Carried,
    failure: Failure,
    context: &Context,
) -> Halt {
    let last = job.attempts >= job.attempts_max;
    // Whoever has the job by now writes its report.
    let ours = context.asked() != Some(Why::Fenced);
    if ours && (!failure.retryable || last) {
        carried.error(stage, None, &failure.message);
        let state = if failure.retryable { "dead" } else { "failed" };
        let (engine, job) = (Arc::clone(engine), Arc::clone(job));
        let written = tokio::task::spawn_blocking(move || engine.report_failure(&job, state, &carried)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %in_full(&error), "the report of a failed job cannot be written")
            }
            Err(error) => tracing::warn!(%error, "the report of a failed job cannot be written"),
        }
    }
    failure.into()
}

/// Hands what a stage says on to the queue.
struct Shown {
    context: Context,
    stage: Stage,
    /// What was counted so far.
    counts: Mutex<BTreeMap<String, u64>>,
    /// What attempts before this one counted, where the job is a source.
    before: Option<BTreeMap<String, u64>>,
}

impl Shown {
    fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Progress for Shown {
    fn update(&self, update: &Update) {
        let mut counts = self.counts();
        // What later stages count are texts and documents; what a stream gave is not kept yet.
        if self.stage == Stage::Parsing && self.before.is_none() {
            counts.insert("records".to_owned(), update.records);
        }
        self.context.report(Report {
            done: update.done,
            total: update.total,
            unit: update.unit.name(),
            counts,
            message: update.item.clone(),
        });
    }

    fn counted(&self, counts: &[(&'static str, u64)]) {
        let Some(before) = &self.before else { return };
        let counts = summed(before, counts);
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts.clone();
        let stele_jobs::Progress { done, total, message, .. } = self.context.progress();
        self.context.report(Report { done, total, unit: Unit::Records.name(), counts, message });
    }

    fn note(&self, text: &str) {
        tracing::info!(job = %self.context.job(), "{text}");
    }
}
