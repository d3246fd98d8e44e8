//! What jobs read and wrote, as events of OpenLineage: a START, and later a COMPLETE, FAIL or ABORT, of each
//! time that a worker had a job.
//!
//! A run has an id that follows from the job and the claim, so that an event that is told twice says the same of
//! the same run. The run of a worker that was killed has no end, as that of whoever else was killed.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use stele_http::{Client, Key, Pace, Secret};
use stele_model::id::IdHasher;

use crate::outbox::{Destination, Outbox, QUEUE_MAX, Told};
use crate::{LineageConfig, PRODUCER, TelemetryError};

/// Which form the events have.
const EVENT_SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// Where the facets that we use are described.
const FACETS: &str = "https://openlineage.io/spec/facets";

/// Inputs that one event names; of more, the rest is counted in the facet of the job.
const INPUTS_MAX: usize = 1_000;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It began.
    Start,
    /// It goes on, with the next stage.
    Running,
    /// It did all that it was to do.
    Complete,
    /// It did not work.
    Fail,
    /// Somebody did not want it any more.
    Abort,
}

impl RunState {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Fail => "FAIL",
            Self::Abort => "ABORT",
        }
    }
}

/// Something that is read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its address: a path, or `s3://…`, `https://…`.
    pub uri: String,
    /// Which state of it: a checksum, or the version of a table.
    pub version: Option<String>,
    /// Rows that were written into it, where that is known.
    pub rows: Option<u64>,
    /// Bytes that were read from or written to it, where that is known.
    pub bytes: Option<u64>,
}

impl Dataset {
    /// One of which only the address is known.
    pub fn at(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), version: None, rows: None, bytes: None }
    }
}

/// An attempt at a job, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The name of the job in the queue.
    pub job: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What tells a claim of the job from every other one.
    pub claim: u64,
    /// What the job is one of, such as `default.ingest.watcher:inbox`: the same for all that do the same.
    pub name: String,
    /// The stage that it is at.
    pub stage: String,
    /// A word of the user's.
    pub tag: Option<String>,
    /// What is read.
    pub inputs: Vec<Dataset>,
    /// What is written.
    pub outputs: Vec<Dataset>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Tells the events.
pub struct Lineage {
    outbox: Outbox,
    namespace: String,
}

