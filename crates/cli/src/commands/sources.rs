//! `stele sources`, and `stele ingest --source`: what is no file.

use serde_json::{Value, json};
use stele_engine::collecting::{Checked, CollectError, Figures, SourceDesk, SourceProblem, SourceRun};
use stele_engine::jobs::{Input, Options};
use stele_engine::{Cancel, EngineError, NoProgress};
use stele_model::ErrorKind;
use stele_model::error::in_full;

use super::{Context, index, jobs, purge, summarise, variable};
use crate::args::{Collecting, QueueArgs, SourcesAction, StateAction};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// What is shown where nothing is known.
const UNKNOWN: &str = "unknown";

/// The value of an environment variable that is text.
pub fn text_of(name: &str) -> Option<String> {
    variable(name)?.into_string().ok().filter(|value| !value.is_empty())
}

/// The same for whoever asks no source: keys need not be there.
pub fn keyless(name: &str) -> Option<String> {
    text_of(name).or_else(|| Some(String::new()))
}

/// Runs the command.
pub fn run(context: &Context, action: SourcesAction) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let desk = SourceDesk::open(&engine, &text_of)?;
    match action {
        SourcesAction::List => list(context, &desk),
        SourcesAction::Check { id } => check(context, &desk, id, &interrupt.cancel),
        SourcesAction::Preview { id, limit } => {
            let records = desk.preview(&id, limit, &interrupt.cancel)?;
            context.out.event("preview", &json!({ "source": id, "records": records }))?;
            context.out.text(records.iter().map(|record| format!("{record}\n")).collect::<String>())?;
            Ok(Exit::Done)
        }
        SourcesAction::Discover { id } => {
            let streams = desk.discover(&id, &interrupt.cancel)?;
            context.out.event("discover", &json!({ "source": id, "streams": streams }))?;
            let mut rows = Rows::new(["stream", "key", "cursor", ">fields"]);
            for stream in &streams {
                let cursor = stream.cursor.as_deref().unwrap_or("–");
                rows.row([&stream.name, &stream.key.join(", "), cursor, &stream.fields.len().to_string()]);
            }
            context.out.text(rows.to_string())?;
            Ok(Exit::Done)
        }
        SourcesAction::State { action: StateAction::Show { id } } => {
            let cursors = desk.state(&id)?;
            context.out.event("state", &json!({ "source": id, "cursors": cursors }))?;
            let mut text = String::new();
            for (stream, cursor) in cursors.iter() {
                text.push_str(&format!("{stream}  {cursor}\n"));
            }
            if text.is_empty() {
                text = "Nothing was collected of it yet.\n".to_owned();
            }
            context.out.text(text)?;
            Ok(Exit::Done)
        }
        SourcesAction::State { action: StateAction::Reset { id, stream } } => {
            let streams = desk.reset(&id, stream.as_deref(), &NoProgress, &interrupt.cancel)?;
            context.out.event("reset", &json!({ "source": id, "streams": streams }))?;
            context.out.text(match streams.as_slice() {
                [] => "It had not come anywhere: it begins with the next run.\n".to_owned(),
                streams => format!("{} begin anew with the next run.\n", streams.join(", ")),
            })?;
            Ok(Exit::Done)
        }
        SourcesAction::Cost { id } => cost(context, &desk, id.as_deref()),
        SourcesAction::Purge { id, confirm, backup } => {
            let how = purge::How { confirm: confirm.as_deref(), backup: backup.as_deref() };
            purge::purge(context, &engine, &id, &how, &interrupt.cancel)
        }
        SourcesAction::Restore { dir } => purge::restore(context, &engine, &dir, &interrupt.cancel),
        SourcesAction::Summarise { id } => summarise::run(context, &engine, &id, &interrupt.cancel),
    }
}

fn list(context: &Context, desk: &SourceDesk<'_>) -> Result<Exit, Failure> {
    let (config, unusable) = (desk.config(), desk.unusable());
    let sources: Vec<Value> = config
        .sources
        .iter()
        .map(|source| {
            let mut shown = source.shown();
            shown["usable"] = source.is_without(&unusable).into();
            shown
        })
        .collect();
    let problems: Vec<Value> = unusable.iter().map(|problem| problem_event(desk, problem)).collect();
    context.out.event(
        "sources",
        &json!({ "sources": sources, "problems": problems, "warnings": config.warnings }),
    )?;
    let mut rows = Rows::new(["source", "kind", ">priority", "enabled", ">trust"]);
    for source in &config.sources {
        let enabled = match (source.enabled, source.is_without(&unusable)) {
            (false, _) => "no",
            (true, true) => "yes",
            (true, false) => "cannot be used",
        };
        rows.row([
            source.id.as_str(),
            source.kind.name(),
            &source.priority.to_string(),
            enabled,
            &format!("{:.2}", source.trust_score),
        ]);
    }
    let mut text = match (config.sources.is_empty(), unusable.is_empty()) {
        (true, true) => "No source is configured: docs/guide/sources.md shows how.\n".to_owned(),
        (true, false) => String::new(),
        (false, _) => rows.to_string(),
    };
    for problem in &unusable {
        text.push_str(&problem_line(desk, problem));
        text.push('\n');
    }
    context.out.text(text)?;
    for warning in &config.warnings {
        context.out.remark(warning);
    }
    Ok(if unusable.is_empty() { Exit::Done } else { Exit::Config })
}

