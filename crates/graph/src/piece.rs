//! What is put in at once: one document with all that it says.

use stele_model::{Document, Edge, Entity, Mention, Reference};

/// One document with all that was found in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The document.
    pub document: Document,
    /// The input of the lake that it was read from, in the caller's words.
    pub file_id: String,
    /// Things that it names.
    pub entities: Vec<Entity>,
    /// Where it names them.
    pub mentions: Vec<Mention>,
    /// Edges of its outline, and of what was found in it.
    pub edges: Vec<Edge>,
    /// What it points to, whether that is there or not.
    pub references: Vec<Reference>,
}
