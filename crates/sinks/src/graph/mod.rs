//! A graph in a database outside: nodes and edges, compared by id and content.
//!
//! What [`crate::Sink`] is for texts and vectors, [`GraphSink`] is for documents, sections, things and how
//! they lead to one another. Nothing remembers what was copied here either: the database is asked, what is
//! missing or differs is written, what is gone is removed, and it is asked again.
//!
//! What is not here: no graph is read or made ([`WantedGraph`] is what the caller has to offer).

mod batches;
mod compare;
mod cypher;
mod memory;
mod store;
mod sync;

use stele_model::{Edge, Node};

use crate::SinkError;
use crate::bolt::Value;

pub use memory::WantedNodes;
pub use store::GraphSink;
pub use sync::{GraphParity, GraphSynced, sync_graph, verify_graph};

/// Version of what a node and an edge look like in a database. It is part of their hash, so that another one
/// writes them anew.
pub const GRAPH_SCHEMA: u64 = 1;

/// Longest text that is kept as a property: a database holds properties in memory, and whoever wants more
/// of a section than sixty pages goes to the lake.
pub const PROPERTY_BYTES_MAX: usize = 256 << 10;

/// A value beside a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Property {
    /// A text; what is longer than [`PROPERTY_BYTES_MAX`] is cut between two characters.
    Text(String),
    /// Some texts.
    Texts(Vec<String>),
    /// A whole number.
    Number(i64),
    /// A number.
    Real(f64),
    /// Yes or no.
    Flag(bool),
}

/// Properties by name. What is not known has none.
pub type Properties = Vec<(&'static str, Property)>;

/// A node as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphNode {
    /// Which one; its kind is its label.
    pub node: Node,
    /// What is known about it.
    pub properties: Properties,
}

/// An edge as it should be. Its kind is its type, and its provenance is added to its properties.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphEdge {
    /// Which one.
    pub edge: Edge,
    /// What is known about it beside that.
    pub properties: Properties,
}

/// What should be in a database. The caller has it on disk, or in memory ([`WantedNodes`]). Both are gone
/// through twice: once for their hashes, and once more if something has to be written.
pub trait WantedGraph {
    /// Whose it is.
    fn owner(&self) -> String;

    /// Hands over every node; the order does not matter.
    ///
    /// # Errors
    /// [`SinkError::wanted`], or what `each` says.
    fn nodes(&self, each: &mut dyn FnMut(GraphNode) -> Result<(), SinkError>) -> Result<(), SinkError>;

    /// Hands over every edge between these nodes; the order does not matter.
    ///
    /// # Errors
    /// [`SinkError::wanted`], or what `each` says.
    fn edges(&self, each: &mut dyn FnMut(GraphEdge) -> Result<(), SinkError>) -> Result<(), SinkError>;
}

/// The label of a node.
pub(crate) const fn label(node: &Node) -> &'static str {
    match node {
        Node::Document(_) => "Document",
        Node::Section(_) => "Section",
        Node::Entity(_) => "Entity",
        Node::Record(_) => "Record",
    }
}

/// Every label.
pub(crate) const LABELS: [&str; 4] = ["Document", "Section", "Entity", "Record"];

impl Property {
    pub(crate) fn value(&self) -> Value {
        match self {
            Property::Text(text) => Value::text(cut(text)),
            Property::Texts(texts) => Value::List(texts.iter().map(|text| Value::text(cut(text))).collect()),
            Property::Number(number) => Value::Int(*number),
            Property::Real(number) => Value::Float(*number),
            Property::Flag(flag) => Value::Bool(*flag),
        }
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(PROPERTY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
