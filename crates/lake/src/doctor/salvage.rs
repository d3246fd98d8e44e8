//! Damaged parts given up, and what is intact in them kept.
//!
//! A record is kept if its text is proved: by its hash together with its place, or, where the columns
//! that hold those are damaged too, by the SHA-256 of the input that it is part of. No other column of
//! a damaged part is believed: the record is read again from its text, as it was at ingest. A residue
//! has no hash of its own, so those of a damaged part are lost.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;

use serde::Serialize;
use stele_model::{Envelope, FileEntry, FileId, Micros};

use super::evidence::{Evidence, Kept, evidence};
use super::{Depth, examine};
use crate::appender::{AppendContext, Appender, FileRef};
use crate::error::{At, LakeError};
use crate::part::PartInfo;
use crate::pieces::PieceIndex;
use crate::replay::Replayer;
use crate::rows::Columns;
use crate::snapshot::{CATALOGUE_WHOLE, PRUNE, Pruned, Snapshot};
use crate::tables::Table;
use crate::writer::{Anchored, Writer};

/// What a salvage did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// Damaged or missing parts that are given up.
    pub parts: u64,
    /// Rows that were in them.
    pub rows_before: u64,
    /// Rows that are kept.
    pub rows_kept: u64,
    /// Inputs that lose rows and can be named.
    pub inputs: u64,
    /// These inputs, and how many rows each of them loses.
    pub lost: Vec<SalvageLoss>,
    /// The newest entry of the log of `events`, where it was damaged and is moved aside.
    pub log_entry: Option<PathBuf>,
    /// Records of its commit, where that could be finished again from the parts.
    pub completed: Option<u64>,
    /// Whether it was done.
    pub done: bool,
}

/// What one input loses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SalvageLoss {
    /// Its name.
    pub uri: String,
    /// Rows that are lost.
    pub rows: u64,
}

/// A record whose text is intact.
#[derive(Debug, Clone, Copy)]
pub struct Intact<'a> {
    /// The input, as the commit that brought the record knew it.
    pub input: &'a FileEntry,
    /// The text.
    pub raw: &'a str,
    /// Its line.
    pub line_no: u64,
    /// Its content offset.
    pub byte_offset: u64,
}

/// Takes the envelope of a record.
pub type TakeEnvelope<'a> = dyn FnMut(&Envelope<'_>) -> Result<(), LakeError> + 'a;

/// Reads a record's envelope from its text again and hands it over; false if the text is no record.
pub type Reread<'a> = dyn FnMut(Intact<'_>, &mut TakeEnvelope<'_>) -> Result<bool, LakeError> + 'a;

/// Gives up every damaged part of `events` and `quarantine`, keeps its intact records, and notes which
/// inputs lost rows, so that everything that reports on them says so. `catalogue` may be the catalogue
/// of what is left. Where nothing is damaged, nothing is committed.
///
/// Without `act` it is only found out what would be done.
///
/// # Errors
///
/// When the disk refuses, or a part of another table is damaged, which only a copy can replace.
pub fn salvage(
    writer: &mut Writer,
    reread: &mut Reread<'_>,
    catalogue: Option<&str>,
    act: bool,
    now: Micros,
) -> Result<Salvaged, LakeError> {
    let snapshot = writer.snapshot()?;
    let mut damaged = Vec::new();
    for table in [Table::Events, Table::Quarantine] {
        for part in snapshot.parts(table) {
            match examine(part, Depth::Full) {
                Ok(()) => {}
                Err(LakeError::MissingPart { .. } | LakeError::CorruptPart { .. }) => {
                    damaged.push((table, part.clone()));
                }
                Err(error) => return Err(error),
            }
        }
    }
    let mut done = Salvaged { parts: damaged.len() as u64, ..Salvaged::default() };
    if damaged.is_empty() {
        return Ok(done);
    }
    done.rows_before = damaged.iter().map(|(_, part)| part.rows).sum();
    let mut change = Anchored::default();
    for (table, part) in &damaged {
        change.of(*table).removes.push(part.clone());
    }
    let mut work = Work::new(writer, &snapshot, &damaged)?;
    let kept = work.keep(&mut change, reread)?;
    done.rows_kept = kept.values().sum();
    let lost = lost(&snapshot, &change, &damaged, &work.seen, &kept, now)?;
    done.inputs = lost.len() as u64;
    let name = |one: &Pruned| {
        let entry = work.inputs.get(&one.file_id.to_string()).and_then(|entries| entries.last());
        SalvageLoss { uri: entry.map_or_else(String::new, |entry| entry.uri.clone()), rows: one.rows }
    };
    done.lost = lost.iter().map(name).collect();
    if !act {
        for part in &change.events.adds {
            std::fs::remove_file(&part.path).at("remove", &part.path)?;
        }
        return Ok(done);
    }
    let mut notes = Vec::new();
    if !lost.is_empty() {
        let body = serde_json::to_string(&lost).map_err(|error| LakeError::Invalid(error.to_string()))?;
        notes.push((PRUNE, body));
    }
    notes.extend(catalogue.map(|catalogue| (CATALOGUE_WHOLE, catalogue.to_owned())));
    writer.anchored(change, Vec::new(), notes, "SALVAGE", now)?;
    done.done = true;
    Ok(done)
}

