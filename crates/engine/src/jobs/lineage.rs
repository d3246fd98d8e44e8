//! What a job reads and writes, as lineage tells it.

use std::collections::BTreeMap;

use stele_jobs::{Context, Job, Progress, Stage, State};
use stele_telemetry::{Dataset, Run, RunState};

use super::report::utc;
use super::work::EngineWork;
use crate::answering::{graph_dir, index_dir};

/// Where the lake's records are, below the data directory.
const RECORDS: &str = "lake/events";

impl EngineWork {
    /// Tells it, if anybody listens. It waits for nothing.
    pub(super) fn tell(
        &self,
        state: RunState,
        job: &Job,
        context: &Context,
        (stage, counts): (Stage, &BTreeMap<String, u64>),
        error: Option<&str>,
    ) {
        let Some(lineage) = &self.environment.lineage else { return };
        let inputs = job.spec.inputs.iter().map(|input| Dataset {
            version: input.checksum.clone(),
            ..Dataset::at(input.uri.as_str())
        });
        let outputs = if state == RunState::Complete { self.outputs(job, counts) } else { Vec::new() };
        let run = Run {
            job: job.id.to_string(),
            attempt: job.attempts,
            claim: context.token(),
            name: format!("{}.ingest.{}", job.spec.options.tenant, job.spec.origin),
            stage: stage.name().to_owned(),
            tag: job.spec.options.tag.clone(),
            inputs: inputs.collect(),
            outputs,
            error: error.map(str::to_owned),
        };
        lineage.tell(state, &run, &utc(self.environment.clock.now()));
    }

    /// The attempt has ended, and its job is in this state.
    pub(super) fn tell_end(&self, job: &Job, context: &Context, state: State, failure: Option<&str>) {
        let what = match (state, failure) {
            (State::Done, _) => RunState::Complete,
            (_, Some(_)) => RunState::Fail,
            (_, None) => RunState::Abort,
        };
        let Progress { stage, counts, .. } = context.progress();
        self.tell(what, job, context, (stage, &counts), failure);
    }

    fn outputs(&self, job: &Job, counts: &BTreeMap<String, u64>) -> Vec<Dataset> {
        let (data_dir, tenant) = (&self.settings.data_dir, &job.spec.options.tenant);
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone());
        let at = |path: std::path::PathBuf, rows: &str| Dataset {
            rows: counts.get(rows).copied(),
            ..Dataset::at(path.display().to_string())
        };
        let version = self.engine(tenant).ok().and_then(|engine| engine.snapshot().ok());
        let version = version.map(|snapshot| snapshot.version().to_string());
        let records = Dataset { version, bytes: counts.get("bytes_in").copied(), ..at(data_dir.join(RECORDS), "records") };
        vec![records, at(graph_dir(&data_dir, tenant), "edges"), at(index_dir(&data_dir, tenant), "texts_in")]
    }
}
