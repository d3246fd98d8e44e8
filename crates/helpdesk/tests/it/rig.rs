//! What the tests share: a place that keeps records and cursors together, and a run against the desk of the tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use stele_collect::{
    Batch, Checked, CollectError, Collected, Collector, Cursors, Means, Outcome, Sink, Stopwatch,
    StreamOutcome, Watch,
};
use stele_helpdesk::{
    Extract, Freshdesk, Helpdesk, HelpdeskConfig, NoTexts, PlainText, RateConfig, Span, Texts,
};
use stele_http::{Cancelled, Pace, Still, never};
use stele_model::time::FixedClock;
use stele_testkit::freshdesk::{Knobs, MockFreshdesk};

/// What is kept: each record in its newest version, and where each stream goes on.
#[derive(Debug, Default, Clone)]
pub struct Kept {
    pub cursors: Cursors,
    /// By stream and id, the line.
    pub records: BTreeMap<(String, String), Value>,
    /// Every line that was ever taken, as stream and id.
    pub taken: Vec<(String, String)>,
    /// Records of each batch.
    pub batches: Vec<u64>,
    /// Whether it refuses everything, as a process that is gone does.
    pub dead: bool,
    /// Records after which it wants no more.
    pub enough: Option<usize>,
}

impl Kept {
    pub fn ids(&self, stream: &str) -> Vec<u64> {
        let mut ids: Vec<u64> = self
            .records
            .keys()
            .filter(|(of, _)| of == stream)
            .map(|(_, id)| id.parse().expect("a number"))
            .collect();
        ids.sort_unstable();
        ids
    }

    pub fn count(&self, stream: &str) -> usize {
        self.records.keys().filter(|(of, _)| of == stream).count()
    }

    pub fn get(&self, stream: &str, id: u64) -> &Value {
        &self.records[&(stream.to_owned(), id.to_string())]
    }
}

impl Sink for Kept {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(self.cursors.clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        if self.dead {
            return Err(CollectError::Sink("nobody is there any more".into()));
        }
        let mut records = 0;
        for line in batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_slice(line).expect("a line of JSON");
            let key = (
                record["stream"].as_str().expect("a stream").to_owned(),
                record["original_id"].as_str().expect("an id").to_owned(),
            );
            self.taken.push(key.clone());
            self.records.insert(key, record);
            records += 1;
        }
        assert_eq!(records, batch.records);
        self.batches.push(records);
        if let Some(cursor) = batch.cursor {
            self.cursors.set(batch.stream, cursor);
        }
        match self.enough {
            Some(enough) if self.taken.len() >= enough => Err(CollectError::Enough),
            _ => Ok(()),
        }
    }
}

/// What was heard of runs.
#[derive(Debug, Default)]
pub struct Heard {
    pub calls: AtomicU64,
    pub waits: Mutex<Vec<Duration>>,
}

impl Watch for Heard {
    fn called(&self, calls: u64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
    }

    fn waits(&self, time: Duration) {
        self.waits.lock().unwrap().push(time);
    }
}

/// A desk of the tests, the time that both go by, and how it is collected.
pub struct Rig {
    pub mock: MockFreshdesk,
    pub pace: Arc<Still>,
    pub config: HelpdeskConfig,
    pub extract: Arc<dyn Extract>,
    pub texts: Arc<dyn Texts>,
    pub heard: Heard,
    pub fetching: Stopwatch,
    /// Pages that the desk gives of lists beside tickets, if that is not what it always is.
    pub list_pages_max: Option<u32>,
}

impl Rig {
    pub fn new(knobs: Knobs, streams: &[&str]) -> Self {
        let pace = Arc::new(Still::default());
        let mock = MockFreshdesk::start(knobs, Arc::clone(&pace) as Arc<dyn Pace>);
        let mut config = HelpdeskConfig::new(&mock.url, "${FRESHDESK_API_KEY}", "acme");
        config.allow_insecure = true;
        config.streams = Some(streams.iter().map(|stream| (*stream).to_owned()).collect());
        config.checkpoint = Span::seconds(0);
        // Only tests of limits want to meet one.
        config.rate = RateConfig {
            credits_per_minute: Some(100_000_000),
            lists_per_minute: Some(1_000_000),
            workers: 2,
            ..RateConfig::default()
        };
        let fetching = Stopwatch::new(Arc::clone(&pace) as Arc<dyn Pace>);
        let (extract, texts) = (Arc::new(PlainText), Arc::new(NoTexts));
        Self { mock, pace, config, extract, texts, heard: Heard::default(), fetching, list_pages_max: None }
    }

