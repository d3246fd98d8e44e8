//! A source, a service and a lake, small enough for a test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use stele_collect::{
    BATCH_RECORDS, Batch, CollectError, Collected, Collector, Cursors, Lookup, Means, Outcome, Sieve, Sifted,
    Sink, Source, SourceKind, SourcesConfig, Watch,
};
use stele_http::{Pace, Still, never};
use stele_model::time::FixedClock;
use stele_model::{Clock, civil};
use stele_rest::{KEYS, RestCollector, RestConfig, Shared};
use stele_testkit::server::{Reply, Request};

/// Keeps records and cursors, both or neither.
#[derive(Default)]
pub struct Lake {
    pub cursors: Cursors,
    pub batches: Vec<Batch>,
    /// Batches that are taken before one is not.
    pub takes: Option<usize>,
    /// Batches that are taken before somebody stops the one that follows. What comes after that is taken.
    pub stops: Option<usize>,
    /// Records of a batch.
    pub size: Option<u64>,
}

impl Sink for Lake {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(self.cursors.clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        if self.takes == Some(self.batches.len()) {
            return Err(CollectError::Sink("no room".into()));
        }
        if self.stops == Some(self.batches.len()) {
            self.stops = None;
            return Err(CollectError::Cancelled);
        }
        if let Some(cursor) = &batch.cursor {
            self.cursors.set(batch.stream.clone(), cursor.clone());
        }
        for (name, cursor) in &batch.others {
            self.cursors.set(name.clone(), cursor.clone());
        }
        self.batches.push(batch);
        Ok(())
    }

    fn batch_records(&self) -> u64 {
        self.size.unwrap_or(BATCH_RECORDS)
    }
}

impl Lake {
    /// Lines of a stream as they lie there.
    pub fn lines(&self, stream: &str) -> Vec<Value> {
        let of = self.batches.iter().filter(|batch| batch.stream == stream);
        of.flat_map(|batch| batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()))
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// What was left out, and why.
    pub fn rejected(&self) -> Vec<String> {
        let rejected = self.batches.iter().flat_map(|batch| &batch.rejected);
        rejected.map(|rejected| format!("{}: {}", rejected.place, rejected.reason)).collect()
    }

    /// A member of each record of a stream, in order.
    pub fn values(&self, stream: &str, member: &str) -> Vec<Value> {
        self.lines(stream).iter().map(|line| line["data"][member].clone()).collect()
    }

    /// The ids of a stream as numbers, in order of their size.
    pub fn ids(&self, stream: &str) -> Vec<i64> {
        let mut ids: Vec<i64> =
            self.values(stream, "id").iter().map(|id| id.as_i64().unwrap_or_default()).collect();
        ids.sort_unstable();
        ids
    }
}

/// Waits for a limit that were told.
#[derive(Debug, Default)]
pub struct Waits(pub Mutex<Vec<Duration>>);

impl Watch for Waits {
    fn waits(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }
}

/// A source and the time that it sees.
pub struct Rig {
    pub source: Source,
    /// What came of the last run, beside what was kept.
    pub sifted: Sifted,
    pub collector: RestCollector,
    pub pace: Arc<Still>,
    pub clock: FixedClock,
    pub waits: Waits,
}

/// The values of variables.
pub fn lookup(name: &str) -> Option<String> {
    (name == "API_KEY").then(|| "sk-geheim".to_owned())
}

/// A source of these settings.
pub fn try_rig(settings: Value, shared: Shared) -> Result<Rig, CollectError> {
    try_rig_with(settings, shared, &lookup)
}

/// The same with other variables.
pub fn try_rig_with(settings: Value, shared: Shared, lookup: Lookup<'_>) -> Result<Rig, CollectError> {
    let mut entry = settings.as_object().unwrap().clone();
    entry.insert("source_id".to_owned(), json!("news"));
    entry.insert("source_type".to_owned(), json!("api"));
    let config =
        SourcesConfig::of(vec![Value::Object(entry)], Map::new(), &[(SourceKind::Rest, KEYS)], lookup)?;
    assert_eq!((config.problems.as_slice(), config.warnings.as_slice()), (&[][..], &[][..]));
    let source = config.sources[0].clone();
    let pace = Arc::new(Still::default());
    let settings = RestConfig::of(&source, lookup)?;
    let collector = RestCollector::new(source.clone(), settings, shared, Arc::clone(&pace) as Arc<dyn Pace>)?;
    let clock = FixedClock(civil::parse_iso("2026-11-28T12:00:00Z").unwrap());
    Ok(Rig { source, sifted: Sifted::default(), collector, pace, clock, waits: Waits::default() })
}

pub fn rig(settings: Value) -> Rig {
    try_rig(settings, Shared::default()).unwrap()
}

impl Rig {
    /// Does something with the collector.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut RestCollector, &Means<'_>) -> T) -> T {
        let clock: &dyn Clock = &self.clock;
        let pace = Arc::clone(&self.pace) as Arc<dyn Pace>;
        let means = Means {
            clock,
            pace,
            cancelled: &never,
            progress: &|_, _| {},
            fetching: stele_collect::Stopwatch::default(),
            watch: &self.waits,
        };
        work(&mut self.collector, &means)
    }

    /// Collects into a lake from where it stopped.
    pub fn collect(&mut self, lake: &mut Lake) -> Result<Collected, CollectError> {
        let source = self.source.clone();
        let mut sieve = Sieve::of(&source, lake)?;
        let from = sieve.cursors()?;
        let collected = self.with(|collector, means| collector.collect(&from, &mut sieve, means));
        self.sifted = sieve.sifted().clone();
        collected
    }
}

/// How a stream ended: `ok`, or why not.
pub fn ended(collected: &Collected, stream: &str) -> String {
    let outcome = collected.streams.iter().find(|outcome| outcome.stream == stream).unwrap();
    match &outcome.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Unavailable { reason } => format!("unavailable: {reason}"),
        Outcome::Failed { reason } => format!("failed: {reason}"),
    }
}

/// An answer of JSON.
pub fn say(value: &Value) -> Reply {
    Reply::Say(200, "", value.to_string())
}

/// An answer with a header that is made at the time.
pub fn say_with(status: u16, headers: String, value: &Value) -> Reply {
    // The double of a service takes lines that live as long as it.
    Reply::Say(status, Box::leak(headers.into_boxed_str()), value.to_string())
}

/// What stands behind `?` under a name.
pub fn param(request: &Request, name: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://x{}", request.path)).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The path without what stands behind `?`.
pub fn path(request: &Request) -> &str {
    request.path.split('?').next().unwrap_or_default()
}
