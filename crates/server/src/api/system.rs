//! `GET /api/system`: what this system is made of, in numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stele_engine::collecting::SystemFacts;

use crate::desk::{Call, Desk};
use crate::reply::Refusal;
use crate::tools::Tool;

/// The numbers of the system.
pub(crate) struct System;

/// Nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {}

/// The numbers, of this tenant.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SystemView {
    /// When they were counted, in UTC.
    timestamp: String,
    /// Of the program.
    version: &'static str,
    /// Null if there is no lake.
    lake_version: Option<u64>,
    record_count: u64,
    /// Sources that are collected with the others: those that are enabled and can be used.
    active_sources: usize,
    /// Sources that are configured and can be used.
    source_count: usize,
    /// Entries of the configuration that cannot be used; `GET /api/sources` says why.
    unusable_sources: usize,
    /// A rule is a format, or the contract (`schema`) of a source.
    rule_count: usize,
    /// Formats by which records are recognised and read, built in and configured.
    formats: usize,
    /// Sources whose records are held against a `schema`.
    contracts: usize,
    /// Calls of sources to services since the beginning.
    api_call_count: u64,
    /// Tokens that sources used since the beginning.
    tokens: u64,
    /// The same as `tokens`.
    token_usage: u64,
    cost_usd: f64,
}

impl Tool for System {
    const NAME: &'static str = "system_facts";
    const TITLE: &'static str = "The system in numbers";
    const SAYS: &'static str = "The version of program and lake, records, active sources, rules (formats and contracts), and what sources have spent: \
        calls, tokens, dollars. Of this tenant.";
    type Arguments = Arguments;
    type Result = SystemView;

    fn run(desk: &Desk, _call: &Call, _arguments: Arguments) -> Result<SystemView, Refusal> {
        let list = desk.sources.desk(&desk.engine)?;
        let facts: SystemFacts = list.system(&desk.sources.all(&list), &desk.sources.unusable(&list))?;
        Ok(SystemView {
            timestamp: facts.timestamp,
            version: facts.version,
            lake_version: facts.lake_version,
            record_count: facts.record_count,
            active_sources: facts.active_sources,
            source_count: facts.source_count,
            unusable_sources: facts.unusable_sources,
            rule_count: facts.rule_count,
            formats: facts.formats,
            contracts: facts.contracts,
            api_call_count: facts.api_call_count,
            tokens: facts.tokens,
            token_usage: facts.token_usage,
            cost_usd: facts.cost_usd,
        })
    }
}
