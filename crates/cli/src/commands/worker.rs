//! `stele worker`: goes through the queue until it is asked to stop.

use serde_json::json;
use stele_engine::jobs::{State, Stop, WorkerSettings};

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
    let dead = || Ok::<u64, Failure>(desk.ask(|queue| queue.counts())?.of(State::Dead));
    let dead_before = dead()?;
    let mut worked = desk.work(&settings, &stop)?;
    // A job whose workers died is a dead letter without any of them having said so.
    let died = dead()?.saturating_sub(dead_before);
    if died > worked.became.get(&State::Dead).copied().unwrap_or(0) {
        worked.became.insert(State::Dead, died);
    }
    context.out.event("worked", &json!({ "became": worked.became, "lost": worked.lost }))?;
    let mut text = String::new();
    for (state, jobs) in &worked.became {
        text.push_str(&format!("{jobs} became {state}\n"));
    }
    let bad = [State::Failed, State::Dead].iter().filter_map(|state| worked.became.get(state)).sum::<u64>();
    if bad > 0 {
        text.push_str(&format!("Next: {}\n", context.command("jobs --state failed --state dead")));
    }
    context.out.text(text)?;
    Ok(match (interrupt.cancel.is_cancelled(), bad, worked.became.get(&State::Done)) {
        (true, ..) => Exit::Interrupted,
        (false, 0, _) => Exit::Done,
        (false, _, Some(_)) => Exit::Partial,
        (false, _, None) => Exit::Failure,
    })
}
