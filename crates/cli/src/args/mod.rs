//! The command line as typed text: flags, values and their help. What they mean is decided in
//! [`crate::commands`].

mod answers;
mod config;
mod graph;
mod jobs;
mod lake;
mod read;
mod run;
mod serve;
mod sources;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use stele_engine::THREADS_MAX;
use stele_engine::discovery::Folding;
use stele_engine::discovery::render::diff::Severity;

pub use answers::{
    EvalArgs, IndexAction, IndexArgs, ModelsAction, ModelsArgs, SearchArgs, SinkAction, SinkArgs,
};
pub use config::{ConfigAction, ConfigArgs};
pub use graph::{FollowArgs, GraphAction, GraphArgs, GraphFormat};
pub use jobs::{
    CleanArgs, ControlArgs, DeadLetters, DeadLettersArgs, JobsArgs, QueueArgs, ReportArgs, ReportFormat,
    TailArgs, TopArgs, WorkerArgs,
};
pub use lake::{LakeAction, LakeArgs, PruneArgs, VacuumArgs};
pub use read::{
    CoverageArgs, ExplainArgs, ExportAction, ExportArgs, OrderArg, ReplayArgs, SchemaAction, SchemaArgs,
    SelectionArgs, SliceFormat, SqlArgs, SqlFormat, StatusArgs,
};
pub use run::{
    DiscoverArgs, DiscoverFormat, DoctorArgs, IngestArgs, MigrateArgs, Reading, ValidateArgs, VerifyArgs,
    View,
};
pub use serve::ServeArgs;
pub use sources::{CaptureArgs, Collecting, SourcesAction, SourcesArgs, StateAction};

const AFTER_HELP: &str = "\
Exit codes:
    0  all done                 4  coverage, drift or validation not met
    1  failure                 78  wrong configuration
    2  wrong usage            130  stopped by Ctrl-C; what was done is kept
    3  some inputs failed

First steps:
  stele discover recordings/                     what is in there
  stele ingest recordings/ --data-dir lake       keep every byte of it
  stele coverage --data-dir lake                 prove that
  stele explain data.price --data-dir lake       ask about a field
  stele sql \"SELECT * FROM event_counts\" --data-dir lake";

/// Turns recordings into an open lake that is proved complete.
#[derive(Debug, Parser)]
#[command(name = "stele", version, after_help = AFTER_HELP, max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Where the lake is [default: .stele] [env: STELE_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file [default: stele.toml if it is there] [env: STELE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write JSON lines to standard output; everything else goes to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log to standard error what happens; twice: in detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Worker threads, at most 256 [default: one a core] [env: STELE_THREADS]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(THREADS_MAX)))]
    pub threads: Option<u16>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find out what recordings hold: every path, its types, counts, values and places
    Discover(DiscoverArgs),
    /// Bring recordings into the lake, every byte of them
    Ingest(IngestArgs),
    /// Count the lake again, independently, and compare with what was read and with the sources
    Coverage(CoverageArgs),
    /// Write an ingested file back, byte for byte
    Replay(ReplayArgs),
    /// Ask the lake in SQL (DuckDB, read-only)
    Sql(SqlArgs),
    /// Write records or training slices, the same bytes every time
    Export(ExportArgs),
    /// Listen to a live feed and bring what it says into the lake, its gaps with it
    Capture(CaptureArgs),
    /// Sources that are no files: list, check, preview, discover, state, cost
    Sources(SourcesArgs),
    /// Answer a question from the index, with evidence
    Search(SearchArgs),
    /// The index that answers questions: build, rebuild, status, verify
    Index(IndexArgs),
    /// How documents, things and recordings hang together: build, show, walk
    Graph(GraphArgs),
    /// Models that give texts their vectors: pull, list, check
    Models(ModelsArgs),
    /// Measure search on a labelled collection
    Eval(EvalArgs),
    /// Compare graph and index with the lake and ask the sample queries: is it ready?
    Verify(VerifyArgs),
    /// Copies outside, of the index in vector stores and of the graph in Neo4j: list, sync, verify
    Sink(SinkArgs),
    /// Serve the tools for agents on standard input and output (MCP)
    Mcp,
    /// Serve agents (MCP), programs and the dashboard over HTTP
    Serve(ServeArgs),
    /// Everything known about a field or an event
    Explain(ExplainArgs),
    /// Schemas of the events: show, write, compare
    Schema(SchemaArgs),
    /// Check the configuration, and with --records every record against its schema
    Validate(ValidateArgs),
    /// Backfill old recording directories and report what can be doubted
    Migrate(MigrateArgs),
    /// One page: snapshot, inputs, ledger, events; or how far a job is
    Status(StatusArgs),
    /// The system in numbers: records, sources, rules, calls, tokens and what they cost
    System,
    /// The configuration that holds, by file and environment
    Config(ConfigArgs),
    /// The jobs of the queue, the newest first
    Jobs(JobsArgs),
    /// Work on the queue until asked to stop
    Worker(WorkerArgs),
    /// What happens to a job, as it happens
    Tail(TailArgs),
    /// What a job came to, and whether it can be asked
    Report(ReportArgs),
    /// A job is not wanted any more; one that runs ends at its next checkpoint
    Cancel(ControlArgs),
    /// Hold a job; one that runs is given back at its next checkpoint
    Pause(ControlArgs),
    /// Hold a job no longer
    Resume(ControlArgs),
    /// Give a job that failed, was cancelled or is dead all its attempts again
    Retry(ControlArgs),
    /// Jobs that were tried as often as they may be: list, retry, purge
    Dlq(DeadLettersArgs),
    /// Forget jobs that ended long ago
    Clean(CleanArgs),
    /// The queue, its workers and the lake on one screen, alive
    Top(TopArgs),
    /// Look after the lake: sizes, compaction, retention
    Lake(LakeArgs),
    /// Check the installation and the lake, and say what to do
    Doctor(DoctorArgs),
    /// Read one document from standard input within limits; what `ingest` calls for formats that have
    /// to be unpacked
    #[command(hide = true)]
    ReadDocument,
    /// Answer queries from standard input within limits; what the servers for agents call
    #[command(hide = true)]
    AnswerSql,
    /// Write completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    Man {
        /// Directory for one page a command; without it the main page goes to standard output
        dir: Option<PathBuf>,
    },
}

/// How objects whose keys are data are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fold {
    /// Objects whose keys are all decimal digits
    Digits,
    /// Digits, and wherever the whole input gives evidence
    Auto,
    /// Every key is a name
    None,
}

impl From<Fold> for Folding {
    fn from(fold: Fold) -> Self {
        match fold {
            Fold::Digits => Folding::Digits,
            Fold::Auto => Folding::Auto,
            Fold::None => Folding::None,
        }
    }
}

/// How bad a change must be to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drift {
    /// Any change
    Safe,
    /// Changes that a careful reader should look at
    Warning,
    /// Changes that break a program written for the old shape
    Breaking,
}

impl From<Drift> for Severity {
    fn from(drift: Drift) -> Self {
        match drift {
            Drift::Safe => Severity::Safe,
            Drift::Warning => Severity::Warning,
            Drift::Breaking => Severity::Breaking,
        }
    }
}

/// A time such as `90s`, `12h` or `7d`; days have 24 hours.
///
/// # Errors
///
/// What it would have to be.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("expected a time such as 90s, 12h or 7d, got {text:?}");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(relative).map_err(|_| wrong())?;
    std::time::Duration::try_from(duration).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
