//! One file a command. Each turns typed flags into one call of the engine, and its result into
//! what is shown and the exit code.

mod answer_sql;
mod capture;
mod config;
mod coverage;
mod discover;
mod doctor;
mod eval;
mod explain;
mod export;
mod generate;
mod graph;
mod graph_export;
mod index;
mod ingest;
mod jobs;
mod lake;
mod mcp;
mod migrate;
mod models;
mod purge;
mod read_document;
mod replay;
mod report;
mod schema;
mod search;
mod serve;
mod sink;
mod sources;
mod sql;
mod status;
mod summarise;
mod system;
mod tail;
mod top;
mod validate;
mod verify;
mod watch;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use stele_engine::jobs::Control;
use stele_engine::telemetry::Traces;
use stele_engine::{Engine, EngineError, Environment, InputFailure, Settings, SourceError};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{Cli, Command, Fold, Global, Reading};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Out, human};

/// Runs one command line.
pub fn main(line: impl Iterator<Item = OsString>) -> Exit {
    let line: Vec<OsString> = line.collect();
    let cli = match Cli::try_parse_from(&line) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, line.iter().any(|word| word == "--json")),
    };
    // Without it such a limit still ends the program; that is no reason not to begin.
    let _ = Interrupt::outlive_limits();
    let context = Context::new(cli.global);
    // What documents and queries run in has no network, and tells whoever started it.
    let alone = matches!(cli.command, Command::ReadDocument | Command::AnswerSql);
    let traces = if alone { None } else { context.traces() };
    log(&context.global, traces.as_ref());
    let result = match cli.command {
        Command::Discover(args) => discover::run(&context, args),
        Command::Ingest(args) => ingest::run(&context, args),
        Command::Coverage(args) => coverage::run(&context, args),
        Command::Replay(args) => replay::run(&context, &args),
        Command::Sql(args) => sql::run(&context, args),
        Command::Export(args) => export::run(&context, args.action),
        Command::Search(args) => search::run(&context, args),
        Command::Graph(args) => graph::run(&context, args.action),
        Command::Index(args) => index::run(&context, args.action),
        Command::Capture(args) => capture::run(&context, &args),
        Command::Sources(args) => sources::run(&context, args.action),
        Command::Models(args) => models::run(&context, args.action),
        Command::Eval(args) => eval::run(&context, args),
        Command::Verify(args) => verify::run(&context, &args),
        Command::Sink(args) => sink::run(&context, args.action),
        Command::Mcp => mcp::run(&context),
        Command::Serve(args) => serve::run(&context, args),
        Command::Explain(args) => explain::run(&context, &args),
        Command::Schema(args) => schema::run(&context, args.action),
        Command::Validate(args) => validate::run(&context, args),
        Command::Migrate(args) => migrate::run(&context, args),
        Command::Status(args) => status::run(&context, &args),
        Command::System => system::run(&context),
        Command::Config(args) => config::run(&context, args.action),
        Command::Jobs(args) => jobs::list(&context, &args),
        Command::Worker(args) => worker::run(&context, &args),
        Command::Tail(args) => tail::run(&context, &args),
        Command::Report(args) => report::run(&context, &args),
        Command::Cancel(args) => jobs::control(&context, &args, Control::Cancel),
        Command::Pause(args) => jobs::control(&context, &args, Control::Pause),
        Command::Resume(args) => jobs::control(&context, &args, Control::Resume),
        Command::Retry(args) => jobs::control(&context, &args, Control::Retry),
        Command::Dlq(args) => jobs::dead_letters(&context, args),
        Command::Clean(args) => jobs::clean(&context, &args),
        Command::Top(args) => top::run(&context, &args),
        Command::Lake(args) => lake::run(&context, args.action),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::ReadDocument => read_document::run(),
        Command::AnswerSql => answer_sql::run(),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::man(&context, dir.as_deref()),
    };
    if let Some(traces) = traces {
        traces.end();
    }
    result.unwrap_or_else(|failure| complain(context.out, &failure))
}

/// Says what failed, and gives the exit code.
fn complain(out: Out, failure: &Failure) -> Exit {
    if out.json {
        // Where standard output is broken too, the exit code is all that is left to say.
        let _ = crate::output::write_stdout(|stdout| writeln!(stdout, "{}", failure.to_json()));
    }
    crate::output::complain(&failure.to_text());
    failure.exit
}

/// Help, version, or a command line that makes no sense.
fn refuse(error: &clap::Error, json: bool) -> Exit {
    if !error.use_stderr() {
        // Help that nobody reads to its end is no error.
        let _ = error.print();
        return Exit::Done;
    }
    if json {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let _ = crate::output::write_stdout(|out| writeln!(out, "{}", Failure::usage(text).to_json()));
    }
    let _ = error.print();
    Exit::Usage
}

