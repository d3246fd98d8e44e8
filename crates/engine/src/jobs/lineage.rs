//! What a job reads and writes, as lineage tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stele_jobs::{Context, End, Input, Job, Stage, State};
use stele_lake::Table;
use stele_telemetry::{Dataset, Run, RunState};

use super::report::utc;
use super::work::EngineWork;
use crate::answering::{graph_dir, index_dir};

impl EngineWork {
    /// A worker has taken the job, or begins this stage of it. It waits for nothing.
    pub(super) fn tell(&self, state: RunState, job: &Job, context: &Context) {
        let stage = context.progress().stage;
        self.tell_run(state, job, context, stage, |_| ());
    }

    /// The attempt has ended.
    pub(super) fn tell_end(&self, job: &Job, context: &Context, end: End<'_>) {
        let state = match (end.state, end.failure) {
            (State::Done, _) => RunState::Complete,
            (_, Some(_)) => RunState::Fail,
            (_, None) => RunState::Abort,
        };
        let progress = context.progress();
        self.tell_run(state, job, context, progress.stage, |run| {
            run.error = end.failure.map(str::to_owned);
            if state == RunState::Complete {
                let version = end.result.and_then(|result| result["lake_version"].as_u64());
                run.outputs = self.outputs(job, version, &progress.counts);
            }
        });
    }

    fn tell_run(
        &self,
        state: RunState,
        job: &Job,
        context: &Context,
        stage: Stage,
        and: impl FnOnce(&mut Run),
    ) {
        let Some(lineage) = &self.environment.lineage else { return };
        let input =
            |input: &Input| Dataset { version: input.checksum.clone(), ..Dataset::at(input.uri.as_str()) };
        let mut run = Run {
            job: job.id.to_string(),
            attempt: job.attempts,
            claim: context.token(),
            name: format!("{}.ingest.{}", job.spec.options.tenant, job.spec.origin),
            stage: stage.name().to_owned(),
            tag: job.spec.options.tag.clone(),
            inputs: job.spec.inputs.iter().map(input).collect(),
            outputs: Vec::new(),
            error: None,
        };
        and(&mut run);
        lineage.tell(state, &run, &utc(self.environment.clock.now()));
    }

    fn outputs(&self, job: &Job, version: Option<u64>, counts: &BTreeMap<String, u64>) -> Vec<Dataset> {
        let (data_dir, tenant) = (&self.settings.data_dir, &job.spec.options.tenant);
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone());
        let at = |path: PathBuf, rows: &str| Dataset {
            rows: counts.get(rows).copied(),
            ..Dataset::at(path.display().to_string())
        };
        let records = Dataset {
            version: version.map(|version| version.to_string()),
            bytes: counts.get("bytes_in").copied(),
            ..at(Table::Events.dir(&data_dir), "records")
        };
        vec![records, at(graph_dir(&data_dir, tenant), "edges"), at(index_dir(&data_dir, tenant), "texts_in")]
    }
}
