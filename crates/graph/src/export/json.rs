//! JSON: one object, a node or an edge a line.

use std::io::{self, Write};

use serde_json::json;

use super::Notation;
use crate::describe::{Described, key};
use crate::rows::EdgeRow;

#[derive(Default)]
pub(super) struct Json {
    /// Whether the list that is open has an entry.
    begun: bool,
}

impl Json {
    fn entry(&mut self, out: &mut dyn Write, entry: &impl serde::Serialize) -> io::Result<()> {
        out.write_all(if self.begun { b",\n" } else { b"\n" })?;
        self.begun = true;
        serde_json::to_writer(out, entry).map_err(io::Error::from)
    }
}

impl Notation for Json {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{{\"nodes\": [")
    }

    fn node(&mut self, out: &mut dyn Write, node: &Described) -> io::Result<()> {
        self.entry(out, node)
    }

    fn turn(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.begun = false;
        write!(out, "\n], \"edges\": [")
    }

    fn edge(&mut self, out: &mut dyn Write, edge: &EdgeRow) -> io::Result<()> {
        let (by, edge) = (edge.by, &edge.what);
        let why = &edge.provenance;
        let entry = json!({
            "id": edge.id,
            "kind": edge.kind.name(),
            "from": key(&edge.from),
            "to": key(&edge.to),
            "edge_order": edge.order,
            "confidence": why.confidence,
            "source": key(&why.source),
            "span_start": why.span.start,
            "span_end": why.span.end,
            "extractor": why.extractor,
            "document": by,
        });
        self.entry(out, &entry)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n]}}")
    }
}
