//! The graph as others see it: a reader of what it says now, and its tables in SQL.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use stele_graph::{DocumentRow, Reader, Table};
use stele_lake::Snapshot;
use stele_lake::sql::{Derived, DerivedPart};
use stele_model::Chunk;
use stele_model::error::in_full;

use super::chunks::{self, Of, SectionText};
use super::tags::{self, Given};
use crate::EngineError;
use crate::engine::Engine;

/// What the tables are called in SQL, where some names are words of the language.
const VIEWS: [(Table, &str); 6] = [
    (Table::Documents, "document_rows"),
    (Table::Sections, "sections"),
    (Table::Entities, "entity_rows"),
    (Table::Mentions, "mentions"),
    (Table::Edges, "edges"),
    (Table::References, "document_references"),
];

impl Engine {
    /// The graph as it is now; none if there is none, or it is that of another lake.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn graph(&self, snapshot: &Snapshot) -> Result<Option<Reader>, EngineError> {
        let home = self.graph_home()?;
        let mut kept = self.kept.graph.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newest) = home.version()? else {
            *kept = None;
            return Ok(None);
        };
        // What was opened before keeps what it learned as long as it is the newest.
        if kept.as_ref().is_none_or(|kept| *kept.version() != newest) {
            *kept = Some(home.reader()?);
        }
        Ok(kept.clone().filter(|graph| graph.version().follows.lake == snapshot.lake_id()))
    }

    /// The tables of the graph, for SQL. Where there is no graph they have no rows, and there are none
    /// where that would be wrong: the lake has documents, or the graph cannot be read. Everything else
    /// can be asked all the same.
    pub(crate) fn graph_tables(&self, snapshot: &Snapshot) -> Result<Vec<Derived>, EngineError> {
        let graph = match self.graph(snapshot) {
            Ok(None) if !self.documents_in(snapshot)?.is_empty() => return Ok(Vec::new()),
            Ok(graph) => graph,
            Err(error) => {
                tracing::warn!("the graph cannot be asked in SQL: {}", in_full(&error));
                return Ok(Vec::new());
            }
        };
        let table = |(table, name): (Table, &'static str)| {
            let files = graph.as_ref().map_or_else(Vec::new, |graph| graph.files(table));
            let part = |file: stele_graph::PartFile| DerivedPart {
                path: file.path,
                gone: file.gone.iter().map(ToString::to_string).collect(),
            };
            let parts = files.into_iter().map(part).collect();
            // Whoever reads has a share in each part, so no writer removes one under a query that takes long.
            let held = graph.clone().map(|graph| Arc::new(graph) as Arc<dyn Any + Send + Sync>);
            Derived { name, schema: table.schema(), parts, held }
        };
        Ok(VIEWS.into_iter().map(table).collect())
    }

    /// About how many sections there are: those of documents that are gone may be among them.
    pub(crate) fn section_count(&self, snapshot: &Snapshot) -> Result<u64, EngineError> {
        let graph = self.graph(snapshot)?;
        let rows = |graph: Reader| -> u64 {
            graph.version().parts.iter().map(|part| part.rows(Table::Sections)).sum()
        };
        Ok(graph.map_or(0, rows))
    }

    /// Hands over the texts of all sections, document by document.
    pub(crate) fn section_texts(
        &self,
        snapshot: &Snapshot,
        graph: &Reader,
        wanted: &dyn Fn(&DocumentRow) -> bool,
        take: &mut dyn FnMut(Chunk) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let given = Given::of(self, snapshot)?;
        let mut documents = HashMap::new();
        for document in graph.documents() {
            let document = document?;
            if !wanted(&document) {
                continue;
            }
            let front = document.front_matter.iter();
            let stated = tags::stated(front.map(|entry| (&*entry.key, &*entry.values)));
            let tags = given.with(&document.source, stated);
            documents.insert(document.id, (document.tenant, document.source, document.title, tags));
        }
        // In one pass: to look up the sections of each document would take longer than to embed them.
        for section in graph.sections() {
            let section = section?;
            let Some((tenant, source, title, tags)) = documents.get(&section.document) else { continue };
            let text = SectionText {
                id: section.id.to_string(),
                title: &section.title,
                above: &section.heading_path,
                text: &section.text,
                body: section.body,
                line: u64::from(section.line_start),
                page: section.page,
            };
            chunks::each(&Of { tenant, source, title, tags }, &text, take)?;
        }
        Ok(())
    }
}
