//! What each stage of a job does, and what it hands on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stele_jobs::{Job, Origin, Stage};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_sources::Input;

use super::report::{JobReport, JobSink, ReportFacts, StageError, StageReport};
use super::sourced::{JobSource, Unfinished};
use stele_watch::{Configured, Fetching, Mode, WatcherConfig, content_of, is_remote};

use crate::answering::{Opening, SinkReport};
use crate::collecting::SCHEME;
use crate::documents::tags_in;
use crate::durable::{make_dir_durably, write_durably};
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{Cancel, Progress};
use crate::summary::InputFailure;
use crate::{EngineError, IngestOptions, InputOptions};

/// Errors that are handed on from stage to stage. With the names and the reasons of all stages they stay
/// far below what a queue keeps of a job.
const ERRORS_KEPT_MAX: usize = 50;

/// Characters of a reason that are handed on.
const REASON_CHARS_MAX: usize = 600;

/// Copies outside that a job brings up to date; a configuration with more has a fault.
const SINKS_MAX: usize = 16;

/// Where the report of a job is, below the data directory.
const REPORTS_DIR: &str = "manifests/jobs";

/// What stages hand on to the next ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Carried {
    stages: Vec<StageReport>,
    errors: Vec<StageError>,
    /// How many errors were not kept, by the names of their stages.
    #[serde(default)]
    errors_left_out: BTreeMap<String, u64>,
    /// Inputs that could not be read.
    #[serde(default)]
    failed: u64,
    /// Those of them that may be there the next time, and why the first of them was not.
    #[serde(default)]
    away: Option<(u64, String)>,
    /// Numbers of the inputs that were read in another state than the one that they were submitted in, or not at all.
    #[serde(default)]
    changed: Vec<usize>,
    /// The version of the lake in which everything that was read is.
    #[serde(default)]
    lake_version: Option<u64>,
    /// Copies outside that were brought up to date.
    #[serde(default)]
    sinks: Vec<JobSink>,
    /// What was collected, if the job is a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<JobSource>,
    /// Why that did not come to its end, if it did not and something was kept all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unfinished: Option<Unfinished>,
    /// What attempts before this one counted of the source.
    #[serde(skip)]
    pub(super) before: BTreeMap<String, u64>,
}

impl Carried {
    /// What the stage before left; nothing, if it left nothing that can be understood.
    pub(super) fn of(value: Option<Value>) -> Self {
        value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
    }

    pub(super) fn value(&self) -> Value {
        json!(self)
    }

    /// A stage begins, perhaps anew, as after a wait for the lake: it fails anew, and what passed is no error.
    fn begin(&mut self, stage: Stage) {
        self.errors.retain(|error| error.stage != stage.name());
        self.errors_left_out.remove(stage.name());
        if stage == Stage::Parsing {
            (self.failed, self.away, self.changed) = (0, None, Vec::new());
        }
    }

    fn errors_more(&self) -> u64 {
        self.errors_left_out.values().sum()
    }

    /// Numbers of the inputs of which it is not known what they are done in.
    pub(super) fn changed(&self) -> &[usize] {
        &self.changed
    }

    fn fail(&mut self, stage: Stage, failures: &[InputFailure]) {
        for failure in failures {
            self.error(stage, Some(&failure.uri), &failure.reason);
        }
        // What the graph tells was read: the bytes are in the lake.
        if stage != Stage::Parsing {
            return;
        }
        self.failed += failures.len() as u64;
        if let Some(first) = failures.iter().find(|failure| failure.passing) {
            let count = failures.iter().filter(|failure| failure.passing).count() as u64;
            let (before, why) =
                self.away.take().unwrap_or_else(|| (0, format!("{}: {}", first.uri, first.reason)));
            self.away = Some((before + count, why.chars().take(REASON_CHARS_MAX).collect()));
        }
    }

    /// What is said of inputs that were not to be had and may be the next time.
    pub(super) fn away(&self) -> Option<String> {
        let (count, why) = self.away.as_ref()?;
        Some(match count {
            1 => format!("an input is not in the lake: {why}"),
            count => format!("{count} inputs are not in the lake; the first is {why}"),
        })
    }

    /// What is said of a job that is done.
    pub(super) fn cause(&self) -> String {
        let errors = self.errors.len() as u64 + self.errors_more();
        match (self.failed, errors) {
            (0, 0) => "all stages are done".to_owned(),
            (0, 1) => "all stages are done; the report has an error".to_owned(),
            (0, errors) => format!("all stages are done; the report has {errors} errors"),
            (1, _) => "all stages are done; an input could not be read".to_owned(),
            (failed, _) => format!("all stages are done; {failed} inputs could not be read"),
        }
    }

