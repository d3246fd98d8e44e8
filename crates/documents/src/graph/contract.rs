//! What holds in every graph, whoever made it: checked on the plain data, knowing nothing of how it
//! came about.

use std::collections::{HashMap, HashSet};
use std::fmt;

use foldhash::fast::RandomState;
use stele_model::{DocumentId, Edge, EdgeKind, Entity, Mention, Node, SectionId};

/// What the contract looks at of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which section.
    pub id: SectionId,
    /// Whose it is.
    pub document: DocumentId,
    /// Its place among the sections of the document, counted from 0.
    pub order: u32,
    /// The section above it.
    pub parent: Option<SectionId>,
    /// Bytes of its text.
    pub bytes: usize,
}

/// A graph, or the part of it that holds everything about some documents.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Documents.
    pub documents: Vec<DocumentId>,
    /// Sections.
    pub sections: Vec<Place>,
    /// Things.
    pub entities: Vec<Entity>,
    /// Mentions.
    pub mentions: Vec<Mention>,
    /// Edges.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// Adds a document with its sections.
    pub fn add(&mut self, document: &stele_model::Document) {
        self.documents.push(document.id);
        self.sections.extend(document.sections.iter().map(|section| Place {
            id: section.id,
            document: document.id,
            order: section.order,
            parent: section.parent,
            bytes: section.text.len(),
        }));
    }
}

/// A rule of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A section belongs to exactly one document.
    OneDocument,
    /// `NEXT` joins neighbours of one document, all of them and nothing else.
    Next,
    /// `PARENT_OF` covers every heading that has one above it, and nothing else.
    ParentOf,
    /// The order of the sections of a document strictly increases, from 0 on.
    Order,
    /// A thing has a name.
    Name,
    /// An edge or a mention ends at what is there.
    MissingNode,
    /// A span is not empty and lies in its text.
    Span,
    /// A confidence lies between 0 and 1, and an edge says what found it.
    Provenance,
    /// The steps of a procedure have an order, each its own.
    Steps,
    /// No id stands for two things.
    Unique,
}

/// A place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// Where, in words.
    pub place: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.place)
    }
}

/// Every place where `graph` breaks the contract; none is what it should be.
pub fn contract(graph: &Graph) -> Vec<Violation> {
    let mut check = Check::default();
    check.ids(graph);
    check.sections(graph);
    check.outline(graph);
    check.entities(graph);
    check.edges(graph);
    check.found
}

#[derive(Default)]
struct Check {
    found: Vec<Violation>,
}

impl Check {
    fn fail(&mut self, rule: Rule, place: impl fmt::Display) {
        self.found.push(Violation { rule, place: place.to_string() });
    }

    fn ids(&mut self, graph: &Graph) {
        let mut nodes: HashSet<Node, RandomState> = HashSet::default();
        let documents = graph.documents.iter().map(|id| Node::Document(*id));
        let sections = graph.sections.iter().map(|section| Node::Section(section.id));
        let entities = graph.entities.iter().map(|entity| Node::Entity(entity.id));
        for node in documents.chain(sections).chain(entities) {
            if !nodes.insert(node) {
                self.fail(Rule::Unique, node);
            }
        }
        let mut edges: HashSet<_, RandomState> = HashSet::default();
        for edge in &graph.edges {
            if !edges.insert(edge.id) {
                self.fail(Rule::Unique, format_args!("edge {}", edge.id));
            }
        }
    }

    fn sections(&mut self, graph: &Graph) {
        let mut parents: HashMap<SectionId, Vec<Node>, RandomState> = HashMap::default();
        for edge in graph.edges.iter().filter(|edge| edge.kind == EdgeKind::HasSection) {
            match edge.to {
                Node::Section(section) => parents.entry(section).or_default().push(edge.from),
                other => self.fail(Rule::OneDocument, format_args!("HAS_SECTION leads to {other}")),
            }
        }
        for section in &graph.sections {
            let found = parents.get(&section.id).map(Vec::as_slice).unwrap_or_default();
            if found != [Node::Document(section.document)] {
                self.fail(
                    Rule::OneDocument,
                    format_args!("section {} has {} documents", section.id, found.len()),
                );
            }
        }
    }

