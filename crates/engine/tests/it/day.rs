//! A live feed by the day: a commit for each minute, runs that end and are begun again, messages that never came.
//! Afterwards the lake has few parts, and its ledger is that of what was sent.
//!
//! `STELE_CAPTURE_MINUTES` and `STELE_CAPTURE_A_MINUTE` make it a whole day; `make torture` does.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use stele_capture::{Capture, Event, Means, Segment, SystemDisk};
use stele_engine::collecting::{CaptureConfig, Template};
use stele_engine::lake::Table;
use stele_engine::{Cancel, Engine, Environment, NoProgress, SystemClock};
use stele_http::Still;
use stele_model::{Clock, Micros};

use crate::graph::sql;
use crate::place::Place;

/// More than the parts after which a writer merges them by itself.
const MINUTES: u64 = 72;

/// Messages of a minute.
const A_MINUTE: u64 = 12;

/// Runs of the capture in that time.
const EPOCHS: u64 = 3;

/// Every so manieth minute lacks messages, and how many.
const LACKING_EVERY: u64 = 7;
const LACKING: u64 = 3;

/// Messages that nobody heard between two runs.
const UNHEARD: u64 = 50;

/// Within this a line that was said has been taken, and a segment that is old enough is kept, as a rule. Where not, another
/// minute passes.
const TAKEN_WITHIN: Duration = Duration::from_millis(10);
const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// Longer than a commit takes on a machine that others use.
const PATIENCE: Duration = Duration::from_secs(120);