    /// The state of the job, as a report says it: one that will be tried again has failed until then.
    fn state(&self) -> &'static str {
        if self.away.is_some() || self.unfinished.is_some() { "failed" } else { "done" }
    }

    pub(super) fn error(&mut self, stage: Stage, uri: Option<&str>, reason: &str) {
        if self.errors.len() >= ERRORS_KEPT_MAX {
            *self.errors_left_out.entry(stage.name().to_owned()).or_default() += 1;
            return;
        }
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let error = StageError { stage: stage.name().to_owned(), uri: uri.map(str::to_owned), reason };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn done(&mut self, stage: Stage, seconds: f64, counts: &[(&str, u64)]) {
        let counts: BTreeMap<String, u64> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        self.stages.retain(|known| known.stage != stage.name());
        self.stages.push(StageReport { stage: stage.name().to_owned(), seconds, counts });
    }

    /// The source was asked, and what it gave is in the lake.
    pub(super) fn collected(&mut self, seconds: f64) {
        let counts: Vec<(String, u64)> =
            self.source.iter().flat_map(|source| source.counts.clone()).collect();
        let counts: Vec<(&str, u64)> = counts.iter().map(|(name, count)| (&**name, *count)).collect();
        self.done(Stage::Parsing, seconds, &counts);
    }

    /// What was counted so far, by name, for whoever looks at the job meanwhile.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.stages.iter().flat_map(|stage| stage.counts.clone()).collect()
    }
}

