//! The queue in front of whoever is told: it never holds anybody up, and ends.

use std::path::Path;
use std::time::{Duration, Instant};

use stele_telemetry::{Dataset, Lineage, LineageConfig, QUEUE_MAX, Run, RunState};
use stele_testkit::server::{Reply, Server};

use crate::rig::{impatient, pace, until};

fn run() -> Run {
    Run {
        job: "j1".to_owned(),
        attempt: 1,
        claim: 1,
        name: "n".to_owned(),
        stage: "parsing".to_owned(),
        tag: None,
        inputs: vec![Dataset::at("/a")],
        outputs: Vec::new(),
        error: None,
    }
}

fn config(file: Option<&Path>, url: Option<&str>) -> LineageConfig {
    let text = serde_json::json!({ "file": file, "url": url }).to_string();
    LineageConfig { http: impatient(), ..serde_json::from_str(&text).unwrap() }
}

#[test]
fn a_collector_that_hangs_holds_nobody_up() {
    let server = Server::new(|_, _| Reply::Hang);
    let lineage = Lineage::open(&config(None, Some(&server.url)), Path::new("."), None, pace()).unwrap();
    let (run, more) = (run(), 100);
    let begin = Instant::now();
    for _ in 0..QUEUE_MAX + more {
        lineage.tell(RunState::Running, &run, "2026-11-28T18:00:00Z");
    }
    // One is on its way, or two; the rest is as many as there is room for.
    let told = lineage.told();
    assert!(told.dropped >= more as u64 - 2 && told.dropped <= more as u64, "{told:?}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    // And its end waits a moment only.
    let begin = Instant::now();
    drop(lineage);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn a_file_that_cannot_be_written_is_counted_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("later/lineage.jsonl");
    let lineage = Lineage::open(&config(Some(&file), None), dir.path(), None, pace()).unwrap();
    lineage.tell(RunState::Start, &run(), "2026-11-28T18:00:00Z");
    until("it has failed", || lineage.told().failed == 1);
    std::fs::create_dir(dir.path().join("later")).unwrap();
    lineage.tell(RunState::Start, &run(), "2026-11-28T18:00:00Z");
    until("it is told", || lineage.told().delivered == 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
}
