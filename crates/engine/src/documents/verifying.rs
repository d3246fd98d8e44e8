//! Is the graph what the lake comes to, does it keep its contract, and what did documents lose?

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use stele_documents::{Graph, Place, contract};
use stele_graph::{GraphError, Reader};
use stele_model::{Entity, EntityId};

use super::reading::{content_of, input_of};
use crate::EngineError;
use crate::engine::Engine;
use crate::summary::InputFailure;

/// Lines of each kind that a report lists; the rest is counted.
const LISTED_MAX: usize = 20;

/// How much there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphStatus {
    /// Documents.
    pub documents: u64,
    /// Sections.
    pub sections: u64,
    /// Things, each once.
    pub entities: u64,
    /// Places that name one.
    pub mentions: u64,
    /// Edges.
    pub edges: u64,
    /// References, found or not.
    pub references: u64,
    /// Inputs that could not be read in their present state.
    pub unread: Vec<InputFailure>,
    /// The snapshot of the lake that it follows.
    pub follows: u64,
    /// The newest one.
    pub lake_version: u64,
    /// What it holds, as one number that knows no order.
    pub logical_hash: String,
}

/// What a check of the graph came to. Lists name the first of each kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GraphVerification {
    /// Documents.
    pub documents: u64,
    /// Sections.
    pub sections: u64,
    /// Things, each once.
    pub entities: u64,
    /// Edges.
    pub edges: u64,
    /// Characters of the sources, blanks and marks apart.
    pub characters_in: u64,
    /// Of these, those that are in exactly one section.
    pub characters_out: u64,
    /// Documents of the lake that the graph does not have.
    pub missing: Vec<String>,
    /// Documents of the graph that the lake does not have.
    pub extra: Vec<String>,
    /// Documents that have changed since they were read.
    pub stale: Vec<String>,
    /// Documents that lost more of their text than they may, with how much is left.
    pub lossy: Vec<String>,
    /// Inputs that could not be read in their present state, with the reason: they are accounted for,
    /// and no problem of the graph.
    pub unread: Vec<String>,
    /// How many there are.
    pub unread_count: u64,
    /// Where the contract does not hold.
    pub violations: Vec<String>,
    /// All problems, those that are not listed included.
    pub problem_count: u64,
    /// Whether there is no problem.
    pub holds: bool,
    /// The snapshot of the lake that was compared with.
    pub lake_version: u64,
}

impl Engine {
    /// How much the graph holds.
    ///
    /// # Errors
    ///
    /// If there is no graph, or it cannot be read.
    pub fn graph_status(&self) -> Result<GraphStatus, EngineError> {
        let graph = self.graph_or_why()?;
        let follows = &graph.version().follows;
        let unread = follows.unread.iter();
        Ok(GraphStatus {
            documents: counted(graph.documents())?,
            sections: counted(graph.sections())?,
            entities: entities_of(&graph)?.len() as u64,
            mentions: counted(graph.mentions())?,
            edges: counted(graph.edges())?,
            references: counted(graph.references())?,
            unread: unread
                .map(|one| InputFailure { uri: one.source.clone(), reason: one.reason.clone() })
                .collect(),
            follows: follows.lake_version,
            lake_version: self.snapshot()?.version(),
            logical_hash: graph.logical_hash()?.to_string(),
        })
    }

    /// Compares the graph with the lake and checks its contract.
    ///
    /// # Errors
    ///
    /// If there is no graph, or it cannot be read.
    pub fn graph_verify(&self) -> Result<GraphVerification, EngineError> {
        let snapshot = self.snapshot()?;
        let graph = self.graph(&snapshot)?.ok_or(EngineError::NoGraph)?;
        graph.verify()?;
        let wanted = self.documents_in(&snapshot)?;
        let mut report = GraphVerification { lake_version: snapshot.version(), ..<_>::default() };
        let mut there: BTreeMap<String, ()> = BTreeMap::new();
        let unread = &graph.version().follows.unread;
        let listed = unread.iter().take(LISTED_MAX);
        report.unread.extend(listed.map(|one| format!("{}: {}", one.source, one.reason)));
        report.unread_count = unread.len() as u64;
        for row in graph.documents() {
            let row = row?;
            report.documents += 1;
            report.characters_in += row.conservation.characters_in;
            report.characters_out += row.conservation.characters_out;
            if !row.conservation.holds() {
                let kept = row.conservation;
                let said = format!(
                    "{}: {} of {} characters and {} of {} pages are in sections",
                    row.source, kept.characters_out, kept.characters_in, kept.pages_out, kept.pages_in
                );
                report.problem(|report| &mut report.lossy, said);
            }
            let input = input_of(&row.source, &wanted);
            let is_unread = || unread.iter().any(|one| one.source == input);
            match wanted.get(input) {
                None => report.problem(|report| &mut report.extra, row.source.clone()),
                Some(entry) if content_of(entry) != row.file_id && !is_unread() => {
                    report.problem(|report| &mut report.stale, row.source.clone());
                }
                Some(_) => {}
            }
            there.insert(input.to_owned(), ());
        }
        let missing = wanted.keys().filter(|uri| !there.contains_key(*uri));
        // An archive may hold no page at all, and what cannot be read is told already.
        for uri in missing.filter(|uri| !unread.iter().any(|one| one.source == **uri)) {
            report.problem(|report| &mut report.missing, uri.clone());
        }
        let whole = self.whole_graph(&graph)?;
        (report.sections, report.entities, report.edges) =
            (whole.sections.len() as u64, whole.entities.len() as u64, whole.edges.len() as u64);
        for violation in contract(&whole) {
            report.problem(|report| &mut report.violations, violation.to_string());
        }
        report.holds = report.problem_count == 0;
        Ok(report)
    }

    /// All of the graph as plain data, texts apart.
    fn whole_graph(&self, graph: &Reader) -> Result<Graph, EngineError> {
        let mut whole = Graph::default();
        for row in graph.documents() {
            whole.documents.push(row?.id);
        }
        for row in graph.sections() {
            let row = row?;
            whole.sections.push(Place {
                id: row.id,
                document: row.document,
                order: row.order,
                parent: row.parent,
                bytes: row.text.len(),
            });
        }
        whole.entities = entities_of(graph)?.into_values().collect();
        for row in graph.mentions() {
            whole.mentions.push(row?.what);
        }
        for row in graph.edges() {
            whole.edges.push(row?.what);
        }
        Ok(whole)
    }
}

impl GraphVerification {
    fn problem(&mut self, list: impl Fn(&mut Self) -> &mut Vec<String>, what: String) {
        self.problem_count += 1;
        let list = list(self);
        if list.len() < LISTED_MAX {
            list.push(what);
        }
    }
}

fn counted<T>(rows: impl Iterator<Item = Result<T, GraphError>>) -> Result<u64, EngineError> {
    let mut count = 0;
    for row in rows {
        row?;
        count += 1;
    }
    Ok(count)
}

/// Things, each once, with what all documents say about them.
fn entities_of(graph: &Reader) -> Result<HashMap<EntityId, Entity>, EngineError> {
    let mut all: HashMap<EntityId, Entity> = HashMap::new();
    for row in graph.entities() {
        let entity = row?.what;
        match all.get_mut(&entity.id) {
            Some(known) => known.merge(entity),
            None => drop(all.insert(entity.id, entity)),
        }
    }
    Ok(all)
}
