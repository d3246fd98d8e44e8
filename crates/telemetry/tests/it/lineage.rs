//! Events of lineage: in the published form, to a file or a service, each once.

use std::fs;

use serde_json::Value;
use stele_http::Secret;
use stele_telemetry::{Dataset, Lineage, LineageConfig, Run, RunState, TelemetryConfig, TelemetryError};
use stele_testkit::server::{Reply, Server};

use crate::rig::{impatient, pace, until};

const TIME: &str = "2026-11-28T18:00:00.5Z";

fn config(key: &str, value: &str) -> LineageConfig {
    let text = serde_json::json!({ "lineage": { key: value } }).to_string();
    let config: TelemetryConfig = serde_json::from_str(&text).unwrap();
    config.check().unwrap();
    LineageConfig { http: impatient(), ..config.lineage.unwrap() }
}

fn run(attempt: u32, error: Option<&str>) -> Run {
    let read = |uri: &str| Dataset { version: Some("sha256:00".to_owned()), ..Dataset::at(uri) };
    Run {
        job: "j0123456789ab".to_owned(),
        attempt,
        claim: attempt.into(),
        name: "default.ingest.cli".to_owned(),
        stage: "parsing".to_owned(),
        tag: None,
        inputs: vec![
            read("/srv/a.md"),
            read("file:///srv/b.md"),
            read("s3://bucket/key/c.md"),
            read("https://me:secret@example.org/d?token=hidden"),
        ],
        outputs: vec![Dataset { rows: Some(7), bytes: Some(70), ..Dataset::at("/data/lake/events") }],
        error: error.map(str::to_owned),
    }
}

fn check(event: &Value) {
    let schema: Value = serde_json::from_str(include_str!("openlineage.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(event).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{event}");
}

#[test]
fn events_in_a_file_have_the_published_form() {
    let dir = tempfile::tempdir().unwrap();
    let lineage = Lineage::open(&config("file", "lineage.jsonl"), dir.path(), None, pace()).unwrap();
    for (state, run) in [
        (RunState::Start, run(1, None)),
        (RunState::Fail, run(1, Some("no room"))),
        (RunState::Start, run(2, None)),
        (RunState::Running, run(2, None)),
        (RunState::Complete, run(2, None)),
        (RunState::Abort, run(3, None)),
    ] {
        lineage.tell(state, &run, TIME);
    }
    drop(lineage);
    let text = fs::read_to_string(dir.path().join("lineage.jsonl")).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.iter().for_each(check);
    let said: Vec<&str> = events.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(said, ["START", "FAIL", "START", "RUNNING", "COMPLETE", "ABORT"]);
    // An attempt is a run, and a run has one id.
    let id = |number: usize| &events[number]["run"]["runId"];
    assert!(id(0) == id(1) && id(2) == id(4) && id(0) != id(2), "{text}");
    assert_eq!(events[1]["run"]["facets"]["errorMessage"]["message"], "no room");
    let names: Vec<(&str, &str)> = events[0]["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| (input["namespace"].as_str().unwrap(), input["name"].as_str().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("file", "/srv/a.md"),
            ("file", "/srv/b.md"),
            ("s3://bucket", "key/c.md"),
            ("https://example.org", "d")
        ]
    );
    assert_eq!(events[0]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 7);
    assert!(!text.contains("secret") && !text.contains("hidden"), "{text}");
}

#[test]
fn a_service_gets_each_event_and_what_it_refuses_is_counted() {
    // The first is refused, the second is answered at the second try.
    let server = Server::new(|number, _| match number {
        0 => Reply::Say(400, "", "{}".to_owned()),
        1 => Reply::Say(503, "", "{}".to_owned()),
        _ => Reply::Say(201, "", "{}".to_owned()),
    });
    let key = Some(Secret::new("of lineage"));
    let lineage = Lineage::open(&config("url", &server.url), std::path::Path::new("."), key, pace()).unwrap();
    for attempt in 1..=3 {
        lineage.tell(RunState::Start, &run(attempt, None), TIME);
    }
    until("three are told", || lineage.told().delivered + lineage.told().failed == 3);
    let told = lineage.told();
    assert_eq!((told.delivered, told.failed, told.dropped), (2, 1, 0));
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_eq!((&*request.method, &*request.path), ("POST", "/api/v1/lineage"));
        assert_eq!(request.header("authorization"), Some("Bearer of lineage"));
        check(&request.body);
    }
}

#[test]
fn what_cannot_be_configured_is_said() {
    for (text, says) in [
        (r#"{"lineage": {}}"#, "lineage: neither `file` nor `url` is set"),
        (r#"{"lineage": {"file": "a", "url": "http://b"}}"#, "leave one out"),
        (r#"{"lineage": {"file": "a", "namespace": ""}}"#, "lineage.namespace: it is empty"),
        (r#"{"traces": {"url": "http://a", "service": ""}}"#, "traces.service: it is empty"),
        (r#"{"traces": {"url": "http://a", "http": {"tries_max": 0}}}"#, "tries_max"),
    ] {
        let config: TelemetryConfig = serde_json::from_str(text).unwrap();
        let error: TelemetryError = config.check().unwrap_err();
        assert!(stele_model::error::in_full(&error).contains(says), "{text}: {error}");
    }
    assert!(serde_json::from_str::<TelemetryConfig>(r#"{"lineages": {}}"#).is_err());
}
