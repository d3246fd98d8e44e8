//! A capture beside whoever hears of its segments, and what these must add up to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use stele_capture::{
    Capture, CaptureConfig, CaptureError, CaptureSummary, Control, Disk, Means, Segment, SystemDisk, Template,
};
use stele_http::Pace;
use stele_model::{Clock, Micros};

/// Longer than anything that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Real(Instant);

impl Pace for Real {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        std::thread::park_timeout(time);
    }
}

/// A day that goes with the real time.
struct Day(Instant);

impl Clock for Day {
    fn now(&self) -> Micros {
        1_700_000_000_000_000 + self.0.elapsed().as_micros() as Micros
    }
}

pub fn means(dir: &Path) -> Means {
    let chance = std::sync::atomic::AtomicU64::new(7);
    Means {
        dir: dir.to_owned(),
        clock: Arc::new(Day(Instant::now())),
        pace: Arc::new(Real(Instant::now())),
        secrets: Arc::new(|name| (name == "FEED_TOKEN").then(|| stele_http::Secret::new("geheim"))),
        disk: Arc::new(SystemDisk),
        chance: Arc::new(move || chance.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 17),
    }
}

/// Quick to come back, quick to sync.
pub fn config(url: &str) -> CaptureConfig {
    CaptureConfig {
        url: Template::new(url),
        reconnect_ms: 20,
        reconnect_ms_max: 200,
        sync_ms: 50,
        ..CaptureConfig::default()
    }
}

/// Waits until it is so.
#[track_caller]
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "it is never so: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A capture that runs.
pub struct Running {
    pub control: Control,
    pub events: Option<stele_capture::Events>,
    pub told: Arc<Mutex<Vec<Segment>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<CaptureSummary, CaptureError>>>,
}

pub fn start(dir: &Path, config: CaptureConfig) -> Running {
    start_with(means(dir), config, None)
}

pub fn start_on(dir: &Path, disk: Arc<dyn Disk>, config: CaptureConfig) -> Running {
    start_with(Means { disk, ..means(dir) }, config, None)
}

pub fn start_with(
    means: Means,
    config: CaptureConfig,
    input: Option<Box<dyn std::io::Read + Send>>,
) -> Running {
    let mut capture = Capture::open("feed", config, means).unwrap();
    if let Some(input) = input {
        capture = capture.with_input(input);
    }
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Segment>>>::default());
    let (control, events) = (capture.control(), capture.events());
    let (asked, heard) = (Arc::clone(&stop), Arc::clone(&told));
    let thread = std::thread::spawn(move || {
        let observer = |segment: &Segment| heard.lock().unwrap().push(segment.clone());
        capture.run(&|| asked.load(Ordering::Relaxed), &observer)
    });
    Running { control, events, told, stop, thread: Some(thread) }
}

impl Running {
    /// Stops it, and gives what came of it.
    pub fn stop(mut self) -> CaptureSummary {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap().unwrap()
    }

    /// Waits for it to end by itself.
    pub fn end(mut self) -> Result<CaptureSummary, CaptureError> {
        let thread = self.thread.take().unwrap();
        wait_until("the capture ends", || thread.is_finished());
        thread.join().unwrap()
    }

    pub fn received(&self) -> u64 {
        self.control.status().counts.received
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Lines of the complete segments in the directory of a capture, in their order.
pub fn lines(dir: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for path in segments(dir) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n'), "{path:?}");
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    lines
}

pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir.join("feed")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths
}

pub fn of_event<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

pub fn system(lines: &[Value]) -> Vec<String> {
    let system = lines.iter().filter(|line| line["doc_type"] == "system_event");
    system.map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

/// Whole, in order and each once: every run has the numbers from 1 without a hole.
#[track_caller]
pub fn assert_sequence(lines: &[Value]) {
    let mut last = (String::new(), 0);
    for line in lines {
        let (epoch, _) = line["connection"].as_str().unwrap().split_once('-').unwrap();
        let seq = line["seq"].as_u64().unwrap();
        let expect = if last.0 == epoch { last.1 + 1 } else { 1 };
        assert_eq!(seq, expect, "{line}");
        last = (epoch.to_owned(), seq);
    }
}

/// What a feed's numbers add up to.
#[derive(Debug, PartialEq, Eq)]
pub struct Sum {
    pub first: i64,
    pub last: i64,
    pub received: u64,
    pub missing: u64,
}

/// Received and recorded gaps are all that was sent, exactly: no number is in both, and none is in neither.
#[track_caller]
pub fn add_up(lines: &[Value]) -> Sum {
    let received: Vec<i64> = lines.iter().filter_map(|line| line["number"].as_i64()).collect();
    let mut seen: BTreeSet<i64> = received.iter().copied().collect();
    assert_eq!(seen.len(), received.len(), "something was received twice");
    let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
    let mut missing = 0;
    for gap in of_event(lines, "gap") {
        let data = &gap["data"];
        missing += data["missing"].as_u64().unwrap_or(0);
        let (Some(after), Some(before)) = (data["after_number"].as_i64(), data["before_number"].as_i64())
        else {
            continue;
        };
        assert_eq!(data["missing"], before - after - 1, "{gap}");
        for number in after + 1..before {
            assert!(seen.insert(number), "{number} was received, and is in {gap}");
        }
    }
    let (all, expect) = (seen.len() as i64, last - first + 1);
    assert_eq!(all, expect, "numbers from {first} to {last} that are neither received nor in a gap");
    // Gaps without numbers count too: what they lack must not be in others.
    let received = received.len() as u64;
    assert_eq!(missing, expect as u64 - received, "what is said to be missing is not what is");
    Sum { first, last, received, missing }
}
