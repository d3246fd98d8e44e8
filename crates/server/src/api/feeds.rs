//! What comes by itself: live captures and watchers, which are the service's own tenant's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::collecting::{CaptureCommand, CaptureSeen};
use stele_engine::jobs::{WatcherProblem, WatcherStatus};

use super::jobs::Nothing;
use crate::desk::{Call, Desk};
use crate::reply::{Cause, Refusal, fact};
use crate::tools::Tool;

/// Things in the way of a watcher that are told.
const PROBLEMS_SHOWN: usize = 20;

/// Captures that there are.
pub(crate) struct ListCaptures;

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CaptureList {
    /// By name; also those that have ended.
    captures: Vec<CaptureView>,
}

/// One capture.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CaptureView {
    name: String,
    /// Whether a process listens, or is held.
    running: bool,
    /// `connecting`, `listening`, `paused`, `held` or `ended`; null where it says nothing that can be read.
    state: Option<String>,
    /// Since when, in microseconds since 1970.
    since: Option<i64>,
    /// Why, where that is not as it should be.
    cause: Option<String>,
    /// What it listens to, without secrets.
    target: Option<String>,
    /// Messages that were received in this run, and their bytes.
    received: u64,
    received_bytes: u64,
    connections: u64,
    /// Gaps that were recorded, and messages that these lack as far as the feed's numbers tell.
    gaps: u64,
    missing: u64,
    dropped: u64,
    /// All lines up to this number are durable.
    durable_seq: u64,
    segments: u64,
    /// Whether it was told something that it has not obeyed yet.
    told: bool,
}

fn capture_view(seen: &CaptureSeen) -> CaptureView {
    let status = seen.status.as_ref();
    let counts = status.map(|status| status.counts).unwrap_or_default();
    let state = status.and_then(|status| serde_json::to_value(status.state).ok());
    CaptureView {
        name: fact(&seen.name),
        running: seen.is_running,
        state: state.and_then(|state| state.as_str().map(str::to_owned)),
        since: status.map(|status| status.since),
        cause: status.and_then(|status| status.cause.as_deref()).map(fact),
        target: status.map(|status| fact(&status.target)),
        received: counts.received,
        received_bytes: counts.received_bytes,
        connections: counts.connections,
        gaps: counts.gaps,
        missing: counts.missing,
        dropped: counts.dropped,
        durable_seq: status.map_or(0, |status| status.durable_seq),
        segments: counts.segments,
        told: seen.is_told,
    }
}

impl Tool for ListCaptures {
    const NAME: &'static str = "list_captures";
    const TITLE: &'static str = "List the live captures";
    const SAYS: &'static str = "Live captures of the data directory, whichever process runs them: what each does, and what it received and lacks.";
    type Arguments = Nothing;
    type Result = CaptureList;

    fn run(desk: &Desk, _call: &Call, _arguments: Nothing) -> Result<CaptureList, Refusal> {
        let seen = if desk.sources.is_own { desk.engine.captures()? } else { Vec::new() };
        Ok(CaptureList { captures: seen.iter().map(capture_view).collect() })
    }
}

/// Steers a capture.
pub(crate) struct ControlCapture;

/// Which, and what is asked of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlArguments {
    /// The name of the capture.
    name: String,
    /// `pause`, `resume`, `rotate` or `stop`.
    #[schemars(schema_with = "actions")]
    action: String,
}

fn actions(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": ["pause", "resume", "rotate", "stop"] })
}

/// What was told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ToldView {
    name: String,
    action: &'static str,
}

impl Tool for ControlCapture {
    const NAME: &'static str = "control_capture";
    const TITLE: &'static str = "Steer a live capture";
    const SAYS: &'static str = "Tells a capture that runs to pause, to resume, to complete its segment or to end. It obeys within a fraction of a \
        second, and GET /api/captures shows that. Needs a token that may run.";
    type Arguments = ControlArguments;
    type Result = ToldView;

    fn run(desk: &Desk, _call: &Call, arguments: ControlArguments) -> Result<ToldView, Refusal> {
        let command = CaptureCommand::from_name(&arguments.action).ok_or_else(|| {
            Refusal::new("There is no such action.")
                .why(fact(&arguments.action))
                .hint("`pause`, `resume`, `rotate` or `stop`")
        })?;
        if !desk.sources.is_own {
            return Err(Refusal::new("There is no such capture.").because(Cause::Missing));
        }
        desk.engine.tell_capture(&arguments.name, command)?;
        Ok(ToldView { name: fact(&arguments.name), action: command.name() })
    }
}

/// Watchers that run.
pub(crate) struct ListWatchers;

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WatcherList {
    /// By name; none where this service runs none.
    watchers: Vec<WatcherView>,
}

/// One watcher.
#[derive(Debug, Serialize, JsonSchema)]
struct WatcherView {
    name: String,
    /// `spool`, `http`, `s3` or `notion`.
    kind: String,
    /// What it watches.
    target: String,
    /// What it is doing.
    state: String,
    /// Since when, in microseconds since 1970.
    since: i64,
    /// When it last saw all that is there.
    last_scan: Option<i64>,
    /// When it looks again, at the latest.
    next_look: Option<i64>,
    /// Things that are there and could be handed over, as of the last look.
    seen: u64,
    /// Things that it remembers to have handed over and that are not gone.
    known: u64,
    /// Arrivals that were accepted since it was started.
    handed_over: u64,
    /// Things that are not ready yet.
    waiting: u64,
    ignored: u64,
    /// What is in the way of all of it.
    error: Option<String>,
    /// How often in a row it failed.
    failures: u32,
    /// What is in the way of single things; the first of them.
    problems: Vec<String>,
    problems_count: u64,
}

fn watcher_view(status: &WatcherStatus) -> WatcherView {
    let state = serde_json::to_value(status.state).unwrap_or_default();
    WatcherView {
        name: fact(&status.name),
        kind: status.kind.to_owned(),
        target: fact(&status.target),
        state: state.as_str().unwrap_or_default().to_owned(),
        since: status.since,
        last_scan: status.last_scan,
        next_look: status.next_look,
        seen: status.seen,
        known: status.known,
        handed_over: status.handed_over,
        waiting: status.waiting,
        ignored: status.ignored,
        error: status.error.as_ref().map(problem_text),
        failures: status.failures,
        problems: status.problems.iter().take(PROBLEMS_SHOWN).map(problem_text).collect(),
        problems_count: status.problems_count,
    }
}

fn problem_text(problem: &WatcherProblem) -> String {
    fact(&format!("{}: {}; {}", problem.name, problem.cause, problem.next_action))
}

impl Tool for ListWatchers {
    const NAME: &'static str = "list_watchers";
    const TITLE: &'static str = "List the watchers";
    const SAYS: &'static str = "Watchers that this service runs: what each watches, what it saw and handed over, and what is in its way.";
    type Arguments = Nothing;
    type Result = WatcherList;

    fn run(desk: &Desk, _call: &Call, _arguments: Nothing) -> Result<WatcherList, Refusal> {
        let statuses = desk.jobs.as_ref().map(|jobs| jobs.watchers()).unwrap_or_default();
        Ok(WatcherList { watchers: statuses.iter().map(watcher_view).collect() })
    }
}
