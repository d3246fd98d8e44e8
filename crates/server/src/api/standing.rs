//! How a source stands: what runs, what the last run came to, what it may cost, what comes next.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use stele_engine::collecting::{Bound, ExpectedRun, Figures, LastRun, Level, SourceDesk, SourceEntry};
use stele_engine::jobs::{Input, Job};

use super::sources::REASON_BYTES;
use crate::desk::Desk;
use crate::reply::{Refusal, cut, fact};

/// Streams of a source that are told.
pub(super) const STREAMS_MAX: usize = 100;

/// One source.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SourceView {
    id: String,
    /// `rest`, `file`, `database`, `freshdesk`, `github_issues` or `socket`.
    kind: &'static str,
    enabled: bool,
    /// Lower goes first.
    priority: i64,
    /// From 0 to 1.
    trust_score: f64,
    tenant_id: Option<String>,
    /// `collecting`, `queued` or `paused` where a job is on its way; otherwise how the last run ended (`ok`, `partial`,
    /// `failed`, `cancelled`), `never` where there was none, or `disabled`.
    state: String,
    /// The job that is on its way; null where none is.
    job: Option<JobOfSource>,
    /// Jobs behind it.
    jobs_waiting: usize,
    last_run: Option<RunView>,
    /// How far each stream has come, as of the last run.
    cursors: Vec<CursorView>,
    /// Requests that it may make; empty where only the service's own limits hold it back.
    limits: Vec<LimitView>,
    budget: BudgetView,
    /// What the next run is likely to take; see `stele ingest --dry-run`.
    next_run: ExpectedView,
    /// Why the last run, or a stream of it, failed.
    last_error: Option<String>,
    next_step: String,
}

/// A job that collects a source.
#[derive(Debug, Serialize, JsonSchema)]
struct JobOfSource {
    id: String,
    state: &'static str,
    paused: bool,
    /// From 0 to 100.
    percent: f64,
    counts: BTreeMap<String, u64>,
    /// What it is at.
    message: String,
    cause: String,
}

/// The last run.
#[derive(Debug, Serialize, JsonSchema)]
struct RunView {
    /// In microseconds since 1970.
    began: i64,
    ended: i64,
    /// `ok`, `partial`, `failed` or `cancelled`.
    outcome: String,
    /// `records`, `unchanged`, `duplicates`, `rejected`, `quarantined`, `unavailable`, `calls`, `tokens`,
    /// `bytes_in`, `cost_microusd`.
    counts: BTreeMap<String, u64>,
}

/// How far a stream has come.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CursorView {
    stream: String,
    /// As JSON, cut where it is long.
    cursor: String,
}

/// So many requests in so long.
#[derive(Debug, Serialize, JsonSchema)]
struct LimitView {
    requests: u32,
    per_s: f64,
}

/// What it may cost, and what it did.
#[derive(Debug, Serialize, JsonSchema)]
struct BudgetView {
    /// `fine`, `warning` (70 % of a bound) or `critical` (90 %): of the bound that is nearest.
    level: &'static str,
    today_usd: f64,
    total_usd: f64,
    calls: u64,
    tokens: u64,
    bounds: Vec<BoundView>,
}

/// What the next run is likely to take. What nobody knows is null.
#[derive(Debug, Serialize, JsonSchema)]
struct ExpectedView {
    /// As many as half of the runs took that it is judged by.
    likely: Option<FiguresView>,
    /// As many as the largest of them took.
    most: Option<FiguresView>,
    /// Known where calls cost nothing, too.
    cost_usd: Option<f64>,
    /// What it is judged by, in words.
    basis: String,
    /// By the bound that is nearest.
    left_today_usd: f64,
    /// Null where a month has no bound.
    left_month_usd: Option<f64>,
    /// `ok`, `warning` (70 % of a bound would be spent), `critical` (90 %), or `stop`: it would not come to its end.
    level: &'static str,
    /// What would stop it, or may.
    why: Option<String>,
}

/// What a run takes.
#[derive(Debug, Serialize, JsonSchema)]
struct FiguresView {
    calls: u64,
    tokens: u64,
    records: u64,
    bytes: u64,
    cost_usd: f64,
}

/// One bound.
#[derive(Debug, Serialize, JsonSchema)]
struct BoundView {
    /// As the configuration names it: `daily_cost_threshold_usd`, `month_usd_max` …
    setting: &'static str,
    spent: f64,
    max: f64,
    level: &'static str,
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Fine => "fine",
        Level::Warning => "warning",
        Level::Critical => "critical",
    }
}

/// What a list of sources is made from.
pub(super) struct Looked<'a> {
    pub(super) desk: &'a Desk,
    pub(super) list: &'a SourceDesk<'a>,
    /// What was spent, by source.
    pub(super) cost: Value,
    /// Why the queue cannot be asked; nothing where it can.
    pub(super) queue_error: Option<String>,
}

