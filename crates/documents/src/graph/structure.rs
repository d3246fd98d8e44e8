//! The edges that follow from a document's outline alone.

use stele_model::{Document, Edge, EdgeKind, Node, Provenance};

use crate::extract::EXTRACTOR;

/// `HAS_SECTION` to every section, `NEXT` from each to the one behind it, `PARENT_OF` from each heading
/// to those right below it.
pub fn structure(document: &Document) -> Vec<Edge> {
    let why =
        |source: Node| Provenance { source, span: 0..0, confidence: 1.0, extractor: EXTRACTOR.to_owned() };
    let whole = Node::Document(document.id);
    let mut edges = Vec::with_capacity(3 * document.sections.len());
    for section in &document.sections {
        let node = Node::Section(section.id);
        edges.push(Edge::new(EdgeKind::HasSection, whole, node, Some(section.order), why(whole)));
        if let Some(parent) = section.parent {
            let ends = (Node::Section(parent), node);
            edges.push(Edge::new(EdgeKind::ParentOf, ends.0, ends.1, Some(section.order), why(node)));
        }
    }
    for pair in document.sections.windows(2) {
        let ends = (Node::Section(pair[0].id), Node::Section(pair[1].id));
        edges.push(Edge::new(EdgeKind::Next, ends.0, ends.1, None, why(ends.0)));
    }
    edges
}
