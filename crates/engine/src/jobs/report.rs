//! What a job came to: which inputs, what became of them, whether all of it can be found, and whether
//! somebody can ask.
//!
//! Every number in it is taken from what lies on the disk at the end, not from what the job believes to
//! have done; those of the graph are counted twice, by readers that share no code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stele_jobs::Stage;
use stele_lake::sql::{Params, SqlOptions, output};
use stele_lake::{LakeError, Snapshot};
use stele_model::error::in_full;
use stele_model::{FileEntry, FileState, Ledger, Micros};

use super::sourced::JobSource;
use crate::EngineError;
use crate::answering::{DRIFT_MAX, Ready, SampleQuery, VerifyReport};
use crate::collecting::SCHEME;
use crate::engine::Engine;
use crate::progress::Cancel;

/// The version of the report's form; `docs/formats/job_report.schema.json` describes it.
pub const REPORT_VERSION: u32 = 1;

/// Inputs that a report names: as many as a job may list. Of a directory with more, the rest is counted.
const INPUTS_NAMED_MAX: usize = 1_000;

/// Errors that a report tells: beyond it they are the same one, and counted.
const ERRORS_NAMED_MAX: usize = 100;

/// What a count in SQL may hold in memory: it reads no column, so this is for the list of parts.
const COUNT_MEMORY_BYTES: u64 = 256 << 20;

/// How often the graph is counted when a new version of it comes each time meanwhile. A version takes seconds to make and
/// is counted in less, so that it is a fault if that is not enough.
const COUNT_TRIES_MAX: u32 = 5;

/// What a job came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    /// See [`REPORT_VERSION`].
    pub report_version: u32,
    /// The job's name.
    pub job: String,
    /// `done`, `failed`, `cancelled` or `dead`.
    pub state: String,
    /// A word of the user's.
    pub tag: Option<String>,
    /// Whose data it is.
    pub tenant: String,
    /// Who asked: `cli`, `http` or `watcher:NAME`.
    pub origin: String,
    /// When it was submitted, in UTC.
    pub submitted: String,
    /// When it was first begun.
    pub started: Option<String>,
    /// When this was written.
    pub reported: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// The first of the inputs, in order of their names.
    pub inputs: Vec<ReportInput>,
    /// How many there are.
    pub inputs_total: u64,
    /// What each stage did and how long it took, in order.
    pub stages: Vec<StageReport>,
    /// The version of the lake that all of this is about.
    pub lake_version: Option<u64>,
    /// Where the bytes of these inputs are.
    pub ledger: Ledger,
    /// Where the bytes of the tenant's whole lake are.
    pub lake_ledger: Ledger,
    /// Whether no byte of either is missing.
    pub balanced: bool,
    /// What was collected, where the job is a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<JobSource>,
    /// What is in the graph; nothing where there is none.
    pub graph: Option<GraphCounts>,
    /// What is in the index; nothing where there is none.
    pub vectors: Option<VectorCounts>,
    /// How far index and lake are apart, before anything is mended; nothing where there is no index.
    pub drift: Option<Drift>,
    /// Copies outside that follow the jobs, and what became of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<JobSink>,
    /// The questions that somebody configured, and what they found.
    pub sample_queries: Vec<SampleQuery>,
    /// What went wrong, worst first; more may have.
    pub errors: Vec<StageError>,
    /// How many there are.
    pub errors_total: u64,
    /// Whether somebody can ask.
    pub ready_for_queries: Ready,
    /// Why it is not `yes`.
    pub reasons: Vec<String>,
}

/// One input of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportInput {
    /// Where it was read from.
    pub uri: String,
    /// SHA-256 of the content that was read, hexadecimal; nothing if nothing was.
    pub sha256: Option<String>,
    /// `complete`, `partial`, `duplicate`, `gone`, or `absent` where the lake knows nothing of it.
    pub state: String,
    /// How it was read.
    pub format: Option<String>,
    /// Where its bytes are.
    pub ledger: Ledger,
}

/// What a stage did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Its name.
    pub stage: String,
    /// From start to end, in seconds.
    pub seconds: f64,
    /// What it counted.
    pub counts: BTreeMap<String, u64>,
}

