//! What came of collecting one source, in words and numbers.

use serde::Serialize;
use stele_collect::{CollectError, Collected, Outcome, Sifted};

use super::Split;
use crate::EngineError;

/// What came of one source.
#[derive(Debug, Serialize)]
pub struct SourceRun {
    /// The source.
    pub source: String,
    /// `ok`, `partial` (some streams failed), `failed`, or `cancelled`.
    pub outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of its streams.
    #[serde(flatten)]
    pub collected: Collected,
    /// Records that came into the lake. Lines that hold cursors are none.
    pub records: u64,
    /// Records that the lake held already.
    pub unchanged: u64,
    /// Lines that came in and are no records.
    pub quarantined: u64,
    /// What was left out, in numbers.
    #[serde(flatten)]
    pub sifted: Sifted,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Tokens that its calls used, where they are counted.
    pub tokens: u64,
    /// Dollars that its calls cost.
    pub cost_usd: f64,
    /// Seconds from the first request to the last commit.
    pub seconds: f64,
    /// What they went into.
    #[serde(flatten)]
    pub split: Split,
    /// What ended it, for whoever has to know whether it may pass.
    #[serde(skip)]
    pub failure: Option<EngineError>,
}

impl SourceRun {
    /// One of which nothing has come yet.
    pub(super) fn of(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            outcome: "failed",
            error: None,
            collected: Collected::default(),
            records: 0,
            unchanged: 0,
            quarantined: 0,
            sifted: Sifted::default(),
            bytes_in: 0,
            tokens: 0,
            cost_usd: 0.0,
            seconds: 0.0,
            split: Split::default(),
            failure: None,
        }
    }

    /// Says how it ended, by what failed.
    pub(super) fn ended(&mut self) {
        let failed = self.failed_streams();
        self.outcome = match &self.failure {
            Some(EngineError::Collect(CollectError::Cancelled) | EngineError::Cancelled(_)) => "cancelled",
            Some(_) => "failed",
            None if failed == 0 => "ok",
            None if failed == self.collected.streams.len() => "failed",
            None => "partial",
        };
        self.error = self.failure.as_ref().map(|error| stele_model::error::in_full(error));
    }

    /// Streams that did not come to their end.
    pub(crate) fn failed_streams(&self) -> usize {
        self.collected.streams.iter().filter(|one| matches!(one.outcome, Outcome::Failed { .. })).count()
    }

    /// What was counted, by name: `records`, `unchanged`, `duplicates`, `rejected`, `quarantined`, `unavailable`, `calls`,
    /// `tokens`, `bytes_in`, and `cost_microusd` in millionths of a dollar.
    pub fn counts(&self) -> [(&'static str, u64); 10] {
        let streams = &self.collected.streams;
        let closed = streams.iter().filter(|one| matches!(one.outcome, Outcome::Unavailable { .. })).count();
        let unavailable = streams.iter().map(|one| one.unavailable.len()).sum::<usize>() + closed;
        [
            ("records", self.records),
            ("unchanged", self.unchanged),
            ("duplicates", self.sifted.duplicates),
            ("rejected", self.sifted.rejected),
            ("quarantined", self.quarantined),
            ("unavailable", unavailable as u64),
            ("calls", self.collected.calls),
            ("tokens", self.tokens),
            ("bytes_in", self.bytes_in),
            ("cost_microusd", (self.cost_usd * 1e6).round() as u64),
        ]
    }
}