fn set(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Time that goes with the feed.
struct Day(AtomicI64);

impl Day {
    fn pass(&self, seconds: f64) {
        self.0.fetch_add((seconds * 1e6) as i64, Ordering::Relaxed);
    }
}

impl Clock for Day {
    fn now(&self) -> Micros {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the feed has said so far, over all runs.
#[derive(Default)]
struct Said {
    number: AtomicU64,
    sent: AtomicU64,
    lacking: AtomicU64,
}

/// One run of it: lines, and behind each minute the end of its segment is waited for.
struct Feed {
    day: Arc<Day>,
    said: Arc<Said>,
    engine: Engine,
    minutes: u64,
    a_minute: u64,
    /// Lines of this minute that were said.
    lines: u64,
    waiting: Vec<u8>,
    /// Those that were in the lake a minute ago.
    segments: u64,
}

impl Feed {
    /// Lets the minute pass, and waits until its segment is in the lake.
    fn pass_the_minute(&mut self) {
        let (before, begun) = (self.segments, Instant::now());
        while self.segments == before {
            assert!(begun.elapsed() < PATIENCE, "the segment behind {before} others is not in the lake");
            // A segment is a minute old when one has passed since its first line was taken, which may be a moment after it
            // was said.
            std::thread::park_timeout(TAKEN_WITHIN);
            self.day.pass(60.0);
            let passed = Instant::now();
            while self.segments == before && passed.elapsed() < KEPT_WITHIN {
                std::thread::park_timeout(Duration::from_millis(5));
                self.segments = segments(&self.engine);
            }
        }
    }
}

impl Read for Feed {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.waiting.is_empty() {
            if self.lines == self.a_minute {
                self.pass_the_minute();
                (self.lines, self.minutes) = (0, self.minutes - 1);
                if self.minutes > 0 && self.minutes.is_multiple_of(LACKING_EVERY) {
                    self.said.number.fetch_add(LACKING, Ordering::Relaxed);
                    self.said.lacking.fetch_add(LACKING, Ordering::Relaxed);
                }
            }
            if self.minutes == 0 {
                return Ok(0);
            }
            self.lines += 1;
            let number = self.said.number.fetch_add(1, Ordering::Relaxed) + 1;
            self.said.sent.fetch_add(1, Ordering::Relaxed);
            let price = number as f64 / 7.0;
            self.waiting =
                format!("{{\"seq\":{number},\"lot\":\"L-{}\",\"price\":{price}}}\n", number % 97).into();
        }
        let count = to.len().min(self.waiting.len());
        to[..count].copy_from_slice(&self.waiting[..count]);
        self.waiting.drain(..count);
        Ok(count)
    }
}

/// Segments that are in the lake, merged or not.
fn segments(engine: &Engine) -> u64 {
    engine.snapshot().map_or(0, |snapshot| snapshot.parts(Table::Files).iter().map(|part| part.rows).sum())
}

fn parts(engine: &Engine) -> usize {
    let snapshot = engine.snapshot().unwrap();
    Table::ALL.into_iter().map(|table| snapshot.parts(table).len()).sum()
}

/// What the ledger says: records, messages and different numbers among them, and those that are known to lack.
fn ledger(place: &Place, engine: &Engine) -> (u64, String) {
    place.covered();
    let told = sql(
        engine,
        "SELECT count(*) FILTER (event_type = 'message') || ' ' || \
         count(DISTINCT json_extract_string(raw, '$.number')) FILTER (event_type = 'message') || ' ' || \
         coalesce(sum(json_extract_string(raw, '$.data.missing')::BIGINT) FILTER (event_type = 'gap'), 0) FROM events",
    );
    (engine.snapshot().unwrap().totals().records, told)
}

#[test]
fn a_day_of_small_commits_becomes_few_parts_and_every_message_is_there_once() {
    let (minutes, a_minute) =
        (set("STELE_CAPTURE_MINUTES", MINUTES), set("STELE_CAPTURE_A_MINUTE", A_MINUTE));
    let place = Place::new();
    let day = Arc::new(Day(AtomicI64::new(1_700_000_000_000_000)));
    let engine = || {
        let clock = Arc::clone(&day) as Arc<dyn Clock>;
        Engine::new(place.settings.clone(), Environment { clock, ..Environment::default() }).unwrap()
    };
    let config = CaptureConfig {
        url: Template::new("stdin:"),
        number: Some("/seq".to_owned()),
        // A minute of the feed's time is a moment here, and is synced once.
        sync_ms: 60_000,
        ..CaptureConfig::default()
    };
    let (said, begun) = (Arc::new(Said::default()), Instant::now());
    let (mut complete, mut records) = (0, 0);
    for epoch in 0..EPOCHS {
        if epoch > 0 {
            day.pass(600.0);
            said.number.fetch_add(UNHEARD, Ordering::Relaxed);
            said.lacking.fetch_add(UNHEARD, Ordering::Relaxed);
        }
        let feed = Feed {
            day: Arc::clone(&day),
            said: Arc::clone(&said),
            engine: engine(),
            minutes: minutes / EPOCHS,
            a_minute,
            lines: 0,
            waiting: Vec::new(),
            segments: segments(&engine()),
        };
        let heard = engine()
            .capture("day", config.clone(), Some(Box::new(feed)), |_| None, &NoProgress, &Cancel::default())
            .unwrap();
        assert_eq!((heard.left.as_slice(), heard.quarantined, heard.capture.epoch), (&[][..], 0, epoch + 1));
        complete += heard.capture.counts.segments;
        records += heard.records;
    }
    let took = begun.elapsed();
    let sent = said.sent.load(Ordering::Relaxed);
    let expect = format!("{sent} {sent} {}", said.lacking.load(Ordering::Relaxed));
    let engine = engine();
    assert!(complete >= minutes / EPOCHS * EPOCHS, "{complete} segments");
    // The writer has merged on the way: without that each segment has parts of its own in three tables.
    let before = parts(&engine);
    assert!(before < 220, "{before} parts of {complete} segments");
    assert_eq!(ledger(&place, &engine), (records, expect.clone()));
    engine.compact().unwrap();
    let after = parts(&engine);
    assert!(after <= 12, "{after} parts are left of {before}");
    assert_eq!(ledger(&place, &engine), (records, expect));
    println!(
        "{minutes} minutes of {a_minute} messages: {complete} segments, {} commits, {before} parts, {after} after compaction, {:.1} s",
        engine.snapshot().unwrap().version(),
        took.as_secs_f64()
    );
}

#[test]
fn what_was_pushed_and_left_on_the_disk_is_in_the_ledger() {
    let place = Place::new();
    let means = || Means {
        dir: PathBuf::from(&place.settings.data_dir).join("captures"),
        clock: Arc::new(SystemClock),
        pace: Arc::new(Still::default()),
        secrets: Arc::new(|_| None),
        disk: Arc::new(SystemDisk),
        chance: Arc::new(|| 7),
    };
    let config = |url: &str| CaptureConfig { url: Template::new(url), ..CaptureConfig::default() };
    let capture = Capture::open("pushed", config("events:"), means()).unwrap();
    let events = capture.events().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| capture.run(&|| stop.load(Ordering::Relaxed), &|_: &Segment| ()));
        for batch in 0..5 {
            let event = |n: u64| -> Event {
                let id = format!("e-{}", batch * 10 + n);
                serde_json::from_value(
                    json!({ "event": "sold", "id": id, "data": { "lot": n, "in": batch } }),
                )
                .unwrap()
            };
            events.push(&(0..10).map(event).collect::<Vec<_>>()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap();
    });
    // Nobody took the segments; the next run of this name does.
    let engine = place.engine();
    let nothing: Box<dyn Read + Send> = Box::new(std::io::empty());
    let heard = engine
        .capture("pushed", config("stdin:"), Some(nothing), |_| None, &NoProgress, &Cancel::default())
        .unwrap();
    assert_eq!(heard.left, Vec::<String>::new());
    place.covered();
    let told = sql(
        &engine,
        "SELECT count(*) || ' ' || count(DISTINCT original_id) FROM events WHERE event_type = 'sold'",
    );
    assert_eq!(told, "50 50");
}
