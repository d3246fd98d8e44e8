//! `GET /api/graph/show`: everything that the graph says of one thing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desk::{Call, Desk};
use crate::limits::TEXT_BYTES_MAX;
use crate::reply::{Head, Refusal, cut, fact};
use crate::tools::{Tool, arguments, graph as tool};

/// Aliases and properties that are told.
const FACTS_MAX: usize = 50;

/// One thing.
pub(crate) struct Show;

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Its name, key, title, source or id.
    name: String,
}

/// What is known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Thing {
    #[serde(flatten)]
    head: Head,
    of: tool::Node,
    /// Others that the name may mean: ask again with an id.
    others: Vec<tool::Node>,
    /// What a text says that it is.
    description: Option<String>,
    aliases: Vec<String>,
    properties: BTreeMap<String, String>,
    /// Places that name it, some of them.
    mentions: Vec<Mention>,
    /// How many places name it, at least.
    mention_count: u64,
    /// Edges by kind.
    edges: BTreeMap<&'static str, u64>,
}

/// A place that names it.
#[derive(Debug, Serialize, JsonSchema)]
struct Mention {
    /// `file:line`: cite it.
    at: String,
    title: String,
    snippet: String,
    /// How sure it is, from 0 to 1.
    confidence: f32,
}

impl Tool for Show {
    const NAME: &'static str = "graph_show";
    const TITLE: &'static str = "Everything about a thing";
    const SAYS: &'static str = "What the graph knows of one thing: what it is said to be, its other names, the places that name it, and how \
        many edges of each kind lead from it.";
    type Arguments = Arguments;
    type Result = Thing;

    fn run(desk: &Desk, _call: &Call, arguments: Arguments) -> Result<Thing, Refusal> {
        let view = desk.engine.thing(arguments::said("name", &arguments.name)?)?;
        let mentions = view.mentions.iter().map(|mention| Mention {
            at: fact(&mention.at),
            title: fact(&mention.title),
            snippet: fact(&mention.snippet),
            confidence: mention.confidence,
        });
        Ok(Thing {
            head: Head::of(view.lake_version),
            of: tool::node(&view.of),
            others: view.others.iter().map(tool::node).collect(),
            description: view.description.map(|text| cut(&text, TEXT_BYTES_MAX).0),
            aliases: view.aliases.iter().take(FACTS_MAX).map(|alias| fact(alias)).collect(),
            properties: view
                .properties
                .iter()
                .take(FACTS_MAX)
                .map(|(name, value)| (fact(name), fact(value)))
                .collect(),
            mentions: mentions.collect(),
            mention_count: view.mention_count,
            edges: view.edges,
        })
    }
}
