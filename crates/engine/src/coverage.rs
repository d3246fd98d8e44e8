//! The proof: everything is counted again by other code and compared, three ways.
//!
//! What discovery counted while reading, what the lake holds when its raw column is counted anew,
//! and what the source files hold now if they can still be read. Equal numbers are the only good
//! result; any difference is named with its cause.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use stele_discover::render::coverage::LedgerCheck;
use stele_discover::view::CatalogueView;
use stele_discover::{Catalogue, Folding};
use stele_lake::doctor;
use stele_lake::replay::Replayer;
use stele_lake::sql::{Params, SqlError, SqlOptions};
use stele_lake::{Pruned, Snapshot};
use stele_model::{ErrorKind, FileEntry, FileId, FileState, Ledger, ResidueClass};

use crate::EngineError;
use crate::catalogue_store::CatalogueStore;
use crate::engine::Engine;
use crate::file_check::{FileCheck, check_file};
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::recount::{FoldedPaths, KINDS, Recount};
use crate::scan;

/// Differences that are listed one by one; all are counted.
const DIFFERENCES_MAX: usize = 50;

/// The result of a coverage check.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CoverageReport {
    /// The lake's version.
    pub lake_version: u64,
    /// Whether everything agrees.
    pub holds: bool,
    /// Totals, three ways.
    pub totals: Vec<Comparison>,
    /// Paths that were compared.
    pub paths: u64,
    /// Paths that differ, and records that cannot be read again.
    pub difference_count: u64,
    /// The first of them, with the cause.
    pub differences: Vec<String>,
    /// Rows that are not in the lake any more because somebody asked for it.
    pub rows_pruned: u64,
    /// Rows that were lost with damaged parts and given up by a salvage. Coverage does not hold then.
    pub rows_lost: u64,
    /// Inputs, one by one.
    pub files: Vec<FileCheck>,
}

/// One total as discovery counted it, as the lake holds it and as the source holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What was counted.
    pub name: &'static str,
    /// While reading.
    pub discovered: u64,
    /// Again, from the lake.
    pub recounted: u64,
    /// In the source files, where all of them can still be read.
    pub source: Option<u64>,
}

impl Comparison {
    /// Whether all counts are equal.
    pub fn holds(&self) -> bool {
        self.discovered == self.recounted && self.source.is_none_or(|source| source == self.recounted)
    }
}

impl CoverageReport {
    /// The totals in the form that the coverage report prints.
    pub fn checks(&self) -> Vec<LedgerCheck> {
        let check = |one: &Comparison| LedgerCheck {
            name: one.name.to_owned(),
            counted: one.discovered,
            recounted: Some(one.recounted),
            source: one.source,
        };
        self.totals.iter().map(check).collect()
    }
}

