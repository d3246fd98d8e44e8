//! A sink that keeps what it takes, and runs of a collector into it.

use std::sync::Arc;

use serde_json::{Value, json};
use stele_collect::{Batch, CollectError, Collected, Collector, Cursors, Means, Outcome, Sink};
use stele_http::{Pace, Still, never};
use stele_model::time::FixedClock;
use stele_tables::{TableCollector, TablesConfig};

use crate::databases::Database;

/// Keeps batches, until it wants no more.
#[derive(Default)]
pub struct Kept {
    pub cursors: Cursors,
    pub lines: Vec<String>,
    pub batches: u64,
    pub records: u64,
    /// Keeps no lines, for runs that are large.
    pub counts_only: bool,
    /// Says that it is enough after so many records.
    pub enough: Option<u64>,
    /// Fails once at this batch.
    pub fails_at: Option<u64>,
    /// Is told to stop at this batch, and does not take it; those that come then it takes.
    pub stops_at: Option<u64>,
}

impl Sink for Kept {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(self.cursors.clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        self.batches += 1;
        if self.fails_at == Some(self.batches) {
            return Err(CollectError::Sink("the disk is full".into()));
        }
        if self.stops_at == Some(self.batches) {
            return Err(CollectError::Cancelled);
        }
        let lines = std::str::from_utf8(&batch.lines).unwrap();
        assert_eq!(lines.lines().count() as u64, batch.records);
        assert!(lines.is_empty() || lines.ends_with('\n'));
        self.records += batch.records;
        if !self.counts_only {
            self.lines.extend(lines.lines().map(str::to_owned));
        }
        // As a sink does that writes them down.
        let cursor = batch.cursor.map(|cursor| serde_json::from_str(&cursor.to_string()).unwrap());
        if let Some(cursor) = cursor {
            self.cursors.set(batch.stream, cursor);
        }
        match self.enough {
            Some(enough) if self.records >= enough => Err(CollectError::Enough),
            _ => Ok(()),
        }
    }
}

impl Kept {
    /// What was kept since the last time, each by the values of these columns, in the order in which it came.
    pub fn told(&mut self, columns: &[&str]) -> String {
        let lines = std::mem::take(&mut self.lines);
        let told = lines.iter().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let values = columns.iter().map(|column| match &line["data"][column] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            values.collect::<Vec<_>>().join("/")
        });
        told.collect::<Vec<_>>().join(" ")
    }
}

pub fn config(database: &Database, settings: Value) -> TablesConfig {
    let mut settings = settings;
    settings["connection_string"] = json!(database.url());
    serde_json::from_value(settings).unwrap()
}

pub fn collector(database: &Database, settings: Value) -> TableCollector {
    TableCollector::new("shop", config(database, settings), &|_| None).unwrap()
}

/// One run, with time that stands still.
pub fn run(collector: &mut TableCollector, kept: &mut Kept) -> Result<Collected, CollectError> {
    run_at(collector, kept, Arc::new(Still::default()))
}

pub fn run_at(
    collector: &mut TableCollector,
    kept: &mut Kept,
    pace: Arc<dyn Pace>,
) -> Result<Collected, CollectError> {
    let clock = FixedClock(0);
    let means = Means {
        clock: &clock,
        pace,
        cancelled: &never,
        progress: &|_, _| (),
        fetching: stele_collect::Stopwatch::default(),
        watch: &(),
    };
    let cursors = kept.cursors()?;
    collector.collect(&cursors, kept, &means)
}

/// One run of one stream that goes well; says how many records there were.
pub fn good(collector: &mut TableCollector, kept: &mut Kept) -> u64 {
    let collected = run(collector, kept).unwrap();
    assert_eq!(collected.streams.len(), 1, "{collected:?}");
    assert_eq!(collected.streams[0].outcome, Outcome::Ok, "{collected:?}");
    collected.streams[0].records
}

/// One run of one stream that fails; says why.
pub fn bad(collector: &mut TableCollector, kept: &mut Kept) -> String {
    let collected = run(collector, kept).unwrap();
    match &collected.streams[0].outcome {
        Outcome::Failed { reason } | Outcome::Unavailable { reason } => reason.clone(),
        Outcome::Ok => panic!("it went well: {collected:?}"),
    }
}