/// The damaged parts of `events`, and what is known without them.
struct Work<'a> {
    writer: &'a Writer,
    snapshot: &'a Snapshot,
    damaged: Vec<&'a PartInfo>,
    /// Every state of every input, oldest first.
    inputs: HashMap<String, Vec<FileEntry>>,
    /// Rows of each input that could be told apart in the damaged parts.
    seen: BTreeMap<String, u64>,
}

impl<'a> Work<'a> {
    fn new(
        writer: &'a Writer,
        snapshot: &'a Snapshot,
        damaged: &'a [(Table, PartInfo)],
    ) -> Result<Self, LakeError> {
        let mut inputs: HashMap<String, Vec<FileEntry>> = HashMap::new();
        for entry in snapshot.history()? {
            inputs.entry(entry.file_id.to_string()).or_default().push(entry);
        }
        let damaged = damaged.iter().filter(|(table, _)| *table == Table::Events);
        let damaged = damaged.map(|(_, part)| part).collect();
        Ok(Self { writer, snapshot, damaged, inputs, seen: BTreeMap::new() })
    }

    /// Writes the intact records anew and returns how many each input kept. Records whose text only
    /// their whole input proves are taken first, and left out again where it does not.
    fn keep(
        &mut self,
        change: &mut Anchored,
        reread: &mut Reread<'_>,
    ) -> Result<BTreeMap<String, u64>, LakeError> {
        let mut evidence = Evidence::default();
        for part in &self.damaged {
            evidence.gather(part, &self.inputs)?;
        }
        self.seen.clone_from(&evidence.seen);
        let gone: HashSet<&str> = self.damaged.iter().map(|part| part.relative.as_str()).collect();
        let sound = self.snapshot.without(&gone);
        evidence.number_lines(&PieceIndex::of_all(&sound)?)?;
        let (mut parts, mut kept) = self.write(&evidence, reread)?;
        let doubtful = evidence.doubtful();
        if !doubtful.is_empty() {
            let replayer = Replayer::of_all(&sound.with_events(&parts))?;
            let whole = |id: &String| {
                let entries = self.inputs.get(id).into_iter().flatten();
                let longest = entries.max_by_key(|entry| entry.bytes_done);
                longest.is_some_and(|entry| replayer.replay(entry, &mut io::sink()).is_ok())
            };
            let unproved: HashSet<String> = doubtful.into_iter().filter(|id| !whole(id)).collect();
            drop(replayer);
            if !unproved.is_empty() {
                for part in &parts {
                    std::fs::remove_file(&part.path).at("remove", &part.path)?;
                }
                evidence.leave_out(&unproved);
                (parts, kept) = self.write(&evidence, reread)?;
            }
        }
        change.events.adds = parts;
        Ok(kept)
    }

