//! `stele graph`: how things hang together.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use stele_engine::graph::Direction;
use stele_model::EdgeKind;

/// `stele graph`
#[derive(Debug, Args)]
pub struct GraphArgs {
    #[command(subcommand)]
    pub action: GraphAction,
}

/// What to do with the graph.
#[derive(Debug, Subcommand)]
pub enum GraphAction {
    /// Bring the graph up to the lake: read what is new or changed, take out what is gone
    Build,
    /// Make the graph anew from the lake; the old one answers until then
    Rebuild,
    /// How much there is, which snapshot it follows, and what could not be read
    Status,
    /// Check the graph: its contract, what documents kept of their text, and that it follows the lake
    Verify,
    /// Everything about one thing, document or section
    Show {
        /// Its name, key, title, source or id
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// What is around one thing, with who says so
    Neighbors {
        /// Its name, key, title, source or id
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// Steps, at most 3
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3))]
        depth: u32,
        /// Edges, at most 100
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = rows)]
        limit: usize,
        #[command(flatten)]
        follow: FollowArgs,
    },
    /// How two things hang together
    Path {
        /// Where to begin
        #[arg(allow_hyphen_values = true)]
        from: String,
        /// Where to end
        #[arg(allow_hyphen_values = true)]
        to: String,
        /// Steps, at most 6
        #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=6))]
        depth: u32,
        /// Ways, at most 20
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = paths)]
        limit: usize,
        #[command(flatten)]
        follow: FollowArgs,
    },
    /// Write the graph, or what is around one thing, for other programs or as a picture
    Export {
        /// Only what is around this
        #[arg(allow_hyphen_values = true)]
        name: Option<String>,
        /// How it is written; a picture needs a name
        #[arg(long, value_enum, default_value = "graphml")]
        format: GraphFormat,
        /// File to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Steps around the name, at most 3
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3))]
        depth: u32,
    },
}

/// Which edges are followed.
#[derive(Debug, Clone, Args)]
pub struct FollowArgs {
    /// Only edges of this kind (may be repeated)
    #[arg(long, value_parser = kinds())]
    pub kind: Vec<EdgeKind>,
    /// Which way
    #[arg(long, value_enum, default_value = "both")]
    pub direction: DirectionArg,
}

/// Which way edges are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DirectionArg {
    /// From their beginning to their end
    Out,
    /// From their end to their beginning
    In,
    /// Both ways
    Both,
}

impl From<DirectionArg> for Direction {
    fn from(direction: DirectionArg) -> Self {
        match direction {
            DirectionArg::Out => Self::Out,
            DirectionArg::In => Self::In,
            DirectionArg::Both => Self::Both,
        }
    }
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// XML that Gephi, yEd and networkx read
    Graphml,
    /// Nodes and edges
    Json,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

/// Kinds of edges, by the names that they have in answers.
fn kinds() -> impl TypedValueParser<Value = EdgeKind> {
    PossibleValuesParser::new(EdgeKind::ALL.map(EdgeKind::name))
        .try_map(|name| EdgeKind::from_name(&name).ok_or("no such kind"))
}

fn rows(text: &str) -> Result<usize, String> {
    within(text, stele_engine::graph::ROWS_MAX)
}

fn paths(text: &str) -> Result<usize, String> {
    within(text, stele_engine::graph::PATHS_MAX)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {most} is possible"))
}
