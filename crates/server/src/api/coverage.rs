//! `GET /api/coverage`: where every byte went, and on request the proof.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::NoProgress;

use crate::desk::{Call, Desk};
use crate::reply::{Cause, Head, Refusal, fact};
use crate::tools::Tool;

/// Inputs that are named where the proof found something.
const DIFFERENCES_MAX: usize = 50;

/// The ledger and the proof.
pub(crate) struct Coverage;

/// Whether to prove it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Whether to count the lake again, independently, and compare. It reads everything.
    #[serde(default)]
    recount: bool,
}

/// Where every byte went.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Covered {
    #[serde(flatten)]
    head: Head,
    /// Content bytes that were read.
    bytes_in: u64,
    /// Of these, bytes of records and what stands around them.
    bytes_lake: u64,
    /// Of these, bytes of rejected lines.
    bytes_quarantine: u64,
    /// Whether nothing was lost on the way.
    balances: bool,
    lines: u64,
    records: u64,
    rejected_lines: u64,
    control_lines: u64,
    blank_lines: u64,
    /// JSON values below the roots of the records.
    nodes: u64,
    events: usize,
    /// Paths of all events.
    paths: usize,
    /// The proof; null unless it was asked for.
    proof: Option<Proof>,
}

/// What counting again came to.
#[derive(Debug, Serialize, JsonSchema)]
struct Proof {
    /// Whether everything agrees.
    holds: bool,
    totals: Vec<Total>,
    /// Paths that were compared.
    paths: u64,
    inputs: usize,
    /// Inputs that the lake gives back byte for byte.
    inputs_exact: usize,
    difference_count: u64,
    /// The first of them, with the cause.
    differences: Vec<String>,
}

/// One total, three ways.
#[derive(Debug, Serialize, JsonSchema)]
struct Total {
    name: String,
    /// As it was counted while reading.
    discovered: u64,
    /// As the lake holds it.
    recounted: u64,
    /// As the sources hold it now; null where they cannot all be read.
    source: Option<u64>,
    holds: bool,
}

impl Tool for Coverage {
    const NAME: &'static str = "coverage";
    const TITLE: &'static str = "Where every byte went";
    const SAYS: &'static str = "The ledger of everything that was read: bytes in the lake and in quarantine, lines, records, values. \
        With recount, the whole lake is counted again by other code and compared, path by path and byte by byte.";
    type Arguments = Arguments;
    type Result = Covered;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Covered, Refusal> {
        let snapshot = desk.snapshot()?;
        let ledger = desk.engine.own_ledger(&snapshot)?;
        let view = desk.view(&snapshot, call)?;
        let proof = arguments.recount.then(|| prove(desk, call)).transpose()?;
        Ok(Covered {
            head: Head::of(snapshot.version()),
            bytes_in: ledger.bytes_in,
            bytes_lake: ledger.bytes_lake,
            bytes_quarantine: ledger.bytes_quarantine,
            balances: ledger.balances(),
            lines: ledger.lines,
            records: ledger.records,
            rejected_lines: ledger.quarantined,
            control_lines: ledger.control,
            blank_lines: ledger.blank,
            nodes: ledger.nodes,
            events: view.events.len(),
            paths: view.events.iter().map(|event| event.tree.len().saturating_sub(1)).sum(),
            proof,
        })
    }
}

fn prove(desk: &Desk, call: &Call) -> Result<Proof, Refusal> {
    if !desk.engine.is_alone(&desk.snapshot()?)? {
        return Err(Refusal::new("The proof is about the whole lake, in which others have data, too.")
            .because(Cause::Forbidden)
            .hint("`stele coverage`, by whoever keeps the lake"));
    }
    let report = desk.engine.coverage(&NoProgress, &call.cancel()).map_err(|error| {
        let refusal = Refusal::from(error);
        if refusal.cause == Cause::Limit {
            refusal.hint("`stele coverage` on the command line, which has no time limit")
        } else {
            refusal
        }
    })?;
    let total = |one: &stele_engine::Comparison| Total {
        name: one.name.to_owned(),
        discovered: one.discovered,
        recounted: one.recounted,
        source: one.source,
        holds: one.holds(),
    };
    Ok(Proof {
        holds: report.holds,
        totals: report.totals.iter().map(total).collect(),
        paths: report.paths,
        inputs: report.files.len(),
        inputs_exact: report.files.iter().filter(|file| file.exact).count(),
        difference_count: report.difference_count,
        differences: report.differences.iter().take(DIFFERENCES_MAX).map(|text| fact(text)).collect(),
    })
}
