//! Records removed because somebody asked for it: a plan first, then one commit.
//!
//! The default of a lake is to keep everything for ever. A prune says what went, and replay of an
//! input that lost rows says so instead of writing half a file.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use serde::Serialize;
use stele_model::{DocType, FileId, Micros};

use super::Rewriter;
use crate::error::{At, LakeError};
use crate::part::{PartInfo, sync_names};
use crate::reader::PartReader;
use crate::rows::Columns;
use crate::snapshot::{CATALOGUE_WHOLE, PRUNE, Pruned, Snapshot};
use crate::tables::Table;
use crate::writer::{Anchored, CommitNote, DEFAULT_TENANT, Writer};
use stele_model::civil;

/// Which rows to remove: those that meet every condition that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Records of days before the one of this instant; records without a day, and rows of
    /// quarantine, by the time of their ingest.
    pub before: Option<Micros>,
    /// Records of this doc type.
    pub doc_type: Option<DocType>,
    /// Rows of this source.
    pub source: Option<String>,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut conditions = Vec::new();
        if let Some(before) = self.before {
            conditions.push(format!("older than {}", day(before)));
        }
        conditions.extend(self.doc_type.map(|doc_type| format!("doc type {}", doc_type.name())));
        conditions.extend(self.source.as_ref().map(|source| format!("source {source}")));
        f.write_str(&conditions.join(", "))
    }
}

fn day(micros: Micros) -> String {
    civil::day_of(micros).map_or_else(|| "0001-01-01".to_owned(), civil::date)
}

/// What a prune would remove.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrunePlan {
    /// The snapshot that was looked at.
    pub version: u64,
    /// What was asked for.
    pub selection: Selection,
    /// Records that go.
    pub records: u64,
    /// Rows of quarantine that go.
    pub residues: u64,
    /// Content bytes of all of them.
    pub bytes: u64,
    /// Parts that go as a whole.
    pub parts_removed: u64,
    /// Parts that are written anew without some of their rows.
    pub parts_rewritten: u64,
    /// The inputs that lose rows.
    pub sources: Vec<PrunePlanSource>,
    #[serde(skip)]
    hits: Vec<Hit>,
}

/// What one input loses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunePlanSource {
    /// The input.
    pub file_id: FileId,
    /// Its name.
    pub uri: String,
    /// Rows that go.
    pub rows: u64,
}

/// A part that loses rows.
#[derive(Debug, Clone, PartialEq)]
struct Hit {
    table: Table,
    part: PartInfo,
    rows: u64,
}

/// Finds out what a prune would remove.
///
/// # Errors
///
/// When nothing was selected, or a part cannot be read.
pub fn plan_prune(snapshot: &Snapshot, selection: &Selection) -> Result<PrunePlan, LakeError> {
    if *selection == Selection::default() {
        return Err(LakeError::Invalid("say what to prune: an age, a doc type or a source".to_owned()));
    }
    let mut plan = PrunePlan {
        version: snapshot.version(),
        selection: selection.clone(),
        records: 0,
        residues: 0,
        bytes: 0,
        parts_removed: 0,
        parts_rewritten: 0,
        sources: Vec::new(),
        hits: Vec::new(),
    };
    let mut sources: BTreeMap<(String, String), u64> = BTreeMap::new();
    for table in [Table::Events, Table::Quarantine] {
        for part in snapshot.parts(table).iter().filter(|part| selection.may_touch(table, part)) {
            let rows = plan.count(table, part, &mut sources)?;
            if rows == 0 {
                continue;
            }
            *(if table == Table::Events { &mut plan.records } else { &mut plan.residues }) += rows;
            *(if rows == part.rows { &mut plan.parts_removed } else { &mut plan.parts_rewritten }) += 1;
            plan.hits.push(Hit { table, part: part.clone(), rows });
        }
    }
    for ((uri, id), rows) in sources {
        if let Some(file_id) = FileId::from_hex(&id) {
            plan.sources.push(PrunePlanSource { file_id, uri, rows });
        }
    }
    Ok(plan)
}