impl Engine {
    /// Counts the lake again and compares.
    ///
    /// # Errors
    ///
    /// If there is no lake, or it cannot be read at all. Differences are in the report.
    pub fn coverage(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<CoverageReport, EngineError> {
        let snapshot = self.snapshot()?;
        // What is counted below is one column of one table; any other may have been altered.
        let damaged = doctor::damaged_parts(&snapshot)?;
        let mut report = match self.compare(&snapshot, progress, cancel) {
            Ok(report) => report,
            Err(error) if damaged.is_empty() || error.kind() == ErrorKind::Cancelled => return Err(error),
            // Where a part cannot even be read, the part is the finding.
            Err(_) => CoverageReport { lake_version: snapshot.version(), ..CoverageReport::default() },
        };
        report.difference_count += damaged.len() as u64;
        report.holds &= damaged.is_empty();
        report.differences.splice(0..0, damaged.into_iter().take(DIFFERENCES_MAX).map(|part| part.detail));
        Ok(report)
    }

    fn compare(
        &self,
        snapshot: &Snapshot,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<CoverageReport, EngineError> {
        let store = CatalogueStore::of(self);
        let catalogue = store.load(self, snapshot)?;
        let entries = inputs_of(snapshot)?;
        let mut differences = Differences::default();
        if let Some(sum) = store.sum_of_the_lost(self)? {
            differences.add(format!(
                "a commit that was acknowledged is gone: {} belongs to a later version than the lake has; \
                 `stele doctor` looks for what is left of it",
                sum.display()
            ));
        }

        let recounted = self.recount(snapshot, &catalogue, &mut differences, progress, cancel)?;
        let view = catalogue.view();
        let paths = compare_paths(&view, &recounted.paths, &mut differences);

        let mut files = Vec::new();
        let mut replayed = Ledger::default();
        let mut in_sources = Some(0);
        let mut committed = Ledger::default();
        let mut pruned: HashMap<FileId, Vec<Pruned>> = HashMap::new();
        for one in snapshot.pruned()?.into_iter().filter(|one| one.rows > 0) {
            pruned.entry(one.file_id).or_default().push(one);
        }
        let replayer = Replayer::of_all(snapshot)?;
        let bytes_total = entries.iter().map(|entry| entry.bytes_done).sum();
        for (done, entry) in entries.iter().enumerate() {
            cancel.check("every input was written back")?;
            progress.update(&Update {
                stage: "replay",
                item: entry.uri.clone(),
                done: replayed.bytes_in,
                total: Some(bytes_total),
                unit: Unit::Bytes,
                records: done as u64,
            });
            let records = recounted.records.get(&entry.file_id.to_string()).copied().unwrap_or(0);
            if let Some(pruned) = pruned.get(&entry.file_id) {
                // What was removed on request cannot be compared with what was read; what is left
                // of it still is, path by path, and what no prune touched is written back.
                committed.records += records;
                in_sources = None;
                let removed = |lost: bool| -> u64 {
                    let of_it = pruned.iter().filter(|one| one.lost == lost && one.affects(entry));
                    of_it.map(|one| one.rows).sum()
                };
                let (lost, pruned) = (removed(true), removed(false));
                let check =
                    if lost + pruned == 0 { check_file(&replayer, entry).0 } else { FileCheck::of(entry) };
                let mut check = FileCheck { pruned, lost, ..check };
                if lost > 0 {
                    check.cause =
                        Some(format!("{lost} rows were lost with a damaged part, which a salvage gave up"));
                }
                differences.of_file(&check);
                files.push(check);
                continue;
            }
            committed += entry.ledger;
            if records != entry.ledger.records {
                differences.add(format!(
                    "{}: {} records were read and the lake holds {records}",
                    entry.uri, entry.ledger.records
                ));
            }
            let (check, lines) = check_file(&replayer, entry);
            replayed.bytes_in += check.replayed;
            replayed.lines += lines;
            in_sources = match check.source {
                "unchanged" | "grown" => in_sources.map(|sum| sum + entry.bytes_done),
                _ => None,
            };
            differences.of_file(&check);
            files.push(check);
        }
        let total = |name, discovered, recounted| Comparison { name, discovered, recounted, source: None };
        let mut totals = vec![
            Comparison { source: in_sources, ..total("bytes", committed.bytes_in, replayed.bytes_in) },
            total("lines", committed.lines, replayed.lines),
            total("records", committed.records, recounted.records.values().sum()),
            total("records in the catalogue", view.records, recounted.records.values().sum()),
            total("nodes in the catalogue", view.nodes, recounted.paths.nodes()),
        ];
        if pruned.is_empty() {
            let residues = self.count_residues(snapshot)?;
            let of = |class: ResidueClass| residues.get(class.name()).copied().unwrap_or(0);
            totals.push(total("nodes", committed.nodes, recounted.paths.nodes()));
            totals.push(total("rejected lines", committed.quarantined, of(ResidueClass::Rejected)));
            totals.push(total("control lines", committed.control, of(ResidueClass::Control)));
            totals.push(total("blank lines", committed.blank, of(ResidueClass::Blank)));
        }
        if pruned.is_empty() && !committed.balances() {
            differences.add(format!(
                "{} bytes were read, and {} went to the lake and {} to quarantine",
                committed.bytes_in, committed.bytes_lake, committed.bytes_quarantine
            ));
        }
        for total in totals.iter().filter(|total| !total.holds()) {
            differences.add(format!(
                "{}: discovery counted {}, the lake holds {}{}",
                total.name,
                total.discovered,
                total.recounted,
                total.source.map_or_else(String::new, |source| format!(", the sources hold {source}"))
            ));
        }
        Ok(CoverageReport {
            lake_version: snapshot.version(),
            holds: differences.count == 0,
            totals,
            paths,
            difference_count: differences.count,
            differences: differences.some,
            rows_pruned: files.iter().map(|file| file.pruned).sum(),
            rows_lost: files.iter().map(|file| file.lost).sum(),
            files,
        })
    }

    /// Rows of quarantine by class, as SQL counts them.
    fn count_residues(&self, snapshot: &Snapshot) -> Result<HashMap<String, u64>, EngineError> {
        let options =
            SqlOptions { memory_limit: SQL_MEMORY, threads: self.threads(), temp_dir: self.sql_temp_dir() };
        let sql = self.lake_sql(snapshot, &options)?;
        let rows = sql.query("SELECT class, count(*) FROM residue GROUP BY class", &Params::none())?;
        let mut counts = HashMap::new();
        rows.each_text(|row| {
            if let [Some(class), Some(count)] = &row[..] {
                counts.insert(class.clone(), count.parse().unwrap_or(0));
            }
            Ok::<(), SqlError>(())
        })?;
        Ok(counts)
    }

    fn recount(
        &self,
        snapshot: &Snapshot,
        catalogue: &Catalogue,
        differences: &mut Differences,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Recounted, EngineError> {
        let folded = folded_paths(catalogue);
        let formats = self.formats_of(snapshot)?;
        let total = snapshot.totals().records;
        let done = AtomicU64::new(0);
        let start = || Recounted { paths: Recount::new(folded.clone()), records: HashMap::new() };
        let parts = scan::in_parallel(snapshot, self.threads(), start, |recounted, row| {
            recounted.paths.add(row.event_type, formats.json_of(&row));
            match recounted.records.get_mut(row.file_id) {
                Some(records) => *records += 1,
                None => drop(recounted.records.insert(row.file_id.to_owned(), 1)),
            }
            let records = done.fetch_add(1, Ordering::Relaxed);
            if records.is_multiple_of(PROGRESS_EVERY) {
                let item = row.source.to_owned();
                progress.update(&Update {
                    stage: "recount",
                    item,
                    done: records,
                    total: Some(total),
                    unit: Unit::Records,
                    records,
                });
                cancel.check("everything was counted again")?;
            }
            Ok(())
        })?;
        let mut recounted = start();
        for part in parts {
            recounted.paths.merge(part.paths);
            for (file, records) in part.records {
                *recounted.records.entry(file).or_default() += records;
            }
        }
        if recounted.paths.unreadable > 0 {
            differences
                .add(format!("{} records in the lake cannot be read again", recounted.paths.unreadable));
        }
        Ok(recounted)
    }
}

/// Memory for counting the rows of quarantine: their bytes are not read.
const SQL_MEMORY: u64 = 256 << 20;

/// Records between two reports of progress.
const PROGRESS_EVERY: u64 = 10_000;

/// What the lake holds, counted anew.
struct Recounted {
    paths: Recount,
    /// Records by file id.
    records: HashMap<String, u64>,
}

/// Findings: all are counted, the first are kept.
#[derive(Default)]
struct Differences {
    count: u64,
    some: Vec<String>,
}

impl Differences {
    fn add(&mut self, text: String) {
        self.count += 1;
        if self.some.len() < DIFFERENCES_MAX {
            self.some.push(text);
        }
    }

    fn of_file(&mut self, check: &FileCheck) {
        if let Some(cause) = &check.cause {
            self.add(format!("{}: {cause}", check.uri));
        }
    }
}

/// The inputs whose rows are in the lake: one entry an id, the longest where an input grew, and
/// rather a name that still counts than one that was given up.
pub(crate) fn inputs_of(snapshot: &Snapshot) -> Result<Vec<FileEntry>, EngineError> {
    let mut given_up: HashMap<FileId, Vec<Pruned>> = HashMap::new();
    for one in snapshot.pruned()?.into_iter().filter(|one| one.uri.is_some()) {
        given_up.entry(one.file_id).or_default().push(one);
    }
    let rank = |entry: &FileEntry| {
        let gone = given_up.get(&entry.file_id).is_some_and(|all| all.iter().any(|one| one.gives_up(entry)));
        (!gone, entry.bytes_done, entry.state != FileState::Duplicate)
    };
    let mut best: BTreeMap<FileId, FileEntry> = BTreeMap::new();
    for entry in snapshot.contents()? {
        match best.get(&entry.file_id) {
            Some(known) if rank(known) >= rank(&entry) => {}
            _ => drop(best.insert(entry.file_id, entry)),
        }
    }
    let mut entries: Vec<FileEntry> = best.into_values().collect();
    entries.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(entries)
}

fn folded_paths(catalogue: &Catalogue) -> FoldedPaths {
    let rule = |rule: &stele_discover::FoldRule| {
        ((rule.event.clone().unwrap_or_default(), rule.path.clone()), rule.fold)
    };
    FoldedPaths {
        digits: catalogue.folding() != Folding::None,
        rules: catalogue.rules().iter().map(rule).collect(),
    }
}

/// Compares every path both ways; returns how many there are.
fn compare_paths(view: &CatalogueView, recount: &Recount, differences: &mut Differences) -> u64 {
    let mut compared = 0;
    let empty = HashMap::new();
    let names: BTreeSet<&str> = view
        .events
        .iter()
        .map(|event| &*event.name)
        .chain(recount.events().keys().map(|name| &**name))
        .collect();
    for name in names {
        let event = view.events.iter().find(|event| event.name == name);
        let paths = recount.events().get(name).unwrap_or(&empty);
        let records = recount.records().get(name).copied().unwrap_or(0);
        let discovered = event.map_or(0, |event| event.records);
        if discovered != records {
            differences.add(format!(
                "event {name}: discovery counted {discovered} records, the lake holds {records}"
            ));
        }
        let mut seen = 0;
        for path in event.map_or(&[][..], |event| &event.tree[1..]) {
            compared += 1;
            match paths.get(&path.path) {
                None => differences.add(format!(
                    "{name} {}: discovery counted {} nodes, the recount finds none",
                    path.path, path.nodes
                )),
                Some(count) => {
                    seen += 1;
                    if count.kinds != path.kinds || count.records != path.records {
                        differences.add(format!(
                            "{name} {}: discovery counted {} in {} records, the recount {} in {}",
                            path.path,
                            kinds(&path.kinds),
                            path.records,
                            kinds(&count.kinds),
                            count.records
                        ));
                    }
                }
            }
        }
        if seen < paths.len() {
            let known: BTreeSet<&str> =
                event.into_iter().flat_map(|event| &event.tree[1..]).map(|path| &*path.path).collect();
            for (path, count) in paths.iter().filter(|(path, _)| !known.contains(path.as_str())) {
                differences
                    .add(format!("{name} {path}: the recount finds {} nodes, discovery none", count.nodes()));
            }
        }
    }
    compared
}

fn kinds(counts: &[u64; 7]) -> String {
    let seen = KINDS.iter().zip(counts).filter(|(_, count)| **count > 0);
    seen.map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(" + ")
}
