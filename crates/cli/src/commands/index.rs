//! `stele index`: what answers questions, made from the lake.

use serde_json::json;
use stele_engine::{Cancel, Engine, EngineError, IndexSummary};

use super::Context;
use crate::args::IndexAction;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// What is true after a build that failed in the middle.
const KEPT: &str = "the lake is untouched, and what was indexed before is kept and gone on with";

/// What the last columns of the status are.
const COLUMNS: &str = "\
Pending: records that came or went since, which `stele index build` brings in. Lag: texts that are in no
fast index yet; they are found all the same, by looking at each.
";

/// Runs the command.
pub fn run(context: &Context, action: IndexAction) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    match action {
        IndexAction::Build => build(context, &engine, false),
        IndexAction::Rebuild => build(context, &engine, true),
        IndexAction::Status => status(context, &engine),
        IndexAction::Verify => verify(context, &engine),
    }
}

fn build(context: &Context, engine: &Engine, anew: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let outcome = if anew {
        engine.index_rebuild(&reporter, &interrupt.cancel)
    } else {
        // Somebody asks for it, who may have installed what a document waited for: that is tried again first.
        let graph = engine.graph_build(&reporter, &interrupt.cancel);
        graph.and_then(|_| engine.index_build(&reporter, &interrupt.cancel))
    };
    reporter.clear();
    let summary = outcome.map_err(|error| failed(engine, error))?;
    context.out.event("summary", &summary)?;
    context.out.text(page(&summary))?;
    for note in &summary.notes {
        context.out.remark(note);
    }
    Ok(if summary.cancelled { Exit::Interrupted } else { Exit::Done })
}

/// A build that could not end. Where nothing was indexed there is nothing to say of it.
fn failed(engine: &Engine, error: EngineError) -> Failure {
    let failure = Failure::from(error);
    if engine.texts_indexed() > 0 { failure.kept(KEPT) } else { failure }
}

/// Brings the graph, and where it is wanted the index, up to what came into the lake just now. Whatever becomes of
/// them, that stays.
pub fn follow(context: &Context, engine: &Engine, wanted: bool, cancel: &Cancel) -> Result<(), Failure> {
    let reporter = Reporter::events(context.out);
    let graph = engine.graph_build(&reporter, cancel);
    let indexed = match graph {
        Ok(_) if wanted && engine.settings().index_on_ingest => Some(engine.index_build(&reporter, cancel)),
        _ => None,
    };
    reporter.clear();
    let fails = |error| behind(context, error, Exit::Done);
    context.out.event("graph", &graph.map_err(fails)?)?;
    if let Some(indexed) = indexed {
        let indexed = indexed.map_err(fails)?;
        context.out.event("index", &indexed)?;
        context.out.text(page(&indexed))?;
    }
    Ok(())
}

/// A run, ending with `exit` otherwise, whose records are in the lake and whose index could not be brought up, such as
/// because somebody else was at that.
pub fn behind(context: &Context, error: EngineError, exit: Exit) -> Failure {
    let failure =
        Failure::from(error).kept("what was ingested is in the lake; only what follows from it is behind");
    let exit = match (failure.exit, exit) {
        (Exit::Interrupted, _) => Exit::Interrupted,
        (_, Exit::Done) => Exit::Partial,
        (_, exit) => exit,
    };
    let next = context.command("index build");
    Failure { exit, ..failure }.hint(format!("`{next}` goes on with it"))
}

/// What a build came to.
pub fn page(summary: &IndexSummary) -> String {
    let verb = if summary.cancelled { "Indexed a part of the lake:" } else { "Indexed" };
    let with = match &summary.model {
        Some(model) if summary.semantic => format!(" with {model}"),
        Some(model) => format!(" with {model}, which knows no meaning"),
        None => " by words alone".to_owned(),
    };
    // It is rare, and the line is long.
    let changed = match summary.changed {
        0 => String::new(),
        changed => format!("{} changed, ", human::count(changed)),
    };
    let mut text = format!(
        "{verb} {} in {}{with}: {} new, {changed}{} gone, {} embedded\n",
        human::many(summary.chunks, "text"),
        human::seconds(summary.seconds),
        human::count(summary.inserted),
        human::count(summary.deleted),
        human::count(summary.embedded),
    );
    for step in &summary.degraded {
        text.push_str(&format!("Upkeep failed, answers are complete all the same: {step}\n"));
    }
    text
}

fn status(context: &Context, engine: &Engine) -> Result<Exit, Failure> {
    let reports = engine.index_status()?;
    context.out.event("index", &json!({ "indexes": reports }))?;
    let mut rows = Rows::new(["model", ">texts", ">on disk", ">follows", ">lake", ">pending", ">lag"]);
    for report in &reports {
        let status = &report.status;
        let name = status.pointer.spec.model.as_ref().map_or("none: words alone", |model| &model.id);
        let answers = if status.answers { " (answers)" } else { "" };
        rows.row([
            &format!("{name}{answers}"),
            &human::count(status.pointer.rows),
            &human::bytes(status.bytes),
            &status.pointer.checkpoint.map_or_else(|| "–".to_owned(), |version| version.to_string()),
            &report.lake_version.to_string(),
            &report.pending.map_or_else(|| "unknown".to_owned(), human::count),
            &human::count(status.lag),
        ]);
    }
    context.out.text(rows)?;
    context.out.text(COLUMNS)?;
    Ok(Exit::Done)
}

fn verify(context: &Context, engine: &Engine) -> Result<Exit, Failure> {
    let report = engine.index_verify()?;
    context.out.event("verify", &report)?;
    let mut text = format!(
        "Compared with version {} of the lake: {} wanted, {} there; {} missing, {} too many, {} changed\nLogical hash {}\n",
        report.lake_version,
        human::many(report.wanted, "text"),
        human::count(report.rows),
        human::count(report.missing),
        human::count(report.extra),
        human::count(report.differing),
        report.logical_hash,
    );
    for (what, ids) in [
        ("missing", &report.missing_ids),
        ("too many", &report.extra_ids),
        ("changed", &report.differing_ids),
    ] {
        for id in ids {
            text.push_str(&format!("  {what}: {id}\n"));
        }
    }
    for problem in &report.problems {
        text.push_str(&format!("  {problem}\n"));
    }
    text.push_str(if report.holds {
        "The index is what the lake comes to.\n"
    } else {
        "The index differs.\n"
    });
    context.out.text(text)?;
    if report.holds {
        return Ok(Exit::Done);
    }
    if !context.out.json {
        let (build, rebuild) = (context.command("index build"), context.command("index rebuild"));
        let failure = if report.problems.is_empty() {
            Failure::new("the index differs from the lake").hint(format!(
                "`{build}` brings it up to date; if it differs then too, `{rebuild}` makes it anew"
            ))
        } else {
            Failure::new("the index is damaged").hint(format!("`{rebuild}` makes it anew from the lake"))
        };
        crate::output::complain(&failure.to_text());
    }
    Ok(Exit::NotMet)
}
