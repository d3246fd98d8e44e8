//! `stele validate`: configuration and profiles, and every record against its schema.

use stele_engine::ValidationReport;

use super::{Context, doctor};
use crate::args::{Reading, ValidateArgs};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, args: ValidateArgs) -> Result<Exit, Failure> {
    let engine = context.engine_for(&Reading { profile: args.profile, ..Reading::default() }, None)?;
    let checks = engine.validate_config();
    let exit = match doctor::show(context, "validate", &checks)? {
        Exit::Done => Exit::Done,
        _ => Exit::Config,
    };
    if !args.records || exit != Exit::Done {
        return Ok(exit);
    }
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::answer(context.out);
    let report = engine.validate_records(&reporter, &interrupt.cancel);
    reporter.clear();
    let report = report?;
    context.out.event("records", &report)?;
    context.out.text(page(&report))?;
    Ok(if report.invalid == 0 { Exit::Done } else { Exit::NotMet })
}

fn page(report: &ValidationReport) -> String {
    let mut text = format!(
        "{} checked against {}: {} valid, {} invalid\n",
        human::many(report.records, "record"),
        human::many(report.schemas, "schema"),
        human::count(report.valid),
        human::count(report.invalid)
    );
    for example in &report.examples {
        text.push_str(&format!(" - {example}\n"));
    }
    text
}
