//! Which node is beside which, in memory: nodes are numbers, and an edge is two of them.
//!
//! A node takes 25 bytes in here, an edge 32, and for as long as it is made twice that. What an edge
//! says beside its ends is read from the parts when it is asked for.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Float32Type;
use stele_model::{EdgeKind, Node};

use super::Direction;
use crate::decode::{self, Bad, Columns};
use crate::error::GraphError;
use crate::reader::Reader;
use crate::tables::{DOCUMENT, Table};

/// Edges that can be numbered.
const EDGES_MAX: u64 = u32::MAX as u64;

const COLUMNS: [&str; 8] =
    ["edge_id", DOCUMENT, "kind", "from_kind", "from_id", "to_kind", "to_id", "confidence"];

/// An edge: its ends, its kind and where the rest of it stands.
struct Link {
    from: u32,
    to: u32,
    kind: EdgeKind,
    part: u32,
    row: u32,
}

/// Which node is beside which.
pub(crate) struct Adjacency {
    /// Sorted: the place of a node is its number.
    nodes: Vec<Node>,
    /// Sorted: surer ones first, then by kind and id. The place of an edge is its number.
    links: Vec<Link>,
    out: Sides,
    into: Sides,
}

/// For each node the edges on one side of it, in their order.
struct Sides {
    /// Where those of each node begin; one more than there are nodes.
    first: Vec<u32>,
    edges: Vec<u32>,
}

impl Sides {
    fn make(nodes: usize, links: &[Link], end: impl Fn(&Link) -> u32) -> Self {
        let mut first = vec![0_u32; nodes + 1];
        for link in links {
            first[end(link) as usize + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        let mut next = first.clone();
        let mut edges = vec![0; links.len()];
        for (number, link) in (0_u32..).zip(links) {
            let place = &mut next[end(link) as usize];
            edges[*place as usize] = number;
            *place += 1;
        }
        Self { first, edges }
    }

    fn of(&self, node: u32) -> &[u32] {
        &self.edges[self.first[node as usize] as usize..self.first[node as usize + 1] as usize]
    }
}

/// An edge as it is read, before its ends are numbers.
struct Read {
    from: Node,
    to: Node,
    id: [u8; 16],
    kind: EdgeKind,
    confidence: f32,
    part: u32,
    row: u32,
}

impl Adjacency {
    pub(crate) fn make(reader: &Reader) -> Result<Self, GraphError> {
        let shared = &reader.shared;
        let rows: u64 = shared.parts.iter().map(|open| open.part.rows(Table::Edges)).sum();
        if rows > EDGES_MAX {
            let path = shared.home.clone();
            return Err(GraphError::TooLarge { what: "edges", most: EDGES_MAX, path });
        }
        let mut read = Vec::with_capacity(usize::try_from(rows).unwrap_or(0));
        for (part, open) in (0_u32..).zip(&shared.parts) {
            let mut row = 0;
            for batch in open.batches(Table::Edges, &COLUMNS, None)? {
                let batch = batch?;
                let gone = |document: Option<&str>| document.is_some_and(|document| open.is_gone(document));
                decode(&batch, part, row, &gone, &mut read)
                    .map_err(|bad| open.damaged(Table::Edges, &bad))?;
                row += u32::try_from(batch.num_rows()).unwrap_or(0);
            }
        }
        read.sort_unstable_by(|one: &Read, two: &Read| {
            let surer = two.confidence.total_cmp(&one.confidence);
            surer.then(one.kind.cmp(&two.kind)).then(one.id.cmp(&two.id))
        });
        let mut nodes: Vec<Node> = read.iter().flat_map(|edge| [edge.from, edge.to]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.shrink_to_fit();
        let number = |node: &Node| {
            let place = nodes.partition_point(|there| there < node);
            u32::try_from(place).unwrap_or(u32::MAX)
        };
        let link = |edge: &Read| {
            let (from, to) = (number(&edge.from), number(&edge.to));
            Link { from, to, kind: edge.kind, part: edge.part, row: edge.row }
        };
        let links: Vec<Link> = read.iter().map(link).collect();
        drop(read);
        let out = Sides::make(nodes.len(), &links, |link| link.from);
        let into = Sides::make(nodes.len(), &links, |link| link.to);
        Ok(Self { nodes, links, out, into })
    }

    /// Every node that an edge meets, sorted.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node(&self, number: u32) -> Node {
        self.nodes[number as usize]
    }

    pub(super) fn number(&self, node: Node) -> Option<u32> {
        self.nodes.binary_search(&node).ok().and_then(|place| u32::try_from(place).ok())
    }

    pub(super) fn kind(&self, edge: u32) -> EdgeKind {
        self.links[edge as usize].kind
    }

    /// The node at the other end; of an edge from a node to itself, that node.
    pub(super) fn across(&self, edge: u32, node: u32) -> u32 {
        let link = &self.links[edge as usize];
        if link.from == node { link.to } else { link.from }
    }

    /// The part of an edge, by index, and its row there.
    pub(super) fn place(&self, edge: u32) -> (u32, u32) {
        let link = &self.links[edge as usize];
        (link.part, link.row)
    }

    /// How many edges of each kind meet a node.
    pub(crate) fn counts(&self, node: Node) -> BTreeMap<EdgeKind, u64> {
        let mut counts = BTreeMap::new();
        for edge in self.number(node).into_iter().flat_map(|node| self.edges(node, Direction::Both)) {
            *counts.entry(self.kind(edge)).or_default() += 1;
        }
        counts
    }

    /// The edges of a node that can be followed this way, in their order.
    pub(super) fn edges(&self, node: u32, direction: Direction) -> Edges<'_> {
        let (out, into) = (self.out.of(node), self.into.of(node));
        match direction {
            Direction::Out => Edges { out, into: &[] },
            Direction::In => Edges { out: &[], into },
            Direction::Both => Edges { out, into },
        }
    }
}

/// Two sorted lists as one. An edge from a node to itself is in both, and comes once.
pub(super) struct Edges<'a> {
    out: &'a [u32],
    into: &'a [u32],
}

impl Iterator for Edges<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let next = match (self.out.first(), self.into.first()) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => *one,
            (Some(one), Some(two)) => *one.min(two),
        };
        for side in [&mut self.out, &mut self.into] {
            if side.first() == Some(&next) {
                *side = &side[1..];
            }
        }
        Some(next)
    }
}

fn decode(
    batch: &RecordBatch,
    part: u32,
    first: u32,
    gone: &dyn Fn(Option<&str>) -> bool,
    to: &mut Vec<Read>,
) -> Result<(), Bad> {
    let all = Columns(batch);
    let (ids, documents, kinds) = (all.text("edge_id")?, all.text(DOCUMENT)?, all.text("kind")?);
    let (from_kinds, from_ids) = (all.text("from_kind")?, all.text("from_id")?);
    let (to_kinds, to_ids) = (all.text("to_kind")?, all.text("to_id")?);
    let sure = all.number::<Float32Type>("confidence")?;
    for (row, number) in (0..batch.num_rows()).zip(first..) {
        if gone(decode::some(documents, row)) {
            continue;
        }
        let kind = kinds.value(row);
        to.push(Read {
            from: decode::node(from_kinds.value(row), from_ids.value(row))?,
            to: decode::node(to_kinds.value(row), to_ids.value(row))?,
            id: decode::id(ids.value(row))?,
            kind: EdgeKind::from_name(kind).ok_or_else(|| format!("{kind:?} is no kind of edge"))?,
            confidence: sure.value(row),
            part,
            row: number,
        });
    }
    Ok(())
}
