//! `stele discover`: what recordings hold, without a lake.

use std::path::Path;

use serde_json::json;
use stele_engine::discovery::render::diff::{self, Diff, Shape};
use stele_engine::discovery::render::{json as catalogue_json, md, redact, tsv};
use stele_engine::discovery::view::CatalogueView;
use stele_engine::{Discovered, Engine, OutputSource};

use super::{Context, exit_of, failed_run};
use crate::args::{DiscoverArgs, DiscoverFormat, View};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::file::NewFile;
use crate::output::{human, write_page, write_stdout};
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, args: DiscoverArgs) -> Result<Exit, Failure> {
    if context.out.json && args.format.is_some() {
        return Err(Failure::usage("--json and --format exclude each other")
            .hint("--json reports the run; `--format json` writes the catalogue"));
    }
    let engine = context.engine_for(&args.reading, args.fold)?;
    let previous = args.previous.as_deref().map(super::schema::load).transpose()?;
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let found = engine.discover(&args.targets, &args.reading.options(), &reporter, &interrupt.cancel);
    reporter.clear();
    let found = found.map_err(|error| failed_run(error, &args.reading, "nothing was changed"))?;
    context.complain_about(&found.failures);
    let mut view = match args.view {
        View::Record => found.catalogue.view(),
        View::Payload => found.catalogue.payload_view(),
    };
    if args.redact {
        redact::apply(&mut view);
    }
    let diff = previous.map(|previous| diff::compare(&previous, &Shape::of(&view)));
    let written = match &args.output {
        Some(dir) => write_all(&engine, &found, &view, diff.as_ref(), &args, dir)?,
        None => Vec::new(),
    };
    match (&diff, args.format, &args.output) {
        (_, None, Some(_)) => {
            context.out.text(written.iter().map(|path| format!("{path}\n")).collect::<String>())?
        }
        (Some(diff), format, _) if !context.out.json => show_diff(diff, format, &args)?,
        (None, format, _) if !context.out.json => show(&view, format.unwrap_or(DiscoverFormat::Md))?,
        _ => {}
    }
    summarise(context, &found, &view, &written, diff.as_ref())?;
    let drifted = diff.zip(args.fail_on_drift).is_some_and(|(diff, level)| diff.reaches(level.into()));
    if drifted && !found.cancelled {
        return Ok(Exit::NotMet);
    }
    Ok(exit_of(found.cancelled, found.failures.len(), !view.files.is_empty()))
}

fn show(view: &CatalogueView, format: DiscoverFormat) -> Result<(), Failure> {
    match format {
        DiscoverFormat::Tsv => write_stdout(|out| tsv::write(out, view)),
        DiscoverFormat::Json => write_stdout(|out| catalogue_json::write(out, view)),
        DiscoverFormat::Md => write_page(|out| md::write(out, view)),
    }
}

fn show_diff(diff: &Diff, format: Option<DiscoverFormat>, args: &DiscoverArgs) -> Result<(), Failure> {
    let (old, new) = sides(args);
    match format {
        Some(DiscoverFormat::Json) => write_stdout(|out| diff::write_json(out, diff, &old, &new)),
        Some(DiscoverFormat::Tsv) => {
            Err(Failure::usage("differences have no TSV form").hint("use --format md or json"))
        }
        Some(DiscoverFormat::Md) | None => write_page(|out| diff::write_md(out, diff, &old, &new)),
    }
}

/// What the two sides of a comparison are called.
fn sides(args: &DiscoverArgs) -> (String, String) {
    let old = args.previous.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    (old, args.targets.join(" "))
}

fn write_all(
    engine: &Engine,
    found: &Discovered,
    view: &CatalogueView,
    diff: Option<&Diff>,
    args: &DiscoverArgs,
    dir: &Path,
) -> Result<Vec<String>, Failure> {
    let source = OutputSource { view: view.clone(), ledger: &found.ledger, checks: &[], redact: args.redact };
    let mut written = engine.write_outputs(source, dir)?;
    if let Some(diff) = diff {
        let (old, new) = sides(args);
        for name in ["diff_report.md", "diff_report.json"] {
            let path = dir.join(name);
            let mut file = NewFile::create(&path)?;
            let result = match name {
                "diff_report.md" => diff::write_md(&mut file, diff, &old, &new),
                _ => diff::write_json(&mut file, diff, &old, &new),
            };
            result.map_err(|error| Failure::io("write", &path, &error))?;
            file.finish()?;
            written.push(path);
        }
    }
    Ok(written.iter().map(|path| path.display().to_string()).collect())
}

fn summarise(
    context: &Context,
    found: &Discovered,
    view: &CatalogueView,
    written: &[String],
    diff: Option<&Diff>,
) -> Result<(), Failure> {
    let paths: usize = view.events.iter().map(|event| event.tree.len().saturating_sub(1)).sum();
    let ledger = &found.ledger;
    let body = json!({
        "files": view.files.len(),
        "records": ledger.records,
        "quarantined": ledger.quarantined,
        "bytes_in": ledger.bytes_in,
        "bytes_lake": ledger.bytes_lake,
        "bytes_quarantine": ledger.bytes_quarantine,
        "events": view.events.len(),
        "paths": paths,
        "nodes": view.nodes,
        "cancelled": found.cancelled,
        "failures": found.failures,
        "skipped": found.skipped,
        "outputs": written,
        "worst_drift": diff.map(|diff| diff.worst().name()),
    });
    context.out.event("summary", &body)?;
    context.out.remark(&format!(
        "{} in {}, {}; {} at {}",
        human::many(ledger.records, "record"),
        human::many(view.files.len() as u64, "file"),
        rejected(ledger.quarantined),
        human::many(view.nodes, "value"),
        human::many(paths as u64, "path"),
    ));
    if found.cancelled {
        context.out.remark("stopped before the end: the counts cover what was read until then");
    }
    Ok(())
}

fn rejected(quarantined: u64) -> String {
    if quarantined == 0 {
        "no line rejected".to_owned()
    } else {
        format!("{} rejected", human::many(quarantined, "line"))
    }
}