    fn write(
        &self,
        kept: &Evidence,
        reread: &mut Reread<'_>,
    ) -> Result<(Vec<PartInfo>, BTreeMap<String, u64>), LakeError> {
        let mut parts = Vec::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut open: Option<(AppendContext, Appender)> = None;
        for part in &self.damaged {
            evidence(part, &self.inputs, &mut |row| {
                let Some(Kept { line_no, .. }) = kept.find(&row) else { return Ok(()) };
                let context =
                    AppendContext { tenant: row.input.tenant.clone(), ingested_at: row.input.updated_at };
                if open.as_ref().is_none_or(|(now, _)| *now != context) {
                    if let Some((_, appender)) = open.take() {
                        parts.extend(appender.finish()?.events);
                    }
                    open = Some((context.clone(), self.writer.appender(context)));
                }
                let Some((_, appender)) = &mut open else { return Ok(()) };
                appender.set_file(&FileRef { file_id: row.input.file_id, uri: row.input.uri.clone() });
                let intact = Intact { input: row.input, raw: row.raw, line_no, byte_offset: row.offset };
                let is_record =
                    reread(intact, &mut |envelope| appender.record(envelope, row.raw, line_no, row.offset))?;
                *counts.entry(row.input.file_id.to_string()).or_default() += u64::from(is_record);
                Ok(())
            })?;
        }
        if let Some((_, appender)) = open {
            parts.extend(appender.finish()?.events);
        }
        Ok((parts, counts))
    }
}

/// What each input lost: what it should have, less what it has and what was removed before; and no
/// less than what was seen of it in the damaged parts and not kept.
fn lost(
    snapshot: &Snapshot,
    change: &Anchored,
    damaged: &[(Table, PartInfo)],
    seen: &BTreeMap<String, u64>,
    kept: &BTreeMap<String, u64>,
    now: Micros,
) -> Result<Vec<Pruned>, LakeError> {
    let left = rows_left(snapshot, change)?;
    let mut before: HashMap<FileId, u64> = HashMap::new();
    for one in snapshot.pruned()? {
        *before.entry(one.file_id).or_default() += one.rows;
    }
    let mut lost: BTreeMap<FileId, u64> = BTreeMap::new();
    for entry in snapshot.contents()? {
        let id = entry.file_id.to_string();
        if !damaged.iter().any(|(_, part)| part.stats.may_hold(&id)) {
            continue;
        }
        let ledger = &entry.ledger;
        let should = ledger.records + ledger.quarantined + ledger.control + ledger.blank;
        let has = left.get(&id).copied().unwrap_or_default();
        let pruned = before.get(&entry.file_id).copied().unwrap_or_default();
        let count = |of: &BTreeMap<String, u64>| of.get(&id).copied().unwrap_or_default();
        let rows = should.saturating_sub(has + pruned).max(count(seen).saturating_sub(count(kept)));
        // The same content may be known under several names, and under some only its beginning.
        if rows > 0 {
            let known = lost.entry(entry.file_id).or_default();
            *known = rows.max(*known);
        }
    }
    let pruned = |(file_id, rows)| Pruned {
        file_id,
        rows,
        reason: "lost with a damaged part".to_owned(),
        at: now,
        from: 0,
        uri: None,
        lost: true,
    };
    Ok(lost.into_iter().map(pruned).collect())
}

/// Rows of each input after a change, fillers aside: no ledger counts those.
fn rows_left(snapshot: &Snapshot, change: &Anchored) -> Result<BTreeMap<String, u64>, LakeError> {
    let mut left = BTreeMap::new();
    for (table, change) in [(Table::Events, &change.events), (Table::Quarantine, &change.quarantine)] {
        let gone: HashSet<&str> = change.removes.iter().map(|part| part.relative.as_str()).collect();
        let stays = |part: &&PartInfo| !gone.contains(part.relative.as_str());
        let of_events = table == Table::Events;
        let columns: &[&str] = if of_events { &["file_id"] } else { &["file_id", "class"] };
        for part in snapshot.parts(table).iter().filter(stays).chain(&change.adds) {
            crate::rows::each_batch(&part.path, Some(columns), |batch| {
                let columns = Columns { batch, path: &part.path };
                let ids = columns.texts("file_id")?;
                for row in 0..batch.num_rows() {
                    if !of_events && columns.text("class", row)? == "filler" {
                        continue;
                    }
                    match left.get_mut(ids.value(row)) {
                        Some(count) => *count += 1,
                        None => drop(left.insert(ids.value(row).to_owned(), 1)),
                    }
                }
                Ok(())
            })?;
        }
    }
    Ok(left)
}