    fn outline(&mut self, graph: &Graph) {
        let mut by_document: HashMap<DocumentId, Vec<&Place>, RandomState> = HashMap::default();
        for section in &graph.sections {
            by_document.entry(section.document).or_default().push(section);
        }
        let mut next: HashSet<(Node, Node), RandomState> = HashSet::default();
        let mut above: HashSet<(Node, Node), RandomState> = HashSet::default();
        for (document, sections) in &mut by_document {
            sections.sort_by_key(|section| section.order);
            if sections.iter().enumerate().any(|(index, section)| section.order as usize != index) {
                self.fail(Rule::Order, format_args!("document {document}"));
            }
            let node = |section: &Place| Node::Section(section.id);
            next.extend(sections.windows(2).map(|pair| (node(pair[0]), node(pair[1]))));
            above.extend(sections.iter().filter_map(|here| Some((Node::Section(here.parent?), node(here)))));
        }
        for (kind, rule, wanted) in
            [(EdgeKind::Next, Rule::Next, next), (EdgeKind::ParentOf, Rule::ParentOf, above)]
        {
            let edges = graph.edges.iter().filter(|edge| edge.kind == kind);
            let found: HashSet<(Node, Node), RandomState> = edges.map(|edge| (edge.from, edge.to)).collect();
            for (from, to) in wanted.symmetric_difference(&found) {
                let what = if found.contains(&(*from, *to)) { "has no place" } else { "is missing" };
                self.fail(rule, format_args!("{} from {from} to {to} {what}", kind.name()));
            }
        }
    }

    fn entities(&mut self, graph: &Graph) {
        for entity in graph.entities.iter().filter(|entity| entity.name.trim().is_empty()) {
            self.fail(Rule::Name, format_args!("{} {}", entity.kind.name(), entity.id));
        }
        let known: HashSet<_, RandomState> = graph.entities.iter().map(|entity| entity.id).collect();
        let texts: HashMap<_, _, RandomState> =
            graph.sections.iter().map(|section| (section.id, section.bytes)).collect();
        for mention in &graph.mentions {
            let place = format!("mention of {} in {}", mention.entity, mention.section);
            match texts.get(&mention.section) {
                Some(bytes) if known.contains(&mention.entity) => {
                    if mention.span.start >= mention.span.end || mention.span.end > *bytes {
                        self.fail(Rule::Span, &place);
                    }
                }
                _ => self.fail(Rule::MissingNode, &place),
            }
            if !(mention.confidence > 0.0 && mention.confidence <= 1.0) || mention.extractor.is_empty() {
                self.fail(Rule::Provenance, &place);
            }
        }
    }

    fn edges(&mut self, graph: &Graph) {
        let documents = graph.documents.iter().map(|id| Node::Document(*id));
        let sections = graph.sections.iter().map(|section| Node::Section(section.id));
        let entities = graph.entities.iter().map(|entity| Node::Entity(entity.id));
        let known: HashSet<Node, RandomState> = documents.chain(sections).chain(entities).collect();
        // Records are in the lake; whether they are there is checked where the lake is.
        let there = |node: &Node| matches!(node, Node::Record(_)) || known.contains(node);
        let mut steps: HashSet<(Node, u32), RandomState> = HashSet::default();
        for edge in &graph.edges {
            for node in [&edge.from, &edge.to, &edge.provenance.source] {
                if !there(node) {
                    self.fail(Rule::MissingNode, format_args!("{} names {node}", edge.kind.name()));
                }
            }
            let why = &edge.provenance;
            if !(why.confidence > 0.0 && why.confidence <= 1.0) || why.extractor.is_empty() {
                self.fail(Rule::Provenance, format_args!("edge {}", edge.id));
            }
            if edge.kind == EdgeKind::ContainsStep
                && edge.order.is_none_or(|order| !steps.insert((edge.from, order)))
            {
                self.fail(Rule::Steps, format_args!("{} has two steps in one place, or none", edge.from));
            }
        }
    }
}