impl Lineage {
    /// Tells them where the configuration says; a relative file is below `base`. `key` is what the environment has
    /// for the service.
    ///
    /// # Errors
    ///
    /// A setting cannot be used, or there is no thread for it. Nothing is opened or asked yet.
    pub fn open(
        config: &LineageConfig,
        base: &Path,
        key: Option<Secret>,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, TelemetryError> {
        let destination = match (&config.file, &config.url) {
            (Some(file), _) => Destination::Lines(base.join(file)),
            (None, Some(url)) => Destination::Service {
                client: Box::new(Client::new(
                    url,
                    config.http.clone(),
                    key.map(Key::Bearer),
                    Arc::clone(&pace),
                )?),
                path: "/api/v1/lineage",
                // The interface takes one event a request.
                body: |mut events| events.pop().unwrap_or_default(),
                batch_max: 1,
            },
            (None, None) => {
                let reason = "neither `file` nor `url` is set; name one of them".to_owned();
                return Err(TelemetryError::Config { setting: "lineage", reason });
            }
        };
        let outbox = Outbox::start("lineage", destination, QUEUE_MAX, pace)?;
        Ok(Self { outbox, namespace: config.namespace.clone() })
    }

    /// Tells what became of a run; `time` is an instant as RFC 3339 writes it. It never waits.
    pub fn tell(&self, state: RunState, run: &Run, time: &str) {
        self.outbox.put(event(&self.namespace, state, run, time));
    }

    /// What became of the events so far.
    pub fn told(&self) -> Told {
        self.outbox.told()
    }
}

fn event(namespace: &str, state: RunState, run: &Run, time: &str) -> Value {
    let mut run_facets = Map::new();
    let version = env!("CARGO_PKG_VERSION");
    run_facets.insert(
        "processing_engine".to_owned(),
        facet("1-1-1/ProcessingEngineRunFacet.json", json!({ "name": "stele", "version": version })),
    );
    run_facets.insert(
        "stele_job".to_owned(),
        json!({
            "_producer": PRODUCER,
            "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet",
            "job": run.job,
            "attempt": run.attempt,
            "stage": run.stage,
            "tag": run.tag,
            "inputs_total": run.inputs.len(),
        }),
    );
    if let Some(error) = &run.error {
        let error = json!({ "message": error, "programmingLanguage": "Rust" });
        run_facets.insert("errorMessage".to_owned(), facet("1-0-1/ErrorMessageRunFacet.json", error));
    }
    let kind = json!({ "processingType": "BATCH", "integration": "STELE", "jobType": "JOB" });
    json!({
        "eventType": state.name(),
        "eventTime": time,
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
        "run": { "runId": run_id(&run.job, run.claim), "facets": run_facets },
        "job": {
            "namespace": namespace,
            "name": run.name,
            "facets": { "jobType": facet("2-0-3/JobTypeJobFacet.json", kind) },
        },
        "inputs": run.inputs.iter().take(INPUTS_MAX).map(input).collect::<Vec<_>>(),
        "outputs": run.outputs.iter().map(output).collect::<Vec<_>>(),
    })
}

fn facet(schema: &str, mut body: Value) -> Value {
    body["_producer"] = PRODUCER.into();
    body["_schemaURL"] = format!("{FACETS}/{schema}").into();
    body
}

fn input(dataset: &Dataset) -> Value {
    let mut value = named(dataset);
    if dataset.rows.is_some() || dataset.bytes.is_some() {
        let numbers = counted(dataset, "rowCount", "size");
        value["inputFacets"] =
            json!({ "inputStatistics": facet("1-0-0/InputStatisticsInputDatasetFacet.json", numbers) });
    }
    value
}

fn output(dataset: &Dataset) -> Value {
    let mut value = named(dataset);
    if dataset.rows.is_some() || dataset.bytes.is_some() {
        let numbers = counted(dataset, "rowCount", "size");
        value["outputFacets"] =
            json!({ "outputStatistics": facet("1-0-2/OutputStatisticsOutputDatasetFacet.json", numbers) });
    }
    value
}

fn counted(dataset: &Dataset, rows: &str, bytes: &str) -> Value {
    let mut numbers = Map::new();
    numbers.extend(dataset.rows.map(|count| (rows.to_owned(), count.into())));
    numbers.extend(dataset.bytes.map(|count| (bytes.to_owned(), count.into())));
    Value::Object(numbers)
}

/// A dataset under the names that everybody gives it, so that what others say of it is about the same.
fn named(dataset: &Dataset) -> Value {
    let (namespace, name) = match dataset.uri.split_once("://") {
        None => ("file".to_owned(), dataset.uri.as_str()),
        Some(("file", path)) => ("file".to_owned(), path),
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            // Who may ask is nobody's business.
            let host = host.rsplit('@').next().unwrap_or(host);
            let path = path.split(['?', '#']).next().unwrap_or(path);
            (format!("{scheme}://{host}"), path)
        }
    };
    let mut value = json!({ "namespace": namespace, "name": if name.is_empty() { "/" } else { name } });
    if let Some(version) = &dataset.version {
        let version = json!({ "datasetVersion": version });
        value["facets"] = json!({ "version": facet("1-0-1/DatasetVersionDatasetFacet.json", version) });
    }
    value
}

/// A name for the run in the form that is asked for: a UUID of the eighth version, which is made of whatever its
/// maker likes.
fn run_id(job: &str, claim: u64) -> String {
    let mut bytes = IdHasher::new("lineage run").part(job.as_bytes()).part(&claim.to_le_bytes()).finish();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = stele_model::id::to_hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