/// A copy outside that a job brought up to date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSink {
    /// Its name.
    pub name: String,
    /// What was written.
    pub written: u64,
    /// What was removed.
    pub removed: u64,
    /// Whether it held exactly what the lake came to.
    pub holds: bool,
    /// Seconds that each batch took, of the first 200.
    pub write_seconds: Vec<f64>,
}

/// Something that went wrong and did not end the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageError {
    /// At which stage.
    pub stage: String,
    /// With which input; nothing if with none in particular.
    pub uri: Option<String>,
    /// Why, and what was kept.
    pub reason: String,
}

/// What is in the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphCounts {
    /// As the graph counts.
    pub counted: BTreeMap<String, u64>,
    /// As SQL counts the same files.
    pub recounted: BTreeMap<String, u64>,
    /// Whether the two agree.
    pub agrees: bool,
}

/// What is in the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorCounts {
    /// Texts that the lake comes to.
    pub wanted: u64,
    /// Texts that are in the index.
    pub texts: u64,
    /// Of these, those with a vector.
    pub vectors: u64,
    /// What made the vectors; nothing where there are none.
    pub model: Option<String>,
}

/// How far index and lake are apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Texts that are not in the index.
    pub missing: u64,
    /// Texts of the index that the lake does not come to.
    pub extra: u64,
    /// Texts that are there with other metadata.
    pub differing: u64,
    /// Texts that somebody else's job brought meanwhile, and that are not in the index yet.
    #[serde(default)]
    pub pending: u64,
    /// Their sum as a share of what is wanted.
    pub ratio: f64,
    /// The largest ratio that is ready.
    pub ratio_max: f64,
    /// Some of their ids.
    pub missing_ids: Vec<String>,
    /// Some of their ids.
    pub extra_ids: Vec<String>,
}

/// What a report is made from, beside the lake.
#[derive(Debug, Clone, Default)]
pub struct ReportFacts {
    /// The job's name.
    pub job: String,
    /// How it ends.
    pub state: String,
    /// A word of the user's.
    pub tag: Option<String>,
    /// Who asked.
    pub origin: String,
    /// When it was submitted.
    pub submitted: Micros,
    /// When it was first begun.
    pub started: Option<Micros>,
    /// Attempts that were made.
    pub attempts: u32,
    /// Its inputs: files, or directories of them.
    pub targets: Vec<String>,
    /// What the stages did.
    pub stages: Vec<StageReport>,
    /// What went wrong.
    pub errors: Vec<StageError>,
    /// What else went wrong and is only counted.
    pub errors_more: u64,
    /// Copies outside that were brought up to date.
    pub sinks: Vec<JobSink>,
    /// The version of the lake in which all of its inputs are; nothing if it is not known.
    pub lake_version: Option<u64>,
    /// What was collected, where the job is a source.
    pub source: Option<JobSource>,
}

impl Engine {
    /// The report of a job, taken from what lies on the disk now. What others brought since the job read its inputs
    /// is no reason for its verdict.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read. What follows from it and cannot be read is said in the report.
    pub fn job_report(&self, facts: ReportFacts) -> Result<JobReport, EngineError> {
        self.job_report_until(facts, &Cancel::default())
    }

