//! The language of Graphviz.

use std::io::{self, Write};

use super::Notation;
use super::text::Quoted;
use crate::describe::{Described, key};
use crate::rows::EdgeRow;

pub(super) struct Dot;

impl Notation for Dot {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "digraph stele {{\n  node [shape=box];")
    }

    fn node(&mut self, out: &mut dyn Write, node: &Described) -> io::Result<()> {
        let (label, place) = (Quoted(&node.label), Quoted(&node.place));
        writeln!(out, "  {} [label={label}, kind={}, place={place}];", Quoted(&node.id), Quoted(node.kind))
    }

    fn edge(&mut self, out: &mut dyn Write, edge: &EdgeRow) -> io::Result<()> {
        let edge = &edge.what;
        let (from, to) = (key(&edge.from), key(&edge.to));
        let why = &edge.provenance;
        let source = key(&why.source);
        write!(out, "  {} -> {} [label={}, ", Quoted(&from), Quoted(&to), Quoted(edge.kind.name()))?;
        write!(out, "confidence={}, source={}, ", why.confidence, Quoted(&source))?;
        let span = format!("{}-{}", why.span.start, why.span.end);
        writeln!(out, "span={}, extractor={}];", Quoted(&span), Quoted(&why.extractor))
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "}}")
    }
}
