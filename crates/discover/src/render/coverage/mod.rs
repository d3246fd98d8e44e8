//! `coverage_report.md` and `.json`: what was read, whether it adds up, and what is odd about it.

mod json;
mod markdown;

use std::io;

use stele_model::Ledger;

use super::facts;
use crate::view::{CatalogueView, EventView, FoldView, PathView};

/// Everything that a coverage report is about.
#[derive(Debug, Clone, Copy)]
pub struct Coverage<'a> {
    /// What was found.
    pub view: &'a CatalogueView,
    /// Where every byte went.
    pub ledger: &'a Ledger,
    /// What a recount said, one entry a compared total. Empty where there was none.
    pub checks: &'a [LedgerCheck],
}

/// One total, as counted while reading and as counted again afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCheck {
    /// What was compared.
    pub name: String,
    /// What reading counted.
    pub counted: u64,
    /// What a second, independent pass over the lake counted.
    pub recounted: Option<u64>,
    /// What the source itself holds.
    pub source: Option<u64>,
}

impl LedgerCheck {
    /// Whether all counts that are known are equal.
    pub fn holds(&self) -> bool {
        [self.recounted, self.source].into_iter().flatten().all(|count| count == self.counted)
    }
}

impl<'a> Coverage<'a> {
    /// Whether every byte is accounted for and every check holds.
    pub fn is_complete(&self) -> bool {
        self.ledger.balances() && self.checks.iter().all(LedgerCheck::holds)
    }

    fn each_path(&self) -> impl Iterator<Item = (&'a EventView, &'a PathView)> + 'a {
        self.view.events.iter().flat_map(|event| facts::paths(event).iter().map(move |path| (event, path)))
    }

    fn folds(&self) -> impl Iterator<Item = (&'a EventView, &'a PathView, &'a FoldView)> + 'a {
        let whole =
            self.view.events.iter().flat_map(|event| event.tree.iter().map(move |path| (event, path)));
        whole.filter_map(|(event, path)| Some((event, path, path.fold.as_ref()?)))
    }

    fn unions(&self) -> impl Iterator<Item = (&'a EventView, &'a PathView, facts::Union)> + 'a {
        self.each_path().filter_map(|(event, path)| Some((event, path, facts::union(path)?)))
    }

    fn always_null(&self) -> impl Iterator<Item = (&'a EventView, &'a PathView)> + 'a {
        self.each_path().filter(|(_, path)| facts::always_null(path))
    }

    fn always_empty(&self) -> impl Iterator<Item = (&'a EventView, &'a PathView)> + 'a {
        self.each_path().filter(|(_, path)| facts::always_empty(path))
    }

    /// The totals of the ledger by name.
    fn ledger_totals(&self) -> [(&'static str, u64); 9] {
        let ledger = self.ledger;
        [
            ("bytes_in", ledger.bytes_in),
            ("bytes_lake", ledger.bytes_lake),
            ("bytes_quarantine", ledger.bytes_quarantine),
            ("lines", ledger.lines),
            ("records", ledger.records),
            ("quarantined", ledger.quarantined),
            ("control", ledger.control),
            ("blank", ledger.blank),
            ("nodes", ledger.nodes),
        ]
    }
}

/// Writes `coverage_report.md`.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_md(out: &mut dyn io::Write, coverage: &Coverage<'_>) -> io::Result<()> {
    markdown::write(out, coverage)
}

/// Writes `coverage_report.json`.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_json(out: &mut dyn io::Write, coverage: &Coverage<'_>) -> io::Result<()> {
    json::write(out, coverage)
}
