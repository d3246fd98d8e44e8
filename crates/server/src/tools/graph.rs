//! `graph_expand`, `graph_paths` and `expand_excerpt`: how things hang together, and what stands around
//! a section.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::graph::{
    CONTEXT_TOKENS_MAX, ContextLimit, DEPTH_MAX, EdgeView, Follow, LimitReason as Walked, NodeView,
    PATH_DEPTH_MAX, PATHS_MAX, ROWS_MAX,
};
use stele_model::EdgeKind;

use super::{Tool, arguments};
use crate::desk::{Call, Desk};
use crate::limits::{RESULT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::reply::{Head, LimitReason, Refusal, cut, fact, fitting, json_bytes};

/// Edges unless told otherwise: what is read at a glance.
const EDGES_DEFAULT: u64 = 30;

/// Ways unless told otherwise.
const PATHS_DEFAULT: u64 = 5;

/// Steps of a way unless told otherwise.
const PATH_DEPTH_DEFAULT: u64 = 4;

/// Tokens of a context unless told otherwise: about a page.
const TOKENS_DEFAULT: u64 = 800;

/// Bytes of the entries; the rest is the head.
const ENTRIES_BYTES: usize = RESULT_BYTES_MAX - (6 << 10);

/// What is around a thing.
pub(crate) struct GraphExpand;

/// Which thing, and how far.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpandArguments {
    /// Its name, key, title, source or id.
    name: String,
    /// Steps, up to 3; 1 unless told otherwise.
    depth: Option<u64>,
    /// Edges, up to 100; 30 unless told otherwise.
    limit: Option<u64>,
    /// Only edges of these kinds, such as `HAS_PARAMETER` or `REFERENCES`.
    #[serde(default)]
    kinds: Vec<String>,
}

/// A node.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Node {
    /// `document`, `section`, `entity` or `record`.
    node: &'static str,
    id: String,
    /// What kind of thing it is, if it is one.
    kind: Option<&'static str>,
    name: String,
    /// `file:line`, as far as it is known: cite it.
    at: Option<String>,
}

/// An edge, with who says so.
#[derive(Debug, Serialize, JsonSchema)]
struct Edge {
    kind: &'static str,
    /// Id of the node where it begins.
    from: String,
    /// Id of the node where it ends.
    to: String,
    /// Steps from the thing to its farther end; null in a way.
    depth: Option<u32>,
    /// How sure it is, from 0 to 1.
    confidence: f32,
    /// Where it says so: cite it.
    said_at: String,
}

/// What is around it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Expanded {
    #[serde(flatten)]
    head: Head,
    of: Node,
    /// Others that the name may mean: ask again with an id.
    others: Vec<Node>,
    nodes: Vec<Node>,
    /// Nearer and surer ones first.
    edges: Vec<Edge>,
}

impl Tool for GraphExpand {
    const NAME: &'static str = "graph_expand";
    const TITLE: &'static str = "What is around a thing";
    const SAYS: &'static str = "The documents, sections, commands, options, settings, events, fields and other things that one thing \
        leads to, with the place that says so. Use it when a name is known and its relations are asked: \
        parts, subcommands, options, who mentions it.";
    type Arguments = ExpandArguments;
    type Result = Expanded;

    fn run(desk: &Desk, _call: &Call, arguments: ExpandArguments) -> Result<Expanded, Refusal> {
        let name = arguments::said("name", &arguments.name)?;
        let depth = arguments::count("depth", arguments.depth, 1, u64::from(DEPTH_MAX))? as u32;
        let limit = arguments::count("limit", arguments.limit, EDGES_DEFAULT, ROWS_MAX as u64)? as usize;
        let view = desk.engine.neighbors(name, depth, limit, &follow(&arguments.kinds)?)?;
        let given = view.edges.len();
        let edges = fitting(view.edges.iter().map(edge).collect(), ENTRIES_BYTES / 2);
        let reason = reason(edges.len() < given, view.limit_reason);
        let nodes = fitting(view.nodes.iter().map(node).collect(), ENTRIES_BYTES / 2);
        Ok(Expanded {
            head: Head::of(view.lake_version).limited(reason),
            of: node(&view.of),
            others: view.others.iter().map(node).collect(),
            nodes,
            edges,
        })
    }
}

/// How two things hang together.
pub(crate) struct GraphPaths;

/// Which two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathsArguments {
    /// Name, key, title, source or id of one.
    from: String,
    /// The same of the other.
    to: String,
    /// Steps, up to 6; 4 unless told otherwise.
    depth: Option<u64>,
    /// Ways, up to 20; 5 unless told otherwise.
    limit: Option<u64>,
}

/// One way.
#[derive(Debug, Serialize, JsonSchema)]
struct Path {
    /// Both ends included.
    nodes: Vec<Node>,
    /// One less.
    edges: Vec<Edge>,
}

/// The ways.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    #[serde(flatten)]
    head: Head,
    from: Node,
    to: Node,
    /// Shorter ones first.
    paths: Vec<Path>,
}

impl Tool for GraphPaths {
    const NAME: &'static str = "graph_paths";
    const TITLE: &'static str = "How two things hang together";
    const SAYS: &'static str = "The shortest ways from one thing, document or section to another, each step with the place that says \
        so. Use it to explain a connection, not to search.";
    type Arguments = PathsArguments;
    type Result = Found;

