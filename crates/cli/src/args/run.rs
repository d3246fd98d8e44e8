//! Commands that read inputs or change something.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use stele_engine::{InputOptions, documents};

use super::{Drift, Fold};

/// How inputs are read.
#[derive(Debug, Clone, Default, Args)]
pub struct Reading {
    /// Zone of times that state none, such as America/New_York; without it they stay naive
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Read every input as this format instead of recognising it by its content
    #[arg(long, value_name = "NAME")]
    pub force_format: Option<String>,
    /// A profile file that adds or overrides a format; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub profile: Vec<PathBuf>,
    /// What standard input is called
    #[arg(long, value_name = "NAME")]
    pub stdin_name: Option<String>,
}

impl Reading {
    /// The part of it that the engine is told with every call.
    pub fn options(&self) -> InputOptions {
        InputOptions {
            format: self.force_format.clone(),
            stdin_name: self.stdin_name.clone(),
            confined: false,
        }
    }
}

/// How inputs are brought into the lake.
#[derive(Debug, Args)]
pub struct Intake {
    #[command(flatten)]
    pub reading: Reading,
    /// Leave the index as it is: nothing is embedded, and `stele index build` does it later
    #[arg(long)]
    pub no_embed: bool,
}

/// `stele discover`
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Files, directories, patterns, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub reading: Reading,
    /// Objects whose keys are data, not names [default: auto]
    #[arg(long, value_enum, hide_possible_values = false)]
    pub fold: Option<Fold>,
    /// What goes to standard output [default: md; nothing with --output]
    #[arg(long, value_enum)]
    pub format: Option<DiscoverFormat>,
    /// Root of the paths that are shown: the whole record, or its payload
    #[arg(long, value_enum, default_value_t = View::Record)]
    pub view: View,
    /// Write all outputs into this directory: schemas, field index, AsyncAPI, coverage report, dictionary
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Hide values of identity-like fields
    #[arg(long)]
    pub redact: bool,
    /// A catalogue, schema file or dictionary to compare with; the differences are shown instead
    #[arg(long, value_name = "FILE")]
    pub previous: Option<PathBuf>,
    /// Exit with 4 if a difference is at least this bad
    #[arg(long, value_enum, value_name = "LEVEL", requires = "previous")]
    pub fail_on_drift: Option<Drift>,
}

/// A form of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiscoverFormat {
    /// One line a path: event, path, types, nodes, records
    Tsv,
    /// Everything, for programs
    Json,
    /// An overview for people
    Md,
}

/// The root of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// The record as it was written
    Record,
    /// What the record carries, traces aside
    Payload,
}

/// `stele ingest`
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Files, directories, patterns, or - for standard input
    #[arg(required_unless_present_any = ["source", "all_sources"], value_name = "PATH")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub collecting: super::Collecting,
    #[command(flatten)]
    pub intake: Intake,
    /// File every input under this, in the place of the tags that an earlier ingest gave; --scope tag:NAME finds
    /// its documents (may be repeated)
    #[arg(long, value_name = "TAG", value_parser = tags)]
    pub tag: Vec<Tags>,
    /// Take away the tags that an earlier ingest gave
    #[arg(long, conflicts_with_all = ["tag", "no_wait", "watch"])]
    pub no_tags: bool,
    /// Decide and report, but write nothing; of sources, say what it would take and cost, and ask nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Put it into the queue and come back at once; `stele worker` or `stele serve` does it
    #[arg(long, conflicts_with = "dry_run")]
    pub no_wait: bool,
    /// Go on with what arrives, changes or goes in the directories, until Ctrl-C
    #[arg(long, conflicts_with_all = ["no_wait", "dry_run"])]
    pub watch: bool,
    /// With --no-wait: also inputs that a job has done already
    #[arg(long, requires = "no_wait")]
    pub force: bool,
    #[command(flatten)]
    pub home: super::QueueArgs,
}

/// Tags that were written as one argument.
pub type Tags = std::sync::Arc<[String]>;

fn tags(text: &str) -> Result<Tags, String> {
    documents::tags_in(text).map(Tags::from)
}

impl IngestArgs {
    /// What every input is to be filed under, if anything is said about that.
    ///
    /// # Errors
    ///
    /// If it is more than anybody can remember.
    pub fn tags(&self) -> Result<Option<Vec<String>>, String> {
        let tags: Vec<String> = self.tag.iter().flat_map(|tags| tags.iter().cloned()).collect();
        if tags.len() > documents::TAGS_MAX {
            return Err(format!(
                "{} tags were given, and an input has at most {}",
                tags.len(),
                documents::TAGS_MAX
            ));
        }
        Ok((self.no_tags || !tags.is_empty()).then_some(tags))
    }
}

/// `stele migrate`
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Directories of old recordings
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<String>,
    #[command(flatten)]
    pub intake: Intake,
}

/// `stele validate`
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// A profile file to check; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub profile: Vec<PathBuf>,
    /// Also validate every record of the lake against the schema of its event
    #[arg(long)]
    pub records: bool,
}

/// `stele doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Put right what can be put right without losing anything
    #[arg(long)]
    pub fix: bool,
    /// Give up damaged parts of the lake, and keep every record in them that is provably intact
    #[arg(long)]
    pub salvage: bool,
    /// Do what `--salvage` shows; without this the plan is shown and nothing happens
    #[arg(long, requires = "salvage")]
    pub yes: bool,
}

/// `stele verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Bring what drifts back to the lake: follow it first, make it anew where that does not help
    #[arg(long)]
    pub repair: bool,
}