/// An entry that cannot be used: in which file, which one, and why.
fn problem_line(desk: &SourceDesk<'_>, problem: &SourceProblem) -> String {
    desk.list_file().map_or_else(|| problem.to_string(), |file| format!("{}: {problem}", file.display()))
}

/// The same for programs.
fn problem_event(desk: &SourceDesk<'_>, problem: &SourceProblem) -> Value {
    let file = desk.list_file().map(|file| file.display().to_string());
    json!({ "file": file, "index": problem.index, "source_id": problem.source_id, "why": problem.why })
}

fn check(
    context: &Context,
    desk: &SourceDesk<'_>,
    id: Option<String>,
    cancel: &Cancel,
) -> Result<Exit, Failure> {
    if let Some(id) = id {
        // Asked for alone, what is wrong with it is what went wrong.
        let checked = desk.check(&id, cancel)?;
        told(context, &id, &checked)?;
        return Ok(Exit::Done);
    }
    configured(desk)?;
    let unusable = desk.unusable();
    let mut failed = 0;
    for source in desk.config().due(None) {
        if !source.is_without(&unusable) {
            continue;
        }
        match desk.check(&source.id, cancel) {
            Ok(checked) => told(context, &source.id, &checked)?,
            Err(error) => {
                failed += 1;
                let why = in_full(&error);
                context.out.event("check", &json!({ "source": source.id, "ok": false, "error": why }))?;
                context.out.text(named(&source.id, &why) + "\n")?;
            }
        }
    }
    for problem in &unusable {
        let (source, why) = (&problem.source_id, problem_line(desk, problem));
        context.out.event("check", &json!({ "source": source, "ok": false, "error": why }))?;
        context.out.text(why + "\n")?;
    }
    for warning in &desk.config().warnings {
        context.out.remark(warning);
    }
    Ok(match (failed, unusable.is_empty()) {
        (0, true) => Exit::Done,
        (0, false) => Exit::Config,
        _ => Exit::Failure,
    })
}

fn told(context: &Context, id: &str, checked: &Checked) -> Result<(), Failure> {
    let Checked { identity, notes } = checked;
    context.out.event("check", &json!({ "source": id, "ok": true, "identity": identity, "notes": notes }))?;
    let who = identity.as_deref().map_or(String::new(), |who| format!(" as {who}"));
    let notes: String = notes.iter().map(|note| format!("  {note}\n")).collect();
    context.out.text(format!("{id}: ok{who}\n{notes}"))
}

fn cost(context: &Context, desk: &SourceDesk<'_>, id: Option<&str>) -> Result<Exit, Failure> {
    if let Some(id) = id {
        desk.config().source(id).map_err(stele_engine::EngineError::from)?;
    }
    let mut summary = desk.cost();
    if let (Some(id), Some(by)) = (id, summary["by_source"].as_object_mut()) {
        by.retain(|known, _| known == id);
    }
    context.out.event("cost", &summary)?;
    let mut rows = Rows::new(["source", ">calls", ">tokens", ">USD"]);
    for (id, spent) in summary["by_source"].as_object().into_iter().flatten() {
        rows.row([
            id,
            &spent["api_calls"].to_string(),
            &spent["tokens"].to_string(),
            &spent["cost_usd"].to_string(),
        ]);
    }
    context.out.text(rows.to_string())?;
    Ok(Exit::Done)
}

/// `stele ingest --no-wait` with `--source ID` or `--all-sources`: a job for each, which a worker does with the list of
/// sources as it is then.
pub fn submit(
    context: &Context,
    which: &Collecting,
    home: &QueueArgs,
    options: &Options,
) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    // Keys are the worker's, who may be on another machine; here it is enough to know which source is meant.
    let list = SourceDesk::open(&engine, &keyless)?;
    configured(&list)?;
    let (ids, rest) = chosen(context, &list, which, &list.config().problems)?;
    let lists = ids.iter().map(|id| vec![Input::of_source(id)]).collect();
    let submitted = jobs::submit_all(context, lists, home, options)?;
    Ok(if submitted == Exit::Done { rest } else { submitted })
}

