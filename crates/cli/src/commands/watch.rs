//! `stele ingest DIR --watch`: what arrives in directories goes into the lake, until somebody says stop.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use stele_engine::jobs::{Options, SpoolConfig, Stop, WatcherConfig, WorkerSettings, worker_name};

use super::{Context, absolute};
use crate::args::QueueArgs;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;

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
        let spool = SpoolConfig { tag: options.tag.clone(), ..SpoolConfig::new(absolute(Path::new(target))) };
        watchers.insert(format!("watch-{}", watchers.len() + 1), WatcherConfig::Spool(spool));
    }
    let interrupt = Interrupt::start()?;
    let desk = context.jobs_for(home, |settings| settings.index_on_ingest &= options.embed)?;
    let stop = Stop::new();
    let asked = stop.clone();
    interrupt.also(move || asked.ask());
    let manager = desk.watch(&watchers)?;
    context.out.event("watching", &json!({ "targets": targets, "queue": desk.queue().home() }))?;
    context.out.remark(&format!("watching {}; Ctrl-C ends it", targets.join(", ")));
    let worked = desk.work(&WorkerSettings::new(worker_name()), &stop)?;
    manager.stop();
    context.out.event("worked", &json!({ "became": worked.became, "lost": worked.lost }))?;
    Ok(Exit::Interrupted)
}
