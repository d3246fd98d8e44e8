//! `ingest_status`: what was read, whether all of it is here, and whether the index knows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::IndexReport;
use stele_model::{FileEntry, FileState};

use super::Tool;
use crate::desk::{Call, Desk};
use crate::reply::{Head, LimitReason, Refusal, fact};

/// Inputs that are named: the largest; SQL lists all.
const INPUTS_MAX: usize = 20;

/// The lake on one page.
pub(crate) struct IngestStatus;

/// Nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {}

/// The page.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    #[serde(flatten)]
    head: Head,
    inputs: Inputs,
    ledger: LedgerCounts,
    /// Records in the lake now.
    records: u64,
    /// Rows that were removed on request.
    rows_pruned: u64,
    /// Rows that were lost with damaged parts.
    rows_lost: u64,
    /// Bytes of the lake on disk; null where others have data there, too.
    bytes_on_disk: Option<u64>,
    /// The index that answers `search`; null if there is none.
    index: Option<IndexState>,
    /// What makes all this less than it could be.
    notes: Vec<String>,
}

/// What was read.
#[derive(Debug, Serialize, JsonSchema)]
struct Inputs {
    total: usize,
    complete: usize,
    /// Read up to a point; the next ingest goes on there.
    partial: usize,
    /// Inputs whose content was there already.
    duplicate: usize,
    /// The largest of them; `SELECT * FROM files` lists all.
    largest: Vec<InputLine>,
}

/// One input.
#[derive(Debug, Serialize, JsonSchema)]
struct InputLine {
    source: String,
    format: String,
    state: &'static str,
    bytes: u64,
    lines: u64,
    records: u64,
    rejected: u64,
}

/// Where every byte went.
#[derive(Debug, Serialize, JsonSchema)]
struct LedgerCounts {
    bytes_in: u64,
    bytes_lake: u64,
    bytes_quarantine: u64,
    lines: u64,
    records: u64,
    rejected_lines: u64,
    /// Whether bytes_in = bytes_lake + bytes_quarantine: nothing was lost on the way.
    balances: bool,
}

/// How far the index is.
#[derive(Debug, Serialize, JsonSchema)]
struct IndexState {
    /// What made the vectors; null if words alone answer.
    model: Option<String>,
    /// Whether near vectors mean near meaning.
    semantic: bool,
    /// Texts in it.
    texts: u64,
    /// The version of the lake that it follows.
    lake_version: Option<u64>,
    /// Records that it does not know yet; null if that cannot be told.
    pending: Option<u64>,
    /// Texts that some part of it should cover and does not.
    lag: u64,
    bytes: u64,
}

impl Tool for IngestStatus {
    const NAME: &'static str = "ingest_status";
    const TITLE: &'static str = "State of the lake";
    const SAYS: &'static str = "The lake on one page: inputs, where every byte went (the ledger), what was removed, and whether the \
        index knows every record. Use it to judge whether an answer can be complete.";
    type Arguments = Arguments;
    type Result = Status;

    fn run(desk: &Desk, _call: &Call, _arguments: Arguments) -> Result<Status, Refusal> {
        let snapshot = desk.snapshot()?;
        let mut entries = desk.inputs(&snapshot)?;
        let ledger = desk.engine.own_ledger(&snapshot)?;
        let removed = desk.engine.own_removed(&snapshot)?;
        let totals = snapshot.totals();
        let mut notes = Vec::new();
        let index = match desk.engine.index_status() {
            Ok(reports) => reports.iter().find(|report| report.status.answers).map(index_of),
            Err(error) => {
                notes.push(fact(&format!("search does not answer: {error}")));
                None
            }
        };
        let count = |state| entries.iter().filter(|entry| entry.state == state).count();
        let (complete, partial, duplicate) =
            (count(FileState::Complete), count(FileState::Partial), count(FileState::Duplicate));
        let total = entries.len();
        entries.sort_by(|a, b| b.bytes_done.cmp(&a.bytes_done).then_with(|| a.uri.cmp(&b.uri)));
        let reason = (total > INPUTS_MAX).then_some(LimitReason::Rows);
        Ok(Status {
            head: Head::of(snapshot.version()).limited(reason),
            inputs: Inputs {
                total,
                complete,
                partial,
                duplicate,
                largest: entries.iter().take(INPUTS_MAX).map(input).collect(),
            },
            ledger: LedgerCounts {
                bytes_in: ledger.bytes_in,
                bytes_lake: ledger.bytes_lake,
                bytes_quarantine: ledger.bytes_quarantine,
                lines: ledger.lines,
                records: ledger.records,
                rejected_lines: ledger.quarantined,
                balances: ledger.balances(),
            },
            records: desk.records(&snapshot)?,
            rows_pruned: removed.pruned,
            rows_lost: removed.lost,
            bytes_on_disk: desk.engine.is_alone(&snapshot)?.then_some(totals.bytes_on_disk),
            index,
            notes,
        })
    }
}

fn input(entry: &FileEntry) -> InputLine {
    InputLine {
        source: fact(&entry.uri),
        format: fact(&entry.format),
        state: entry.state.name(),
        bytes: entry.bytes_done,
        lines: entry.lines_done,
        records: entry.ledger.records,
        rejected: entry.ledger.quarantined,
    }
}

fn index_of(report: &IndexReport) -> IndexState {
    let status = &report.status;
    IndexState {
        model: status.pointer.spec.model.as_ref().map(|model| fact(&model.id)),
        semantic: status.is_semantic(),
        texts: status.pointer.rows,
        lake_version: status.pointer.checkpoint,
        pending: report.pending,
        lag: status.lag,
        bytes: status.bytes,
    }
}
