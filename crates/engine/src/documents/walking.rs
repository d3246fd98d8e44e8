//! The graph for people and agents: names instead of ids, places instead of spans.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use serde::Serialize;
use stele_graph::{ExportFormat, Exported, Follow, LimitReason, ROWS_MAX, Reader};
use stele_model::{EdgeKind, Node};

use crate::EngineError;
use crate::engine::Engine;

/// Mentions that are shown of a thing.
const MENTIONS_SHOWN: usize = 10;

/// Other things of the same name that are told.
const OTHERS_SHOWN: usize = 5;

/// Bytes of the text around a mention.
const SNIPPET_BYTES: usize = 160;

/// A node in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeView {
    /// `document`, `section`, `entity` or `record`.
    pub node: &'static str,
    /// Its id.
    pub id: String,
    /// What kind of thing it is, if it is one.
    pub kind: Option<&'static str>,
    /// Its name, title or heading.
    pub name: String,
    /// `file:line`, as far as it is known.
    pub at: Option<String>,
}

/// An edge in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeView {
    /// How one leads to the other.
    pub kind: &'static str,
    /// Id of the node where it begins.
    pub from: String,
    /// Id of the node where it ends.
    pub to: String,
    /// Steps from the node in the middle to its farther end; nothing in a path.
    pub depth: Option<u32>,
    /// Place among its siblings, counted from 0, where order matters.
    pub order: Option<u32>,
    /// How sure it is, from 0 to 1.
    pub confidence: f32,
    /// What found it, with its version.
    pub extractor: String,
    /// Where it says so: `file:line`, or a record.
    pub said_at: String,
    /// The bytes of that text that say so.
    pub span: (usize, usize),
}

/// What is around a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeighborsView {
    /// The node in the middle.
    pub of: NodeView,
    /// Others that the name may mean.
    pub others: Vec<NodeView>,
    /// Nodes in the order in which they were reached, without the one in the middle.
    pub nodes: Vec<NodeView>,
    /// Edges, nearer and surer ones first.
    pub edges: Vec<EdgeView>,
    /// Which bound cut it short.
    pub limit_reason: Option<LimitReason>,
    /// The snapshot of the lake that the graph follows.
    pub lake_version: u64,
}

/// Ways between two nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathsView {
    /// Where they begin.
    pub from: NodeView,
    /// Where they end.
    pub to: NodeView,
    /// Shorter ones first.
    pub paths: Vec<PathView>,
    /// Which bound cut it short.
    pub limit_reason: Option<LimitReason>,
    /// The snapshot of the lake that the graph follows.
    pub lake_version: u64,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathView {
    /// Its nodes, both ends included.
    pub nodes: Vec<NodeView>,
    /// Its edges, one less.
    pub edges: Vec<EdgeView>,
}

/// Everything about one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThingView {
    /// The node.
    pub of: NodeView,
    /// Others that the name may mean.
    pub others: Vec<NodeView>,
    /// What a text says that it is.
    pub description: Option<String>,
    /// Its other names.
    pub aliases: Vec<String>,
    /// What else is stated about it.
    pub properties: BTreeMap<String, String>,
    /// Places that name it, some of them.
    pub mentions: Vec<MentionView>,
    /// How many places name it, all of them.
    pub mention_count: u64,
    /// How many edges of each kind it has, all of them.
    pub edges: BTreeMap<&'static str, u64>,
    /// The snapshot of the lake that the graph follows.
    pub lake_version: u64,
}

/// A place that names a thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MentionView {
    /// `file:line`.
    pub at: String,
    /// The heading of the section.
    pub title: String,
    /// The text around it.
    pub snippet: String,
    /// How sure it is, from 0 to 1.
    pub confidence: f32,
}

