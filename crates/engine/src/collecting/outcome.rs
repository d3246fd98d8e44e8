//! What came of collecting one source, in words and numbers.

use serde::Serialize;
use stele_collect::{CollectError, Collected, Outcome, Sifted};
use stele_model::ErrorKind;

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
        let (failed, all) = (self.failed_streams(), self.collected.streams.len());
        let closed = self.closed().count();
        // Somebody who reads `ok` would take it for empty.
        let refused = self.closed().next().filter(|_| closed == all).map(|(stream, reason)| {
            let why = format!("{}: none of its streams could be had; {stream}: {reason}", self.source);
            EngineError::NotCollected { why, kind: ErrorKind::Config }
        });
        if self.failure.is_none() {
            self.failure = refused;
        }
        self.outcome = match &self.failure {
            Some(EngineError::Collect(CollectError::Cancelled) | EngineError::Cancelled(_)) => "cancelled",
            Some(_) => "failed",
            None if failed == 0 => "ok",
            None if failed + closed == all => "failed",
            None => "partial",
        };
        self.error = self.failure.as_ref().map(|error| stele_model::error::in_full(error));
    }

    /// Streams that did not come to their end.
    pub(crate) fn failed_streams(&self) -> usize {
        self.collected.streams.iter().filter(|one| matches!(one.outcome, Outcome::Failed { .. })).count()
    }

    /// Streams that the source does not give, and why.
    fn closed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.collected.streams.iter().filter_map(|one| match &one.outcome {
            Outcome::Unavailable { reason } => Some((one.stream.as_str(), reason.as_str())),
            _ => None,
        })
    }

    /// What was counted, by name: `records`, `unchanged`, `duplicates`, `rejected`, `quarantined`, `unavailable`, `calls`,
    /// `tokens`, `bytes_in`, and `cost_microusd` in millionths of a dollar.
    pub fn counts(&self) -> [(&'static str, u64); 10] {
        let streams = &self.collected.streams;
        let named = streams.iter().map(|one| one.unavailable.len()).sum::<usize>() + self.closed().count();
        let unavailable = (named as u64).saturating_add(self.collected.unavailable_more);
        [
            ("records", self.records),
            ("unchanged", self.unchanged),
            ("duplicates", self.sifted.duplicates),
            ("rejected", self.sifted.rejected),
            ("quarantined", self.quarantined),
            ("unavailable", unavailable),
            ("calls", self.collected.calls),
            ("tokens", self.tokens),
            ("bytes_in", self.bytes_in),
            ("cost_microusd", (self.cost_usd * 1e6).round() as u64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use stele_collect::{Outcome, StreamOutcome};
    use stele_model::ErrorKind;

    use super::SourceRun;

    #[test]
    fn a_source_that_gives_nothing_is_none_that_is_empty() {
        let ended = |outcomes: &[Outcome]| {
            let mut run = SourceRun::of("desk");
            let stream = |outcome: &Outcome| StreamOutcome {
                stream: "surveys".to_owned(),
                outcome: outcome.clone(),
                records: 0,
                unavailable: Vec::new(),
            };
            run.collected.streams = outcomes.iter().map(stream).collect();
            run.ended();
            (run.outcome, run.error.unwrap_or_default(), run.failure.map(|error| error.kind()))
        };
        let closed = || Outcome::Unavailable { reason: "403".to_owned() };
        let failed = || Outcome::Failed { reason: "500".to_owned() };
        let check = |outcomes: &[Outcome], expect: &str| {
            assert_eq!(ended(outcomes), (expect, String::new(), None));
        };
        check(&[], "ok");
        check(&[Outcome::Ok, closed()], "ok");
        check(&[Outcome::Ok, failed()], "partial");
        check(&[failed(), closed()], "failed");
        check(&[failed()], "failed");
        let why = "desk: none of its streams could be had; surveys: 403".to_owned();
        assert_eq!(ended(&[closed(), closed()]), ("failed", why, Some(ErrorKind::Config)));
    }

    #[test]
    fn what_is_named_no_more_is_counted_all_the_same() {
        let stream = |name: &str, outcome: Outcome, unavailable: usize| StreamOutcome {
            stream: name.to_owned(),
            outcome,
            records: 0,
            unavailable: vec![("ticket 7".to_owned(), "it is refused".to_owned()); unavailable],
        };
        let mut run = SourceRun::of("desk");
        run.collected.streams = vec![
            stream("tickets", Outcome::Ok, 1_000),
            stream("surveys", Outcome::Unavailable { reason: "the plan".to_owned() }, 0),
        ];
        let check = |run: &SourceRun, expect: u64| {
            let counts = run.counts();
            assert_eq!(
                counts.iter().find(|(name, _)| *name == "unavailable"),
                Some(&("unavailable", expect))
            );
        };
        check(&run, 1_001);
        run.collected.unavailable_more = 234;
        check(&run, 1_235);
    }
}
