//! Commands about jobs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Where the queue is.
#[derive(Debug, Clone, Default, Args)]
pub struct QueueArgs {
    /// Where jobs are kept: `sqlite` (state.db in the data directory) or redis://HOST:PORT/DB [env: STELE_QUEUE]
    #[arg(long, value_name = "HOME")]
    pub queue: Option<String>,
}

/// `stele worker`
#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    pub home: QueueArgs,
    /// Its name among the workers [default: made of the host and the process]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Jobs at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// How long it may be silent before others take its jobs, such as 30s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::duration)]
    pub lease: std::time::Duration,
    /// End when there is nothing left to begin
    #[arg(long)]
    pub until_idle: bool,
}

/// `stele jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(flatten)]
    pub home: QueueArgs,
    /// Only those in this state, such as queued, embedding, done, failed or dead (may be repeated)
    #[arg(long, value_name = "STATE")]
    pub state: Vec<String>,
    /// At most so many, the newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Go on after this job
    #[arg(long, value_name = "JOB")]
    pub before: Option<String>,
}

/// `stele cancel`, `pause`, `resume`, `retry`
#[derive(Debug, Args)]
pub struct ControlArgs {
    /// The jobs
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<String>,
    #[command(flatten)]
    pub home: QueueArgs,
}

/// `stele tail`
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The job
    pub job: String,
    #[command(flatten)]
    pub home: QueueArgs,
    /// Write what has happened so far, and end
    #[arg(long)]
    pub no_follow: bool,
}

/// `stele report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The job
    pub job: String,
    #[command(flatten)]
    pub home: QueueArgs,
    /// How it is written; --json writes it as one line of JSON
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Write it to a file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Markdown, which reads well in a terminal
    Text,
    /// JSON, as docs/formats/job_report.schema.json describes it
    Json,
    /// One page that needs nothing beside itself
    Html,
}

/// `stele dlq`
#[derive(Debug, Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    pub action: DeadLetters,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Which there are, and why
    List {
        #[command(flatten)]
        home: QueueArgs,
    },
    /// Give them all their attempts again; without names, all of them
    Retry {
        /// The jobs
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
        #[command(flatten)]
        home: QueueArgs,
    },
    /// Forget them; what they wrote stays
    Purge {
        /// The jobs
        #[arg(value_name = "JOB", required_unless_present = "all")]
        jobs: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "jobs")]
        all: bool,
        #[command(flatten)]
        home: QueueArgs,
    },
}

/// `stele clean`
#[derive(Debug, Args)]
pub struct CleanArgs {
    #[command(flatten)]
    pub home: QueueArgs,
    /// Forget jobs that ended longer ago than this, such as 7d or 12h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = super::duration)]
    pub older_than: std::time::Duration,
    /// Say which, and forget none
    #[arg(long)]
    pub dry_run: bool,
}

/// `stele top`
#[derive(Debug, Args)]
pub struct TopArgs {
    #[command(flatten)]
    pub home: QueueArgs,
    /// Show it once, and end
    #[arg(long)]
    pub once: bool,
}