impl Engine {
    /// What is around the node that a name means.
    ///
    /// # Errors
    ///
    /// If there is no graph, nothing has that name, or more is asked for than the bounds allow.
    pub fn neighbors(
        &self,
        name: &str,
        depth: u32,
        rows: usize,
        follow: &Follow,
    ) -> Result<NeighborsView, EngineError> {
        let graph = self.graph_or_why()?;
        let (of, others) = named(&graph, name)?;
        let around = graph.neighbors(of, depth, rows, follow)?;
        let mut words = Words::of(&graph);
        Ok(NeighborsView {
            of: words.node(of)?,
            others: words.nodes(others)?,
            nodes: words.nodes(around.nodes.iter().map(|reached| reached.node).filter(|node| *node != of))?,
            edges: around
                .edges
                .iter()
                .map(|followed| words.edge(&followed.edge.what, Some(followed.depth)))
                .collect::<Result<_, _>>()?,
            limit_reason: around.limit_reason,
            lake_version: graph.version().follows.lake_version,
        })
    }

    /// Ways from what one name means to what another means.
    ///
    /// # Errors
    ///
    /// As [`Engine::neighbors`].
    pub fn paths(
        &self,
        from: &str,
        to: &str,
        depth: u32,
        limit: usize,
        follow: &Follow,
    ) -> Result<PathsView, EngineError> {
        let graph = self.graph_or_why()?;
        let ((from, _), (to, _)) = (named(&graph, from)?, named(&graph, to)?);
        let found = graph.paths(from, to, depth, limit, follow)?;
        let mut words = Words::of(&graph);
        let mut paths = Vec::new();
        for path in &found.paths {
            let edges = path.edges.iter().map(|edge| words.edge(&edge.what, None));
            let edges = edges.collect::<Result<_, _>>()?;
            paths.push(PathView { nodes: words.nodes(path.nodes.iter().copied())?, edges });
        }
        Ok(PathsView {
            from: words.node(from)?,
            to: words.node(to)?,
            paths,
            limit_reason: found.limit_reason,
            lake_version: graph.version().follows.lake_version,
        })
    }

    /// Everything about the node that a name means.
    ///
    /// # Errors
    ///
    /// As [`Engine::neighbors`].
    pub fn thing(&self, name: &str) -> Result<ThingView, EngineError> {
        let graph = self.graph_or_why()?;
        let (of, others) = named(&graph, name)?;
        let mut words = Words::of(&graph);
        let mut view = ThingView {
            of: words.node(of)?,
            others: words.nodes(others)?,
            description: None,
            aliases: Vec::new(),
            properties: BTreeMap::new(),
            mentions: Vec::new(),
            mention_count: 0,
            edges: BTreeMap::new(),
            lake_version: graph.version().follows.lake_version,
        };
        if let Node::Entity(id) = of {
            if let Some(entity) = graph.entity(id)? {
                (view.description, view.aliases) = (entity.description, entity.aliases);
                view.properties = entity.properties.into_iter().collect();
            }
            let mentions = graph.mentions_of(id)?;
            view.mention_count = graph.mention_count(id)?;
            for mention in mentions.into_iter().take(MENTIONS_SHOWN) {
                let Some(section) = graph.section(mention.section)? else { continue };
                let place = words.node(Node::Section(section.id))?;
                view.mentions.push(MentionView {
                    at: place.at.unwrap_or_default(),
                    title: section.title.clone(),
                    snippet: around(&section.text, mention.span.start, mention.span.end),
                    confidence: mention.confidence,
                });
            }
        }
        let counts = graph.edge_counts(of)?;
        view.edges = counts.into_iter().map(|(kind, count)| (kind.name(), count)).collect();
        Ok(view)
    }

    /// The graph, or what to do where there is none.
    pub(crate) fn graph_or_why(&self) -> Result<Reader, EngineError> {
        self.graph(&self.snapshot()?)?.ok_or(EngineError::NoGraph)
    }
}

/// The node that a name means first of all, and others that it may mean.
fn named(graph: &Reader, name: &str) -> Result<(Node, Vec<Node>), EngineError> {
    let mut found = graph.resolve(name)?;
    // A page about a thing is called like the thing, and the thing is what is meant.
    found.sort_by_key(|one| (one.fit, !matches!(one.node, Node::Entity(_))));
    let mut found = found.into_iter();
    let Some(first) = found.next() else {
        return Err(EngineError::UnknownName { asked: name.to_owned() });
    };
    // What fits less well is somebody else.
    let others = found.take_while(|other| other.fit == first.fit).take(OTHERS_SHOWN);
    Ok((first.node, others.map(|other| other.node).collect()))
}

