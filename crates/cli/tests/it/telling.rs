//! What others hear of jobs: lineage, traces, metrics of watchers and of copies outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stele_testkit::server::{Reply, Server};
use stele_testkit::stores;

use crate::world::World;

const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

fn lineage(world: &World) -> Vec<Value> {
    let text = String::from_utf8(world.read("told/lineage.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn work(world: &World) {
    let mut worker = world.stele("worker --data-dir d --until-idle --lease 2s");
    let ended = worker.env("STELE_INDEX_ON_INGEST", "true").output().unwrap().status;
    // 3 where some of the jobs were meant to fail.
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
}

#[test]
fn what_jobs_read_and_write_is_told_once_it_is_kept() {
    let world = World::of_size(97, 20_000);
    let collector = Server::new(|_, _| Reply::Say(200, "", "{}".to_owned()));
    std::fs::create_dir(world.path("told")).unwrap();
    world.write(
        "stele.toml",
        format!(
            "{WORDS}[jobs]\nattempts_max = 1\n[telemetry.lineage]\nfile = \"told/lineage.jsonl\"\n\
             [telemetry.traces]\nurl = \"{}\"\nhttp = {{ tries_max = 2, backoff_ms = 10 }}\n",
            collector.url
        ),
    );
    world.write("in/tides.jsonl", "{\"event\":\"tide\",\"data\":{\"level\":3}}\n".repeat(20));
    world.write("in/gone.md", "# Gone\n");
    let queue = |target: &str| {
        let queued =
            world.run(&format!("ingest {target} --data-dir d --no-wait --json --tag t")).is(0).last();
        queued["job_ids"][0].as_str().unwrap().to_owned()
    };
    let (tides, gone) = (queue("in/tides.jsonl"), queue("in/gone.md"));
    std::fs::remove_file(world.path("in/gone.md")).unwrap();
    work(&world);

    let schema: Value =
        serde_json::from_str(include_str!("../../../telemetry/tests/it/openlineage.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let events = lineage(&world);
    for event in &events {
        let errors: Vec<String> = validator.iter_errors(event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{event}");
    }
    let of = |job: &str| -> Vec<&Value> {
        let mine = |event: &&Value| event["run"]["facets"]["stele_job"]["job"] == job;
        events.iter().filter(mine).collect()
    };
    let states = |job: &str| -> Vec<String> {
        of(job).iter().map(|event| event["eventType"].as_str().unwrap().to_owned()).collect()
    };
    let mut whole = vec!["START"];
    whole.extend(["RUNNING"; 6]);
    whole.push("COMPLETE");
    assert_eq!(states(&tides), whole);
    assert_eq!(states(&gone), ["START", "FAIL"]);
    let done = of(&tides)[7];
    assert_eq!(done["job"]["name"], "default.ingest.cli");
    let input = &done["inputs"][0];
    assert!(input["name"].as_str().unwrap().ends_with("in/tides.jsonl"), "{input}");
    assert!(input["facets"]["version"]["datasetVersion"].as_str().unwrap().starts_with("sha256:"), "{input}");
    let records = &done["outputs"][0];
    assert_eq!(records["outputFacets"]["outputStatistics"]["rowCount"], 20, "{records}");
    let version = world.run("status --data-dir d --json").is(0).last()["lake_version"].clone();
    let told = records["facets"]["version"]["datasetVersion"].as_str().unwrap();
    let told: u64 = told.parse().unwrap();
    assert!(version.as_u64().is_none_or(|version| version == told), "{records}");
    let failed = of(&gone)[1];
    let why = failed["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(why.contains("gone.md"), "{failed}");

    let spans: Vec<Value> = collector
        .requests()
        .iter()
        .flat_map(|request| {
            request.body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
        })
        .collect();
    let value = |span: &Value, key: &str| {
        let attributes = span["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|attribute| attribute["key"] == key);
        found.map(|found| found["value"]["stringValue"].clone()).unwrap_or_default()
    };
    let stages: Vec<&Value> = spans
        .iter()
        .filter(|span| span["name"] == "job.stage" && value(span, "job") == tides.as_str())
        .collect();
    assert_eq!(stages.len(), 7, "{spans:?}");
    assert!(stages.iter().all(|span| span["traceId"] == stages[0]["traceId"]), "{stages:?}");
    let broken = spans.iter().find(|span| value(span, "job") == gone.as_str()).unwrap();
    assert_eq!(broken["status"]["code"], 2, "{broken}");
    let write = spans.iter().find(|span| span["name"] == "index.write").unwrap();
    let around = stages.iter().find(|span| value(span, "stage") == "embedding").unwrap();
    assert_eq!(write["parentSpanId"], around["spanId"], "{write}");
}

#[test]
fn a_telemetry_that_cannot_be_used_is_an_error_of_the_configuration() {
    let world = World::of_size(98, 20_000);
    for (text, says) in [
        ("[telemetry.lineage]\n", "telemetry.lineage: neither `file` nor `url` is set"),
        ("[telemetry.trace]\nurl = \"http://a\"\n", "unknown field `trace`"),
    ] {
        world.write("stele.toml", text);
        world.run("jobs --data-dir d").is(78).says(&[says]);
    }
}

#[test]
fn looking_for_jobs_makes_no_queue() {
    let world = World::of_size(99, 20_000);
    world.write("stele.toml", WORDS);
    for line in [
        "jobs",
        "status j0123456789ab",
        "tail j0123456789ab",
        "report j0123456789ab",
        "cancel j0123456789ab",
        "retry j0123456789ab",
        "dlq list",
        "clean",
        "top --once",
    ] {
        let ran = world.run(&format!("{line} --data-dir nothing"));
        ran.is(1).says(&["no job was ever queued here: there is no nothing/state.db", "--no-wait"]);
        assert!(!world.path("nothing").exists(), "{line}");
    }
    // Where there is a lake, too.
    world.ok("ingest sample/recordings --data-dir d");
    world.run("jobs --data-dir d").is(1).says(&["no job was ever queued here"]);
    assert!(!world.path("d/state.db").exists());
}

/// What `/metrics` says of this series.
fn metric(address: &str, series: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .write_all(
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

#[test]
fn watchers_and_copies_outside_are_counted_while_the_service_runs() {
    let Some(store) = stores::Server::start(stores::Store::Qdrant) else { return };
    let world = World::of_size(96, 20_000);
    std::fs::create_dir(world.path("inbox")).unwrap();
    world.write(
        "stele.toml",
        format!(
            "[embedding]\nprovider = \"test-double\"\ndimension = 32\n\
             [watchers.inbox]\nkind = \"spool\"\npath = \"{}\"\nsettle_ms = 100\n\
             [sinks.copy]\nkind = \"qdrant\"\nurl = \"{}\"\ncollection = \"texts\"\nfollow = true\n",
            world.path("inbox").display(),
            store.url
        ),
    );
    let mut serve = world.stele("serve --port 0 --data-dir d --json");
    serve.env("STELE_INDEX_ON_INGEST", "true").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = serve.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = said["url"].as_str().unwrap();
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let wait = |series: &str| {
        let until = Instant::now() + Duration::from_secs(120);
        while metric(&address, series).is_none_or(|value| value < 1.0) {
            assert!(Instant::now() < until, "{series}: {:?}", metric(&address, series));
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    wait("ingest_watchers_count");
    world.write("inbox/pier.md", "# Pier\n\nThe tide level is read at the pier.\n");
    wait("ingest_jobs_total{status=\"done\"}");
    wait("ingest_sink_latency_seconds_count{sink=\"copy\"}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let report = world.run("sink verify --data-dir d --json").is(0).last();
    assert_eq!(report["holds"], true, "{report}");
}