impl Engine {
    /// Does one stage of a job.
    ///
    /// # Errors
    ///
    /// If the stage as a whole fails. Inputs that fail one by one are in `carried`.
    pub(super) fn job_stage(
        &self,
        stage: Stage,
        job: &Job,
        carried: &mut Carried,
        fetching: &Fetching,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), EngineError> {
        let began = self.now();
        let since = |engine: &Self| (engine.now() - began) as f64 / 1e6;
        carried.begin(stage);
        if let Some(id) = job.spec.source_id() {
            match stage {
                Stage::Parsing => return self.collect_for_job(id, carried, fetching, progress, cancel),
                Stage::Extracting | Stage::Graphing | Stage::Embedding | Stage::Indexing
                    if self.is_without_lake() =>
                {
                    carried.done(stage, since(self), &[]);
                    return Ok(());
                }
                _ => {}
            }
        }
        match stage {
            Stage::Parsing => {
                let (gone, there): (Vec<_>, Vec<_>) = job.spec.inputs.iter().partition(|input| input.removed);
                let mode = mode_of(&job.spec.origin, &fetching.configured);
                let (mut targets, mut found) = (Vec::new(), Vec::new());
                for input in there.into_iter().filter(|input| !is_remote(&input.uri)) {
                    match local(&input.uri, mode) {
                        Local::Target(target) => targets.push(target),
                        Local::Ready(input) => found.push(input),
                    }
                }
                let gone: Vec<String> = gone.into_iter().map(|input| input.uri.clone()).collect();
                let fetched = self.fetch(job, fetching, cancel)?;
                carried.fail(stage, &fetched.failures);
                found.extend(fetched.inputs.iter().cloned());
                if targets.is_empty() && gone.is_empty() && found.is_empty() {
                    let why = fetched
                        .failures
                        .first()
                        .map(|failure| format!("{}: {}", failure.uri, failure.reason));
                    return Err(EngineError::NotFetched(why.unwrap_or_default()));
                }
                let asked = &job.spec.options;
                let options = IngestOptions {
                    inputs: InputOptions {
                        format: asked.format.clone(),
                        // Whoever asks over HTTP may read what was allowed, and no link leads out of that.
                        confined: job.spec.origin == Origin::Http,
                        ..InputOptions::default()
                    },
                    timezone: asked.timezone.clone(),
                    tags: asked.tag.as_deref().and_then(|tag| tags_in(tag).ok()),
                    found,
                    gone,
                    ..IngestOptions::default()
                };
                let summary = match self.ingest(&targets, &options, progress, cancel) {
                    // A watcher saw them, and will not say so twice: they may only be on their way.
                    Err(EngineError::NoInputs(reason)) if matches!(job.spec.origin, Origin::Watcher(_)) => {
                        let uri = targets.first().cloned().unwrap_or_default();
                        carried.fail(stage, &[InputFailure { uri, reason, passing: true }]);
                        carried.done(stage, since(self), &[]);
                        return Ok(());
                    }
                    summary => summary?,
                };
                stop_if(summary.cancelled)?;
                carried.fail(stage, &summary.failures);
                let compared = self.compare_inputs(job, |uri| match local(uri, mode) {
                    Local::Ready(input) => input,
                    Local::Target(path) => {
                        Input { path: Some(PathBuf::from(&path)), uri: path, size_on_disk: 0 }
                    }
                })?;
                carried.fail(stage, &compared.torn);
                (carried.changed, carried.lake_version) = (compared.changed, summary.lake_version);
                // The job is one, however often it was begun.
                let before = self.brought_before(job, began)?;
                let counts = [
                    ("files", summary.files),
                    ("records", summary.records + before.records),
                    ("quarantined", summary.quarantined + before.quarantined),
                    ("documents", summary.documents + before.documents),
                    ("duplicates", summary.duplicates.saturating_sub(before.whole)),
                    ("removed", summary.removed + before.removed),
                    ("bytes_in", summary.bytes_in + before.bytes_in),
                ];
                carried.done(stage, since(self), &counts);
            }
            Stage::Extracting => {
                let summary = self.graph_build(progress, cancel)?;
                stop_if(summary.cancelled)?;
                carried.fail(stage, &summary.failures);
                let counts = [
                    ("documents_read", summary.read),
                    ("sections", summary.sections),
                    ("pending_references", summary.pending_references),
                ];
                carried.done(stage, since(self), &counts);
            }
            Stage::Graphing => {
                let snapshot = self.snapshot()?;
                let graph = self.graph_counts(&snapshot, cancel)?;
                let counts: Vec<(&str, u64)> = graph
                    .iter()
                    .flat_map(|graph| &graph.counted)
                    .map(|(name, count)| (&**name, *count))
                    .collect();
                carried.done(stage, since(self), &counts);
            }
            Stage::Embedding if job.spec.options.embed && self.settings().index_on_ingest => {
                let summary = self.index_build(progress, cancel)?;
                stop_if(summary.cancelled)?;
                let counts = [
                    ("embedded", summary.embedded),
                    ("reused", summary.reused),
                    ("texts_in", summary.inserted + summary.changed),
                    ("texts_out", summary.deleted),
                ];
                carried.done(stage, since(self), &counts);
            }
            Stage::Embedding => {}
            Stage::Indexing => {
                let there = match self.index_status() {
                    Ok(reports) => reports.iter().map(|report| report.status.pointer.rows).max().unwrap_or(0),
                    Err(EngineError::Index(stele_index::IndexError::NoIndex { .. })) => 0,
                    Err(error) => return Err(error),
                };
                if job.spec.options.embed && self.settings().index_on_ingest {
                    self.follow_sinks(stage, carried, progress, cancel)?;
                }
                carried.done(stage, since(self), &[("texts", there)]);
            }
            Stage::Postchecks => {
                let report = self.job_report_until(facts(job, carried.state(), carried), cancel)?;
                // Whoever has the job by now has a newer one.
                cancel.check_commit()?;
                self.write_report(&report)?;
                let missing = report.drift.as_ref().map_or(0, |drift| drift.missing);
                let extra = report.drift.as_ref().map_or(0, |drift| drift.extra);
                carried.done(stage, since(self), &[("missing", missing), ("extra", extra)]);
            }
            Stage::Reporting => {
                let mut report = self.read_report(&job.id.to_string())?.map_or_else(
                    || self.job_report_until(facts(job, carried.state(), carried), cancel),
                    Ok,
                )?;
                carried.done(stage, since(self), &[]);
                report.stages.clone_from(&carried.stages);
                cancel.check_commit()?;
                self.write_report(&report)?;
            }
        }
        Ok(())
    }

    /// Brings the copies outside that follow the jobs up to the index and the graph. One that cannot be reached is
    /// an error of the job, and keeps the others and what is here from nothing.
    fn follow_sinks(
        &self,
        stage: Stage,
        carried: &mut Carried,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), EngineError> {
        let names = self.settings().sinks.iter().filter(|(_, sink)| sink.follow).map(|(name, _)| name);
        for name in names.take(SINKS_MAX) {
            match self.sink_sync(name, Opening::default(), progress, cancel) {
                Ok(report) => {
                    let SinkReport { name, written, removed, holds, write_seconds, .. } = report;
                    carried.sinks.retain(|known| known.name != name);
                    carried.sinks.push(JobSink { name, written, removed, holds, write_seconds });
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) if error.is_busy() || error.is_disk_full() => return Err(error),
                Err(error) => carried.error(stage, None, &format!("sink {name}: {}", in_full(&error))),
            }
        }
        Ok(())
    }

