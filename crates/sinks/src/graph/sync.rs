//! Making a database hold a graph: ask, write what is missing or differs, remove what is too much, ask again.

use std::collections::{HashMap, HashSet};

use super::batches::{BATCH_ROWS_MAX, Batch, Batches};
use super::compare::{Asked, Bytes, Difference, Name, compare};
use super::cypher::{self, Row};
use super::store::{Ends, GraphSink};
use super::{WantedGraph, label};
use crate::bolt::Value;
use crate::{Cancelled, OnProgress, Opening, Parity, Progress, SinkError, Step};

/// How often it is written and asked again. The first time does it, unless something of ours hung on a node
/// that had to go, and went with it.
const ROUNDS_MAX: usize = 2;

/// How a database compares with what should be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphParity {
    /// Of nodes.
    pub nodes: Parity,
    /// Of edges.
    pub edges: Parity,
}

impl GraphParity {
    /// The database holds what it should, all of it and nothing else.
    pub fn holds(&self) -> bool {
        self.nodes.holds() && self.edges.holds()
    }
}

/// What a [`sync_graph`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphSynced {
    /// Nodes and edges that were written.
    pub written: u64,
    /// Nodes and edges that were removed.
    pub removed: u64,
    /// What the database held afterwards, beside what it should hold.
    pub parity: GraphParity,
}

/// Makes a database hold what is wanted, and measures whether it does.
///
/// New nodes and edges are written before old ones are removed. Nothing is noted down: a run that was
/// stopped or killed is taken up by the next one, which asks the database. Nodes of others are left alone; an
/// edge that somebody drew to a node of ours goes when the node goes.
///
/// # Errors
/// [`SinkError::OtherGraph`] if another lake's graph is there, [`SinkError::Wanted`] about the other side, or
/// what the database says; inside of [`SinkError::Stopped`] as soon as it may have written something.
pub fn sync_graph(
    sink: &GraphSink,
    wanted: &dyn WantedGraph,
    opening: Opening,
    progress: OnProgress<'_>,
    cancelled: Cancelled<'_>,
) -> Result<GraphSynced, SinkError> {
    let owner = wanted.owner();
    let others = owned(sink, &owner, opening.adopt, cancelled)?;
    let asked = Both::ask(wanted)?;
    if others || opening.recreate {
        sink.clear(cancelled)?;
    }
    sink.constrain(cancelled)?;
    let mut run = Run { sink, owner: &owner, progress, cancelled, written: 0, removed: 0 };
    let changed = run.rounds(wanted, &asked);
    let (written, removed) = (run.written, run.removed);
    match changed {
        Ok(parity) => Ok(GraphSynced { written, removed, parity }),
        Err(error) => {
            let (sink, things) = (sink.shown().to_owned(), "nodes and edges");
            Err(SinkError::Stopped { sink, things, written, removed, source: Box::new(error) })
        }
    }
}

/// Compares a database with what should be in it, and changes nothing.
///
/// # Errors
/// [`SinkError::OtherGraph`] if another lake's graph is there, or what the database or the other side says.
pub fn verify_graph(
    sink: &GraphSink,
    wanted: &dyn WantedGraph,
    cancelled: Cancelled<'_>,
) -> Result<GraphParity, SinkError> {
    let owner = wanted.owner();
    owned(sink, &owner, false, cancelled)?;
    let asked = Both::ask(wanted)?;
    let progress = &mut |_| {};
    let mut run = Run { sink, owner: &owner, progress, cancelled, written: 0, removed: 0 };
    Ok(run.compare(&asked, Step::Comparing)?.parity())
}

/// Whether somebody else's graph is there, where it may be.
fn owned(sink: &GraphSink, owner: &str, adopt: bool, cancelled: Cancelled<'_>) -> Result<bool, SinkError> {
    match sink.owners(cancelled)?.into_iter().find(|there| there != owner) {
        None => Ok(false),
        Some(_) if adopt => Ok(true),
        Some(owner) => Err(SinkError::OtherGraph { sink: sink.shown().to_owned(), owner }),
    }
}

/// What should be there.
struct Both {
    nodes: Asked,
    edges: Asked,
}

impl Both {
    fn ask(wanted: &dyn WantedGraph) -> Result<Self, SinkError> {
        let (mut nodes, mut edges) = (Vec::new(), Vec::new());
        wanted.nodes(&mut |node| {
            let row = Row::of_node(&node);
            nodes.push((row.id, row.hash));
            Ok(())
        })?;
        wanted.edges(&mut |edge| {
            let row = Row::of_edge(&edge);
            edges.push((row.id, row.hash));
            Ok(())
        })?;
        Ok(Both { nodes: Asked::new(nodes), edges: Asked::new(edges) })
    }
}

/// What is there beside it.
struct Compared {
    nodes: Difference<&'static str>,
    edges: Difference<Ends>,
}

impl Compared {
    fn parity(&self) -> GraphParity {
        GraphParity { nodes: self.nodes.parity.clone(), edges: self.edges.parity.clone() }
    }

    /// Whether there is something to do.
    fn differs(&self) -> bool {
        !(self.nodes.write.is_empty()
            && self.edges.write.is_empty()
            && self.nodes.remove.is_empty()
            && self.edges.remove.is_empty())
    }
}

/// One run, and how far it is.
struct Run<'a> {
    sink: &'a GraphSink,
    owner: &'a str,
    progress: OnProgress<'a>,
    cancelled: Cancelled<'a>,
    written: u64,
    removed: u64,
}

