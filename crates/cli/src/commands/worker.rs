//! `stele worker`: goes through the queue until it is asked to stop.

use serde_json::json;
use stele_engine::jobs::{Stop, WorkerSettings};

use super::Context;
use crate::args::WorkerArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;

/// Runs the command.
pub fn run(context: &Context, args: &WorkerArgs) -> Result<Exit, Failure> {
    let settings = WorkerSettings {
        capacity: args.jobs.into(),
        lease: args.lease,
        until_idle: args.until_idle,
        ..WorkerSettings::new(args.name.clone().unwrap_or_else(stele_engine::jobs::worker_name))
    };
    settings.check().map_err(|error| Failure::usage(error.to_string()))?;
    let desk = context.jobs(&args.home)?;
    let interrupt = Interrupt::start()?;
    let stop = Stop::new();
    let asked = stop.clone();
    interrupt.also(move || asked.ask());
    context.out.event("working", &json!({ "worker": settings.name, "queue": desk.queue().home() }))?;
    context.out.remark(&format!("{} works on {}; Ctrl-C ends it", settings.name, desk.queue().home()));
    let worked = desk.work(&settings, &stop)?;
    context.out.event("worked", &json!({ "became": worked.became, "lost": worked.lost }))?;
    let mut text = String::new();
    for (state, jobs) in &worked.became {
        text.push_str(&format!("{jobs} became {state}\n"));
    }
    context.out.text(text)?;
    Ok(if interrupt.cancel.is_cancelled() { Exit::Interrupted } else { Exit::Done })
}
