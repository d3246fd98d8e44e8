//! `stele jobs`, `status JOB`, `cancel`, `pause`, `resume`, `retry`, `dlq`, `clean`: what is in the
//! queue, and what becomes of it.

use std::sync::Arc;

use serde_json::json;
use stele_engine::jobs::{
    Control, Filter, INPUTS_MAX, Input, Job, JobDesk, JobId, JobsError, Options, Origin, QueueHome, Spec,
    State, Submitted, inputs_of_targets,
};
use stele_engine::{Environment, Settings};

use super::Context;
use crate::args::{CleanArgs, ControlArgs, DeadLetters, DeadLettersArgs, JobsArgs, QueueArgs};
use crate::errors::{Exit, Failure};
use crate::output::human;
use crate::output::table::Rows;

/// Dead letters that are taken in one step.
const DEAD_STEP: usize = 1_000;

/// Characters of a cause in a table: what fits beside the other columns.
const CAUSE_CHARS_MAX: usize = 60;

impl Context {
    /// The queue that the flags and the settings name; made if it is not there.
    pub fn jobs(&self, home: &QueueArgs) -> Result<JobDesk, Failure> {
        self.jobs_for(home, |_| ())
    }

    /// The same for whoever looks at jobs or steers them: a queue that is not there is an error, and not made.
    pub fn jobs_there(&self, home: &QueueArgs) -> Result<JobDesk, Failure> {
        Ok(JobDesk::open_there(self.queue_settings(home)?, self.environment()?, super::variable)?)
    }

    /// The same for whoever wants some settings otherwise.
    pub fn jobs_for(
        &self,
        home: &QueueArgs,
        otherwise: impl FnOnce(&mut Settings),
    ) -> Result<JobDesk, Failure> {
        let mut settings = self.queue_settings(home)?;
        otherwise(&mut settings);
        let environment = self.queue_environment(&settings)?;
        Ok(JobDesk::open(settings, environment, super::variable)?)
    }

    /// The same for a service, which answers questions without a queue, too.
    pub fn jobs_of_service(&self, home: &QueueArgs) -> Result<JobDesk, Failure> {
        let settings = self.queue_settings(home)?;
        let environment = self.queue_environment(&settings)?;
        let (desk, why) = JobDesk::open_patiently(settings, environment, super::variable)?;
        if let Some(error) = why {
            let failure = Failure::from(error);
            self.out.remark(&format!("there is no queue until this is over: {}", failure.what));
        }
        Ok(desk)
    }

    /// What the engine takes from the world, and who is told what jobs do.
    fn queue_environment(&self, settings: &Settings) -> Result<Environment, Failure> {
        let environment = self.environment()?;
        let lineage = settings.lineage(Arc::clone(&environment.clock), super::variable)?;
        Ok(Environment { lineage, ..environment })
    }

    fn queue_settings(&self, home: &QueueArgs) -> Result<Settings, Failure> {
        let mut settings = self.settings()?;
        if let Some(queue) = &home.queue {
            settings.queue =
                QueueHome::parse(queue).map_err(|reason| Failure::usage(format!("--queue: {reason}")))?;
        }
        Ok(settings)
    }
}

/// A job's name.
pub fn job_id(text: &str) -> Result<JobId, Failure> {
    text.parse().map_err(|error: JobsError| Failure::new(error.to_string()))
}

/// `stele ingest --no-wait`: puts the work into the queue.
pub fn submit(
    context: &Context,
    targets: &[String],
    home: &QueueArgs,
    options: &Options,
) -> Result<Exit, Failure> {
    if targets.iter().any(|target| target == "-") {
        return Err(Failure::usage(
            "--no-wait cannot take standard input: it is gone when a worker comes to it",
        )
        .hint("`stele ingest -` reads it at once; or write it to a file, and name that"));
    }
    let inputs = inputs_of_targets(targets)?;
    submit_all(context, inputs.chunks(INPUTS_MAX).map(<[_]>::to_vec).collect(), home, options)
}