    /// The same, for as long as nobody asks for the stop.
    pub(super) fn job_report_until(
        &self,
        facts: ReportFacts,
        cancel: &Cancel,
    ) -> Result<JobReport, EngineError> {
        let mut errors = facts.errors;
        let failed = |error: &EngineError| StageError {
            stage: Stage::Postchecks.name().to_owned(),
            uri: None,
            reason: in_full(error),
        };
        let snapshot = match self.snapshot() {
            Ok(snapshot) => Some(snapshot),
            // A job none of whose inputs could be read may have made no lake.
            Err(EngineError::Lake(LakeError::NoLake { .. })) => None,
            Err(error) => return Err(error),
        };
        let ground = snapshot.as_ref().map(|_| self.ground(facts.lake_version)).transpose();
        let ground = ground.unwrap_or_else(|error| {
            errors.insert(0, failed(&error));
            None
        });
        let snapshot = ground.as_ref().map(|ground| ground.now.clone()).or(snapshot);
        let entries = snapshot.as_ref().map(|snapshot| snapshot.files()).transpose()?.unwrap_or_default();
        let entries = self.own(entries);
        let mut lake_ledger = Ledger::default();
        if let Some(snapshot) = &snapshot {
            lake_ledger = self.own_ledger(snapshot)?;
        }
        let inputs = inputs_of(&facts.targets, &entries);
        let mut ledger = Ledger::default();
        inputs.iter().for_each(|input| ledger += input.ledger);
        let verified = ground.as_ref().map(|ground| self.verify_on(ground, cancel)).transpose();
        cancel.check("everything was compared")?;
        let verified = verified.unwrap_or_else(|error| {
            errors.insert(0, failed(&error));
            None
        });
        let graph = snapshot.as_ref().map(|snapshot| self.graph_counts(snapshot, cancel)).transpose();
        cancel.check("everything was counted")?;
        let graph = graph.map(Option::flatten).unwrap_or_else(|error| {
            errors.push(failed(&error));
            None
        });
        let model = ground.as_ref().and_then(|ground| ground.index.as_ref()?.pointer().spec.model.as_ref());
        let vectors = verified.as_ref().and_then(|verified| {
            let index = verified.index.as_ref()?;
            let vectors = if model.is_some() { index.rows } else { 0 };
            let model = model.map(|model| model.id.clone());
            Some(VectorCounts { wanted: index.wanted, texts: index.rows, vectors, model })
        });
        let balanced = ledger.balances() && lake_ledger.balances();
        let (ready_for_queries, reasons) =
            ready(&facts.state, verified.as_ref(), graph.as_ref(), balanced, &errors);
        let errors_total = errors.len() as u64 + facts.errors_more;
        errors.truncate(ERRORS_NAMED_MAX);
        Ok(JobReport {
            report_version: REPORT_VERSION,
            job: facts.job,
            state: facts.state,
            tag: facts.tag,
            tenant: self.settings().tenant.clone(),
            origin: facts.origin,
            submitted: utc(facts.submitted),
            started: facts.started.map(utc),
            reported: utc(self.now()),
            attempts: facts.attempts,
            inputs_total: inputs.len() as u64,
            inputs: inputs.into_iter().take(INPUTS_NAMED_MAX).collect(),
            stages: facts.stages,
            lake_version: snapshot.as_ref().map(Snapshot::version),
            ledger,
            lake_ledger,
            balanced,
            source: facts.source,
            graph,
            vectors,
            drift: verified.as_ref().and_then(drift_of),
            sinks: facts.sinks,
            sample_queries: verified.map(|verified| verified.sample_queries).unwrap_or_default(),
            errors,
            errors_total,
            ready_for_queries,
            reasons,
        })
    }

    /// The graph as it counts itself and as SQL counts its files. Another job may write a version in between; what was
    /// counted of two is no count.
    pub(super) fn graph_counts(
        &self,
        snapshot: &Snapshot,
        cancel: &Cancel,
    ) -> Result<Option<GraphCounts>, EngineError> {
        let version = || Ok::<_, EngineError>(self.graph(snapshot)?.map(|graph| graph.version().clone()));
        let mut tries = 1;
        loop {
            cancel.check("the graph was counted")?;
            let before = version()?;
            let counted = self.graph_counts_once(snapshot)?;
            if tries == COUNT_TRIES_MAX || before == version()? {
                return Ok(counted);
            }
            tries += 1;
        }
    }

    fn graph_counts_once(&self, snapshot: &Snapshot) -> Result<Option<GraphCounts>, EngineError> {
        let status = match self.graph_status() {
            Err(EngineError::NoGraph) => return Ok(None),
            status => status?,
        };
        let counted = BTreeMap::from([
            ("documents".to_owned(), status.documents),
            ("sections".to_owned(), status.sections),
            ("entities".to_owned(), status.entities),
            ("mentions".to_owned(), status.mentions),
            ("edges".to_owned(), status.edges),
        ]);
        let options = SqlOptions {
            memory_limit: COUNT_MEMORY_BYTES,
            threads: self.threads(),
            temp_dir: self.sql_temp_dir(),
        };
        let sql = self.sql(snapshot, &options)?;
        let mut recounted = BTreeMap::new();
        for view in counted.keys() {
            let mut rows =
                sql.query(&format!("SELECT count(*)::BIGINT AS n FROM {view}"), &Params::default())?;
            let columns = rows.columns().to_vec();
            let texts = rows.next_batch()?.map(|batch| output::texts(&batch, &columns)).transpose()?;
            let count = texts.and_then(|texts| texts.first()?.first()?.as_ref()?.parse().ok());
            recounted.insert(view.clone(), count.unwrap_or_default());
        }
        Ok(Some(GraphCounts { agrees: counted == recounted, counted, recounted }))
    }
}

