//! `GET /api/metrics/summary`: the numbers of the overview, and what of the metrics is read from the lake.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::EngineError;
use stele_engine::lake::sql::Params;
use stele_model::Ledger;

use crate::desk::{Call, Desk, rows};
use crate::metrics::{Family, Metrics};
use crate::reply::Refusal;
use crate::tools::Tool;

/// Hours of the record of ingests: a day and a night.
const HOURS: usize = 24;

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// Reasons of quarantine that have a series of their own.
const REASONS_MAX: usize = 20;

/// The numbers of the overview.
pub(crate) struct Summary;

/// Nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {}

/// The numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Numbers {
    /// The version of the lake; null if there is none.
    pub(crate) lake_version: Option<u64>,
    pub(crate) records: u64,
    pub(crate) inputs: usize,
    pub(crate) bytes_in: u64,
    pub(crate) rejected_lines: u64,
    /// Whether every byte that was read is accounted for.
    pub(crate) balances: bool,
    /// When the newest input was read, in microseconds since 1970.
    pub(crate) last_ingest: Option<i64>,
    /// Records and bytes that were read in each of the last 24 hours, the oldest first.
    pub(crate) hours: Vec<Hour>,
    /// Searches that were answered since the service started.
    pub(crate) searches: u64,
    /// The time below which half of them, and 95 of a hundred, were answered, in milliseconds.
    pub(crate) search_ms_p50: Option<f64>,
    pub(crate) search_ms_p95: Option<f64>,
    /// Requests that were answered since the service started.
    pub(crate) requests: u64,
}

/// What was read in an hour.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Hour {
    /// When it began, in microseconds since 1970.
    pub(crate) from: i64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Tool for Summary {
    const NAME: &'static str = "metrics_summary";
    const TITLE: &'static str = "The numbers of the overview";
    const SAYS: &'static str = "How much is in the lake, how much came in each of the last 24 hours, and how fast questions were \
        answered. `/metrics` has all numbers, for Prometheus.";
    type Arguments = Arguments;
    type Result = Numbers;

    fn run(desk: &Desk, _call: &Call, _arguments: Arguments) -> Result<Numbers, Refusal> {
        numbers(desk)
    }
}

/// The numbers of now. Where there is no lake yet, they are zero.
pub(crate) fn numbers(desk: &Desk) -> Result<Numbers, Refusal> {
    let metrics = &desk.metrics;
    let ms = |share: f64| Some(metrics.quantile(Family::Search, share)?.as_secs_f64() * 1000.0);
    let mut numbers = Numbers {
        lake_version: None,
        records: 0,
        inputs: 0,
        bytes_in: 0,
        rejected_lines: 0,
        balances: true,
        last_ingest: None,
        hours: hours_until(desk.engine.now()),
        searches: searches(metrics) as u64,
        search_ms_p50: ms(0.5),
        search_ms_p95: ms(0.95),
        requests: metrics.total(Family::Requests) as u64,
    };
    let snapshot = match desk.engine.snapshot() {
        Ok(snapshot) => snapshot,
        Err(EngineError::Lake(stele_engine::lake::LakeError::NoLake { .. })) => return Ok(numbers),
        Err(error) => return Err(error.into()),
    };
    let ledger = desk.engine.own_ledger(&snapshot)?;
    numbers.lake_version = Some(snapshot.version());
    numbers.records = desk.records(&snapshot)?;
    numbers.inputs = desk.inputs(&snapshot)?.len();
    (numbers.bytes_in, numbers.rejected_lines) = (ledger.bytes_in, ledger.quarantined);
    numbers.balances = ledger.balances();
    let first = numbers.hours.first().map_or(0, |hour| hour.from);
    let mut before: BTreeMap<_, Ledger> = BTreeMap::new();
    let history = snapshot.shared_history().map_err(EngineError::from)?;
    for entry in history.iter().filter(|entry| entry.tenant == desk.engine.settings().tenant) {
        numbers.last_ingest = numbers.last_ingest.max(Some(entry.updated_at));
        // Each entry says how far its input has come, so what came is the difference to the one before.
        let known = before.insert(entry.file_id, entry.ledger).unwrap_or_default();
        let hour = entry.updated_at.checked_sub(first).map(|since| since.div_euclid(HOUR));
        if let Some(hour) = hour.and_then(|hour| numbers.hours.get_mut(usize::try_from(hour).ok()?)) {
            hour.records += entry.ledger.records.saturating_sub(known.records);
            hour.bytes += entry.ledger.bytes_in.saturating_sub(known.bytes_in);
        }
    }
    Ok(numbers)
}

