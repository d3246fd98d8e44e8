//! Commands about sources that are no files, and about live feeds.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// `stele sources`
#[derive(Debug, Args)]
pub struct SourcesArgs {
    #[command(subcommand)]
    pub action: SourcesAction,
}

/// What to do with sources.
#[derive(Debug, Clone, Subcommand)]
pub enum SourcesAction {
    /// What is configured, and what of it cannot be used
    List,
    /// Try connections and credentials; nothing is changed
    Check {
        /// One source; all of them without it
        id: Option<String>,
    },
    /// The first records of a source; nothing is kept
    Preview {
        /// The source
        id: String,
        /// Records
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        limit: u64,
    },
    /// What a source has: streams, keys, cursors, fields
    Discover {
        /// The source
        id: String,
    },
    /// How far a source has come, by the word of the lake
    State {
        #[command(subcommand)]
        action: StateAction,
    },
    /// Remove everything of a tenant on a help desk; without --confirm it shows what that would be
    Purge {
        /// A source of that help desk
        id: String,
        /// The words that the plan tells how to form
        #[arg(long, value_name = "WORDS")]
        confirm: Option<String>,
        /// Write a copy into this new directory first, which `sources restore` brings back
        #[arg(long, value_name = "DIR", requires = "confirm")]
        backup: Option<PathBuf>,
    },
    /// Bring back what a purge wrote aside
    Restore {
        /// The directory
        dir: PathBuf,
    },
    /// Have the model of `[summaries]` in stele.toml summarise what a help desk has
    Summarise {
        /// The source
        id: String,
    },
    /// What sources cost so far
    Cost {
        /// One source; all of them without it
        id: Option<String>,
    },
}

/// What to do with the state of a source.
#[derive(Debug, Clone, Subcommand)]
pub enum StateAction {
    /// The cursor of each stream
    Show {
        /// The source
        id: String,
    },
    /// Begin anew with the next run; what is in the lake stays
    Reset {
        /// The source
        id: String,
        /// One stream; all of them without it
        #[arg(long)]
        stream: Option<String>,
    },
}

/// Which sources an ingest collects.
#[derive(Debug, Clone, Default, Args)]
pub struct Collecting {
    /// Collect what is new of this source of the configuration (may be repeated)
    #[arg(long, value_name = "ID", conflicts_with_all = ["targets", "all_sources"])]
    pub source: Vec<String>,
    /// Collect what is new of all sources that are enabled
    #[arg(long, conflicts_with = "targets")]
    pub all_sources: bool,
    /// With --all-sources: those of this priority or before it
    #[arg(long, value_name = "N", requires = "all_sources", allow_negative_numbers = true)]
    pub priority_threshold: Option<i64>,
}

impl Collecting {
    /// Whether sources are meant, and not files.
    pub fn is_meant(&self) -> bool {
        self.all_sources || !self.source.is_empty()
    }
}

/// `stele capture`
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// The feed: wss://…, socketio+https://…, cdp+http://HOST:PORT, or - for lines of standard input
    pub url: String,
    /// Listen so long, such as 10s or 2h; until Ctrl-C without it
    #[arg(long = "for", value_name = "TIME", value_parser = super::duration)]
    pub time: Option<Duration>,
    /// What the capture is called; what its address says without it
    #[arg(long)]
    pub name: Option<String>,
    /// Where in a message the feed numbers it, as a JSON pointer such as /seq: what is missing is then counted
    #[arg(long, value_name = "POINTER")]
    pub number: Option<String>,
    /// Leave the index as it is
    #[arg(long)]
    pub no_embed: bool,
}
