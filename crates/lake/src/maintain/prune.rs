//! Records removed because somebody asked for it: a plan first, then one commit.
//!
//! The default of a lake is to keep everything for ever. A prune says what went, and replay of an
//! input that lost rows says so instead of writing half a file.
//!
//! A source is a name, and one content may have several: a recording that was renamed while it grew,
//! or a copy. Pruning a name gives it up, and removes the rows that no other name needs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use serde::Serialize;
use stele_model::civil;
use stele_model::{DocType, FileEntry, FileId, Micros};

use super::Rewriter;
use crate::error::{At, LakeError};
use crate::part::{PartInfo, sync_names};
use crate::reader::PartReader;
use crate::rows::Columns;
use crate::snapshot::{CATALOGUE_WHOLE, PRUNE, Pruned, Snapshot};
use crate::tables::Table;
use crate::writer::{Anchored, Writer};

/// Which rows to remove: those that meet every condition that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Only what belongs to this tenant.
    #[serde(skip)]
    pub tenant: Option<String>,
    /// Records of days before the one of this instant; records without a day, and rows of
    /// quarantine, by the time of their ingest.
    pub before: Option<Micros>,
    /// Records of this doc type.
    pub doc_type: Option<DocType>,
    /// Rows of these inputs that no other name of them needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// What the lake is to say about it for ever, in place of the conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Inputs that a reason names; of more it says how many.
const SOURCES_NAMED_MAX: usize = 3;

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.reason {
            return f.write_str(reason);
        }
        let mut conditions = Vec::new();
        if let Some(before) = self.before {
            conditions.push(format!("older than {}", day(before)));
        }
        conditions.extend(self.doc_type.map(|doc_type| format!("doc type {}", doc_type.name())));
        match self.sources.len() {
            0..=SOURCES_NAMED_MAX => {
                conditions.extend(self.sources.iter().map(|source| format!("source {source}")));
            }
            more => conditions.push(format!("{more} sources")),
        }
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
    /// The contents that the sources stand for, if any were named.
    pub named: Vec<PrunePlanName>,
    #[serde(skip)]
    hits: Vec<Hit>,
}

/// A content that a source of a selection stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunePlanName {
    /// The source.
    pub uri: String,
    /// The content.
    pub file_id: FileId,
    /// Rows from this content offset on go; those before it stay.
    pub from: u64,
    /// The other name that needs the rows that stay.
    pub kept_for: Option<String>,
    /// Whether the prune gives the name up: it keeps no rows from then on.
    pub gives_up: bool,
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
    if selection.before.is_none() && selection.doc_type.is_none() && selection.sources.is_empty() {
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
        named: named(snapshot, selection)?,
        hits: Vec::new(),
    };
    let named = plan.named.clone();
    let chosen = Chosen::of(selection, &named);
    let mut sources: BTreeMap<(String, String), u64> = BTreeMap::new();
    for table in [Table::Events, Table::Quarantine] {
        for part in snapshot.parts(table).iter().filter(|part| chosen.may_touch(table, part)) {
            let (rows, bytes) = chosen.count(table, part, &mut sources)?;
            if rows == 0 {
                continue;
            }
            plan.bytes += bytes;
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
    /// Whether carrying it out would change nothing.
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty() && !self.named.iter().any(|name| name.gives_up)
    }

    /// What the lake is to say about it for ever.
    fn gone(&self, at: Micros) -> Vec<Pruned> {
        let reason = self.selection.to_string();
        let pruned = |file_id, rows, from, uri| Pruned {
            file_id,
            rows,
            reason: reason.clone(),
            at,
            from,
            uri,
            lost: false,
        };
        if self.selection.sources.is_empty() {
            return self.sources.iter().map(|source| pruned(source.file_id, source.rows, 0, None)).collect();
        }
        let mut rows_of: HashMap<FileId, u64> = HashMap::new();
        for source in &self.sources {
            *rows_of.entry(source.file_id).or_default() += source.rows;
        }
        let mut gone = Vec::new();
        for name in &self.named {
            // Of several names of one content that go, the first takes the rows along.
            let rows = rows_of.remove(&name.file_id).unwrap_or(0);
            let uri = name.gives_up.then(|| name.uri.clone());
            if rows > 0 || uri.is_some() {
                gone.push(pruned(name.file_id, rows, name.from, uri));
            }
        }
        gone
    }
}