/// Puts a job for each of these lists of inputs into the queue, and says what became of each.
pub fn submit_all(
    context: &Context,
    lists: Vec<Vec<Input>>,
    home: &QueueArgs,
    options: &Options,
) -> Result<Exit, Failure> {
    let desk = context.jobs(home)?;
    let mut ids = Vec::new();
    let mut duplicates = Vec::new();
    for inputs in lists {
        let spec = Spec { inputs, options: options.clone(), origin: Origin::Cli };
        let Submitted { job, duplicates: known } = desk.ask(|queue| queue.submit(spec))?;
        ids.extend(job);
        duplicates.extend(known);
    }
    context.out.event("queued", &json!({ "job_ids": ids, "duplicates": duplicates }))?;
    let mut text = String::new();
    for id in &ids {
        text.push_str(&format!("Queued {id}\n"));
    }
    for duplicate in &duplicates {
        if let Some(id) = duplicate.input.source_id() {
            text.push_str(&format!(
                "{id} is on its way with {}, which has not asked it yet; --force queues it once more\n",
                duplicate.of
            ));
            continue;
        }
        let Input { uri, .. } = &duplicate.input;
        let how = if duplicate.in_flight { "is on its way with" } else { "was done by" };
        text.push_str(&format!("{uri} {how} {}; --force does it again\n", duplicate.of));
    }
    if let Some(id) = ids.first() {
        let tail = context.command(&format!("tail {id}"));
        text.push_str(&format!("Next: {}\n      {tail}\n", context.command("worker --until-idle")));
    }
    context.out.text(text)?;
    Ok(Exit::Done)
}

/// `stele jobs`
pub fn list(context: &Context, args: &JobsArgs) -> Result<Exit, Failure> {
    let desk = context.jobs_there(&args.home)?;
    let state = |name: &String| {
        name.parse().map_err(|_: JobsError| {
            let known = State::ALL.map(State::name).join(", ");
            Failure::usage(format!("--state: {name:?} is none of {known}"))
        })
    };
    let states = args.state.iter().map(state).collect::<Result<_, _>>()?;
    let before = args.before.as_deref().map(job_id).transpose()?;
    let filter = Filter { states, before, limit: args.limit.into(), ..Filter::default() };
    let page = desk.ask(|queue| queue.list(&filter))?;
    let counts = desk.ask(|queue| queue.counts())?;
    context.out.event("jobs", &json!({ "jobs": page.jobs, "next": page.next, "counts": counts }))?;
    context.out.text(table(&page.jobs))?;
    if let Some(next) = page.next {
        context.out.remark(&format!("there are more: {}", context.command(&format!("jobs --before {next}"))));
    }
    Ok(Exit::Done)
}

/// Jobs as a table, the newest first.
pub fn table(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "There are no such jobs.\n".to_owned();
    }
    let mut rows = Rows::new(["job", "state", ">done", "inputs", "why"]);
    for job in jobs {
        let inputs = match job.spec.inputs.as_slice() {
            [one] => one.source_id().map_or_else(|| one.uri.clone(), |id| format!("source {id}")),
            [one, rest @ ..] => format!("{} and {} more", one.uri, rest.len()),
            [] => String::new(),
        };
        rows.row([
            &job.id.to_string(),
            &state_of(job),
            &format!("{:.0} %", job.progress.percent),
            &inputs,
            &job.cause.chars().take(CAUSE_CHARS_MAX).collect::<String>(),
        ]);
    }
    rows.to_string()
}

fn state_of(job: &Job) -> String {
    match (job.paused, job.cancelling) {
        (_, true) => format!("{} (cancelling)", job.state),
        (true, false) => format!("{} (paused)", job.state),
        (false, false) => job.state.to_string(),
    }
}

/// `stele status JOB`
pub fn show(context: &Context, job: &str, home: &QueueArgs) -> Result<Exit, Failure> {
    let desk = context.jobs_there(home)?;
    let id = job_id(job)?;
    let job = desk.ask(|queue| queue.get(id))?;
    context.out.event("job", &job)?;
    context.out.text(page(context, &job))?;
    Ok(Exit::Done)
}

