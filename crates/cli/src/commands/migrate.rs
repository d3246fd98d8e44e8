//! `stele migrate`: old recordings into the lake, with everything that can be doubted.

use std::collections::BTreeMap;

use serde::Serialize;
use stele_engine::{IngestOptions, MigrationReport, MigrationRow};

use super::{Context, exit_of, failed_run, ingest};
use crate::args::MigrateArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// Sessions and doubts that are shown; `--json` has all.
const SHOWN_MAX: usize = 30;

/// Runs the command.
pub fn run(context: &Context, args: MigrateArgs) -> Result<Exit, Failure> {
    let engine = context.engine_for(&args.intake.reading, None)?;
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let options = IngestOptions { inputs: args.intake.reading.options(), ..IngestOptions::default() };
    let result = engine.migrate(&args.dirs, &options, &reporter, &interrupt.cancel);
    reporter.clear();
    let report = result.map_err(|error| failed_run(error, &args.intake.reading, ingest::KEPT))?;
    context.complain_about(&report.ingest.failures);
    for row in &report.rows {
        context.out.event("group", &Group { agrees: row.agrees(), row })?;
    }
    let body = serde_json::json!({
        "ingest": report.ingest,
        "compared": report.compared,
        "groups": report.rows.len(),
        "differing": report.differing,
        "doubts": report.doubts,
    });
    context.out.event("summary", &body)?;
    context.out.text(page(context, &report))?;
    if report.differing > 0 && !report.ingest.cancelled {
        return Ok(Exit::NotMet);
    }
    let failed = report.ingest.failures.len();
    Ok(exit_of(report.ingest.cancelled, failed, report.ingest.files > failed as u64))
}

#[derive(Serialize)]
struct Group<'a> {
    #[serde(flatten)]
    row: &'a MigrationRow,
    agrees: bool,
}

/// What is shown about one session and day.
#[derive(Default)]
struct Line {
    games: BTreeMap<String, ()>,
    events: BTreeMap<String, ()>,
    source: u64,
    lake: u64,
    agrees: bool,
}

fn page(context: &Context, report: &MigrationReport) -> String {
    let mut text = format!(
        "Migrated {} in {}: {} added, {} there already, {} rejected\n",
        human::many(report.ingest.files, "file"),
        human::seconds(report.ingest.seconds),
        human::many(report.ingest.records, "record"),
        human::many(report.ingest.duplicates, "file"),
        human::many(report.ingest.quarantined, "line"),
    );
    let mut lines: BTreeMap<(&str, &str), Line> = BTreeMap::new();
    for row in &report.rows {
        let key = (row.key.session.as_str(), row.key.day.as_deref().unwrap_or("–"));
        let line = lines.entry(key).or_insert_with(|| Line { agrees: true, ..Line::default() });
        line.games.extend(row.key.game.clone().map(|game| (game, ())));
        line.events.insert(row.key.event.clone(), ());
        line.source += row.source.rows;
        line.lake += row.lake.rows;
        line.agrees &= row.agrees();
    }
    let mut rows = Rows::new(["session", "day", ">events", ">games", ">in the sources", ">in the lake", ""]);
    // What differs comes first, so that it is shown however much there is.
    let mut sorted: Vec<_> = lines.into_iter().collect();
    sorted.sort_by_key(|(_, line)| line.agrees);
    for ((session, day), line) in sorted.iter().take(SHOWN_MAX) {
        rows.row([
            *session,
            day,
            &human::count(line.events.len() as u64),
            &human::count(line.games.len() as u64),
            &human::count(line.source),
            &human::count(line.lake),
            if line.agrees { "equal" } else { "DIFFERENT" },
        ]);
    }
    text.push_str(&rows.to_string());
    if sorted.len() > SHOWN_MAX {
        text.push_str(&format!(
            " and {}; --json lists all\n",
            human::many((sorted.len() - SHOWN_MAX) as u64, "more line")
        ));
    }
    text.push_str(&format!(
        "{} of session, game, day and event compared by rows, key fields and raw hashes: {}\n",
        human::many(report.rows.len() as u64, "group"),
        if report.differing == 0 {
            "all equal".to_owned()
        } else {
            format!("{} DIFFERENT", human::count(report.differing))
        },
    ));
    if !report.doubts.is_empty() {
        text.push_str("What can be doubted:\n");
    }
    for doubt in report.doubts.iter().take(SHOWN_MAX) {
        text.push_str(&format!(" - {doubt}\n"));
    }
    if report.doubts.len() > SHOWN_MAX {
        text.push_str(&format!(" - and {} more\n", report.doubts.len() - SHOWN_MAX));
    }
    text.push_str(&format!("Next: {}\n", context.command("coverage")));
    text
}
