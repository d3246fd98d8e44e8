//! `stele ingest DIR --watch`: what arrives in directories goes into the lake, until somebody says stop.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use stele_engine::jobs::{
    Filter, JobDesk, Options, SpoolConfig, Stop, WatcherConfig, WorkerSettings, worker_name,
};

use super::{Context, absolute};
use crate::args::QueueArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;

/// Between two looks at what became of jobs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Jobs that are looked at: more do not end within [`LOOK_EVERY`], and what is missed is in `stele jobs`.
const JOBS_LOOKED_AT: usize = 100;

/// Says of each job that ends what became of it, until it is asked to stop.
fn tell(context: &Context, desk: &JobDesk, stop: &Stop) {
    let began = desk.now();
    let mut told = HashSet::new();
    let newest = Filter { limit: JOBS_LOOKED_AT, ..Filter::default() };
    loop {
        // Asked before the look, so that the last jobs are told, too.
        let last = stop.is_asked();
        // A queue that does not answer is told by the worker, which asks it all the time.
        let jobs = desk.ask(|queue| queue.list(&newest)).map(|page| page.jobs).unwrap_or_default();
        for job in jobs.iter().rev() {
            let ended = job.finished.is_some_and(|at| at >= began) && job.state.is_terminal();
            if ended && told.insert(job.id) {
                let inputs = human::many(job.spec.inputs.len() as u64, "input");
                context.out.remark(&format!("{} with {inputs} became {}: {}", job.id, job.state, job.cause));
            }
        }
        if last {
            return;
        }
        desk.wait(LOOK_EVERY);
    }
}

/// Runs the command.
pub fn run(
    context: &Context,
    targets: &[String],
    home: &QueueArgs,
    options: Options,
) -> Result<Exit, Failure> {
    let mut watchers = BTreeMap::new();
    for target in targets {
        if !Path::new(target).is_dir() {
            return Err(Failure::usage(format!("{target} is no directory, and only those can be watched"))
                .hint("without --watch it is ingested once"));
        }
        // Without `..` in it: the names of what is found begin with it.
        let path = absolute(Path::new(target));
        let path = path.canonicalize().unwrap_or(path);
        let spool = SpoolConfig { tag: options.tag.clone(), ..SpoolConfig::new(path) };
        watchers.insert(format!("watch-{}", watchers.len() + 1), WatcherConfig::Spool(spool));
    }
    let interrupt = Interrupt::start()?;
    let desk = context.jobs_for(home, |settings| settings.index_on_ingest &= options.embed)?;
    let stop = Stop::new();
    let asked = stop.clone();
    interrupt.also(move || asked.ask());
    let manager = desk.watch(&watchers, options)?;
    context.out.event("watching", &json!({ "targets": targets, "queue": desk.queue().home() }))?;
    context.out.remark(&format!("watching {}; Ctrl-C ends it", targets.join(", ")));
    let worked = std::thread::scope(|scope| {
        let ended = Stop::new();
        let told = ended.clone();
        let desk = &desk;
        scope.spawn(move || tell(context, desk, &told));
        let worked = desk.work(&WorkerSettings::new(worker_name()), &stop);
        ended.ask();
        worked
    })?;
    manager.stop();
    context.out.event("worked", &json!({ "became": worked.became, "lost": worked.lost }))?;
    Ok(Exit::Interrupted)
}
