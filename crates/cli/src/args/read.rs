//! Commands that only read the lake.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Drift;

/// Most memory that can be given to a query, in megabytes: more than any machine has, and few enough bytes
/// for every engine to count.
const MEMORY_MB_MAX: u64 = 16 << 20;

/// `stele coverage`
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Also write all reports of the lake into this directory, the recount among them
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `stele replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The input as it was named, an unambiguous end of its path, or its file id
    pub file: String,
    /// Write to this file, which appears whole or not at all, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `stele sql`
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The query, or - to read it from standard input. `SELECT * FROM help` lists views and macros
    pub query: String,
    /// Form of the result [default: table]
    #[arg(long, value_enum)]
    pub format: Option<SqlFormat>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// At most this many rows, 0 for all [default: 1000 for a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Value of a parameter: VALUE for the next ? or $1, NAME=VALUE for $NAME
    #[arg(short, long, value_name = "[NAME=]VALUE")]
    pub param: Vec<String>,
    /// Ask an earlier version of the lake
    #[arg(long, value_name = "VERSION")]
    pub at: Option<u64>,
    /// Memory of the engine in megabytes; what does not fit goes to disk
    #[arg(long, value_name = "MB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=MEMORY_MB_MAX))]
    pub memory_limit: u64,
}

/// Form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SqlFormat {
    /// For people
    Table,
    /// RFC 4180 with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// One JSON array
    Json,
    /// A Parquet file; needs --output, or a standard output that is no terminal
    Parquet,
}

/// `stele export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    pub action: ExportAction,
}

/// What to export.
#[derive(Debug, Subcommand)]
pub enum ExportAction {
    /// The records as JSON lines, in a total order
    Jsonl(JsonlArgs),
    /// A training slice: the rows of a query in a total order
    Slice(SliceArgs),
    /// The texts that are indexed, as JSON lines of `id`, `text` and `metadata`
    Chunks(ChunksArgs),
    /// Whole records found inside damaged lines, each marked as salvaged and with its place.
    /// The lake does not change
    Salvage(SalvageArgs),
}

/// `stele export chunks`
#[derive(Debug, Args)]
pub struct ChunksArgs {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `stele export salvage`
#[derive(Debug, Args)]
pub struct SalvageArgs {
    /// Only damaged lines of this input: its name, an unambiguous end of it, or its file id
    #[arg(long, value_name = "FILE")]
    pub source: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `stele export jsonl`
#[derive(Debug, Args)]
pub struct JsonlArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Write the envelope columns too, with the record as text under `raw`
    #[arg(long)]
    pub envelope: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `stele export slice`
#[derive(Debug, Args)]
pub struct SliceArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The rows of this query, ordered by all of their columns, instead of whole records
    #[arg(long, value_name = "SELECT", conflicts_with = "selection")]
    pub query: Option<String>,
    /// Value of a parameter of the query: VALUE for the next ? or $1, NAME=VALUE for $NAME
    #[arg(short, long, value_name = "[NAME=]VALUE", requires = "query")]
    pub param: Vec<String>,
    /// Form of the slice
    #[arg(long, value_enum, default_value_t = SliceFormat::Jsonl)]
    pub format: SliceFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Form of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SliceFormat {
    /// RFC 4180 with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// A Parquet file
    Parquet,
}

/// Which records; a flag that is given twice means either value.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "selection", multiple = true)]
pub struct SelectionArgs {
    /// Records of this doc type
    #[arg(long, value_name = "NAME")]
    pub doc_type: Vec<String>,
    /// Records of this event
    #[arg(long, value_name = "NAME")]
    pub event: Vec<String>,
    /// Records of this game
    #[arg(long, value_name = "ID")]
    pub game: Vec<String>,
    /// Records of this player
    #[arg(long, value_name = "ID")]
    pub player: Vec<String>,
    /// Records of this session
    #[arg(long, value_name = "ID")]
    pub session: Vec<String>,
    /// Records of this input: its name, an unambiguous end of it, or its file id
    #[arg(long, value_name = "FILE")]
    pub source: Vec<String>,
    /// Not before this instant: 2025-12-12 (midnight UTC) or 2025-12-12T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<i64>,
    /// Before this instant
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<i64>,
    /// In which order
    #[arg(long, value_enum, default_value_t = OrderArg::Place)]
    pub order: OrderArg,
    /// At most this many records
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// A total order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// By input and place in it
    #[default]
    Place,
    /// By UTC time; records whose time is not known come last
    Time,
}

fn instant(text: &str) -> Result<i64, String> {
    // A date-time without a zone would parse as a date, its time ignored.
    let day = if text.contains(':') { None } else { text.parse::<jiff::civil::Date>().ok() };
    let midnight = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let instant = midnight.map(|day| day.timestamp()).or_else(|| text.parse::<jiff::Timestamp>().ok());
    instant.map(|instant| instant.as_microsecond()).ok_or_else(|| {
        "expected a date such as 2025-12-12, or an instant with its zone such as 2025-12-12T10:00:00Z"
            .to_owned()
    })
}

/// `stele explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A path, the end of one, an event, or a question such as "what is data.price?"
    #[arg(required = true, value_name = "PATH")]
    pub question: Vec<String>,
}

/// `stele status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A job; without one the lake is shown
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    #[command(flatten)]
    pub home: super::QueueArgs,
    /// List every input
    #[arg(long)]
    pub files: bool,
}

/// `stele schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[command(subcommand)]
    pub action: SchemaAction,
}

/// What to do with schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaAction {
    /// Print the JSON Schema of one event, or of all
    Show {
        /// The event; without it all events
        event: Option<String>,
    },
    /// Write schemas, field index, AsyncAPI, coverage report and dictionary of the lake
    Export {
        /// Directory to write into
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Hide values of identity-like fields
        #[arg(long)]
        redact: bool,
    },
    /// Compare two shapes: catalogues, event schemas, field indexes or dictionaries, files or directories
    Diff {
        /// The old one
        old: PathBuf,
        /// The new one
        new: PathBuf,
        /// Exit with 4 if a difference is at least this bad
        #[arg(long, value_enum, value_name = "LEVEL")]
        fail_on_drift: Option<Drift>,
    },
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn instants() {
        assert_eq!(instant("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(instant("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(instant("1970-01-01T01:00:00").is_err() && instant("yesterday").is_err());
    }
}