    pub fn desk(&self) -> Helpdesk {
        let lookup = |name: &str| (name == "FRESHDESK_API_KEY").then(|| "mock-key-1".to_owned());
        let (extract, texts) = (Arc::clone(&self.extract), Arc::clone(&self.texts));
        let config = self.config.clone();
        let desk = match self.list_pages_max {
            None => Helpdesk::new("support", config, &lookup, extract, texts),
            Some(list_pages_max) => {
                let platform = Box::new(Freshdesk { list_pages_max, ..Freshdesk::default() });
                Helpdesk::with("support", config, &lookup, extract, texts, platform)
            }
        };
        desk.expect("a configuration")
    }

    fn with<T>(&self, cancelled: Cancelled<'_>, work: impl FnOnce(&mut Helpdesk, &Means<'_>) -> T) -> T {
        let clock = FixedClock(1_900_000_000_000_000);
        let means = Means {
            clock: &clock,
            pace: Arc::clone(&self.pace) as Arc<dyn Pace>,
            cancelled,
            progress: &|_, _| {},
            fetching: self.fetching.clone(),
            watch: &self.heard,
        };
        work(&mut self.desk(), &means)
    }

    pub fn check(&self) -> Result<Checked, CollectError> {
        self.with(&never, |desk, means| desk.check(means))
    }

    /// A run that goes on where the last one stopped.
    pub fn run(&self, kept: &mut Kept) -> Result<Collected, CollectError> {
        self.run_until(kept, &never)
    }

    pub fn run_until(&self, kept: &mut Kept, cancelled: Cancelled<'_>) -> Result<Collected, CollectError> {
        self.run_into(kept, cancelled)
    }

    pub fn run_into(&self, sink: &mut dyn Sink, cancelled: Cancelled<'_>) -> Result<Collected, CollectError> {
        let from = sink.cursors()?;
        self.with(cancelled, |desk, means| desk.collect(&from, sink, means))
    }

    /// A run of which every stream has to end well.
    pub fn run_well(&self, kept: &mut Kept) -> Collected {
        let collected = self.run(kept).expect("a run");
        for stream in &collected.streams {
            assert_eq!(stream.outcome, Outcome::Ok, "{}", stream.stream);
        }
        collected
    }

    /// Requests whose path begins like this, behind `/api/v2`.
    pub fn asked(&self, path: &str) -> usize {
        let path = format!("/api/v2{path}");
        self.mock.log().iter().filter(|asked| asked.path.starts_with(&path)).count()
    }

    pub fn lists(&self) -> usize {
        self.asked("/tickets?")
    }

    /// The most credits, or requests whose path begins like this, of any sixty seconds.
    pub fn busiest_minute(&self, path: Option<&str>) -> u32 {
        let log = self.mock.log();
        let cost = |asked: &stele_testkit::freshdesk::Asked| match path {
            None => asked.credits,
            Some(path) => u32::from(asked.path.starts_with(&format!("/api/v2{path}"))),
        };
        let minute = std::time::Duration::from_secs(60);
        let from = |at| log.iter().filter(move |asked| asked.at >= at && asked.at < at + minute);
        log.iter().map(|asked| from(asked.at).map(cost).sum()).max().unwrap_or(0)
    }
}

pub fn outcome<'a>(collected: &'a Collected, stream: &str) -> &'a StreamOutcome {
    collected.streams.iter().find(|outcome| outcome.stream == stream).expect(stream)
}

pub fn reason(collected: &Collected, stream: &str) -> String {
    match &outcome(collected, stream).outcome {
        Outcome::Failed { reason } | Outcome::Unavailable { reason } => reason.clone(),
        Outcome::Ok => panic!("{stream} ended well"),
    }
}
