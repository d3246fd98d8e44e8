//! Many small parts of a partition become few large ones.
//!
//! Rows of the new parts stand in the order of their inputs, so that replay reads them once from
//! front to back. Nothing is deleted from disk: earlier snapshots stay readable until a vacuum.

use std::collections::BTreeMap;

use serde::Serialize;
use stele_model::Micros;

use super::Rewriter;
use crate::error::{At, LakeError};
use crate::part::{PartInfo, sync_names, write_part};
use crate::rows::{files_batch, notes_batch, read_files, read_notes};
use crate::runs::{self, Merge, Run};
use crate::tables::Table;
use crate::writer::{Anchored, Writer};

/// What a compaction takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactOptions {
    /// Parts smaller than this are merged.
    pub small_bytes: u64,
    /// Up to about this size.
    pub target_bytes: u64,
    /// Where a partition has at least so many of them.
    pub parts_min: usize,
}

impl Default for CompactOptions {
    fn default() -> Self {
        // A scan pays about a millisecond a part, so 4 parts of 64 MB are as good as one, and 400
        // of 1 MB are not.
        Self { small_bytes: 64 << 20, target_bytes: 256 << 20, parts_min: 4 }
    }
}

impl CompactOptions {
    /// What a writer does by itself before its own work: only tiny parts, and only where they are many. A commit reads all
    /// parts of `files` and `notes`, and a tiny part costs some milliseconds of that; with this they are never more than
    /// 64 and what came of those before, however many commits a day of small batches makes. 4 MB is what such a
    /// batch comes to at most, and a few hundred of them are merged in seconds.
    pub const UPKEEP: Self = Self { small_bytes: 4 << 20, target_bytes: 256 << 20, parts_min: 64 };

    /// Whether a compaction with these options would change anything.
    ///
    /// # Errors
    ///
    /// When the log holds something that this program does not read.
    pub fn are_due(&self, writer: &Writer) -> Result<bool, LakeError> {
        let snapshot = writer.snapshot()?;
        Ok(Table::ALL.into_iter().any(|table| !groups(snapshot.parts(table), self).is_empty()))
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Parts that were merged.
    pub parts_before: u64,
    /// Parts they became.
    pub parts_after: u64,
    /// Rows that moved.
    pub rows: u64,
    /// Bytes of the parts that were merged.
    pub bytes_before: u64,
    /// Bytes of the parts they became.
    pub bytes_after: u64,
}

/// Merges small parts of all tables, in one commit.
///
/// # Errors
///
/// When a part cannot be read or written. Nothing has changed then.
pub fn compact(writer: &mut Writer, options: &CompactOptions, now: Micros) -> Result<Compacted, LakeError> {
    let snapshot = writer.snapshot()?;
    let mut change = Anchored::default();
    let mut done = Compacted::default();
    for table in Table::ALL {
        let target = change.of(table);
        target.moves_only = true;
        for group in groups(snapshot.parts(table), options) {
            let merged = match table {
                Table::Events | Table::Quarantine => merge(writer, table, &group)?,
                Table::Files | Table::Notes => merge_small(writer, table, &group)?,
            };
            let rows = |parts: &[PartInfo]| parts.iter().map(|part| part.rows).sum::<u64>();
            if rows(&group) != rows(&merged) {
                let detail = format!("{} rows became {}", rows(&group), rows(&merged));
                return Err(LakeError::Delta {
                    what: "compacted",
                    path: table.dir(&writer.home().data_dir),
                    detail,
                });
            }
            done.parts_before += group.len() as u64;
            done.parts_after += merged.len() as u64;
            done.rows += rows(&merged);
            done.bytes_before += group.iter().map(|part| part.bytes).sum::<u64>();
            done.bytes_after += merged.iter().map(|part| part.bytes).sum::<u64>();
            target.removes.extend(group);
            target.adds.extend(merged);
        }
    }
    if done.parts_before > 0 {
        writer.anchored(change, Vec::new(), Vec::new(), "OPTIMIZE", now)?;
    }
    Ok(done)
}

/// Small parts of each partition, in groups that make one part each.
fn groups(parts: &[PartInfo], options: &CompactOptions) -> Vec<Vec<PartInfo>> {
    let mut partitions: BTreeMap<_, Vec<&PartInfo>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.bytes < options.small_bytes) {
        partitions.entry(&part.partitions).or_default().push(part);
    }
    let mut groups = Vec::new();
    for small in partitions.into_values().filter(|small| small.len() >= options.parts_min.max(2)) {
        let (mut group, mut bytes) = (Vec::new(), 0);
        for part in small {
            if bytes + part.bytes > options.target_bytes && !group.is_empty() {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            bytes += part.bytes;
            group.push(part.clone());
        }
        groups.push(group);
    }
    groups.retain(|group| group.len() > 1);
    groups
}

fn merge(writer: &Writer, table: Table, group: &[PartInfo]) -> Result<Vec<PartInfo>, LakeError> {
    let Some(like) = group.first() else { return Ok(Vec::new()) };
    let shop = writer.workshop();
    let mut by_file: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for index in 0..group.len() {
        for run in runs::find(group, index, None)? {
            by_file.entry(run.file_id.clone()).or_default().push(run);
        }
    }
    let schema = table.part_schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut rewriter = Rewriter::new(&shop, table, like);
    for runs in by_file.into_values() {
        Merge::new(group, &columns, runs).each(|batch, rows, part| {
            let path = &group.get(part).unwrap_or(like).path;
            rewriter.take(&batch.slice(rows.start, rows.len()), path)
        })?;
    }
    let parts: Vec<PartInfo> = rewriter.finish()?.into_iter().collect();
    sync_names(&shop, &parts)?;
    Ok(parts)
}

fn merge_small(writer: &Writer, table: Table, group: &[PartInfo]) -> Result<Vec<PartInfo>, LakeError> {
    let shop = writer.workshop();
    let batch = match table {
        Table::Files => files_batch(&read_files(group)?),
        _ => notes_batch(&read_notes(group)?),
    };
    let part = write_part(&shop, table, &[batch.at("encode", &table.dir(&shop.data_dir))?])?;
    sync_names(&shop, std::slice::from_ref(&part))?;
    Ok(vec![part])
}
