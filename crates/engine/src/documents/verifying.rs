//! Is the graph what the lake comes to, does it keep its contract, and what did documents lose?

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use stele_documents::{Graph, Place, contract};
use stele_graph::{Reader, Table};
use stele_model::{Entity, EntityId};

use super::inputs::{content_of, input_of};
use super::unread::Unreadable;
use crate::answering::Ground;
use crate::engine::Engine;
use crate::summary::InputFailure;
use crate::{Cancel, EngineError};

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
    /// Those whose target is not there; nothing in a graph of an older program, which did not count them.
    pub unresolved_references: Option<u64>,
    /// Inputs, and pages of archives, that could not be read in their present state, or that the lake does
    /// not hold as a whole.
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
    /// Inputs, and pages of archives, that could not be read in their present state or that the lake does
    /// not hold as a whole, with the reason: they are accounted for, and no problem of the graph.
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
            documents: graph.count(Table::Documents)?,
            sections: graph.count(Table::Sections)?,
            entities: graph.entity_count()?,
            mentions: graph.count(Table::Mentions)?,
            edges: graph.count(Table::Edges)?,
            references: graph.count(Table::References)?,
            unresolved_references: follows.unresolved,
            unread: unread
                .map(|one| InputFailure {
                    uri: one.source.clone(),
                    reason: one.reason.clone(),
                    passing: false,
                })
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
        let ground = self.ground(None)?;
        let graph = ground.graph.as_ref().ok_or(EngineError::NoGraph)?;
        self.graph_verify_on(&ground, graph, &Cancel::default())
    }

    /// The same on what is there. An input that came, changed or went since is neither missing nor stale.
    pub(crate) fn graph_verify_on(
        &self,
        ground: &Ground,
        graph: &Reader,
        cancel: &Cancel,
    ) -> Result<GraphVerification, EngineError> {
        graph.verify()?;
        let inputs = self.document_inputs(&ground.now)?;
        let wanted = &inputs.whole;
        let before = ground.is_later().then(|| self.documents_of(&ground.since)).transpose()?;
        // Whether nobody has touched it since.
        let settled = |uri: &str| {
            let Some(before) = &before else { return true };
            before.content_of(uri) == wanted.get(uri).map(content_of)
        };
        let mut report = GraphVerification { lake_version: ground.since.version(), ..<_>::default() };
        let mut there: HashSet<String> = HashSet::new();
        let unread = &graph.version().follows.unread;
        let unreadable = Unreadable::of(unread, wanted);
        let listed = unread.iter().take(LISTED_MAX);
        report.unread.extend(listed.map(|one| format!("{}: {}", one.source, one.reason)));
        report.unread_count = unread.len() as u64;
        for row in graph.documents() {
            cancel.check("every document was compared")?;
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
            let input = input_of(&row.source, wanted);
            match wanted.get(input) {
                // One that is being read says what it said until it is whole.
                None if inputs.unfinished.contains_key(input) => {}
                _ if !settled(input) => {}
                None => report.problem(|report| &mut report.extra, row.source.clone()),
                Some(entry) if content_of(entry) != row.file_id && !unreadable.covers(entry, &row.source) => {
                    report.problem(|report| &mut report.stale, row.source.clone());
                }
                Some(_) => {}
            }
            there.insert(input.to_owned());
        }
        let missing = wanted.iter().filter(|(uri, _)| !there.contains(*uri));
        // An archive may hold no page at all, and what cannot be read is told already.
        let missing = missing.filter(|(uri, _)| settled(uri));
        for (uri, _) in missing.filter(|(uri, _)| unreadable.of_input(uri).is_empty()) {
            report.problem(|report| &mut report.missing, uri.clone());
        }
        cancel.check("the graph was checked")?;
        let whole = self.whole_graph(graph)?;
        cancel.check("the graph was checked")?;
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