    fn run(desk: &Desk, _call: &Call, arguments: PathsArguments) -> Result<Found, Refusal> {
        let from = arguments::said("from", &arguments.from)?;
        let to = arguments::said("to", &arguments.to)?;
        let most = u64::from(PATH_DEPTH_MAX);
        let depth = arguments::count("depth", arguments.depth, PATH_DEPTH_DEFAULT, most)? as u32;
        let limit = arguments::count("limit", arguments.limit, PATHS_DEFAULT, PATHS_MAX as u64)? as usize;
        let view = desk.engine.paths(from, to, depth, limit, &Follow::default())?;
        let given = view.paths.len();
        let path = |path: &stele_engine::graph::PathView| Path {
            nodes: path.nodes.iter().map(node).collect(),
            edges: path.edges.iter().map(edge).collect(),
        };
        let paths = fitting(view.paths.iter().map(path).collect(), ENTRIES_BYTES);
        let reason = reason(paths.len() < given, view.limit_reason);
        Ok(Found {
            head: Head::of(view.lake_version).limited(reason),
            from: node(&view.from),
            to: node(&view.to),
            paths,
        })
    }
}

/// What stands around a section.
pub(crate) struct ExpandExcerpt;

/// Which section, and how much.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExcerptArguments {
    /// `section` of a search result, or the id of a section node.
    section: String,
    /// Tokens of all texts together, up to 4000; 800 unless told otherwise.
    tokens: Option<u64>,
}

/// A section.
#[derive(Debug, Serialize, JsonSchema)]
struct Section {
    id: String,
    /// `itself`, `next`, `before` or `above`.
    relation: &'static str,
    /// Headings that lead to it, its own included.
    headings: Vec<String>,
    /// `file:line`, as far as it is known: cite it.
    at: String,
    /// All of it, unless `text_cut`.
    text: String,
    text_cut: bool,
    /// About how many tokens the whole section has.
    tokens: u32,
}

/// The sections, in reading order.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Around {
    #[serde(flatten)]
    head: Head,
    /// The document that they are of.
    source: String,
    title: String,
    sections: Vec<Section>,
}

impl Tool for ExpandExcerpt {
    const NAME: &'static str = "expand_excerpt";
    const TITLE: &'static str = "Read around a section";
    const SAYS: &'static str = "The whole section of a document that a search result is a part of, with those that follow it, stand \
        before it and above it, as far as a budget of tokens goes. Use it when a snippet is not enough.";
    type Arguments = ExcerptArguments;
    type Result = Around;

    fn run(desk: &Desk, _call: &Call, arguments: ExcerptArguments) -> Result<Around, Refusal> {
        let section = arguments::said("section", &arguments.section)?;
        let most = u64::from(CONTEXT_TOKENS_MAX);
        let tokens = arguments::count("tokens", arguments.tokens, TOKENS_DEFAULT, most)? as u32;
        let context = desk.engine.context(section, tokens)?;
        let mut left = ENTRIES_BYTES;
        let mut sections: Vec<(usize, Section)> = Vec::new();
        let mut is_cut = false;
        // The one that was asked for comes before all others, and then those that stand nearest to it.
        let asked = context.sections.iter().position(|one| one.relation == "itself").unwrap_or_default();
        let mut order: Vec<usize> = (0..context.sections.len()).collect();
        order.sort_by_key(|place| place.abs_diff(asked));
        for place in order {
            let one = &context.sections[place];
            // It may be as long as the result allows; of the others, a part says what they are about.
            let most = if one.relation == "itself" { left / 2 } else { left.min(2 * TEXT_BYTES_MAX) };
            let (text, cut_here) = cut(&one.text, most);
            let section = Section {
                id: one.id.clone(),
                relation: one.relation,
                headings: one.headings.iter().map(|heading| fact(heading)).collect(),
                at: fact(&one.at),
                text,
                text_cut: cut_here || one.cut,
                tokens: one.tokens,
            };
            let bytes = json_bytes(&section);
            if bytes > left && !sections.is_empty() {
                is_cut = true;
                break;
            }
            left = left.saturating_sub(bytes);
            is_cut |= cut_here;
            sections.push((place, section));
        }
        sections.sort_by_key(|(place, _)| *place);
        Ok(Around {
            head: Head::of(context.lake_version).limited(match (is_cut, context.limit_reason) {
                (true, _) => Some(LimitReason::Bytes),
                (false, Some(ContextLimit::Tokens)) => Some(LimitReason::Tokens),
                (false, None) => None,
            }),
            source: fact(&context.source),
            title: fact(&context.title),
            sections: sections.into_iter().map(|(_, section)| section).collect(),
        })
    }
}

fn follow(kinds: &[String]) -> Result<Follow, Refusal> {
    let kind = |name: &String| {
        EdgeKind::from_name(&name.to_uppercase()).ok_or_else(|| {
            Refusal::new("There is no such kind of edge.")
                .why(fact(name))
                .hint(format!("one of {}", EdgeKind::ALL.map(EdgeKind::name).join(", ")))
        })
    };
    Ok(Follow { kinds: kinds.iter().map(kind).collect::<Result<_, _>>()?, ..Follow::default() })
}

fn reason(is_cut: bool, walked: Option<Walked>) -> Option<LimitReason> {
    match (is_cut, walked) {
        (true, _) => Some(LimitReason::Bytes),
        (false, Some(_)) => Some(LimitReason::Rows),
        (false, None) => None,
    }
}

pub(crate) fn node(view: &NodeView) -> Node {
    Node {
        node: view.node,
        id: view.id.clone(),
        kind: view.kind,
        name: fact(&view.name),
        at: view.at.as_deref().map(fact),
    }
}

fn edge(view: &EdgeView) -> Edge {
    Edge {
        kind: view.kind,
        from: view.from.clone(),
        to: view.to.clone(),
        depth: view.depth,
        confidence: view.confidence,
        said_at: fact(&view.said_at),
    }
}
