//! `stele sources purge` and `restore`: all that a help desk has goes, and comes back. What deletes shows its plan first.

use std::path::Path;

use serde_json::json;
use stele_engine::collecting::{PurgePlan, Purged, SourceDesk};
use stele_engine::{Cancel, Engine, EngineError};

use super::sources::keyless;
use super::{Context, absolute};
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// Inputs that stay and are listed; `--json` lists all.
const SHOWN_MAX: usize = 20;

/// Whether a purge is carried out, and what is done before.
pub struct How<'a> {
    /// The words that it needs; without them it is a plan.
    pub confirm: Option<&'a str>,
    /// Where a copy goes first.
    pub backup: Option<&'a Path>,
}

/// Runs `stele sources purge`.
pub fn purge(
    context: &Context,
    engine: &Engine,
    id: &str,
    how: &How<'_>,
    cancel: &Cancel,
) -> Result<Exit, Failure> {
    let desk = SourceDesk::open(engine, &keyless)?;
    let Some(confirm) = how.confirm else {
        let plan = desk.plan_purge(id)?;
        context.out.event("purge", &json!({ "done": false, "plan": plan }))?;
        context.out.text(plan_page(context, engine, &plan))?;
        return Ok(Exit::Done);
    };
    let reporter = Reporter::events(context.out);
    let backup = how.backup.map(absolute);
    let purged = desk.purge(id, confirm, backup.as_deref(), &reporter, cancel);
    reporter.clear();
    let purged = purged.map_err(|error| refused(context, id, error))?;
    context.out.event("purge", &json!({ "done": true, "purged": purged }))?;
    context.out.text(done_page(context, &purged))?;
    if let (Some(dir), None) = (how.backup, &purged.backup) {
        context.out.remark(&format!(
            "nothing of it was in the lake that a copy could be made of; {} was not written",
            dir.display()
        ));
    }
    if let Some(why) = &purged.behind {
        context.out.remark(&format!(
            "index or graph still hold some of it: {why}; `{}` brings them up to the lake",
            context.command("index build")
        ));
    }
    if !purged.copies.is_empty() {
        context.out.remark(&format!(
            "copies outside have not heard of it: `{}` ({})",
            context.command("sink sync"),
            purged.copies.join(", ")
        ));
    }
    Ok(if purged.behind.is_none() { Exit::Done } else { Exit::Partial })
}

fn refused(context: &Context, id: &str, error: EngineError) -> Failure {
    let hint = match &error {
        EngineError::Helpdesk(_) => Some(format!(
            "`{}` shows what goes, and how the words are formed",
            context.command(&format!("sources purge {}", human::shell_word(id)))
        )),
        _ => None,
    };
    let failure = Failure::from(error).kept("everything; nothing was removed");
    hint.into_iter().fold(failure, Failure::hint)
}

fn counted(plan: &PurgePlan) -> String {
    let mut rows = Rows::new(["of", ">number"]);
    for (kind, count) in &plan.objects {
        rows.row([kind.as_str(), &human::count(*count)]);
    }
    for (what, count) in [
        ("inputs", plan.inputs),
        ("records", plan.records),
        ("rows of quarantine", plan.quarantined),
        ("bytes", plan.bytes),
        ("texts in the index", plan.texts),
    ] {
        rows.row([what, &human::count(count)]);
    }
    let mut text = rows.to_string();
    for (uri, other) in plan.kept_for.iter().take(SHOWN_MAX) {
        text.push_str(&format!("{uri} stays: it is {other} too\n"));
    }
    if plan.kept_for.len() > SHOWN_MAX {
        let more = (plan.kept_for.len() - SHOWN_MAX) as u64;
        text.push_str(&format!("and {}\n", human::many(more, "more input")));
    }
    text
}

fn plan_page(context: &Context, engine: &Engine, plan: &PurgePlan) -> String {
    let mut text = format!(
        "Would remove everything of tenant {} on {}, which came from {}:\n{}",
        plan.tenant,
        plan.platform,
        plan.sources.join(", "),
        counted(plan)
    );
    text.push_str("These sources would begin anew. What was kept of them beside the lake goes as well.\n");
    if !engine.settings().sinks.is_empty() {
        text.push_str("Copies outside would have to be brought up to date afterwards.\n");
    }
    let command =
        context.command(&format!("sources purge {} --confirm WORDS", human::shell_word(&plan.source)));
    text.push_str(&format!(
        "Nothing was removed. To do it, with a copy in a new directory first:\n  {command} --backup DIR\nWORDS are {}\n",
        plan.confirmation
    ));
    text
}

fn done_page(context: &Context, purged: &Purged) -> String {
    let plan = &purged.plan;
    let mut text =
        format!("Removed everything of tenant {} on {}:\n{}", plan.tenant, plan.platform, counted(plan));
    if let Some(backup) = &purged.backup {
        text.push_str(&format!(
            "A copy of {}, {}, and of {} with what was rejected is in {}. To bring it back:\n  {}\n",
            human::many(backup.inputs, "input"),
            human::bytes(backup.bytes),
            human::many(backup.rejected, "file"),
            backup.dir.display(),
            context.command(&format!(
                "sources restore {}",
                human::shell_word(&backup.dir.display().to_string())
            ))
        ));
    }
    if let Some(version) = purged.lake_version {
        text.push_str(&format!(
            "The lake is at version {version}. Files of its earlier versions still hold the rows until `{}`\n",
            context.command("lake vacuum --older-than 0s --yes")
        ));
    }
    text
}

/// Runs `stele sources restore`.
pub fn restore(context: &Context, engine: &Engine, dir: &Path, cancel: &Cancel) -> Result<Exit, Failure> {
    let desk = SourceDesk::open(engine, &keyless)?;
    let reporter = Reporter::events(context.out);
    let restored = desk.restore(&absolute(dir), &reporter, cancel);
    reporter.clear();
    let restored = restored?;
    context.out.event("restored", &restored)?;
    let (inputs, whose) = (
        human::many(restored.inputs, "input"),
        format!("tenant {} on {}", restored.tenant, restored.platform),
    );
    context.out.text(match restored.duplicates == restored.inputs && restored.rejected == 0 {
        true => format!("All of it ({inputs}, {whose}) is in the lake already; nothing was brought back\n"),
        false => format!(
            "Brought back {} of {inputs} and {} with what was rejected for {whose}; {} go on where they were\n",
            human::many(restored.records, "record"),
            human::many(restored.rejected, "file"),
            restored.sources.join(", ")
        ),
    })?;
    super::index::follow(context, engine, true, cancel)?;
    Ok(Exit::Done)
}