/// Log lines: warnings of this program always, what it does when asked, and the libraries below it
/// when asked twice. What took how long is told to `traces`, whatever is logged.
fn log(global: &Global, traces: Option<&Traces>) {
    let (own, others) = match global.verbose {
        0 if global.quiet => (LevelFilter::OFF, LevelFilter::OFF),
        0 => (LevelFilter::WARN, LevelFilter::OFF),
        1 => (LevelFilter::INFO, LevelFilter::OFF),
        2 => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let crates = ["engine", "lake", "sources", "discover", "server", "sinks", "jobs", "watch", "telemetry"];
    let targets =
        Targets::new().with_default(others).with_targets(crates.map(|name| (format!("stele_{name}"), own)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let spans = traces.map(Traces::layer);
    tracing_subscriber::registry().with(lines.with_filter(targets)).with(spans).init();
}

/// What every command needs.
pub struct Context {
    global: Global,
    /// Where results go.
    pub out: Out,
}

impl Context {
    fn new(global: Global) -> Self {
        let out = Out { json: global.json, quiet: global.quiet };
        Self { global, out }
    }

    /// Settings from file, environment and the flags of every command.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::load(self.global.config.as_deref(), variable)?;
        if let Some(dir) = &self.global.data_dir {
            settings.data_dir.clone_from(dir);
        }
        if let Some(threads) = self.global.threads {
            settings.threads = Some(threads);
        }
        Ok(settings)
    }

    /// Who is told what took how long. Settings that cannot be read are an error of the command, which reads them
    /// again.
    fn traces(&self) -> Option<Traces> {
        let (settings, environment) = (self.settings().ok()?, self.environment().ok()?);
        match settings.traces(&stele_engine::jobs::worker_name(), environment.clock, variable) {
            Ok(traces) => traces,
            Err(error) => {
                crate::output::complain(&format!("warning: {}; no traces are told\n", in_full(&error)));
                None
            }
        }
    }

    /// An engine for a command that reads no inputs.
    pub fn engine(&self) -> Result<Engine, Failure> {
        self.engine_for(&Reading::default(), None)
    }

    /// An engine for a command that reads inputs.
    pub fn engine_for(&self, reading: &Reading, fold: Option<Fold>) -> Result<Engine, Failure> {
        let mut settings = self.settings()?;
        if let Some(zone) = &reading.timezone {
            settings.timezone = Some(zone.clone());
        }
        if let Some(fold) = fold {
            settings.fold = fold.into();
        }
        settings.profiles.extend(reading.profile.iter().cloned());
        Ok(Engine::new(settings, self.environment()?)?)
    }

    /// An engine for the data of a tenant.
    pub fn engine_of_tenant(&self, tenant: &str) -> Result<Engine, Failure> {
        let settings = Settings { tenant: tenant.to_owned(), ..self.settings()? };
        Ok(Engine::new(settings, self.environment()?)?)
    }

    /// What the engine takes from the world around it.
    pub fn environment(&self) -> Result<Environment, Failure> {
        Ok(Environment::from_process(variable)?.reading_with(this_program(), read_document::ARGUMENT))
    }

    /// A command line to suggest: `stele REST`, with the data directory if it was named.
    pub fn command(&self, rest: &str) -> String {
        match &self.global.data_dir {
            Some(dir) => format!("stele {rest} --data-dir {}", human::shell_word(&dir.display().to_string())),
            None => format!("stele {rest}"),
        }
    }

    /// Lists what went wrong with single inputs; nothing under `--json`, where the summary has it.
    pub fn complain_about(&self, failures: &[InputFailure]) {
        if self.out.json {
            return;
        }
        for failure in failures.iter().take(FAILURES_SHOWN_MAX) {
            let text = if failure.reason.contains(&failure.uri) {
                failure.reason.clone()
            } else {
                format!("{}: {}", failure.uri, failure.reason)
            };
            crate::output::complain(&format!("error: {text}\n"));
        }
        if failures.len() > FAILURES_SHOWN_MAX {
            let more = (failures.len() - FAILURES_SHOWN_MAX) as u64;
            crate::output::complain(&format!(
                "error: {} failed besides; --json lists all\n",
                human::many(more, "input")
            ));
        }
    }
}

/// Where this program is, for work that it does in another process.
fn this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "stele".into())
}

/// The environment variables of this process, for the engine.
#[expect(clippy::disallowed_methods, reason = "the one place that hands the environment to the engine")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Failed inputs that are shown one by one: half a screen.
const FAILURES_SHOWN_MAX: usize = 12;

/// An error of a run over inputs: a zone that does not exist and came from a flag is wrong usage,
/// and a run that had begun has kept something.
pub fn failed_run(error: EngineError, reading: &Reading, kept: &str) -> Failure {
    match &error {
        EngineError::Config { origin, reason } if origin == "timezone" && reading.timezone.is_some() => {
            Failure::usage(format!("--timezone: {reason}"))
        }
        EngineError::Source(SourceError::UnknownFormat { .. }) => {
            Failure::usage(format!("--force-format: {error}"))
        }
        EngineError::Config { .. } | EngineError::NoInputs(_) | EngineError::Source(_) => error.into(),
        EngineError::Lake(lake) if lake.kind() == ErrorKind::Retry => {
            Failure::from(error).kept("nothing was changed")
        }
        _ => Failure::from(error).kept(kept),
    }
}

/// The exit code of a run over inputs of which some may have failed.
pub fn exit_of(cancelled: bool, failed: usize, done: bool) -> Exit {
    match (cancelled, failed, done) {
        (true, ..) => Exit::Interrupted,
        (false, 0, _) => Exit::Done,
        (false, _, true) => Exit::Partial,
        (false, _, false) => Exit::Failure,
    }
}

/// `path` as an absolute path if that can be said.
pub fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