fn page(context: &Context, job: &Job) -> String {
    let mut text = format!("Job {}: {}\n", job.id, state_of(job));
    let mut fact = |name: &str, value: String| text.push_str(&format!("  {name:<10} {value}\n"));
    fact("why", job.cause.clone());
    fact("next", job.next_action.clone());
    let progress = &job.progress;
    let mut far = format!("{:.0} %, {}", progress.percent, progress.stage);
    if let Some(total) = progress.total {
        far.push_str(&format!(
            ": {} of {} {}",
            human::count(progress.done),
            human::count(total),
            progress.unit
        ));
    }
    if let Some(eta) = progress.eta_s {
        far.push_str(&format!(", {} left", human::rough(eta)));
    }
    fact("progress", far);
    if !progress.message.is_empty() {
        fact("at", progress.message.clone());
    }
    fact("attempts", format!("{} of {}", job.attempts, job.attempts_max));
    if let Some(error) = &job.last_error {
        fact("failed", format!("{} (attempt {}, {})", error.message, error.attempt, error.stage));
    }
    if let Some(source) = job.spec.source_id() {
        fact("source", source.to_owned());
        let counts = progress.counts.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts
            .map(|(name, count)| format!("{} {}", name.replace('_', " "), human::count(*count)))
            .collect();
        fact("counted", if counts.is_empty() { "nothing yet".to_owned() } else { counts.join(", ") });
    }
    for input in job.spec.inputs.iter().filter(|input| input.source_id().is_none()) {
        fact(if input.removed { "gone" } else { "input" }, input.uri.clone());
    }
    if let Some(ready) = job.result.as_ref().and_then(|result| result["ready_for_queries"].as_str()) {
        fact("ready", ready.to_owned());
    }
    if job.state.is_terminal() && !context.out.quiet {
        text.push_str(&format!("Next: {}\n", context.command(&format!("report {}", job.id))));
    }
    text
}

/// `stele cancel|pause|resume|retry JOB…`
pub fn control(context: &Context, args: &ControlArgs, control: Control) -> Result<Exit, Failure> {
    let desk = context.jobs_there(&args.home)?;
    let ids = args.jobs.iter().map(|job| job_id(job)).collect::<Result<Vec<_>, _>>()?;
    for id in ids {
        let job = desk.ask(|queue| queue.control(id, control))?;
        context.out.event("job", &job)?;
        context.out.text(format!("{}: {}, {}\n", job.id, state_of(&job), job.next_action))?;
    }
    Ok(Exit::Done)
}

/// `stele dlq …`
pub fn dead_letters(context: &Context, args: DeadLettersArgs) -> Result<Exit, Failure> {
    match args.action {
        DeadLetters::List { home } => {
            let desk = context.jobs_there(&home)?;
            let dead = all_dead(&desk)?;
            context.out.event("dead_letters", &json!({ "jobs": dead }))?;
            let mut text = String::new();
            for job in &dead {
                let why = job.last_error.as_ref().map_or(&job.cause, |error| &error.message);
                text.push_str(&format!("{} after {} attempts: {why}\n", job.id, job.attempts));
            }
            match dead.is_empty() {
                true => text.push_str("There are no dead letters.\n"),
                false => text.push_str(&format!("Next: {}\n", context.command("dlq retry"))),
            }
            context.out.text(text)?;
        }
        DeadLetters::Retry { jobs, home } => {
            let desk = context.jobs_there(&home)?;
            for id in named_or_dead(&desk, &jobs, jobs.is_empty())? {
                let job = desk.ask(|queue| queue.control(id, Control::Retry))?;
                context.out.event("job", &job)?;
                context.out.text(format!("{}: {}, {}\n", job.id, job.state, job.next_action))?;
            }
        }
        DeadLetters::Purge { jobs, all, home } => {
            let desk = context.jobs_there(&home)?;
            for id in named_or_dead(&desk, &jobs, all)? {
                desk.ask(|queue| queue.purge(id))?;
                context.out.event("purged", &json!({ "job": id }))?;
                context.out.text(format!("{id} is forgotten\n"))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn named_or_dead(desk: &JobDesk, named: &[String], all: bool) -> Result<Vec<JobId>, Failure> {
    match all {
        true => Ok(all_dead(desk)?.iter().map(|job| job.id).collect()),
        false => named.iter().map(|job| job_id(job)).collect(),
    }
}

fn all_dead(desk: &JobDesk) -> Result<Vec<Job>, Failure> {
    let (mut dead, mut before) = (Vec::new(), None);
    loop {
        let page = desk.ask(|queue| queue.dead(before, DEAD_STEP))?;
        dead.extend(page.jobs);
        before = page.next;
        if before.is_none() {
            return Ok(dead);
        }
    }
}

/// `stele clean`
pub fn clean(context: &Context, args: &CleanArgs) -> Result<Exit, Failure> {
    let desk = context.jobs_there(&args.home)?;
    let age = i64::try_from(args.older_than.as_micros()).unwrap_or(i64::MAX);
    let before = desk.now().saturating_sub(age);
    let cleaned = desk.ask(|queue| queue.clean(before, args.dry_run))?;
    context.out.event("cleaned", &cleaned)?;
    let verb = if args.dry_run { "would be forgotten" } else { "forgotten" };
    context
        .out
        .text(format!("{} {verb}; what they wrote stays\n", human::many(cleaned.jobs.len() as u64, "job")))?;
    Ok(Exit::Done)
}
