//! GraphML.

use std::io::{self, Write};

use super::Notation;
use super::text::Xml;
use crate::describe::{Described, key};
use crate::rows::EdgeRow;

pub(super) struct GraphMl;

/// Of what, its name and its type.
const KEYS: [(&str, &str, &str); 12] = [
    ("node", "kind", "string"),
    ("node", "label", "string"),
    ("node", "place", "string"),
    ("node", "description", "string"),
    ("edge", "kind", "string"),
    ("edge", "edge_order", "long"),
    ("edge", "confidence", "double"),
    ("edge", "source_node", "string"),
    ("edge", "span_start", "long"),
    ("edge", "span_end", "long"),
    ("edge", "extractor", "string"),
    ("edge", "document", "string"),
];

/// Keys of nodes and of edges may have one name, and need two ids.
fn data(out: &mut dyn Write, of: char, name: &str, value: impl std::fmt::Display) -> io::Result<()> {
    write!(out, "<data key=\"{of}_{name}\">{value}</data>")
}

impl Notation for GraphMl {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(out, "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">")?;
        for (of, name, kind) in KEYS {
            let id = &of[..1];
            let what = format!("for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"");
            writeln!(out, "<key id=\"{id}_{name}\" {what}/>")?;
        }
        writeln!(out, "<graph id=\"stele\" edgedefault=\"directed\">")
    }

    fn node(&mut self, out: &mut dyn Write, node: &Described) -> io::Result<()> {
        write!(out, "<node id=\"{}\">", node.id)?;
        data(out, 'n', "kind", node.kind)?;
        data(out, 'n', "label", Xml(&node.label))?;
        data(out, 'n', "place", Xml(&node.place))?;
        if let Some(description) = &node.description {
            data(out, 'n', "description", Xml(description))?;
        }
        writeln!(out, "</node>")
    }

    fn edge(&mut self, out: &mut dyn Write, edge: &EdgeRow) -> io::Result<()> {
        let (by, edge) = (edge.by, &edge.what);
        let why = &edge.provenance;
        let (from, to) = (key(&edge.from), key(&edge.to));
        write!(out, "<edge id=\"{}\" source=\"{from}\" target=\"{to}\">", edge.id)?;
        data(out, 'e', "kind", edge.kind.name())?;
        if let Some(order) = edge.order {
            data(out, 'e', "edge_order", order)?;
        }
        data(out, 'e', "confidence", why.confidence)?;
        data(out, 'e', "source_node", key(&why.source))?;
        data(out, 'e', "span_start", why.span.start)?;
        data(out, 'e', "span_end", why.span.end)?;
        data(out, 'e', "extractor", Xml(&why.extractor))?;
        if let Some(by) = by {
            data(out, 'e', "document", by)?;
        }
        writeln!(out, "</edge>")
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "</graph>\n</graphml>")
    }
}
