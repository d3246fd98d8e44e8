//! `GET /api/schemas`: the JSON Schema of events; and how they changed from one version of the lake to
//! another.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_engine::discovery::render::diff::{self, Change, Shape};
use stele_engine::discovery::render::schema::{self, SchemaOptions};
use stele_engine::discovery::render::to_text;
use stele_engine::lake::Snapshot;

use crate::desk::{Call, Desk};
use crate::limits::SCHEMA_BYTES_MAX;
use crate::reply::{Cause, Head, LimitReason, Refusal, fact};
use crate::tools::{Tool, arguments, event_named};

/// Versions that are listed for a choice: what one remembers of.
const VERSIONS_MAX: u64 = 20;

/// Changes that are told of one comparison.
const CHANGES_MAX: usize = 200;

/// Schemas of events.
pub(crate) struct Schemas;

/// Which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Only this event.
    event: Option<String>,
}

/// Schemas by the names of their events.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    #[serde(flatten)]
    head: Head,
    /// Events in the lake.
    events_total: usize,
    /// JSON Schema (draft 2020-12) by event, as many as fit, in the order of the names.
    schemas: BTreeMap<String, Value>,
}

impl Tool for Schemas {
    const NAME: &'static str = "schemas";
    const TITLE: &'static str = "Schemas of the events";
    const SAYS: &'static str = "The JSON Schema of every event, made from all of its records. Name an event for the schema of that one \
        alone; `truncated` says whether not all fitted.";
    type Arguments = Arguments;
    type Result = Found;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Found, Refusal> {
        let snapshot = desk.snapshot()?;
        let view = desk.view(&snapshot, call)?;
        let wanted: Vec<_> = match &arguments.event {
            Some(name) => vec![event_named(&view, arguments::said("event", name)?)?],
            None => view.events.iter().collect(),
        };
        let mut schemas = BTreeMap::new();
        let (mut bytes, mut reason) = (0, None);
        for event in &wanted {
            let text = to_text(|out| schema::write_event(out, event, &SchemaOptions::default()));
            bytes += text.len();
            if bytes > SCHEMA_BYTES_MAX {
                reason = Some(LimitReason::Bytes);
                break;
            }
            let schema = serde_json::from_str(&text).map_err(|error| {
                Refusal::new("A schema cannot be written.").because(Cause::Failed).why(error.to_string())
            })?;
            schemas.insert(event.name.clone(), schema);
        }
        if schemas.is_empty() && reason.is_some() {
            return Err(Refusal::new("The schema is larger than an answer may be.")
                .because(Cause::Limit)
                .hint("`stele schema export --output DIR` writes it"));
        }
        let head = Head::of(snapshot.version()).limited(reason);
        Ok(Found { head, events_total: view.events.len(), schemas })
    }
}

/// How the shape of events changed.
pub(crate) struct Drift;

/// Between which versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriftArguments {
    /// The older version of the lake; the one before the newest unless told otherwise.
    from: Option<u64>,
    /// The newer version; the newest unless told otherwise.
    to: Option<u64>,
}

/// What changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Drifted {
    #[serde(flatten)]
    head: Head,
    from: u64,
    to: u64,
    /// The worst of the changes: `BREAKING`, `WARNING` or `SAFE`; null if nothing changed.
    worst: Option<&'static str>,
    /// All changes.
    change_count: usize,
    /// The first of them, in the order of events and paths.
    changes: Vec<ChangeLine>,
    /// Versions that can be compared, the newest first.
    versions: Vec<Version>,
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
struct ChangeLine {
    event: String,
    /// The path in it; null for the event itself.
    path: Option<String>,
    severity: &'static str,
    /// Why it is a change, and what it breaks.
    why: String,
    before: String,
    after: String,
    /// `file:line` that shows it.
    evidence: Option<String>,
}

/// One version of the lake.
#[derive(Debug, Serialize, JsonSchema)]
struct Version {
    version: u64,
    /// Inputs and records in it; of all tenants where others have data in it, too.
    records: Option<u64>,
}

impl Tool for Drift {
    const NAME: &'static str = "schema_drift";
    const TITLE: &'static str = "How the events changed";
    const SAYS: &'static str = "Compares the shape of all events at two versions of the lake: events and fields that came or went, types \
        and values that changed, each with how bad that is for a program and the place that shows it.";
    type Arguments = DriftArguments;
    type Result = Drifted;

    fn run(desk: &Desk, call: &Call, arguments: DriftArguments) -> Result<Drifted, Refusal> {
        let newest = desk.snapshot()?;
        let to = arguments.to.unwrap_or(newest.version());
        let from = arguments.from.unwrap_or(to.saturating_sub(1));
        if from > to {
            return Err(Refusal::new("The older version is the newer one.").hint("from below to"));
        }
        let shape = |version: u64| -> Result<Shape, Refusal> {
            if version == newest.version() {
                return Ok(Shape::of(&*desk.view(&newest, call)?));
            }
            let snapshot = at(desk, version)?;
            Ok(Shape::of(&desk.engine.own_catalogue(&snapshot, &call.cancel())?.view()))
        };
        let found = diff::compare(&shape(from)?, &shape(to)?);
        let line = |change: &Change| ChangeLine {
            event: fact(&change.event),
            path: change.path.as_deref().map(fact),
            severity: change.rule.severity().name(),
            why: change.rule.text().to_owned(),
            before: fact(&change.before),
            after: fact(&change.after),
            evidence: change.evidence.as_deref().map(fact),
        };
        let reason = (found.changes.len() > CHANGES_MAX).then_some(LimitReason::Rows);
        Ok(Drifted {
            head: Head::of(newest.version()).limited(reason),
            from,
            to,
            worst: (!found.changes.is_empty()).then(|| found.worst().name()),
            change_count: found.changes.len(),
            changes: found.changes.iter().take(CHANGES_MAX).map(line).collect(),
            versions: versions(desk, &newest)?,
        })
    }
}

fn at(desk: &Desk, version: u64) -> Result<Snapshot, Refusal> {
    desk.engine.snapshot_at(version).map_err(|error| {
        Refusal::new(format!("There is no version {version} of the lake to compare."))
            .because(Cause::Missing)
            .why(error.to_string())
            .hint("a version that `versions` lists")
    })
}

fn versions(desk: &Desk, newest: &Snapshot) -> Result<Vec<Version>, Refusal> {
    let alone = desk.engine.is_alone(newest)?;
    let first = newest.version().saturating_sub(VERSIONS_MAX - 1);
    let known = |version: u64| {
        let snapshot = desk.engine.snapshot_at(version).ok()?;
        Some(Version { version, records: alone.then(|| snapshot.totals().records) })
    };
    Ok((first..=newest.version()).rev().map_while(known).collect())
}