impl Looked<'_> {
    pub(super) fn view(&mut self, source: &SourceEntry) -> Result<(SourceView, Option<LastRun>), Refusal> {
        let (job, jobs_waiting) = match self.jobs_of(source) {
            Ok(found) => found,
            // How a source stands is as true without it.
            Err(refusal) => {
                self.queue_error = Some(fact(refusal.reason().unwrap_or(refusal.what())));
                (None, 0)
            }
        };
        let last = self.list.last_run(&source.id)?;
        let failed_stream = last.iter().flat_map(|last| &last.streams).find(|one| one.outcome == "failed");
        let last_error = last.as_ref().and_then(|last| last.error.clone()).or_else(|| {
            failed_stream.map(|one| format!("{}: {}", one.stream, one.reason.as_deref().unwrap_or_default()))
        });
        let state = match (&job, &last) {
            (Some(job), _) if job.paused => "paused",
            (Some(job), _) if job.state == "queued" => "queued",
            (Some(_), _) => "collecting",
            (None, _) if !source.enabled => "disabled",
            (None, Some(last)) => last.outcome.as_str(),
            (None, None) => "never",
        };
        let budget = self.budget(source);
        let next_step = next_step(source, &job, last.as_ref(), &budget);
        let cursors = last.iter().flat_map(|last| &last.cursors).take(STREAMS_MAX);
        let view = SourceView {
            id: source.id.clone(),
            kind: source.kind.name(),
            enabled: source.enabled,
            priority: source.priority,
            trust_score: source.trust_score,
            tenant_id: source.tenant_id.clone(),
            state: state.to_owned(),
            job,
            jobs_waiting,
            last_run: last.as_ref().map(|last| RunView {
                began: last.began,
                ended: last.ended,
                outcome: fact(&last.outcome),
                counts: last.counts.iter().cloned().collect(),
            }),
            cursors: cursors.map(|(stream, cursor)| cursor_view(stream, cursor)).collect(),
            limits: source
                .rate_limit
                .iter()
                .map(|window| LimitView { requests: window.requests, per_s: window.per.as_secs_f64() })
                .collect(),
            budget,
            next_run: expected_view(self.list.expected_of(source)?),
            last_error: last_error.map(|why| cut(&why, REASON_BYTES).0),
            next_step,
        };
        Ok((view, last))
    }

    fn jobs_of(&self, source: &SourceEntry) -> Result<(Option<JobOfSource>, usize), Refusal> {
        let Some(jobs) = &self.desk.jobs else { return Ok((None, 0)) };
        let line = jobs.look(jobs.line(&Input::of_source(&source.id).uri))?;
        Ok(line.map_or((None, 0), |(first, waiting)| (Some(job_of_source(&first)), waiting)))
    }

    fn budget(&self, source: &SourceEntry) -> BudgetView {
        let bounds = self.list.bounds(source);
        let spent = &self.cost["by_source"][&source.id];
        let bound = |bound: &Bound| BoundView {
            setting: bound.setting,
            spent: bound.spent,
            max: bound.max,
            level: level_name(bound.level),
        };
        BudgetView {
            level: level_name(bounds.iter().map(|bound| bound.level).max().unwrap_or(Level::Fine)),
            // The first bound is that of the day, of which a new one may have begun since.
            today_usd: bounds.first().map_or(0.0, |bound| bound.spent),
            total_usd: spent["cost_usd"].as_f64().unwrap_or_default(),
            calls: spent["api_calls"].as_u64().unwrap_or_default(),
            tokens: spent["tokens"].as_u64().unwrap_or_default(),
            bounds: bounds.iter().map(bound).collect(),
        }
    }
}

fn expected_view(run: ExpectedRun) -> ExpectedView {
    let figures = |of: Figures| {
        let Figures { calls, tokens, records, bytes, cost_usd } = of;
        FiguresView { calls, tokens, records, bytes, cost_usd }
    };
    ExpectedView {
        likely: run.likely.map(figures),
        most: run.most.map(figures),
        cost_usd: run.cost_usd,
        basis: run.basis,
        left_today_usd: run.left_today_usd,
        left_month_usd: run.left_month_usd,
        level: run.level,
        why: run.why,
    }
}

fn job_of_source(job: &Job) -> JobOfSource {
    JobOfSource {
        id: job.id.to_string(),
        state: job.state.name(),
        paused: job.paused,
        percent: job.progress.percent,
        counts: job.progress.counts.clone(),
        message: fact(&job.progress.message),
        cause: fact(&job.cause),
    }
}

pub(super) fn cursor_view(stream: &str, cursor: &Value) -> CursorView {
    CursorView { stream: fact(stream), cursor: fact(&cursor.to_string()) }
}

/// What happens next with a source, by itself or by whom.
fn next_step(
    source: &SourceEntry,
    job: &Option<JobOfSource>,
    last: Option<&LastRun>,
    budget: &BudgetView,
) -> String {
    let run = format!("`stele ingest --source {}` collects what is new", source.id);
    match (job, last) {
        (Some(job), _) if job.paused => format!("`stele resume {}` goes on with it", job.id),
        (Some(job), _) => format!("none; job {} collects it", job.id),
        (None, _) if !source.enabled => {
            format!("`enabled = true` in the configuration lets it be collected with the others; {run}")
        }
        (None, _) if budget.level == "critical" => {
            format!("little of its budget is left; {run} as far as that goes")
        }
        (None, Some(last)) if matches!(last.outcome.as_str(), "failed" | "partial") => {
            format!("mend what the error names, `stele sources check {}` tries it; then {run}", source.id)
        }
        (None, _) => run,
    }
}
