//! `stele ingest`: recordings into the lake.

use stele_engine::jobs::Options;
use stele_engine::{IngestOptions, IngestSummary};

use super::{Context, exit_of, failed_run, index, jobs, sources, watch};
use crate::args::IngestArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// What is true after a run that failed in the middle.
pub const KEPT: &str = "everything committed before this is in the lake; nothing of the rest is";

/// Runs the command.
pub fn run(context: &Context, args: IngestArgs) -> Result<Exit, Failure> {
    if args.collecting.is_meant() && args.watch {
        return Err(Failure::usage("--watch is for directories: what is new of a source is asked for")
            .hint("`--no-wait` queues it; run it from a timer"));
    }
    if args.collecting.is_meant() && !args.no_wait {
        return sources::collect(context, &args.collecting, args.dry_run, !args.intake.no_embed);
    }
    if args.no_wait || args.watch {
        let tag = args.tags().map_err(Failure::usage)?.map(|tags| tags.join(","));
        let tenant = context.settings()?.tenant;
        let reading = &args.intake.reading;
        if !reading.profile.is_empty() {
            let why = "--profile is of this run, and a job is done by another process";
            return Err(Failure::usage(why).hint("name the file in stele.toml: profiles = [\"FILE\"]"));
        }
        let (timezone, format) = (reading.timezone.clone(), reading.options().format);
        let engine = context.engine()?;
        let readable = engine.check_reading(timezone.as_deref(), format.as_deref());
        readable.map_err(|error| failed_run(error, reading, "nothing was queued"))?;
        let options =
            Options { tag, embed: !args.intake.no_embed, force: args.force, tenant, timezone, format };
        if args.collecting.is_meant() {
            return sources::submit(context, &args.collecting, &args.home, &options);
        }
        return match args.watch {
            true => watch::run(context, &args.targets, &args.home, options),
            false => jobs::submit(context, &args.targets, &args.home, &options),
        };
    }
    let engine = context.engine_for(&args.intake.reading, None)?;
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let tags = args.tags().map_err(Failure::usage)?;
    let inputs = args.intake.reading.options();
    let options = IngestOptions { inputs, dry_run: args.dry_run, tags, ..IngestOptions::default() };
    let result = engine.ingest(&args.targets, &options, &reporter, &interrupt.cancel);
    reporter.clear();
    let mut summary = result.map_err(|error| failed_run(error, &args.intake.reading, KEPT))?;
    context.complain_about(&summary.failures);
    let graph = match args.dry_run || summary.cancelled {
        true => None,
        false => Some(engine.graph_build(&reporter, &interrupt.cancel)),
    };
    reporter.clear();
    // What was ingested is there, whatever becomes of what is made of it.
    let (graph, mut failed) = match graph.transpose() {
        Ok(graph) => (graph, None),
        Err(error) => (None, Some(Failure::from(error).kept(KEPT))),
    };
    if let Some(graph) = &graph {
        context.complain_about(&graph.failures);
        summary.failures.extend(graph.failures.iter().cloned());
    }
    if let Some(failure) = &mut failed {
        failure.exit = Exit::Partial;
        if context.out.json {
            context.out.event("error", &failure.to_json())?;
        } else {
            crate::output::complain(&failure.to_text());
        }
    }
    let wanted = engine.settings().index_on_ingest && !args.intake.no_embed;
    let done = summary.files > summary.failures.len() as u64;
    let exit = match (exit_of(summary.cancelled, summary.failures.len(), done), &failed) {
        (Exit::Done, Some(_)) => Exit::Partial,
        (exit, _) => exit,
    };
    let indexed = match wanted && !args.dry_run && !summary.cancelled && failed.is_none() {
        true => Some(
            engine
                .index_build(&reporter, &interrupt.cancel)
                .map_err(|error| index::behind(context, error, exit)),
        ),
        false => None,
    };
    reporter.clear();
    match &indexed {
        Some(Ok(indexed)) => context.out.event("index", indexed)?,
        Some(Err(failure)) => context.out.event("error", &failure.to_json())?,
        None => {}
    }
    if let Some(graph) = &graph {
        context.out.event("graph", graph)?;
    }
    context.out.event("summary", &summary)?;
    context.out.text(page(context, &summary, &args))?;
    if let Some(graph) = graph.as_ref().filter(|graph| graph.read + graph.removed > 0) {
        context.out.text(super::graph::page(graph))?;
    }
    match indexed {
        None => Ok(exit),
        Some(Ok(indexed)) => {
            context.out.text(index::page(&indexed))?;
            for note in &indexed.notes {
                context.out.remark(note);
            }
            Ok(if indexed.cancelled { Exit::Interrupted } else { exit })
        }
        // What was ingested is there, whatever becomes of what is made of it.
        Some(Err(failure)) => {
            if !context.out.json {
                crate::output::complain(&failure.to_text());
            }
            Ok(failure.exit)
        }
    }
}

