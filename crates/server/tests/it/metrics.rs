//! Every number moves when what it counts happens.

use std::collections::BTreeMap;
use std::net::TcpStream;

use serde_json::json;
use stele_engine::jobs::{JobSink, StageReport};
use stele_server::Family;

use crate::client::{get, post};
use crate::world::{World, local, recording, wait};

/// Series by their names with labels. What is measured is believed for a second.
fn scrape(world: &World) -> BTreeMap<String, f64> {
    wait(1100);
    let response = get(world.address, "/metrics", "");
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let lines = response.body.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn every_number_moves() {
    let world = World::unserved().service(local());
    let before = scrape(&world);
    world.ingest("game.jsonl", &recording());
    world.index();
    let target = world.path("in/b.jsonl");
    std::fs::write(&target, "{\"event\":\"b\"}\n").unwrap();
    let queued = post(world.address, "/api/ingest/start", &json!({ "targets": [target] }), "");
    let id = queued.json()["job_ids"][0].as_str().unwrap().to_owned();
    // Readiness is believed for a second, and so is what it measures; and the job has to have waited.
    let waiting = scrape(&world);
    // What its worker says at its end, wherever that runs.
    let mut report = world.engine().report_now(&world.job(&id)).unwrap();
    report.stages = vec![StageReport { stage: "parsing".to_owned(), seconds: 2.0, counts: BTreeMap::new() }];
    report.sinks = vec![JobSink {
        name: "qdrant".to_owned(),
        written: 600,
        removed: 0,
        holds: true,
        write_seconds: vec![0.003, 0.4],
    }];
    let drift = json!({ "missing": 1, "extra": 0, "differing": 0, "ratio": 0.25, "ratio_max": 0.005,
        "missing_ids": [], "extra_ids": [] });
    report.drift = Some(serde_json::from_value(drift).unwrap());
    let dir = world.path("data/manifests/jobs").join(&id);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let control = post(world.address, &format!("/api/jobs/{id}/control"), &json!({ "action": "cancel" }), "");
    assert_eq!(control.status, 200, "{}", control.body);
    for arm in ["text", "vector", "hybrid"] {
        let found = get(world.address, &format!("/api/search?query=price&arm={arm}"), "");
        assert_eq!(found.status, 200, "{}", found.body);
    }
    world.greet("w1", Some("the disk is nearly full"));
    world.watch("inbox", &world.path("in"));
    world.ingest("more.jsonl", "{\"event\":\"more\"}\n");
    wait(1100);
    let _open: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(world.address).unwrap()).collect();
    let after = scrape(&world);

    let moved = |name: &str, when: &BTreeMap<String, f64>| {
        let (was, is) = (before.get(name).copied().unwrap_or(0.0), when.get(name).copied());
        assert!(is.is_some_and(|is| is != was), "{name} was {was} and is {is:?}");
    };
    moved("ingest_queue_depth{state=\"queued\"}", &waiting);
    moved("ingest_queue_oldest_seconds", &waiting);
    moved("stele_ready", &waiting);
    for name in [
        "ingest_queue_depth{state=\"cancelled\"}",
        "ingest_jobs_total{status=\"cancelled\"}",
        "ingest_watchers_count",
        "ingest_backpressure_paused",
        "ingest_stage_seconds_count{stage=\"parsing\"}",
        "ingest_stage_seconds_bucket{stage=\"parsing\",le=\"5\"}",
        "ingest_records_total{outcome=\"accepted\"}",
        "ingest_records_total{outcome=\"rejected\"}",
        "ingest_bytes_total",
        "ingest_index_drift_ratio",
        "ingest_index_pending_records",
        "ingest_sink_latency_seconds_count{sink=\"qdrant\"}",
        "ingest_sink_latency_seconds_bucket{sink=\"qdrant\",le=\"0.005\"}",
        "search_seconds_count{arm=\"text\"}",
        "search_seconds_count{arm=\"vector\"}",
        "search_seconds_count{arm=\"hybrid\"}",
        "http_requests_total{route=\"/api/search\",status=\"200\"}",
        "http_request_seconds_count{route=\"/api/search\"}",
        "http_connections",
        "lake_records",
        "lake_version",
        "stele_uptime_seconds",
    ] {
        moved(name, &after);
    }
    assert!(after.keys().any(|name| name.starts_with("ingest_quarantined_total{reason=")), "{after:?}");
    assert!(after["disk_free_bytes"] > 0.0);
    // One that is alive and takes jobs is enough.
    world.greet("w2", None);
    assert_eq!(scrape(&world)["ingest_backpressure_paused"], 0.0);
    // Paths that somebody makes up are one series.
    for path in ["/a", "/b", "/api/c"] {
        get(world.address, path, "");
    }
    let series = scrape(&world);
    assert_eq!(series["http_requests_total{route=\"other\",status=\"404\"}"], 3.0);
    // Every family has its head, whether something happened or not.
    let text = get(world.address, "/metrics", "").body;
    for family in Family::ALL {
        assert!(text.contains(&format!("# TYPE {} ", family.name())), "{}", family.name());
    }
}

/// A counter that fell would be taken for a restart, and everything before it for new.
#[test]
fn what_ended_is_counted_each_time_and_never_forgotten() {
    let world = World::unserved().service(local());
    let target = world.path("in/a.jsonl");
    std::fs::write(&target, "{\"event\":\"a\"}\n").unwrap();
    let queued = post(world.address, "/api/ingest/start", &json!({ "targets": [target] }), "");
    let id = queued.json()["job_ids"][0].as_str().unwrap().to_owned();
    let act = |action: &str| {
        let done = post(world.address, &format!("/api/jobs/{id}/control"), &json!({ "action": action }), "");
        assert_eq!(done.status, 200, "{}", done.body);
    };
    let cancelled = || scrape(&world)["ingest_jobs_total{status=\"cancelled\"}"];
    assert_eq!(cancelled(), 0.0);
    act("cancel");
    assert_eq!((cancelled(), cancelled()), (1.0, 1.0));
    act("retry");
    assert_eq!(cancelled(), 1.0);
    act("cancel");
    assert_eq!(cancelled(), 2.0);
    world.forget_jobs();
    let after = scrape(&world);
    assert_eq!(after["ingest_queue_depth{state=\"cancelled\"}"], 0.0);
    assert_eq!(after["ingest_jobs_total{status=\"cancelled\"}"], 2.0);
}

/// It counts what ended lately, and not what was submitted lately: a job that took long stands behind all that came after
/// it. And it counts all of that, however much there is between two scrapes.
#[test]
fn what_took_long_is_counted_when_it_ends() {
    let world = World::unserved().service(local());
    let cancelled = || scrape(&world)["ingest_jobs_total{status=\"cancelled\"}"];
    assert_eq!(cancelled(), 0.0);
    let oldest = world.submit("oldest");
    for number in 0..201 {
        let id = world.submit(&format!("newer-{number}"));
        world.cancel(id);
    }
    assert_eq!(cancelled(), 201.0);
    world.cancel(oldest);
    assert_eq!((cancelled(), cancelled()), (202.0, 202.0));
}
