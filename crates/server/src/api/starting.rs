//! How jobs come into the queue over HTTP: what they name has to be allowed first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::jobs::{Duplicate, Input, Options, Origin, Spec, inputs_of_targets};

use super::jobs::queue;
use crate::desk::{Call, Desk};
use crate::jobs::Jobs;
use crate::reply::{Refusal, fact};
use crate::tools::Tool;

/// Bytes of a file that is read for a checksum while its sender waits. What of a larger one was done before is
/// found out when the job is done.
const SUMMED_BYTES_MAX: u64 = 256 << 20;

/// Starts an ingest.
pub(crate) struct IngestStart;

/// Of what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartArguments {
    /// Files and directories of the machine that the service runs on, as absolute paths below a directory
    /// that it was allowed (`--allow-root`).
    #[serde(default)]
    targets: Vec<String>,
    /// A source of the configuration, in the place of targets: what is new of it is collected.
    source: Option<String>,
    /// Every source that is enabled, in the place of targets: a job each.
    #[serde(default)]
    all_sources: bool,
    /// With `all_sources`: those of this priority or before it.
    priority_threshold: Option<i64>,
    /// A word to find the job by.
    tag: Option<String>,
    /// Whether texts are to get vectors; they do unless told otherwise.
    #[serde(default = "yes")]
    embed: bool,
    /// Whether inputs that were done before are done again.
    #[serde(default)]
    force: bool,
    /// Not here: what the next run of a source is likely to take stands in `next_run` of GET /api/sources/{id}.
    #[serde(default)]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

/// What was queued.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Queued {
    /// The jobs; none where everything is done already or on its way.
    job_ids: Vec<String>,
    /// Inputs that were left out.
    duplicates: Vec<DuplicateView>,
}

/// An input that needs no job.
#[derive(Debug, Serialize, JsonSchema)]
struct DuplicateView {
    uri: String,
    /// The job that did it or is to do it.
    job_id: String,
    /// Whether that is still to be done.
    in_flight: bool,
}

impl Tool for IngestStart {
    const NAME: &'static str = "ingest_start";
    const TITLE: &'static str = "Start an ingest";
    const SAYS: &'static str = "Queues files or directories of the service's machine, or sources of its configuration: one of `targets`, `source` \
        and `all_sources`. What was done before, or is on its way, is left out and named. Needs a token that may run.";
    type Arguments = StartArguments;
    type Result = Queued;

    fn run(desk: &Desk, _call: &Call, arguments: StartArguments) -> Result<Queued, Refusal> {
        let jobs = queue(desk)?;
        let StartArguments { targets, source, all_sources, priority_threshold, tag, embed, force, dry_run } =
            arguments;
        if dry_run {
            return Err(nothing_tried(source.as_deref(), all_sources));
        }
        if !all_sources && priority_threshold.is_some() {
            return Err(Refusal::new("`priority_threshold` says which of all sources are meant.")
                .hint("`all_sources` with it"));
        }
        match (targets.is_empty(), &source, all_sources) {
            (_, None, false) => submit(desk, jobs, vec![inputs(jobs, &targets)?], (tag, embed, force)),
            (true, Some(_), false) | (true, None, true) => {
                let inputs = super::sources::inputs(desk, source.as_deref(), priority_threshold)?;
                // Each has a line of its own.
                let each = inputs.into_iter().map(|input| vec![input]).collect();
                submit(desk, jobs, each, (tag, embed, force))
            }
            _ => Err(Refusal::new("More than one thing is to be started.")
                .hint("one of `targets`, `source` and `all_sources`")),
        }
    }
}

/// A job is work: what it would take is asked elsewhere.
fn nothing_tried(source: Option<&str>, all_sources: bool) -> Refusal {
    let refusal = Refusal::new("A job is no dry run; nothing was queued.");
    match (source, all_sources) {
        (Some(id), _) => refusal.hint(format!("`next_run` of GET /api/sources/{}", fact(id))),
        (None, true) => refusal.hint("`next_run` of each source that GET /api/sources lists"),
        (None, false) => {
            refusal.hint("`stele ingest --dry-run` with the targets, on the machine that they are on")
        }
    }
}

/// The inputs that targets name, each of which has to be allowed. A path that is not UTF-8 cannot be named.
fn inputs(jobs: &Jobs, targets: &[String]) -> Result<Vec<Input>, Refusal> {
    if targets.is_empty() {
        return Err(Refusal::new("There are no targets.").hint("absolute paths below an allowed directory"));
    }
    let mut inputs: Vec<Input> = Vec::new();
    for target in targets {
        let path = jobs.roots.admit(target)?;
        let uri = path.to_str().ok_or_else(|| {
            Refusal::new("A target is not UTF-8.")
                .why(fact(target))
                .hint("`stele ingest` on the command line")
        })?;
        let is_small = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= SUMMED_BYTES_MAX);
        let found = if is_small { inputs_of_targets(&[uri.to_owned()])? } else { vec![Input::unread(uri)] };
        for input in found {
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
    }
    Ok(inputs)
}

/// Takes a job.
pub(crate) struct SubmitJob;

/// What is to be done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmitArguments {
    /// The inputs, up to 50 at once.
    inputs: Vec<InputArgument>,
    /// A word to find the job by.
    tag: Option<String>,
    /// Whether texts are to get vectors; they do unless told otherwise.
    #[serde(default = "yes")]
    embed: bool,
    /// Whether inputs that were done before are done again.
    #[serde(default)]
    force: bool,
}

/// One input.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputArgument {
    /// An absolute path below a directory that the service was allowed.
    uri: String,
    /// What tells this state of it from others; its SHA-256 unless told otherwise.
    checksum: Option<String>,
}

impl Tool for SubmitJob {
    const NAME: &'static str = "submit_job";
    const TITLE: &'static str = "Queue a job";
    const SAYS: &'static str = "Queues inputs with the checksums by which they are known, so that what was done in that very state is left \
        out. Needs a token that may run.";
    type Arguments = SubmitArguments;
    type Result = Queued;

    fn run(desk: &Desk, _call: &Call, arguments: SubmitArguments) -> Result<Queued, Refusal> {
        let jobs = queue(desk)?;
        let mut all = Vec::new();
        for one in &arguments.inputs {
            for mut input in inputs(jobs, std::slice::from_ref(&one.uri))? {
                if one.checksum.is_some() {
                    input.checksum.clone_from(&one.checksum);
                }
                all.push(input);
            }
        }
        submit(desk, jobs, vec![all], (arguments.tag, arguments.embed, arguments.force))
    }
}

/// Queues a job for each of these lists of inputs.
fn submit(
    desk: &Desk,
    jobs: &Jobs,
    lists: Vec<Vec<Input>>,
    (tag, embed, force): (Option<String>, bool, bool),
) -> Result<Queued, Refusal> {
    let tenant = desk.engine.settings().tenant.clone();
    let options = Options { tag, embed, force, tenant, ..Options::default() };
    let duplicate = |one: &Duplicate| DuplicateView {
        uri: fact(&one.input.uri),
        job_id: one.of.to_string(),
        in_flight: one.in_flight,
    };
    let mut queued = Queued { job_ids: Vec::new(), duplicates: Vec::new() };
    for inputs in lists {
        let spec = Spec { inputs, options: options.clone(), origin: Origin::Http };
        let submitted = jobs.wait(jobs.queue.submit(spec))?;
        queued.job_ids.extend(submitted.job.iter().map(ToString::to_string));
        queued.duplicates.extend(submitted.duplicates.iter().map(duplicate));
    }
    Ok(queued)
}