/// The contents that the sources of a selection stand for, and what of them no other name needs.
fn named(snapshot: &Snapshot, selection: &Selection) -> Result<Vec<PrunePlanName>, LakeError> {
    if selection.sources.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashSet<&str> = selection.sources.iter().map(String::as_str).collect();
    let mut entries = snapshot.contents()?;
    entries.retain(|entry| selection.tenant.as_ref().is_none_or(|tenant| *tenant == entry.tenant));
    let names: BTreeSet<(FileId, String)> = entries
        .iter()
        .filter(|entry| wanted.contains(entry.uri.as_str()))
        .map(|entry| (entry.file_id, entry.uri.clone()))
        .collect();
    let mut pruned: HashMap<FileId, Vec<Pruned>> = HashMap::new();
    for one in snapshot.pruned()? {
        pruned.entry(one.file_id).or_default().push(one);
    }
    let given_up = |entry: &FileEntry| {
        pruned.get(&entry.file_id).is_some_and(|all| all.iter().any(|pruned| pruned.gives_up(entry)))
    };
    let mut names_of: HashMap<FileId, Vec<&FileEntry>> = HashMap::new();
    for entry in entries.iter().filter(|entry| !given_up(entry)) {
        names_of.entry(entry.file_id).or_default().push(entry);
    }
    let name = |(file_id, uri): (FileId, String)| {
        let of_it = names_of.get(&file_id).map(Vec::as_slice).unwrap_or_default();
        let others = of_it.iter().filter(|entry| !wanted.contains(entry.uri.as_str()));
        let longest = others.max_by_key(|entry| entry.bytes_done);
        PrunePlanName {
            file_id,
            from: longest.map_or(0, |entry| entry.bytes_done),
            kept_for: longest.map(|entry| entry.uri.clone()),
            gives_up: of_it.iter().any(|entry| entry.uri == uri)
                && selection.before.is_none()
                && selection.doc_type.is_none(),
            uri,
        }
    };
    Ok(names.into_iter().map(name).collect())
}

/// A selection in terms of rows.
struct Chosen<'a> {
    selection: &'a Selection,
    /// For sources: their contents, and the content offset from which their rows are chosen.
    inputs: Option<HashMap<String, u64>>,
}

impl<'a> Chosen<'a> {
    fn of(selection: &'a Selection, named: &[PrunePlanName]) -> Self {
        let inputs = || named.iter().map(|name| (name.file_id.to_string(), name.from)).collect();
        Self { selection, inputs: (!selection.sources.is_empty()).then(inputs) }
    }

    /// Whether rows of a part may be chosen, as far as its name and the log tell.
    fn may_touch(&self, table: Table, part: &PartInfo) -> bool {
        let Selection { before, doc_type, .. } = self.selection;
        let may_hold = |inputs: &HashMap<String, u64>| inputs.keys().any(|input| part.stats.may_hold(input));
        self.inputs.as_ref().is_none_or(may_hold)
            && match table {
                Table::Events => {
                    doc_type.is_none_or(|doc_type| part.partition("doc_type") == Some(doc_type.name()))
                        && match (before, part.partition("date")) {
                            (Some(before), Some(date)) => date < day(*before).as_str(),
                            _ => true,
                        }
                }
                _ => doc_type.is_none(),
            }
    }

