//! `stele lake`: sizes, compaction and retention. What deletes shows its plan first.

use serde_json::json;
use stele_engine::lake::Table;
use stele_engine::lake::maintain::{PrunePlan, Selection, VacuumPlan};
use stele_model::DocType;

use super::Context;
use crate::args::{LakeAction, PruneArgs, VacuumArgs};
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::output::table::Rows;

/// Files and inputs of a plan that are listed; `--json` lists all.
const SHOWN_MAX: usize = 20;

/// Runs the command.
pub fn run(context: &Context, action: LakeAction) -> Result<Exit, Failure> {
    match action {
        LakeAction::Status => status(context),
        LakeAction::Compact => compact(context),
        LakeAction::Vacuum(args) => vacuum(context, &args),
        LakeAction::Prune(args) => prune(context, &args),
    }
}

fn status(context: &Context) -> Result<Exit, Failure> {
    let snapshot = context.engine()?.snapshot()?;
    let mut tables = Vec::new();
    let mut rows = Rows::new(["table", ">parts", ">rows", ">on disk"]);
    for table in Table::ALL {
        let parts = snapshot.parts(table);
        let (count, bytes) =
            (parts.iter().map(|part| part.rows).sum(), parts.iter().map(|part| part.bytes).sum());
        rows.row([
            table.name(),
            &human::count(parts.len() as u64),
            &human::count(count),
            &human::bytes(bytes),
        ]);
        tables.push(
            json!({ "table": table.name(), "parts": parts.len(), "rows": count, "bytes_on_disk": bytes }),
        );
    }
    let body = json!({
        "lake_version": snapshot.version(),
        "schema_version": snapshot.schema_version(),
        "tables": tables,
        "totals": snapshot.totals(),
    });
    context.out.event("lake", &body)?;
    let (version, schema) = (snapshot.version(), snapshot.schema_version());
    context.out.text(format!("Lake version {version}, schema version {schema}\n{rows}"))?;
    Ok(Exit::Done)
}

fn compact(context: &Context) -> Result<Exit, Failure> {
    let done = context.engine()?.compact()?;
    context.out.event("compact", &done)?;
    context.out.text(if done.parts_before == 0 {
        "Nothing to compact: no partition has many small parts\n".to_owned()
    } else {
        format!(
            "{} became {}: {}, {} before and {} after. No row changed.\nThe old parts stay for readers of earlier versions until `{}`\n",
            human::many(done.parts_before, "part"),
            human::count(done.parts_after),
            human::many(done.rows, "row"),
            human::bytes(done.bytes_before),
            human::bytes(done.bytes_after),
            context.command("lake vacuum --yes"),
        )
    })?;
    Ok(Exit::Done)
}

fn vacuum(context: &Context, args: &VacuumArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let plan = engine.plan_vacuum(Some(args.older_than.micros))?;
    let removed = if args.confirm.yes { Some(engine.vacuum(&plan)?) } else { None };
    context.out.event("vacuum", &json!({ "plan": plan, "removed": removed }))?;
    context.out.text(vacuum_page(context, args, &plan, removed))?;
    Ok(Exit::Done)
}

fn vacuum_page(context: &Context, args: &VacuumArgs, plan: &VacuumPlan, removed: Option<u64>) -> String {
    let younger = format!(
        "{} kept because they left the lake less than {} ago\n",
        human::many(plan.kept, "file"),
        args.older_than
    );
    if let Some(removed) = removed {
        return format!("Removed {}, {}; {younger}", human::many(removed, "file"), human::bytes(plan.bytes));
    }
    let mut text = format!(
        "Would remove {} that the lake no longer names, {}; {younger}",
        human::many(plan.files.len() as u64, "file"),
        human::bytes(plan.bytes)
    );
    for file in plan.files.iter().take(SHOWN_MAX) {
        text.push_str(&format!("  {}\n", file.display()));
    }
    if plan.files.len() > SHOWN_MAX {
        text.push_str(&format!("  and {} more\n", human::count((plan.files.len() - SHOWN_MAX) as u64)));
    }
    if !plan.files.is_empty() {
        let command = context.command(&format!("lake vacuum --older-than {} --yes", args.older_than));
        text.push_str(&format!("Nothing was removed. To do it:\n  {command}\n"));
    }
    text
}

fn prune(context: &Context, args: &PruneArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let selection = Selection {
        tenant: None,
        before: args.older_than.as_ref().map(|age| engine.now().saturating_sub(age.micros)),
        doc_type: args.doc_type.as_deref().map(doc_type).transpose()?,
        sources: match &args.source {
            Some(name) => vec![engine.input(&engine.snapshot()?, name)?.uri],
            None => Vec::new(),
        },
        reason: None,
    };
    let plan = engine.plan_prune(&selection)?;
    let version = match (args.confirm.yes, plan.is_empty()) {
        (true, false) => Some(engine.prune(&plan)?.version()),
        _ => None,
    };
    context
        .out
        .event("prune", &json!({ "plan": plan, "done": version.is_some(), "lake_version": version }))?;
    context.out.text(prune_page(context, args, &plan, version))?;
    Ok(Exit::Done)
}

fn doc_type(name: &str) -> Result<DocType, Failure> {
    let known = || DocType::ALL.map(DocType::name).join(", ");
    DocType::from_name(name)
        .ok_or_else(|| Failure::usage(format!("no doc type is named {name}. Doc types are {}", known())))
}

fn prune_page(context: &Context, args: &PruneArgs, plan: &PrunePlan, version: Option<u64>) -> String {
    if plan.is_empty() {
        return format!("Nothing to prune: the lake holds no rows that are {}\n", plan.selection);
    }
    let verb = if version.is_some() { "Pruned" } else { "Would prune" };
    let mut text = format!(
        "{verb} {} and {} of quarantine ({}), {}: {} removed, {} written anew\n",
        human::many(plan.records, "record"),
        human::many(plan.residues, "row"),
        plan.selection,
        human::bytes(plan.bytes),
        human::many(plan.parts_removed, "part"),
        human::count(plan.parts_rewritten),
    );
    for name in &plan.named {
        if let Some(other) = &name.kept_for {
            let bytes = human::bytes(name.from);
            text.push_str(&format!("The first {bytes} stay: they are {other} too\n"));
        }
    }
    let mut rows = Rows::new(["input", ">rows that go"]);
    for source in plan.sources.iter().take(SHOWN_MAX) {
        rows.row([source.uri.as_str(), &human::count(source.rows)]);
    }
    if !rows.is_empty() {
        text.push_str(&rows.to_string());
    }
    if plan.sources.len() > SHOWN_MAX {
        text.push_str(&format!(
            " and {}\n",
            human::many((plan.sources.len() - SHOWN_MAX) as u64, "more input")
        ));
    }
    match version {
        Some(version) => text.push_str(&format!(
            "The lake is at version {version}. Its earlier versions still hold the rows until `{}`\n",
            context.command("lake vacuum --yes")
        )),
        None => text.push_str(&format!(
            "Nothing was removed. These inputs could not be replayed afterwards. To do it:\n  {}\n",
            context.command(&format!("lake prune{} --yes", rules(args)))
        )),
    }
    text
}

/// The rules of a prune as flags.
fn rules(args: &PruneArgs) -> String {
    let mut text = String::new();
    if let Some(age) = &args.older_than {
        text.push_str(&format!(" --older-than {age}"));
    }
    for (flag, value) in [("doc-type", &args.doc_type), ("source", &args.source)] {
        if let Some(value) = value {
            text.push_str(&format!(" --{flag} {}", human::shell_word(value)));
        }
    }
    text
}
