//! Damaged parts given up, and what is intact in them kept.
//!
//! A record is intact if the text still has the hash that was stored beside it and its identifier
//! still follows from both. A residue has no hash of its own, so those of a damaged part are kept
//! only if the part's checksum proves them, which a damaged part's does not: they are lost.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use serde::Serialize;
use stele_model::{FileId, Micros, RawHash, RecordId};

use super::{Depth, examine};
use crate::error::{At, LakeError};
use crate::maintain::Rewriter;
use crate::part::{PartInfo, sync_names};
use crate::reader::PartReader;
use crate::rows::Columns;
use crate::snapshot::{CATALOGUE_WHOLE, PRUNE, Pruned};
use crate::tables::Table;
use crate::writer::{Anchored, CommitNote, Writer};

/// What a salvage did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// Damaged or missing parts that were given up.
    pub parts: u64,
    /// Rows that were in them.
    pub rows_before: u64,
    /// Rows that were kept.
    pub rows_kept: u64,
    /// Inputs that lost rows and can be named.
    pub inputs: u64,
}

/// Gives up every damaged part of `events` and `quarantine`, keeps its intact rows, and notes which
/// inputs lost some, so that replay of them says so. `note` may carry the catalogue of what is left.
/// Where nothing is damaged, nothing is committed.
///
/// # Errors
///
/// When the disk refuses, or a part of another table is damaged, which only a copy can replace.
pub fn salvage(writer: &mut Writer, note: &CommitNote, now: Micros) -> Result<Salvaged, LakeError> {
    let snapshot = writer.snapshot()?;
    let mut done = Salvaged::default();
    let mut change = Anchored::default();
    let shop = writer.workshop();
    for table in [Table::Events, Table::Quarantine] {
        for part in snapshot.parts(table) {
            match examine(part, Depth::Full) {
                Ok(()) => continue,
                Err(LakeError::MissingPart { .. } | LakeError::CorruptPart { .. }) => {}
                Err(error) => return Err(error),
            }
            done.parts += 1;
            done.rows_before += part.rows;
            let mut rewriter = Rewriter::new(&shop, table, part);
            if table == Table::Events {
                done.rows_kept += keep_intact(part, &mut rewriter)?;
            }
            let kept: Vec<PartInfo> = rewriter.finish()?.into_iter().collect();
            sync_names(&shop, &kept)?;
            let target = change.of(table);
            target.removes.push(part.clone());
            target.adds.extend(kept);
        }
    }
    if done.parts == 0 {
        return Ok(done);
    }
    // Which inputs lost rows follows from what each should have and what is left of it.
    let left = rows_left(&snapshot, &change)?;
    let mut lost: BTreeMap<FileId, Pruned> = BTreeMap::new();
    for entry in snapshot.contents()? {
        let should =
            entry.ledger.records + entry.ledger.quarantined + entry.ledger.control + entry.ledger.blank;
        let has = left.get(&entry.file_id.to_string()).copied().unwrap_or_default();
        if has < should {
            let reason = "lost with a damaged part".to_owned();
            let new =
                Pruned { file_id: entry.file_id, rows: should - has, reason, at: now, from: 0, uri: None };
            // The same content may be known under several names, and under some only its beginning.
            let known = lost.entry(entry.file_id).or_insert_with(|| new.clone());
            known.rows = known.rows.max(new.rows);
        }
    }
    done.inputs = lost.len() as u64;
    let lost: Vec<Pruned> = lost.into_values().collect();
    let body = serde_json::to_string(&lost).map_err(|error| LakeError::Invalid(error.to_string()))?;
    let mut notes = vec![(PRUNE, body)];
    notes.extend(note.catalogue.clone().map(|catalogue| (CATALOGUE_WHOLE, catalogue)));
    writer.anchored(change, Vec::new(), notes, "SALVAGE", now)?;
    Ok(done)
}

/// Copies the rows of a damaged part that are provably intact. A batch that cannot be decoded ends
/// its row group.
fn keep_intact(part: &PartInfo, rewriter: &mut Rewriter<'_>) -> Result<u64, LakeError> {
    let Ok(reader) = PartReader::open(&part.path) else { return Ok(0) };
    let schema = Table::Events.part_schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let groups: Vec<Range<u64>> = reader.groups().map(|(rows, _)| rows).collect();
    let mut kept = 0;
    for rows in groups {
        let Ok(batches) = reader.rows(&part.path, &columns, rows) else { continue };
        for batch in batches {
            let Ok(batch) = batch else { break };
            let Ok(intact) = intact(part, &batch) else { break };
            let batch = filter_record_batch(&batch, &intact).at("read", &part.path)?;
            kept += batch.num_rows() as u64;
            rewriter.take(&batch, &part.path)?;
        }
    }
    Ok(kept)
}

fn intact(part: &PartInfo, batch: &RecordBatch) -> Result<BooleanArray, LakeError> {
    let columns = Columns { batch, path: &part.path };
    let (raw, hash, id) = (columns.texts("raw")?, columns.texts("raw_hash")?, columns.texts("record_id")?);
    let (file, offset) = (columns.texts("file_id")?, columns.longs("byte_offset")?);
    Ok((0..batch.num_rows())
        .map(|row| {
            let computed = RawHash::of(raw.value(row).as_bytes());
            let record = FileId::from_hex(file.value(row))
                .map(|file| RecordId::of(file, offset.value(row).max(0) as u64, computed).to_string());
            Some(computed.to_string() == hash.value(row) && record.as_deref() == Some(id.value(row)))
        })
        .collect())
}

/// Rows of each input after a change.
fn rows_left(snapshot: &crate::Snapshot, change: &Anchored) -> Result<BTreeMap<String, u64>, LakeError> {
    let mut left = BTreeMap::new();
    for (table, change) in [(Table::Events, &change.events), (Table::Quarantine, &change.quarantine)] {
        let gone: HashSet<&str> = change.removes.iter().map(|part| part.relative.as_str()).collect();
        let stays = |part: &&PartInfo| !gone.contains(part.relative.as_str());
        for part in snapshot.parts(table).iter().filter(stays).chain(&change.adds) {
            crate::rows::each_batch(&part.path, Some(&["file_id"]), |batch| {
                let ids = Columns { batch, path: &part.path }.texts("file_id")?;
                for id in ids.iter().flatten() {
                    match left.get_mut(id) {
                        Some(count) => *count += 1,
                        None => {
                            left.insert(id.to_owned(), 1);
                        }
                    }
                }
                Ok(())
            })?;
        }
    }
    Ok(left)
}