    /// Writes the report of a job that will not be done, with what is there all the same.
    pub(super) fn report_failure(
        &self,
        job: &Job,
        state: &str,
        carried: &Carried,
    ) -> Result<(), EngineError> {
        let report = self.job_report(facts(job, state, carried))?;
        self.write_report(&report)
    }

    /// The report of a job, as it was written when the job ended.
    ///
    /// # Errors
    ///
    /// If it cannot be read or understood. That there is none is no error.
    pub fn read_report(&self, job: &str) -> Result<Option<JobReport>, EngineError> {
        let Some(text) = self.report_text(job)? else { return Ok(None) };
        let damaged = |error: serde_json::Error| EngineError::Manifest {
            path: self.report_path(job),
            reason: error.to_string(),
        };
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    /// The same as the JSON in which it lies there.
    ///
    /// # Errors
    ///
    /// If it cannot be read. That there is none is no error.
    pub fn report_text(&self, job: &str) -> Result<Option<String>, EngineError> {
        let path = self.report_path(job);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", &path),
        }
    }

    fn report_path(&self, job: &str) -> PathBuf {
        self.report_dir(job).join("report.json")
    }

    /// The report of a job that has not written one, such as one that was cancelled while it waited.
    ///
    /// # Errors
    ///
    /// As [`Engine::job_report`].
    pub fn report_now(&self, job: &Job) -> Result<JobReport, EngineError> {
        let mut carried = Carried::default();
        if let Some(error) = &job.last_error {
            carried.error(error.stage, None, &error.message);
        }
        self.job_report(facts(job, job.state.name(), &carried))
    }

    fn write_report(&self, report: &JobReport) -> Result<(), EngineError> {
        let dir = self.report_dir(&report.job);
        make_dir_durably(self.data_dir(), &dir)?;
        let json = serde_json::to_vec_pretty(report)
            .map_err(|error| EngineError::Manifest { path: dir.clone(), reason: error.to_string() })?;
        write_durably(&dir.join("report.md"), report.to_markdown().as_bytes())?;
        // Last: who finds it finds the other one, too.
        write_durably(&dir.join("report.json"), &json)
    }

    fn report_dir(&self, job: &str) -> PathBuf {
        self.data_dir().join(REPORTS_DIR).join(job)
    }
}

/// Whether content may stand in `NAME.ready`: in directories in which watchers look for it.
fn mode_of(origin: &Origin, configured: &Configured) -> Mode {
    match origin {
        Origin::Watcher(name) => match configured.of(name) {
            Some(WatcherConfig::Spool(spool)) => spool.mode,
            Some(WatcherConfig::Http(_) | WatcherConfig::S3(_) | WatcherConfig::Notion(_)) => Mode::Direct,
            // One that somebody started by hand, in another process.
            None => Mode::Auto,
        },
        Origin::Cli | Origin::Http => Mode::Direct,
    }
}

fn stop_if(cancelled: bool) -> Result<(), EngineError> {
    if cancelled { Err(EngineError::Cancelled("the stage was done")) } else { Ok(()) }
}

fn facts(job: &Job, state: &str, carried: &Carried) -> ReportFacts {
    ReportFacts {
        job: job.id.to_string(),
        state: state.to_owned(),
        tag: job.spec.options.tag.clone(),
        origin: job.spec.origin.to_string(),
        submitted: job.submitted,
        started: job.started,
        attempts: job.attempts,
        targets: match job.spec.source_id() {
            Some(id) => vec![format!("{SCHEME}{id}")],
            None => job.spec.inputs.iter().map(|input| input.uri.clone()).collect(),
        },
        stages: carried.stages.clone(),
        errors: carried.errors.clone(),
        errors_more: carried.errors_more(),
        lake_version: carried.lake_version,
        sinks: carried.sinks.clone(),
        source: carried.source.clone(),
    }
}

/// A local input: what it is called is read from there, or from `NAME.ready` if a producer put it there whole
/// and later.
fn local(uri: &str, mode: Mode) -> Local {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    let content = content_of(Path::new(path), mode);
    if content == Path::new(path) {
        return Local::Target(path.to_owned());
    }
    let size_on_disk = content.metadata().map_or(0, |meta| meta.len());
    Local::Ready(Input { uri: path.to_owned(), path: Some(content), size_on_disk })
}

enum Local {
    Target(String),
    Ready(Input),
}
