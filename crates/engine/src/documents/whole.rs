//! What only all documents together say: references that find their target; and what recordings are
//! about. It is made anew whenever something of it may have changed.

use stele_documents::{Targets, extract_recordings, resolve};
use stele_graph::Writer;
use stele_lake::Snapshot;
use stele_model::{DocumentId, Reference};

use super::recordings;
use crate::EngineError;
use crate::engine::Engine;

/// Says it to a graph that is about to be committed; gives the number of references whose target is not
/// there.
pub(super) fn say(engine: &Engine, snapshot: &Snapshot, writer: &mut Writer) -> Result<u64, EngineError> {
    let staged = writer.staged()?;
    let mut targets = Targets::default();
    for row in staged.documents() {
        let row = row?;
        targets.place(row.id, &row.source, &row.title);
    }
    for row in staged.anchors() {
        let row = row?;
        targets.place_section(row.document, row.id, row.aliases.iter().chain([&row.anchor]));
    }
    let mut pending = 0;
    // References of one document stand together, and find each target once.
    let mut batch: (Option<DocumentId>, Vec<Reference>) = (None, Vec::new());
    for row in staged.references() {
        let row = row?;
        if row.by != batch.0 {
            pending += found(writer, &targets, &batch)?;
            batch = (row.by, Vec::new());
        }
        batch.1.push(row.what);
    }
    pending += found(writer, &targets, &batch)?;
    let said = extract_recordings(&engine.settings().tenant, &recordings::facts(engine, snapshot)?);
    said.entities.iter().try_for_each(|entity| writer.say_entity(entity))?;
    said.edges.iter().try_for_each(|edge| writer.say_edge(None, edge))?;
    Ok(pending)
}

fn found(
    writer: &mut Writer,
    targets: &Targets,
    (by, references): &(Option<DocumentId>, Vec<Reference>),
) -> Result<u64, EngineError> {
    let resolved = resolve(references, targets);
    resolved.edges.iter().try_for_each(|edge| writer.say_edge(*by, edge))?;
    Ok(resolved.pending.len() as u64)
}