    /// Which rows of a batch are chosen. The part has passed [`Chosen::may_touch`].
    fn rows(&self, table: Table, part: &PartInfo, batch: &RecordBatch) -> Result<BooleanArray, LakeError> {
        let columns = Columns { batch, path: &part.path };
        let (tenants, ids) = (columns.texts("tenant_id")?, columns.texts("file_id")?);
        let offsets = columns.longs("byte_offset")?;
        let times = batch
            .column_by_name("ingested_at")
            .and_then(|at| at.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| columns.bad("there is no column ingested_at"))?;
        let of_a_day = table == Table::Events && part.partition("date").is_some();
        let by_ingest = self.selection.before.filter(|_| !of_a_day);
        let limit = by_ingest.map(|before| before.div_euclid(civil::DAY) * civil::DAY);
        let own = |row| self.selection.tenant.as_deref().is_none_or(|tenant| tenant == tenants.value(row));
        let named = |row| {
            self.inputs.as_ref().is_none_or(|inputs| {
                inputs.get(ids.value(row)).is_some_and(|from| *from <= offsets.value(row).max(0) as u64)
            })
        };
        let old = |row| limit.is_none_or(|limit| times.value(row) < limit);
        Ok((0..batch.num_rows()).map(|row| Some(own(row) && named(row) && old(row))).collect())
    }

    /// Counts the chosen rows of a part, in all and by source and input, and their content bytes.
    fn count(
        &self,
        table: Table,
        part: &PartInfo,
        sources: &mut BTreeMap<(String, String), u64>,
    ) -> Result<(u64, u64), LakeError> {
        let reader = PartReader::open(&part.path)?;
        let (mut rows, mut bytes) = (0, 0);
        let columns = ["tenant_id", "file_id", "source", "ingested_at", "byte_offset", "byte_len"];
        for batch in reader.rows(&part.path, &columns, 0..reader.row_count())? {
            let batch = batch.at("read", &part.path)?;
            let chosen = self.rows(table, part, &batch)?;
            let columns = Columns { batch: &batch, path: &part.path };
            let (ids, uris) = (columns.texts("file_id")?, columns.texts("source")?);
            let lengths = columns.longs("byte_len")?;
            for row in chosen.values().set_indices() {
                rows += 1;
                bytes += lengths.value(row).max(0) as u64;
                *sources.entry((uris.value(row).to_owned(), ids.value(row).to_owned())).or_default() += 1;
            }
        }
        Ok((rows, bytes))
    }
}

/// Carries out a plan. The bytes stay on disk until a vacuum.
///
/// `catalogue`, if given, has to describe what is left; it takes the place of all earlier ones.
///
/// # Errors
///
/// When the lake has changed since the plan was made, or a part cannot be read or written. Nothing
/// has changed then.
pub fn prune(
    writer: &mut Writer,
    plan: &PrunePlan,
    catalogue: Option<&str>,
    now: Micros,
) -> Result<Snapshot, LakeError> {
    let snapshot = writer.snapshot()?;
    if snapshot.version() != plan.version {
        let text = format!(
            "the prune was planned for snapshot {} and the lake is at {}: plan again",
            plan.version,
            snapshot.version()
        );
        return Err(LakeError::Changed(text));
    }
    let shop = writer.workshop();
    let selected = Chosen::of(&plan.selection, &plan.named);
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
                let chosen = selected.rows(hit.table, &hit.part, &batch)?;
                let kept = arrow::compute::not(&chosen).at("read", &hit.part.path)?;
                let kept = filter_record_batch(&batch, &kept).at("read", &hit.part.path)?;
                rewriter.take(&kept, &hit.part.path)?;
            }
            let parts: Vec<PartInfo> = rewriter.finish()?.into_iter().collect();
            sync_names(&shop, &parts)?;
            target.adds.extend(parts);
        }
    }
    let gone = plan.gone(now);
    let body = serde_json::to_string(&gone).map_err(|error| LakeError::Invalid(error.to_string()))?;
    let mut notes = vec![(PRUNE, body)];
    notes.extend(catalogue.map(|catalogue| (CATALOGUE_WHOLE, catalogue.to_owned())));
    writer.anchored(change, Vec::new(), notes, "DELETE", now)
}