/// What became of the inputs: a target is a file, or a directory of them.
fn inputs_of(targets: &[String], entries: &[FileEntry]) -> Vec<ReportInput> {
    let known: BTreeMap<String, &FileEntry> =
        entries.iter().map(|entry| (entry.uri.clone(), entry)).collect();
    let mut inputs: BTreeMap<String, ReportInput> = BTreeMap::new();
    for target in targets {
        let directory = format!("{target}/");
        let below = known.range(directory.clone()..).take_while(|(uri, _)| uri.starts_with(&directory));
        let mut met = false;
        for (uri, entry) in known.get_key_value(target).into_iter().chain(below) {
            met = true;
            inputs.insert(uri.clone(), input_of(entry));
        }
        // A source that had nothing new has no batch, and lacks none.
        if !met && !target.starts_with(SCHEME) {
            let absent = ReportInput {
                uri: target.clone(),
                sha256: None,
                state: "absent".to_owned(),
                format: None,
                ledger: Ledger::default(),
            };
            inputs.insert(target.clone(), absent);
        }
    }
    inputs.into_values().collect()
}

fn input_of(entry: &FileEntry) -> ReportInput {
    let state = match (entry.gone_at, entry.state) {
        (Some(_), _) => "gone",
        (None, FileState::Complete) => "complete",
        (None, FileState::Partial) => "partial",
        (None, FileState::Duplicate) => "duplicate",
    };
    ReportInput {
        uri: entry.uri.clone(),
        sha256: Some(entry.sha256.clone()),
        state: state.to_owned(),
        format: Some(entry.format.clone()),
        ledger: entry.ledger,
    }
}

fn drift_of(verified: &VerifyReport) -> Option<Drift> {
    let index = verified.index.as_ref()?;
    let names = |ids: &[stele_model::ChunkId]| ids.iter().map(ToString::to_string).collect();
    Some(Drift {
        missing: index.missing,
        extra: index.extra,
        differing: index.differing,
        pending: index.pending,
        ratio: index.drift,
        ratio_max: DRIFT_MAX,
        missing_ids: names(&index.missing_ids),
        extra_ids: names(&index.extra_ids),
    })
}

/// Whether somebody can ask: only what was looked at and found good is ready.
fn ready(
    state: &str,
    verified: Option<&VerifyReport>,
    graph: Option<&GraphCounts>,
    balanced: bool,
    errors: &[StageError],
) -> (Ready, Vec<String>) {
    let mut reasons: Vec<String> = Vec::new();
    if state != "done" {
        reasons.push(format!("the job is {state}"));
    }
    if let Some(error) = errors.first() {
        let more = if errors.len() > 1 { format!(", and {} more", errors.len() - 1) } else { String::new() };
        reasons.push(format!("{} failed: {}{more}", error.stage, error.reason));
    }
    if !balanced {
        reasons.push("bytes of the inputs are not accounted for: `stele doctor`".to_owned());
    }
    if let Some(graph) = graph.filter(|graph| !graph.agrees) {
        reasons.push(format!(
            "the graph counts {:?} and SQL counts {:?}: `stele graph rebuild`",
            graph.counted, graph.recounted
        ));
    }
    let wrong = !reasons.is_empty();
    let verdict = verified.map_or(Ready::Unverified, |verified| verified.ready_for_queries);
    reasons.extend(verified.into_iter().flat_map(|verified| verified.reasons.iter().cloned()));
    if verified.is_none() && !wrong {
        reasons.push("nothing could be compared".to_owned());
    }
    (if wrong { Ready::No } else { verdict }, reasons)
}

/// An instant for people and programs.
pub(super) fn utc(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}
