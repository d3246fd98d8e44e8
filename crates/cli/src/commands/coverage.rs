//! `stele coverage`: the proof that nothing is missing.

use stele_engine::{CoverageReport, FileCheck};

use super::Context;
use crate::args::CoverageArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// Inputs that are listed one by one when nothing is wrong with them.
const FILES_SHOWN_MAX: usize = 20;

/// Runs the command.
pub fn run(context: &Context, args: CoverageArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::answer(context.out);
    let report = engine.coverage(&reporter, &interrupt.cancel);
    reporter.clear();
    let report = report?;
    context.out.event("coverage", &report)?;
    context.out.text(page(&report, context.out.quiet))?;
    if let Some(dir) = &args.output {
        for path in engine.write_lake_outputs(dir, &report.checks(), false)? {
            context.out.remark(&format!("wrote {}", path.display()));
        }
    }
    if report.holds {
        return Ok(Exit::Done);
    }
    if !context.out.json {
        let hint = context.command("doctor");
        crate::output::complain(&format!(
            "error: the lake and what was read differ in {}\nhint:  `{hint}` checks the lake's files\n",
            human::many(report.difference_count, "place")
        ));
    }
    Ok(Exit::NotMet)
}

/// The report; if only results are wanted, of all that was compared only what differs.
fn page(report: &CoverageReport, quiet: bool) -> String {
    let mut rows = Rows::new(["", ">discovered", ">recounted", ">in the sources", ""]);
    for total in report.totals.iter().filter(|total| !quiet || !total.holds()) {
        rows.row([
            total.name,
            &human::count(total.discovered),
            &human::count(total.recounted),
            &total.source.map_or_else(|| "–".to_owned(), human::count),
            if total.holds() { "equal" } else { "DIFFERENT" },
        ]);
    }
    let mut text = format!("Coverage of lake version {}\n", report.lake_version);
    if !rows.is_empty() {
        text.push_str(&rows.to_string());
    }
    text.push_str(&format!("{} compared one by one\n", human::many(report.paths, "path")));
    text.push_str(&files(&report.files, quiet));
    for difference in &report.differences {
        text.push_str(&format!(" - {difference}\n"));
    }
    let more = report.difference_count.saturating_sub(report.differences.len() as u64);
    if more > 0 {
        text.push_str(&format!(" - and {} more\n", human::count(more)));
    }
    text.push_str(&match (report.holds, report.rows_pruned) {
        (true, 0) => "Everything that was read is in the lake, and nothing else.\n".to_owned(),
        (true, rows) => format!(
            "What was read is in the lake, but for {} pruned on request; nothing else is there.\n",
            human::many(rows, "row")
        ),
        (false, _) => "Coverage does NOT hold.\n".to_owned(),
    });
    text
}

/// The inputs: all of a few, otherwise those that need a look.
fn files(checks: &[FileCheck], quiet: bool) -> String {
    let all = checks.len() <= FILES_SHOWN_MAX && !quiet;
    let sound = |check: &FileCheck| check.exact && check.source == "unchanged";
    let mut rows = Rows::new(["input", ">bytes", "replay", "source now"]);
    for check in checks.iter().filter(|check| all || !sound(check)).take(FILES_SHOWN_MAX) {
        let exact = match check {
            FileCheck { exact: true, .. } => "exact",
            FileCheck { lost: 1.., .. } => "LOST ROWS",
            FileCheck { pruned: 1.., .. } => "pruned",
            _ => "DIFFERENT",
        };
        rows.row([check.uri.as_str(), &human::count(check.bytes), exact, check.source]);
    }
    let exact = checks.iter().filter(|check| check.exact).count() as u64;
    let mut text = if rows.is_empty() { String::new() } else { rows.to_string() };
    text.push_str(&format!(
        "{} of {} written back byte for byte\n",
        human::count(exact),
        human::many(checks.len() as u64, "input")
    ));
    text
}
