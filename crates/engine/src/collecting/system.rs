//! What a system is made of, in numbers: sources, rules, records, calls and what they cost.

use std::collections::BTreeSet;

use serde::Serialize;
use stele_collect::{Contract, Problem, Source};
use stele_model::civil::iso;

use super::SourceDesk;
use crate::EngineError;
use crate::engine::Engine;

/// The numbers of a system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemFacts {
    /// When they were counted, in UTC.
    pub timestamp: String,
    /// Of the program.
    pub version: &'static str,
    /// Of the lake; `None` if there is none.
    pub lake_version: Option<u64>,
    /// Records in the lake.
    pub record_count: u64,
    /// Sources that are collected with the others: those that are enabled and can be used.
    pub active_sources: usize,
    /// Sources that are configured and can be used.
    pub source_count: usize,
    /// Entries of the configuration that cannot be used.
    pub unusable_sources: usize,
    /// Rules: formats and contracts.
    pub rule_count: usize,
    /// Formats by which records are recognised and read, built in and configured.
    pub formats: usize,
    /// Sources whose records are held against a `schema`.
    pub contracts: usize,
    /// Calls to services since the beginning.
    pub api_call_count: u64,
    /// Tokens that were used since the beginning.
    pub tokens: u64,
    /// The same under the name that other programs ask for.
    pub token_usage: u64,
    /// Dollars that calls cost since the beginning.
    pub cost_usd: f64,
}

impl SourceDesk<'_> {
    /// The numbers of a system that has these sources, of which these entries, and others that are none, cannot be used.
    ///
    /// # Errors
    ///
    /// If there is a lake and it cannot be read.
    pub fn system(&self, sources: &[&Source], unusable: &[Problem]) -> Result<SystemFacts, EngineError> {
        let lake = self.engine.own_records_if_any()?;
        let spent = self.spending.budget().state_now();
        // What was spent stays spent, whatever has become of an entry.
        let ids: BTreeSet<&str> = sources
            .iter()
            .map(|source| source.id.as_str())
            .chain(unusable.iter().filter_map(|entry| entry.source_id.as_deref()))
            .collect();
        let spent: Vec<_> = ids.into_iter().map(|id| spent.spent(id)).collect();
        let usable: Vec<&&Source> = sources.iter().filter(|source| source.is_without(unusable)).collect();
        let formats = self.engine.profiles().names().len();
        let contracts = usable.iter().filter(|source| source.schema != Contract::default()).count();
        let tokens = spent.iter().map(|spent| spent.tokens).sum();
        Ok(SystemFacts {
            timestamp: iso(self.engine.now()),
            version: env!("CARGO_PKG_VERSION"),
            lake_version: lake.map(|(version, _)| version),
            record_count: lake.map_or(0, |(_, records)| records),
            active_sources: usable.iter().filter(|source| source.enabled).count(),
            source_count: usable.len(),
            unusable_sources: unusable.len(),
            rule_count: formats + contracts,
            formats,
            contracts,
            api_call_count: spent.iter().map(|spent| spent.calls).sum(),
            tokens,
            token_usage: tokens,
            cost_usd: spent.iter().map(|spent| spent.cost).sum::<u64>() as f64 / 1e9,
        })
    }
}

impl Engine {
    /// The version of the lake, and how many records of this tenant are in it; nothing where there is no lake.
    fn own_records_if_any(&self) -> Result<Option<(u64, u64)>, EngineError> {
        if self.is_without_lake() {
            return Ok(None);
        }
        let snapshot = self.snapshot()?;
        Ok(Some((snapshot.version(), self.own_records(&snapshot)?)))
    }
}