fn hours_until(now: i64) -> Vec<Hour> {
    let this = now.div_euclid(HOUR) * HOUR;
    let hour = |ago: usize| Hour { from: this - ago as i64 * HOUR, ..Hour::default() };
    (0..HOURS).rev().map(hour).collect()
}

fn searches(metrics: &Metrics) -> f64 {
    metrics.total(Family::Search)
}

/// Brings what is read from the lake up to it. What cannot be read of the lake stays as it was; readiness says why.
pub(crate) fn refresh(desk: &Desk, call: &Call) {
    let queue = desk.jobs.as_ref().map(|jobs| {
        jobs.measure(&desk.metrics, desk.engine.now())?;
        // Those for which there is no time are counted the next time.
        while !call.is_stopped() {
            let ended = jobs.ended()?;
            if ended.is_empty() {
                break;
            }
            for ending in ended {
                // What ended, and not what is listed as ended: jobs are retried, and forgotten.
                desk.metrics.add(Family::Jobs, &[ending.state.name()], 1.0);
                reported(desk, &ending.job.to_string());
            }
        }
        Ok::<(), Refusal>(())
    });
    if let Some(Err(refusal)) = queue {
        // Jobs that ended stay counted; how many wait nobody knows.
        desk.metrics.clear(Family::QueueDepth);
        tracing::debug!(reason = refusal.text(), "the numbers of the queue are not known");
    }
    if let Err(refusal) = read(desk, call) {
        tracing::debug!(reason = refusal.text(), "the numbers of the lake stay as they were");
    }
}

/// What the report of a job that ended says about its stages, and about the index as it left it.
fn reported(desk: &Desk, job: &str) {
    let Ok(Some(report)) = desk.engine.read_report(job) else { return };
    for stage in &report.stages {
        let time = Duration::try_from_secs_f64(stage.seconds).unwrap_or_default();
        desk.metrics.observe(Family::Stage, &[&stage.stage], time);
    }
    for sink in &report.sinks {
        for seconds in &sink.write_seconds {
            let time = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
            desk.metrics.observe(Family::Sink, &[&sink.name], time);
        }
    }
    if let Some(drift) = &report.drift {
        desk.metrics.set(Family::Drift, &[], drift.ratio);
    }
}

fn read(desk: &Desk, call: &Call) -> Result<(), Refusal> {
    let snapshot = desk.snapshot()?;
    let metrics = &desk.metrics;
    let ledger = desk.engine.own_ledger(&snapshot)?;
    metrics.set(Family::LakeRecords, &[], desk.records(&snapshot)? as f64);
    metrics.set(Family::Bytes, &[], ledger.bytes_in as f64);
    for (outcome, count) in [
        ("accepted", ledger.records),
        ("rejected", ledger.quarantined),
        ("control", ledger.control),
        ("blank", ledger.blank),
    ] {
        metrics.set(Family::Records, &[outcome], count as f64);
    }
    if desk.counted_reasons(&snapshot) {
        return Ok(());
    }
    let sql = desk.sql(&snapshot, call)?;
    let query = "SELECT coalesce(reason, 'unknown'), count(*) FROM quarantine GROUP BY 1 ORDER BY 2 DESC, 1";
    let found = rows(&sql, query, &Params::none())?;
    metrics.clear(Family::Quarantined);
    for (number, row) in found.iter().enumerate() {
        if let [Some(reason), Some(count)] = &row[..] {
            let reason = if number < REASONS_MAX { reason } else { "other" };
            metrics.add(Family::Quarantined, &[reason], count.parse().unwrap_or_default());
        }
    }
    desk.note_reasons(&snapshot);
    Ok(())
}
