//! A job that is a source: what is new of it is collected as the foreground command does it, and what the other stages
//! make of it is as of any job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stele_jobs::Stage;
use stele_lake::Lake;
use stele_watch::Fetching;

use super::stages::Carried;
use crate::EngineError;
use crate::collecting::{LastStream, SourceDesk, SourceRun};
use crate::engine::Engine;
use crate::progress::{Cancel, Progress};

/// Things that could not be had of which a report tells; the count has all.
const UNAVAILABLE_MAX: usize = 50;

/// Notes that a report has.
const NOTES_MAX: usize = 20;

/// Characters of each.
const TEXT_CHARS_MAX: usize = 300;

/// What a job collected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobSource {
    /// The source.
    pub id: String,
    /// `ok`, `partial` or `failed`, as the last attempt ended.
    pub outcome: String,
    /// What was counted over all attempts: `records`, `unchanged`, `duplicates`, `rejected`, `quarantined`, `unavailable`,
    /// `calls`, `tokens`, `bytes_in`.
    pub counts: BTreeMap<String, u64>,
    /// Dollars that its calls cost, over all attempts.
    pub cost_usd: f64,
    /// Its streams, as the last attempt left them.
    pub streams: Vec<LastStream>,
    /// Things that were there and could not be had, and why; the first of them.
    pub unavailable: Vec<(String, String)>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What came of collecting that did not come to its end although something was kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unfinished {
    /// Why.
    pub(super) why: String,
    /// Whether the next attempt may come further by itself.
    pub(super) may_pass: bool,
}

impl JobSource {
    /// What came of a run, after what the attempts before it had counted.
    fn of(run: &SourceRun, before: &BTreeMap<String, u64>) -> Self {
        let cut = |text: &String| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
        let mut counts = summed(before, &run.counts());
        let microusd = counts.remove("cost_microusd").unwrap_or_default();
        let unavailable = run.collected.streams.iter().flat_map(|stream| &stream.unavailable);
        Self {
            id: run.source.clone(),
            outcome: run.outcome.to_owned(),
            counts,
            cost_usd: microusd as f64 / 1e6,
            streams: LastStream::first(&run.collected.streams),
            unavailable: unavailable.take(UNAVAILABLE_MAX).map(|(what, why)| (cut(what), cut(why))).collect(),
            notes: run.collected.notes.iter().take(NOTES_MAX).map(cut).collect(),
        }
    }
}

/// What a run has counted, with what was counted before it. Things that cannot be had are asked for in each run, so
/// the last one's number is theirs.
pub(super) fn summed(
    before: &BTreeMap<String, u64>,
    counts: &[(&'static str, u64)],
) -> BTreeMap<String, u64> {
    let sum = |(name, count): &(&'static str, u64)| {
        let before = before.get(*name).copied().filter(|_| *name != "unavailable").unwrap_or_default();
        ((*name).to_owned(), before.saturating_add(*count))
    };
    counts.iter().map(sum).collect()
}

impl Engine {
    /// Collects what is new of a source.
    ///
    /// # Errors
    ///
    /// If nothing of it was kept, or somebody asked for the stop. What ended it after something was kept is carried on:
    /// that is to be found before the job fails.
    pub(super) fn collect_for_job(
        &self,
        id: &str,
        carried: &mut Carried,
        fetching: &Fetching,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), EngineError> {
        let began = self.now();
        let variable = |name: &str| {
            let secret = (fetching.secrets)(name)?;
            Some(secret.reveal().to_owned()).filter(|value| !value.is_empty())
        };
        let desk = SourceDesk::open(self, &variable)?;
        let mut run = desk.collect(id, progress, cancel)?;
        let source = JobSource::of(&run, &carried.before);
        let has_kept = source.counts.get("records").is_some_and(|records| *records > 0);
        let failures: Vec<String> = source.streams.iter().filter_map(LastStream::failure).collect();
        for why in &failures {
            carried.error(Stage::Parsing, None, &format!("{id}, {why}"));
        }
        carried.source = Some(source);
        carried.unfinished = match run.failure.take() {
            Some(error) if error.kind() == stele_model::ErrorKind::Cancelled => return Err(error),
            Some(error) if error.is_busy() || error.is_disk_full() || !has_kept => return Err(error),
            Some(error) => {
                let (why, may_pass) = (stele_model::error::in_full(&error), error.may_pass());
                carried.error(Stage::Parsing, None, &why);
                Some(Unfinished { why, may_pass })
            }
            None if run.outcome == "ok" => None,
            None => {
                let failed = run.failed_streams();
                let streams = if failed == 1 { "a stream".to_owned() } else { format!("{failed} streams") };
                let first = failures.into_iter().next().unwrap_or_default();
                let why = format!("{id}: {streams} did not come to the end; {first}");
                if !has_kept && run.outcome == "failed" {
                    return Err(EngineError::NotCollected { why, kind: stele_model::ErrorKind::Retry });
                }
                Some(Unfinished { why, may_pass: true })
            }
        };
        carried.collected((self.now() - began) as f64 / 1e6);
        Ok(())
    }

    /// Whether there is nothing that a stage could be done with: a source that had nothing makes no lake.
    pub(crate) fn is_without_lake(&self) -> bool {
        !Lake::open_existing(self.data_dir()).is_ok_and(|lake| lake.exists())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::summed;

    #[test]
    fn attempts_add_up() {
        let before = BTreeMap::from([("records".to_owned(), 5), ("unavailable".to_owned(), 2)]);
        let counts = summed(&before, &[("records", 3), ("calls", 4), ("unavailable", 1)]);
        let expect = [("calls", 4), ("records", 8), ("unavailable", 1)];
        assert_eq!(counts, expect.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