impl PrunePlan {
    fn count(
        &mut self,
        table: Table,
        part: &PartInfo,
        sources: &mut BTreeMap<(String, String), u64>,
    ) -> Result<u64, LakeError> {
        let reader = PartReader::open(&part.path)?;
        let mut rows = 0;
        let columns = ["file_id", "source", "ingested_at", "byte_len"];
        for batch in reader.rows(&part.path, &columns, 0..reader.row_count())? {
            let batch = batch.at("read", &part.path)?;
            let chosen = self.selection.rows(table, part, &batch)?;
            let columns = Columns { batch: &batch, path: &part.path };
            let (ids, uris) = (columns.texts("file_id")?, columns.texts("source")?);
            let lengths = columns.longs("byte_len")?;
            for row in chosen.values().set_indices() {
                rows += 1;
                self.bytes += lengths.value(row).max(0) as u64;
                match sources.get_mut(&(uris.value(row).to_owned(), ids.value(row).to_owned())) {
                    Some(count) => *count += 1,
                    None => {
                        sources.insert((uris.value(row).to_owned(), ids.value(row).to_owned()), 1);
                    }
                }
            }
        }
        Ok(rows)
    }
}

impl Selection {
    /// Whether rows of a part may be chosen, as far as its name and the log tell.
    fn may_touch(&self, table: Table, part: &PartInfo) -> bool {
        match table {
            Table::Events => {
                self.doc_type.is_none_or(|doc_type| part.partition("doc_type") == Some(doc_type.name()))
                    && match (self.before, part.partition("date")) {
                        (Some(before), Some(date)) => date < day(before).as_str(),
                        _ => true,
                    }
            }
            _ => self.doc_type.is_none(),
        }
    }

    /// Which rows of a batch are chosen. The part has passed [`Selection::may_touch`].
    fn rows(&self, table: Table, part: &PartInfo, batch: &RecordBatch) -> Result<BooleanArray, LakeError> {
        let columns = Columns { batch, path: &part.path };
        let uris = columns.texts("source")?;
        let times = batch
            .column_by_name("ingested_at")
            .and_then(|at| at.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| columns.bad("there is no column ingested_at"))?;
        let by_ingest = self.before.filter(|_| table != Table::Events || part.partition("date").is_none());
        let limit = by_ingest.map(|before| before.div_euclid(civil::DAY) * civil::DAY);
        Ok((0..batch.num_rows())
            .map(|row| {
                let source = self.source.as_deref().is_none_or(|source| source == uris.value(row));
                Some(source && limit.is_none_or(|limit| times.value(row) < limit))
            })
            .collect())
    }
}

/// Carries out a plan. The bytes stay on disk until a vacuum.
///
/// `note.catalogue`, if given, has to describe what is left; it takes the place of all earlier ones.
///
/// # Errors
///
/// When the lake has changed since the plan was made, or a part cannot be read or written. Nothing
/// has changed then.
pub fn prune(
    writer: &mut Writer,
    plan: &PrunePlan,
    note: &CommitNote,
    now: Micros,
) -> Result<Snapshot, LakeError> {
    let snapshot = writer.snapshot()?;
    if snapshot.version() != plan.version {
        let text = format!(
            "the prune was planned for snapshot {} and the lake is at {}: plan again",
            plan.version,
            snapshot.version()
        );
        return Err(LakeError::Invalid(text));
    }
    let shop = writer.workshop();
    let mut change = Anchored::default();
    for hit in &plan.hits {
        let target = change.of(hit.table);
        target.removes.push(hit.part.clone());
        if hit.rows < hit.part.rows {
            let mut rewriter = Rewriter::new(&shop, hit.table, &hit.part);
            let reader = PartReader::open(&hit.part.path)?;
            let schema = hit.table.part_schema();
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            for batch in reader.rows(&hit.part.path, &columns, 0..reader.row_count())? {
                let batch = batch.at("read", &hit.part.path)?;
                let chosen = plan.selection.rows(hit.table, &hit.part, &batch)?;
                let kept = arrow::compute::not(&chosen).at("read", &hit.part.path)?;
                let kept = filter_record_batch(&batch, &kept).at("read", &hit.part.path)?;
                rewriter.take(&kept, &hit.part.path)?;
            }
            let parts: Vec<PartInfo> = rewriter.finish()?.into_iter().collect();
            sync_names(&shop, &parts)?;
            target.adds.extend(parts);
        }
    }
    let reason = plan.selection.to_string();
    let gone = |source: &PrunePlanSource| Pruned {
        file_id: source.file_id,
        rows: source.rows,
        reason: reason.clone(),
        at: now,
    };
    let gone: Vec<Pruned> = plan.sources.iter().map(gone).collect();
    let body = serde_json::to_string(&gone).map_err(|error| LakeError::Invalid(error.to_string()))?;
    let mut notes = vec![(PRUNE, body)];
    notes.extend(note.catalogue.clone().map(|catalogue| (CATALOGUE_WHOLE, catalogue)));
    writer.anchored(change, DEFAULT_TENANT, Vec::new(), notes, "DELETE", now)
}