/// The text around a mention, cut between two words.
fn around(text: &str, start: usize, end: usize) -> String {
    let room = SNIPPET_BYTES.saturating_sub(end - start) / 2;
    let mut from = start.saturating_sub(room);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (end + room).min(text.len());
    while !text.is_char_boundary(to) {
        to += 1;
    }
    text[from..to].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Nodes in words; each is looked up once.
struct Words<'a> {
    graph: &'a Reader,
    known: HashMap<Node, NodeView>,
}

impl<'a> Words<'a> {
    fn of(graph: &'a Reader) -> Self {
        Self { graph, known: HashMap::new() }
    }

    fn node(&mut self, node: Node) -> Result<NodeView, EngineError> {
        if let Some(known) = self.known.get(&node) {
            return Ok(known.clone());
        }
        let plain = |name: String| NodeView {
            node: node.kind(),
            id: stele_model::id::to_hex(&node.bytes()),
            kind: None,
            name,
            at: None,
        };
        let view = match node {
            Node::Document(id) => match self.graph.document(id)? {
                Some(row) => NodeView { at: Some(row.source), ..plain(row.title) },
                None => plain(String::new()),
            },
            Node::Section(id) => match self.graph.section(id)? {
                Some(row) => {
                    let source = self.node(Node::Document(row.document))?.at.unwrap_or_default();
                    NodeView { at: Some(row.place(&source)), ..plain(row.title) }
                }
                None => plain(String::new()),
            },
            Node::Entity(id) => match self.graph.entity(id)? {
                Some(entity) => NodeView { kind: Some(entity.kind.name()), ..plain(entity.name) },
                None => plain(String::new()),
            },
            Node::Record(id) => plain(format!("record {id}")),
        };
        self.known.insert(node, view.clone());
        Ok(view)
    }

    fn nodes(&mut self, nodes: impl IntoIterator<Item = Node>) -> Result<Vec<NodeView>, EngineError> {
        nodes.into_iter().map(|node| self.node(node)).collect()
    }

    fn edge(&mut self, edge: &stele_model::Edge, depth: Option<u32>) -> Result<EdgeView, EngineError> {
        let kind: EdgeKind = edge.kind;
        let said = self.node(edge.provenance.source)?;
        let span = &edge.provenance.span;
        Ok(EdgeView {
            kind: kind.name(),
            from: self.node(edge.from)?.id,
            to: self.node(edge.to)?.id,
            depth,
            order: edge.order,
            confidence: edge.provenance.confidence,
            extractor: edge.provenance.extractor.clone(),
            said_at: said.at.unwrap_or(said.name),
            span: (span.start, span.end),
        })
    }
}

impl Engine {
    /// Writes the whole graph, or what is around the node that a name means.
    ///
    /// # Errors
    ///
    /// As [`Engine::neighbors`], or `out` cannot be written.
    pub fn export_graph(
        &self,
        around: Option<(&str, u32)>,
        format: ExportFormat,
        out: &mut dyn Write,
    ) -> Result<Exported, EngineError> {
        let graph = self.graph_or_why()?;
        let Some((name, depth)) = around else { return Ok(graph.export(format, out)?) };
        let (of, _) = named(&graph, name)?;
        let around = graph.neighbors(of, depth, ROWS_MAX, &Follow::default())?;
        Ok(graph.export_around(&around, format, out)?)
    }

    /// A picture, as SVG, of what is around the node that a name means.
    ///
    /// # Errors
    ///
    /// As [`Engine::neighbors`].
    pub fn picture(&self, name: &str, depth: u32) -> Result<String, EngineError> {
        let graph = self.graph_or_why()?;
        let (of, _) = named(&graph, name)?;
        Ok(graph.picture(&graph.neighbors(of, depth, ROWS_MAX, &Follow::default())?)?)
    }
}
