//! `stele doctor`: is everything where it should be, and what to do if not.

use serde_json::json;
use stele_engine::lake::maintain::Salvaged;
use stele_engine::{Check, CheckState};

use super::Context;
use crate::args::DoctorArgs;
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::progress::Reporter;

/// Inputs with losses that are named: half a screen.
const LOST_SHOWN_MAX: usize = 12;

/// Runs the command.
pub fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    let reporter = Reporter::answer(context.out);
    let salvaged = if args.salvage { Some(engine.salvage(args.yes, &reporter)) } else { None };
    let checks = salvaged.transpose().and_then(|done| Ok((done, engine.doctor(args.fix, &reporter)?)));
    reporter.clear();
    let (done, checks) = checks?;
    if let Some(done) = done {
        context.out.event("salvage", &done)?;
        context.out.text(salvage_page(context, &done))?;
    }
    show(context, "doctor", &checks)
}

fn salvage_page(context: &Context, done: &Salvaged) -> String {
    if let (Some(entry), false) = (&done.log_entry, done.done) {
        return format!(
            "Would move the damaged newest log entry aside ({}), and finish its commit from the parts if the \
             inputs prove it whole; otherwise the lake goes back to the version before it.\n\
             Nothing was changed. To do it:\n  {}\n",
            entry.display(),
            context.command("doctor --salvage --yes")
        );
    }
    let before = match (&done.log_entry, done.completed) {
        (None, _) => String::new(),
        (Some(_), Some(records)) => format!(
            "Moved the damaged log entry to lake/lost+found and finished its commit again: {}\n",
            human::many(records, "record")
        ),
        (Some(_), None) => "Moved the damaged log entry to lake/lost+found. Its commit could not be proved \
                            whole: the lake is at the version before it\n"
            .to_owned(),
    };
    if done.parts == 0 && done.log_entry.is_some() {
        return before;
    }
    if done.parts == 0 {
        return "Nothing to salvage: no part is damaged\n".to_owned();
    }
    let mut text = before;
    text += &format!(
        "{} {} with {}: {} kept, {} lost; {}\n",
        if done.done { "Gave up" } else { "Would give up" },
        human::many(done.parts, "damaged part"),
        human::many(done.rows_before, "row"),
        human::count(done.rows_kept),
        human::count(done.rows_before.saturating_sub(done.rows_kept)),
        match done.inputs {
            0 => "every input can still be replayed".to_owned(),
            inputs => format!("{} cannot be replayed any more", human::many(inputs, "input")),
        }
    );
    for loss in done.lost.iter().take(LOST_SHOWN_MAX) {
        text.push_str(&format!("  {} of {}\n", human::many(loss.rows, "row"), loss.uri));
    }
    if done.lost.len() > LOST_SHOWN_MAX {
        let more = (done.lost.len() - LOST_SHOWN_MAX) as u64;
        text.push_str(&format!("  and of {}\n", human::many(more, "more input")));
    }
    text.push_str(&match done.done {
        true => format!("The damaged files stay until `{}`\n", context.command("lake vacuum --yes")),
        false => format!(
            "Nothing was changed. A copy of the damaged files would lose less. To do it:\n  {}\n",
            context.command("doctor --salvage --yes")
        ),
    });
    text
}

/// Shows checks, and says by the exit code whether one failed.
pub fn show(context: &Context, event: &str, checks: &[Check]) -> Result<Exit, Failure> {
    let failed = checks.iter().filter(|check| check.state == CheckState::Failed).count() as u64;
    let warned = checks.iter().filter(|check| check.state == CheckState::Warning).count() as u64;
    context.out.event(event, &json!({ "ok": failed == 0, "checks": checks }))?;
    let mut text = String::new();
    for check in checks {
        let mark = match check.state {
            CheckState::Ok => "ok     ",
            CheckState::Fixed => "fixed  ",
            CheckState::Warning => "warning",
            CheckState::Failed => "FAILED ",
        };
        let detail = check.detail.trim_end().replace('\n', "\n            ");
        text.push_str(&format!("{mark}  {}: {detail}\n", check.name));
        if let Some(next) = &check.next {
            text.push_str(&format!("         next: {next}\n"));
        }
    }
    text.push_str(&match (failed, warned) {
        (0, 0) => "Everything is as it should be.\n".to_owned(),
        (0, warned) => format!("It works; {} to look at.\n", human::many(warned, "thing")),
        (failed, _) => format!("{} failed.\n", human::many(failed, "check")),
    });
    context.out.text(text)?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Failure })
}
