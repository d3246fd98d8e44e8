//! Every text of a snapshot, in a fixed order, without holding more than one part of the lake.

use std::collections::HashSet;

use stele_discover::render::chunks;
use stele_graph::{DocumentRow, Reader};
use stele_lake::scan::scan_part;
use stele_lake::{PartInfo, Snapshot};
use stele_model::{Chunk, DocType};
use stele_sources::{Piece, PieceKind};

use super::{objects, records, summaries};
use crate::engine::Engine;
use crate::judge::Judge;
use crate::{Cancel, EngineError};

/// Takes one text.
pub(super) type Take<'a> = dyn FnMut(Chunk) -> Result<(), EngineError> + 'a;

/// The texts of the catalogue, the games, the sessions, the help desks and the documents: all that something new may
/// change.
pub(super) fn of_the_whole(
    engine: &Engine,
    snapshot: &Snapshot,
    take: &mut Take<'_>,
) -> Result<(), EngineError> {
    let graph = engine.graph(snapshot)?;
    of_the_whole_in(engine, snapshot, graph.as_ref(), &|_| true, take)
}

/// The same with this version of the graph, and of it these documents.
fn of_the_whole_in(
    engine: &Engine,
    snapshot: &Snapshot,
    graph: Option<&Reader>,
    wanted: &dyn Fn(&DocumentRow) -> bool,
    take: &mut Take<'_>,
) -> Result<(), EngineError> {
    let catalogue = engine.own_catalogue(snapshot, &Cancel::default())?;
    let mut outcome = Ok(());
    chunks::each(&catalogue.view(), &engine.settings().tenant, &mut |chunk| {
        if outcome.is_ok() {
            outcome = take(chunk);
        }
    });
    outcome?;
    summaries::each(engine, snapshot, take)?;
    objects::each(engine, snapshot, take)?;
    graph.map_or(Ok(()), |graph| engine.section_texts(snapshot, graph, wanted, take))
}

/// The texts of the records in some parts of the lake. They follow from the record and its place
/// alone, so a part that is there does not change them.
pub(super) fn of_parts(
    engine: &Engine,
    snapshot: &Snapshot,
    parts: &[PartInfo],
    take: &mut Take<'_>,
) -> Result<(), EngineError> {
    let formats = engine.formats_of(snapshot)?;
    let tenant = &engine.settings().tenant;
    let own: HashSet<String> =
        engine.own(snapshot.contents()?).iter().map(|entry| entry.file_id.to_string()).collect();
    let mut judge = Judge::default();
    for part in parts {
        // A part has one doc type: where its records have no text, it is not even read.
        let doc_type = part.partition("doc_type").and_then(DocType::from_name);
        if doc_type.is_some_and(|doc_type| !records::has_text(doc_type)) {
            continue;
        }
        scan_part(part, &mut |batch| {
            batch.iter().filter(|row| own.contains(row.file_id)).try_for_each(|row| {
                let Some(format) = formats.get(&row) else { return Ok(()) };
                let piece = Piece {
                    bytes: row.raw.as_bytes(),
                    byte_offset: row.byte_offset,
                    line_no: row.line_no,
                    kind: PieceKind::Record,
                    newline: false,
                };
                let Ok(record) = judge.judge(format, &piece, Some(row.raw)) else {
                    return Err(EngineError::Unreadable { uri: row.source.to_owned(), line_no: row.line_no });
                };
                let place = records::Place {
                    tenant,
                    source: row.source,
                    line_no: row.line_no,
                    byte_offset: row.byte_offset,
                };
                records::text_of(&record, row.event_type, &place).map_or(Ok(()), &mut *take)
            })
        })?;
    }
    Ok(())
}

impl Engine {
    /// Hands over every text that an index of `snapshot` holds: the contract that other agents read.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read, or what `take` says.
    pub fn chunks(&self, snapshot: &Snapshot, take: &mut Take<'_>) -> Result<(), EngineError> {
        of_the_whole(self, snapshot, take)?;
        of_parts(self, snapshot, snapshot.event_parts(), take)
    }

    /// The same with this version of the graph, and of it these documents: others may write a newer one meanwhile.
    pub(super) fn chunks_in(
        &self,
        snapshot: &Snapshot,
        graph: Option<&Reader>,
        wanted: &dyn Fn(&DocumentRow) -> bool,
        take: &mut Take<'_>,
    ) -> Result<(), EngineError> {
        of_the_whole_in(self, snapshot, graph, wanted, take)?;
        of_parts(self, snapshot, snapshot.event_parts(), take)
    }
}