impl Run<'_> {
    fn rounds(&mut self, wanted: &dyn WantedGraph, asked: &Both) -> Result<GraphParity, SinkError> {
        let mut found = self.compare(asked, Step::Listing)?;
        for _ in 0..ROUNDS_MAX {
            let GraphParity { nodes, edges } = found.parity();
            tracing::debug!(sink = self.sink.shown(), ?nodes, ?edges, "compared");
            if !found.differs() {
                break;
            }
            self.change(wanted, found)?;
            found = self.compare(asked, Step::Comparing)?;
        }
        Ok(found.parity())
    }

    fn compare(&mut self, asked: &Both, step: Step) -> Result<Compared, SinkError> {
        let progress = &mut *self.progress;
        let mut told = |done| progress(Progress { step, done, total: done });
        let nodes = self.sink.nodes(self.owner, &mut told, self.cancelled)?;
        let done = nodes.len() as u64;
        let edges = self.sink.edges(self.owner, self.cancelled)?;
        told(done + edges.len() as u64);
        Ok(Compared { nodes: compare(&asked.nodes, nodes), edges: compare(&asked.edges, edges) })
    }

    /// Nodes before the edges between them, and what is new before what is old goes.
    fn change(&mut self, wanted: &dyn WantedGraph, found: Compared) -> Result<(), SinkError> {
        let (mut nodes, mut edges) = (found.nodes.write, found.edges.write);
        let total = (nodes.len() + edges.len()) as u64;
        let mut batches = Batches::default();
        if !nodes.is_empty() {
            wanted.nodes(&mut |node| {
                let row = Row::of_node(&node);
                let question = cypher::write_nodes(label(&node.node));
                self.put(&mut batches, &mut nodes, row, question, total)
            })?;
            self.rest(&mut batches, total)?;
        }
        if !edges.is_empty() {
            let apart = self.sink.knows_apart(self.cancelled)?;
            wanted.edges(&mut |said| {
                let row = Row::of_edge(&said);
                let edge = &said.edge;
                let question = cypher::write_edges(edge.kind, label(&edge.from), label(&edge.to), apart);
                self.put(&mut batches, &mut edges, row, question, total)
            })?;
            self.rest(&mut batches, total)?;
        }
        self.remove_all(found.nodes.remove, found.edges.remove)
    }

    /// A node takes its edges with it, so only the others are named one by one.
    fn remove_all(
        &mut self,
        nodes: Vec<(Name, &'static str)>,
        edges: Vec<(Name, Ends)>,
    ) -> Result<(), SinkError> {
        let going: HashSet<&Name> = nodes.iter().map(|(id, _)| id).collect();
        let goes = |ends: &Ends| ends.iter().any(|end| end.id.as_ref().is_some_and(|id| going.contains(id)));
        let (taken, alone): (Vec<_>, Vec<_>) = edges.into_iter().partition(|(_, ends)| goes(ends));
        let taken = taken.len() as u64;
        let nodes = nodes.iter().map(|(id, label)| {
            (cypher::remove_nodes(label), Value::map([("id", Value::text(id.to_string()))]))
        });
        self.remove(nodes.collect())?;
        self.removed += taken;
        let alone = alone.into_iter().map(|(id, ends)| {
            let id = ("id", Value::text(id.to_string()));
            match ends.map(|end| end.label.zip(end.id)) {
                [Some((from, from_id)), Some((to, to_id))] => {
                    let ends = [("from", from_id), ("to", to_id)];
                    let [a, b] = ends.map(|(name, id)| (name, Value::text(id.to_string())));
                    (cypher::remove_edges(Some([from, to])), Value::map([id, a, b]))
                }
                _ => (cypher::remove_edges(None), Value::map([id])),
            }
        });
        self.remove(alone.collect())
    }

    /// Adds a row, if it is one that has to be written, and writes what is full.
    fn put(
        &mut self,
        batches: &mut Batches,
        write: &mut HashMap<Bytes, Bytes>,
        row: Row,
        question: String,
        total: u64,
    ) -> Result<(), SinkError> {
        if write.get(&row.id) != Some(&row.hash) {
            return Ok(());
        }
        write.remove(&row.id);
        match batches.push(question, &row.value(self.owner)) {
            Some(batch) => self.write(batch, total),
            None => Ok(()),
        }
    }

    fn rest(&mut self, batches: &mut Batches, total: u64) -> Result<(), SinkError> {
        batches.take().try_for_each(|batch| self.write(batch, total))
    }

    fn write(&mut self, batch: Batch, total: u64) -> Result<(), SinkError> {
        let rows = batch.rows.len() as u64;
        self.sink.change("write to", self.owner, batch, self.cancelled)?;
        self.written += rows;
        (self.progress)(Progress { step: Step::Writing, done: self.written, total });
        Ok(())
    }

    fn remove(&mut self, rows: Vec<(String, Value)>) -> Result<(), SinkError> {
        let total = self.removed + rows.len() as u64;
        let mut sorted = rows;
        sorted.sort_by(|one, two| one.0.cmp(&two.0));
        for same in sorted.chunk_by(|one, two| one.0 == two.0) {
            for some in same.chunks(BATCH_ROWS_MAX) {
                let rows = some.iter().map(|(_, row)| row.clone()).collect();
                let batch = Batch { question: some[0].0.clone(), rows };
                self.sink.change("remove from", self.owner, batch, self.cancelled)?;
                self.removed += some.len() as u64;
                (self.progress)(Progress { step: Step::Removing, done: self.removed, total });
            }
        }
        Ok(())
    }
}
