//! Nodes in words: what people see of one in an export or a picture.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use stele_model::{DocumentId, Entity, Node, id};

use crate::error::GraphError;
use crate::reader::Reader;
use crate::rows::{DocumentRow, SectionRow};

/// A node in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Described {
    /// The kind of node with its id, `section:0f…`: what edges name it by.
    pub id: String,
    /// `document`, `section`, `record`, or the kind of a thing.
    pub kind: &'static str,
    /// Its title or name; of a record, its id.
    pub label: String,
    /// Where it is: the source of a document, of a section with its anchor, the key of a thing.
    pub place: String,
    /// What texts say that a thing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A node as exports name it.
pub(crate) fn key(node: &Node) -> String {
    format!("{}:{}", node.kind(), id::to_hex(&node.bytes()))
}

impl Described {
    pub(crate) fn document(row: DocumentRow) -> Self {
        let id = key(&Node::Document(row.id));
        Self { id, kind: "document", label: row.title, place: row.source, description: None }
    }

    pub(crate) fn section(row: SectionRow, source: &str) -> Self {
        let (id, place) = (key(&Node::Section(row.id)), format!("{source}#{}", row.anchor));
        Self { id, kind: "section", label: row.title, place, description: None }
    }

    pub(crate) fn entity(entity: Entity) -> Self {
        Self {
            id: key(&Node::Entity(entity.id)),
            kind: entity.kind.name(),
            label: entity.name,
            place: entity.key,
            description: entity.description,
        }
    }

    /// A node of which no table knows more: a record, which the lake has.
    pub(crate) fn bare(node: &Node) -> Self {
        let label = id::to_hex(&node.bytes());
        Self { id: key(node), kind: node.kind(), place: String::new(), label, description: None }
    }
}

impl Reader {
    /// Nodes in words, in the order in which they are asked for.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn describe(&self, nodes: &[Node]) -> Result<Vec<Described>, GraphError> {
        let mut sources: HashMap<DocumentId, String, RandomState> = HashMap::default();
        let mut described = Vec::with_capacity(nodes.len());
        for node in nodes {
            let found = match node {
                Node::Document(id) => self.document(*id)?.map(Described::document),
                Node::Entity(id) => self.entity(*id)?.map(Described::entity),
                Node::Record(_) => None,
                Node::Section(id) => match self.section(*id)? {
                    Some(row) => {
                        let source = match sources.entry(row.document) {
                            Entry::Occupied(known) => known.into_mut(),
                            Entry::Vacant(place) => {
                                let document = self.document(row.document)?;
                                place.insert(document.map_or_else(String::new, |document| document.source))
                            }
                        };
                        Some(Described::section(row, source))
                    }
                    None => None,
                },
            };
            described.push(found.unwrap_or_else(|| Described::bare(node)));
        }
        Ok(described)
    }
}