/// Says which entries cannot be used.
fn tell_unusable<'p>(
    context: &Context,
    desk: &SourceDesk<'_>,
    problems: impl IntoIterator<Item = &'p SourceProblem>,
) -> Result<(), Failure> {
    for problem in problems {
        context.out.event("unusable", &problem_event(desk, problem))?;
        context.out.remark(&problem_line(desk, problem));
    }
    Ok(())
}

/// The sources that are named, without those that cannot be used; these are said.
///
/// # Errors
/// If a source is not there, or none of them can be used.
fn named_ones(
    context: &Context,
    desk: &SourceDesk<'_>,
    ids: &[String],
    unusable: &[SourceProblem],
) -> Result<(Vec<String>, Exit), Failure> {
    let (mut usable, mut left) = (Vec::new(), Vec::new());
    for id in ids {
        let source = desk.config().source(id);
        let problem = unusable.iter().find(|problem| match &source {
            Ok(source) => source.index == problem.index,
            Err(_) => problem.source_id.as_ref() == Some(id),
        });
        match problem {
            Some(problem) => left.push(problem),
            None => usable.push(source.map_err(EngineError::from)?.id.clone()),
        }
    }
    if let (true, Some(first)) = (usable.is_empty(), left.first()) {
        let source_id = first.source_id.clone().unwrap_or_default();
        return Err(EngineError::from(CollectError::Config { source_id, why: first.why.clone() }).into());
    }
    let rest = if left.is_empty() { Exit::Done } else { Exit::Partial };
    tell_unusable(context, desk, left)?;
    Ok((usable, rest))
}

/// The sources that are meant, in the order in which they are collected; and what is said of entries that cannot be used and
/// settings without effect. None is meant where nothing is due.
///
/// # Errors
/// If a source is not there, or nothing is due because nothing can be used.
fn chosen(
    context: &Context,
    desk: &SourceDesk<'_>,
    which: &Collecting,
    unusable: &[SourceProblem],
) -> Result<(Vec<String>, Exit), Failure> {
    let config = desk.config();
    if !which.all_sources {
        return named_ones(context, desk, &which.source, unusable);
    }
    for warning in &config.warnings {
        context.out.remark(warning);
    }
    tell_unusable(context, desk, unusable)?;
    let mut due = config.due(which.priority_threshold);
    due.retain(|source| source.is_without(unusable));
    let ids: Vec<String> = due.iter().map(|source| source.id.clone()).collect();
    match (ids.is_empty(), unusable.is_empty()) {
        (true, false) => {
            let left = human::many(unusable.len() as u64, "source");
            let failure = Failure::new(format!("nothing was collected: {left} cannot be used"))
                .hint(format!("put right what `{}` names", context.command("sources list")));
            Err(Failure { exit: Exit::Config, ..failure })
        }
        (true, true) => {
            context.out.remark("no source is due: all are switched off, or come after that priority");
            Ok((ids, Exit::Done))
        }
        (false, true) => Ok((ids, Exit::Done)),
        (false, false) => Ok((ids, Exit::Partial)),
    }
}

/// That nothing is configured is said before anything is tried.
fn configured(desk: &SourceDesk<'_>) -> Result<(), Failure> {
    if desk.config().sources.is_empty() && desk.config().problems.is_empty() {
        let failure = Failure::new("no source is configured").hint("docs/guide/sources.md shows how");
        return Err(Failure { exit: Exit::Config, ..failure });
    }
    Ok(())
}

