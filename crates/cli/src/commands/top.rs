//! `stele top`: the queue, its workers and the lake on one screen, alive.

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::json;
use stele_engine::jobs::{Counts, Filter, Job, JobDesk, State, WorkerStatus};

use super::Context;
use super::jobs::table;
use crate::args::TopArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{human, visible};

/// Between two pictures.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Jobs that are shown: what fits a screen with the rest.
const JOBS_SHOWN_MAX: usize = 12;

/// Cells of a bar.
const BAR_CELLS: usize = 30;

/// To the top left, and everything below and after it cleared: no flicker, unlike clearing first.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";

/// Runs the command.
pub fn run(context: &Context, args: &TopArgs) -> Result<Exit, Failure> {
    let desk = context.jobs_there(&args.home)?;
    let interrupt = Interrupt::start()?;
    let alive = !args.once && !context.out.json && std::io::stdout().is_terminal();
    loop {
        let view = View::of(context, &desk)?;
        context.out.event("top", &json!({
            "counts": view.counts, "workers": view.workers, "running": view.running, "newest": view.newest,
        }))?;
        let text = view.text(context);
        if !alive {
            context.out.text(text)?;
            return Ok(Exit::Done);
        }
        let text = visible(&text).replace('\n', CLEAR_LINE);
        crate::output::write_stdout(|out| write!(out, "{HOME}{text}{CLEAR_BELOW}"))?;
        if interrupt.cancel.is_cancelled() {
            return Ok(Exit::Done);
        }
        desk.wait(SHOW_EVERY);
    }
}

struct View {
    counts: Counts,
    workers: Vec<WorkerStatus>,
    running: Vec<Job>,
    newest: Vec<Job>,
    lake: Option<(u64, u64)>,
    home: String,
}

impl View {
    fn of(context: &Context, desk: &JobDesk) -> Result<Self, Failure> {
        let running: Vec<State> = State::ALL.into_iter().filter(|state| state.is_running()).collect();
        let some = |states| Filter { states, limit: JOBS_SHOWN_MAX, ..Filter::default() };
        let (at_work, all) = (some(running), some(Vec::new()));
        let snapshot = context.engine()?.snapshot().ok();
        Ok(Self {
            counts: desk.ask(|queue| queue.counts())?,
            workers: desk.ask(|queue| queue.workers())?,
            running: desk.ask(|queue| queue.list(&at_work))?.jobs,
            newest: desk.ask(|queue| queue.list(&all))?.jobs,
            lake: snapshot.map(|snapshot| (snapshot.version(), snapshot.totals().records)),
            home: desk.queue().home(),
        })
    }

    fn text(&self, context: &Context) -> String {
        let count = |state| self.counts.of(state);
        let running: u64 = State::ALL.into_iter().filter(|state| state.is_running()).map(count).sum();
        let mut text = format!(
            "{}   {} waiting, {running} running, {} done, {} failed, {} dead\n",
            self.home,
            count(State::Queued),
            count(State::Done),
            count(State::Failed),
            count(State::Dead)
        );
        match self.lake {
            Some((version, records)) => {
                text.push_str(&format!("lake at version {version} with {} records\n", human::count(records)));
            }
            None => text.push_str("there is no lake yet\n"),
        }
        text.push('\n');
        for worker in &self.workers {
            let state = match (worker.alive, &worker.held_back) {
                (false, _) => "not heard of".to_owned(),
                (true, Some(why)) => format!("holds back: {why}"),
                (true, None) => format!("{} of {} jobs", worker.jobs.len(), worker.capacity),
            };
            text.push_str(&format!("worker {}: {state}\n", worker.name));
        }
        if self.workers.is_empty() {
            text.push_str(&format!("no worker is at it: {}\n", context.command("worker")));
        }
        text.push('\n');
        for job in &self.running {
            let full = (BAR_CELLS as f64 * job.progress.percent / 100.0) as usize;
            let bar = "█".repeat(full) + &"·".repeat(BAR_CELLS.saturating_sub(full));
            let eta =
                job.progress.eta_s.map(|eta| format!(", {} left", human::rough(eta))).unwrap_or_default();
            text.push_str(&format!(
                "{} {bar} {:>3.0} % {}{eta}  {}\n",
                job.id, job.progress.percent, job.state, job.progress.message
            ));
        }
        if !self.running.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(&self.newest));
        text
    }
}