fn page(context: &Context, summary: &IngestSummary, args: &IngestArgs) -> String {
    let data_dir =
        context.settings().map(|settings| settings.data_dir.display().to_string()).unwrap_or_default();
    let verb = match (args.dry_run, summary.cancelled) {
        (true, _) => "Would ingest",
        (false, true) => "Ingested a part of",
        (false, false) => "Ingested",
    };
    let mut text = format!(
        "{verb} {} in {}{} into {data_dir}",
        human::many(summary.files, "file"),
        human::seconds(summary.seconds),
        // Where nothing was read, the rate says nothing.
        match summary.bytes_in {
            0 => String::new(),
            bytes => format!(" ({})", human::rate(bytes, summary.seconds)),
        },
    );
    if let Some(version) = summary.lake_version {
        text.push_str(&format!(", now at version {version}"));
    }
    text.push('\n');
    let mut rows = Rows::new(["", ">count", ">bytes", "where"]);
    rows.row(["records", &human::count(summary.records), &human::count(summary.bytes_lake), "lake"]);
    rows.row([
        "rejected lines",
        &human::count(summary.quarantined),
        &human::count(summary.bytes_quarantine),
        "quarantine, with their bytes and the reason",
    ]);
    for (name, count, place) in [
        ("documents", summary.documents, "lake, counted with the records' bytes"),
        ("control lines", summary.control, "lake, counted with the records' bytes"),
        ("blank lines", summary.blank, "lake, counted with the records' bytes"),
        ("duplicates", summary.duplicates, "inputs whose content was there already"),
        ("removed", summary.removed, "documents that are not there any more; the lake keeps them"),
        ("filed", summary.tagged, "of these, under other tags than before"),
        ("resumed", summary.resumed, "inputs that went on where an earlier run stopped"),
        ("skipped", summary.skipped.len() as u64, "not inputs; --json lists them"),
        ("failed", summary.failures.len() as u64, "inputs that could not be read to their end"),
    ] {
        if count > 0 {
            rows.row([name, &human::count(count), "", place]);
        }
    }
    let balance = summary.bytes_lake + summary.bytes_quarantine;
    let equal = if balance == summary.bytes_in { "=" } else { "≠" };
    rows.row(["bytes in", "", &human::count(summary.bytes_in), &format!("{equal} lake + quarantine")]);
    text.push_str(&rows.to_string());
    text.push_str(&next(context, summary, args));
    text
}

fn next(context: &Context, summary: &IngestSummary, args: &IngestArgs) -> String {
    if summary.cancelled {
        let targets: Vec<String> = args.targets.iter().map(|target| human::shell_word(target)).collect();
        return format!(
            "Stopped on request; what is listed above is committed. To go on where it stopped:\n  {}\n",
            context.command(&format!("ingest {}", targets.join(" ")))
        );
    }
    if args.dry_run || context.out.quiet {
        return String::new();
    }
    let mut commands = vec![context.command("coverage")];
    if summary.quarantined > 0 {
        let query = "sql \"SELECT source, line_no, error_at, reason FROM quarantine\"";
        commands.push(context.command(query));
    }
    format!("Next: {}\n", commands.join("\n      "))
}
