//! `stele tail JOB`: what happens to a job, as it happens.

use std::time::Duration;

use stele_engine::jobs::{Event, EventKind, State};

use super::Context;
use super::jobs::job_id;
use crate::args::TailArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;

/// Events that are asked for at once.
const STEP: usize = 500;

/// Between two questions: as often as a job says something.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Runs the command.
pub fn run(context: &Context, args: &TailArgs) -> Result<Exit, Failure> {
    let desk = context.jobs_there(&args.home)?;
    let id = job_id(&args.job)?;
    let interrupt = Interrupt::start()?;
    let mut after = 0;
    loop {
        // Before the events, so that nothing that happened before its end is missed.
        let job = desk.ask(|queue| queue.get(id))?;
        loop {
            let events = desk.ask(|queue| queue.events(id, after, STEP))?;
            for event in &events {
                after = event.number;
                context.out.event("job_event", event)?;
                context.out.text(line(event))?;
            }
            if events.len() < STEP {
                break;
            }
        }
        if job.state.is_terminal() {
            context.out.event("job", &job)?;
            return Ok(match job.state {
                State::Done => Exit::Done,
                _ => Exit::Failure,
            });
        }
        if args.no_follow {
            return Ok(Exit::Done);
        }
        if interrupt.cancel.is_cancelled() {
            return Ok(Exit::Interrupted);
        }
        desk.wait(ASK_EVERY);
    }
}

fn line(event: &Event) -> String {
    let at = jiff::Timestamp::from_microsecond(event.at).map(|at| at.strftime("%H:%M:%S").to_string());
    let progress = &event.progress;
    let mut text = format!("{} {:>3.0} % {:<10}", at.unwrap_or_default(), progress.percent, event.state);
    if event.kind != EventKind::Progress {
        text.push_str(&format!(" {}", kind(event.kind)));
    }
    if let Some(total) = progress.total.filter(|_| event.kind == EventKind::Progress) {
        text.push_str(&format!(
            " {} of {} {}",
            human::count(progress.done),
            human::count(total),
            progress.unit
        ));
    }
    let said = if event.message.is_empty() { &progress.message } else { &event.message };
    if !said.is_empty() {
        text.push_str(&format!(" {said}"));
    }
    text.push('\n');
    text
}

fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Submitted => "submitted",
        EventKind::Started => "started",
        EventKind::Progress => "",
        EventKind::Checkpoint => "checkpoint",
        EventKind::Retrying => "will be tried again",
        EventKind::Released => "given back",
        EventKind::Expired => "its worker is gone",
        EventKind::Control => "asked to",
        EventKind::Ended => "ended",
    }
}
