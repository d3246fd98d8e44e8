//! `stele verify`: is what answers questions what the lake comes to, and ready to be asked?

use stele_engine::{IndexVerification, Ready, RepairReport, VerifyReport};

use super::Context;
use crate::args::VerifyArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, args: &VerifyArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let (text, report) = if args.repair {
        let interrupt = Interrupt::start()?;
        let reporter = Reporter::events(context.out);
        let report = engine.repair(&reporter, &interrupt.cancel);
        reporter.clear();
        let report = report?;
        context.out.event("repair", &report)?;
        let text = repaired(&report);
        (text + &page(&report.after), report.after)
    } else {
        let report = engine.verify()?;
        (page(&report), report)
    };
    context.out.event("verify", &report)?;
    context.out.text(text)?;
    Ok(match report.ready_for_queries {
        Ready::No => Exit::NotMet,
        Ready::Yes | Ready::Unverified => Exit::Done,
    })
}

fn repaired(report: &RepairReport) -> String {
    match report.done.as_slice() {
        [] => "There was nothing to repair.\n".to_owned(),
        done => {
            let before = report.before.reasons.iter().map(|reason| format!("Before: {reason}\n"));
            before.chain(done.iter().map(|step| format!("Repaired: {step}\n"))).collect()
        }
    }
}

fn indexed(index: &IndexVerification) -> String {
    let mut text = format!(
        "Index: {} wanted, {} missing, {} too many: drift {:.2} % of at most {:.1} %\n",
        human::many(index.wanted, "text"),
        human::count(index.missing),
        human::count(index.extra),
        100.0 * index.drift,
        100.0 * stele_engine::DRIFT_MAX,
    );
    for problem in &index.problems {
        text.push_str(&format!("  {problem}\n"));
    }
    text
}

fn page(report: &VerifyReport) -> String {
    let mut text = match &report.index {
        Some(index) => indexed(index),
        None => String::new(),
    };
    if let Some(graph) = &report.graph {
        text.push_str(&super::graph::verified(graph));
    }
    for sample in &report.sample_queries {
        let found = match (&sample.evidence, &sample.unavailable) {
            (Some(evidence), _) => format!("{evidence} (confidence {:.2})", sample.confidence),
            (None, Some(why)) => format!("could not be asked: {why}"),
            (None, None) => "nothing found".to_owned(),
        };
        text.push_str(&format!("Asked {:?}: {found}\n", sample.query));
    }
    text.push_str(match report.ready_for_queries {
        Ready::Yes => "Ready for queries.\n",
        Ready::No => "Not ready for queries:\n",
        Ready::Unverified => "Unverified:\n",
    });
    for reason in &report.reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    text
}