/// `stele ingest --source ID` and `--all-sources`.
pub fn collect(context: &Context, which: &Collecting, dry_run: bool, embed: bool) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let desk = SourceDesk::open(&engine, &text_of)?;
    configured(&desk)?;
    let (ids, rest) = chosen(context, &desk, which, &desk.unusable())?;
    if dry_run {
        return expect(context, &desk, &ids, rest);
    }
    if ids.is_empty() {
        return Ok(rest);
    }
    let reporter = Reporter::events(context.out);
    let runs = match which.all_sources {
        true => desk.collect_all(&ids, &reporter, &interrupt.cancel),
        false => {
            ids.iter().map(|id| desk.collect(id, &reporter, &interrupt.cancel)).collect::<Result<Vec<_>, _>>()
        }
    };
    reporter.clear();
    let runs = runs?;
    let mut rows = Rows::new([
        "source",
        "outcome",
        ">records",
        ">unchanged",
        ">bytes",
        ">calls",
        ">took",
        ">fetch",
        ">limit",
        ">normalise",
        ">store",
        ">records/s",
    ]);
    for run in &runs {
        context.out.event("collected", run)?;
        rows.row([
            &run.source,
            run.outcome,
            &human::count(run.records),
            &human::count(run.unchanged),
            &human::count(run.bytes_in),
            &human::count(run.collected.calls),
            &human::seconds(run.seconds),
            &human::seconds(run.split.fetch_seconds),
            &human::seconds(run.split.limit_seconds),
            &human::seconds(run.split.normalise_seconds),
            &human::seconds(run.split.store_seconds),
            &human::count((run.records as f64 / run.seconds.max(1e-3)) as u64),
        ]);
    }
    context.out.text(rows.to_string())?;
    for run in &runs {
        complain(context, run);
    }
    // Cursors alone make a version of the lake, too, which the index has to follow.
    let came = runs.iter().any(|run| run.bytes_in > 0);
    // A run that was killed before the index followed has left that to this one.
    let behind = || embed && engine.settings().index_on_ingest && engine.is_index_behind().unwrap_or(true);
    if !interrupt.cancel.is_cancelled() && (came || behind()) {
        index::follow(context, &engine, embed, &interrupt.cancel)?;
    }
    let ok = runs.iter().filter(|run| run.outcome == "ok").count();
    Ok(match ok {
        _ if runs.iter().any(|run| run.outcome == "cancelled") => Exit::Interrupted,
        ok if ok == runs.len() => rest,
        // Keys that are refused, above all: nothing helps but another configuration.
        0 if runs.iter().all(is_misconfigured) => Exit::Config,
        0 if runs.iter().all(|run| run.outcome == "failed") => Exit::Failure,
        _ => Exit::Partial,
    })
}

fn is_misconfigured(run: &SourceRun) -> bool {
    run.failure.as_ref().is_some_and(|error| error.kind() == ErrorKind::Config)
}

/// `stele ingest --dry-run` of sources: what it would take. Nothing is asked.
fn expect(context: &Context, desk: &SourceDesk<'_>, ids: &[String], rest: Exit) -> Result<Exit, Failure> {
    let runs = desk.expected(ids)?;
    let mut told = Vec::new();
    let mut rows = Rows::new([
        "source",
        ">calls",
        ">tokens",
        ">bytes",
        ">USD",
        ">left today",
        ">left this month",
        "level",
        "judged by",
    ]);
    for run in &runs {
        let mut one = json!(run);
        one["from"] = json!(desk.state(&run.source)?);
        told.push(one);
        let count = |of: fn(&Figures) -> u64, shown: fn(u64) -> String| match (&run.likely, &run.most) {
            (Some(likely), Some(most)) if of(likely) == of(most) => shown(of(likely)),
            (Some(likely), Some(most)) => format!("{}, at most {}", shown(of(likely)), shown(of(most))),
            _ => UNKNOWN.to_owned(),
        };
        rows.row([
            &run.source,
            &count(|of| of.calls, human::count),
            &count(|of| of.tokens, human::count),
            &count(|of| of.bytes, human::bytes),
            &run.cost_usd.map_or(UNKNOWN.to_owned(), human::usd),
            &human::usd(run.left_today_usd),
            &run.left_month_usd.map_or("no bound".to_owned(), human::usd),
            run.level,
            &run.basis,
        ]);
    }
    let stopped = runs.iter().filter(|run| run.level == "stop").count();
    // Of several, the sum is known where that of each is.
    let cost_usd: Option<f64> = runs.iter().map(|run| run.cost_usd).sum();
    context.out.event("dry_run", &json!({ "sources": told, "cost_usd": cost_usd, "stopped": stopped }))?;
    if ids.is_empty() {
        return Ok(rest);
    }
    context.out.text(rows.to_string())?;
    for run in &runs {
        if let Some(why) = &run.why {
            context.out.remark(&named(&run.source, why));
        }
    }
    let ids = ids.join(", ");
    context.out.text(match cost_usd {
        Some(cost) => format!("Would collect {ids} for about {} USD; nothing was asked.\n", human::usd(cost)),
        None => format!("Would collect {ids}; what all of it costs is not known, and nothing was asked.\n"),
    })?;
    Ok(rest)
}

/// What is said of a source, with its name, which it may bear already.
fn named(source: &str, text: &str) -> String {
    if text.contains(source) { text.to_owned() } else { format!("{source}: {text}") }
}

fn complain(context: &Context, run: &SourceRun) {
    if let Some(error) = &run.error {
        context.out.remark(&named(&run.source, error));
    }
    for stream in &run.collected.streams {
        use stele_engine::collecting::StreamEnd::{Failed, Ok, Unavailable};
        match &stream.outcome {
            Failed { reason } | Unavailable { reason } => {
                context.out.remark(&format!("{}, {}: {reason}", run.source, stream.stream));
            }
            Ok => {}
        }
    }
    run.collected.notes.iter().for_each(|note| context.out.remark(&format!("{}: {note}", run.source)));
}
