//! Every endpoint answers what is known of this world, in the form that the document promises.

use serde_json::{Value, json};
use stele_server::{DiskWanted, HttpOptions};

use crate::client::{Response, get, post};
use crate::world::{RARE_EVENTS, TICKS, World, local, service, wait};

/// The schema of an answer in the document.
fn schema_of(document: &Value, path: &str, method: &str, status: u16) -> Value {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} is not in the document");
    let content = &operation["responses"][status.to_string()]["content"];
    let media_type =
        if status == 200 || path == "/ready" { "application/json" } else { "application/problem+json" };
    let mut schema = content[media_type]["schema"].clone();
    assert!(schema.is_object(), "{method} {path} {status} has no schema: {content}");
    schema["components"] = document["components"].clone();
    schema
}

#[track_caller]
fn check_form(document: &Value, path: &str, method: &str, response: &Response) {
    let schema = schema_of(document, path, method, response.status);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let answer = response.json();
    let errors: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{method} {path} {}: {errors:?}\n{answer}", response.status);
}

#[test]
fn every_endpoint_answers_as_the_document_says() {
    let address = service().address;
    let document = get(address, "/openapi.json", "").json();
    assert!(!document.to_string().contains("\"enum\":null"), "a schema that others refuse");
    let records = TICKS + RARE_EVENTS + 2;
    let mut asked = std::collections::BTreeSet::new();
    // Path in the document, what is asked, where in the answer to look, what is there.
    for (path, query, pointer, expect) in [
        ("/health", "", "/status", json!("ok")),
        ("/ready", "", "/ready", json!(true)),
        ("/api/search", "?query=crane&arm=text", "/results/0/text", Value::Null),
        ("/api/coverage", "", "/records", json!(records)),
        ("/api/coverage", "?recount=true", "/proof/holds", json!(true)),
        ("/api/status", "", "/ledger/balances", json!(true)),
        ("/api/events", "?limit=1", "/events/0/name", json!("tick")),
        ("/api/schemas", "?event=tick", "/schemas/tick/type", json!("object")),
        ("/api/schemas/drift", "?from=1", "/from", json!(1)),
        ("/api/fields", "?event=tick&limit=5", "/records", json!(TICKS)),
        ("/api/fields/explain", "?path=price&event=tick", "/fields/0/path", json!("data.price")),
        ("/api/examples", "?event=chat", "/examples/0/event", json!("chat")),
        ("/api/excerpt", "?source=game.jsonl&line=2&before=0&after=0", "/lines/0/line", json!(2)),
        ("/api/quarantine", "", "/lines/0/hex", json!("7B226576656E74223A2262726F6B656E222C")),
        ("/api/quarantine", "?source=game.jsonl", "/total", json!(1)),
        ("/api/graph/neighbors", "?name=crane&depth=2", "/of/name", json!("crane")),
        ("/api/graph/path", "?from=crane&to=--load", "/from/name", json!("crane")),
        ("/api/graph/show", "?name=crane", "/of/name", json!("crane")),
        ("/api/ingest/status", "", "/jobs/queued", json!(0)),
        ("/api/jobs", "", "/next_cursor", Value::Null),
        ("/api/sources", "", "/sources", json!([])),
        ("/api/captures", "", "/captures", json!([])),
        ("/api/watchers", "", "/watchers", json!([])),
        ("/api/metrics/summary", "", "/records", json!(records)),
        ("/api/system", "", "/record_count", json!(records)),
    ] {
        let response = get(address, &format!("{path}{query}"), "");
        assert_eq!(response.status, 200, "{path}{query}: {}", response.body);
        check_form(&document, path, "get", &response);
        let answer = response.json();
        let found = answer.pointer(pointer);
        assert!(found.is_some(), "{path}{query}: nothing at {pointer}: {answer}");
        assert!(expect.is_null() || found == Some(&expect), "{path}{query}: {pointer} in {answer}");
        asked.insert(format!("get {path}"));
    }
    let section = get(address, "/api/search?query=lift&arm=text&kind=section", "").json();
    let id = section["results"][0]["section"].as_str().unwrap().to_owned();
    let response = get(address, &format!("/api/graph/section?section={id}"), "");
    assert_eq!(response.json()["title"], "crane", "{}", response.body);
    check_form(&document, "/api/graph/section", "get", &response);

    let response = post(address, "/api/sql", &json!({ "query": "SELECT count(*) AS n FROM events" }), "");
    assert_eq!(response.json()["rows"][0]["n"], records, "{}", response.body);
    check_form(&document, "/api/sql", "post", &response);

    // What is asked elsewhere: with a queue that changes, or as text.
    let elsewhere = [
        "get /metrics",
        "get /openapi.json",
        "get /api/graph/section",
        "post /api/sql",
        "post /api/ingest/start",
        "post /api/jobs",
        "get /api/jobs/{id}",
        "get /api/jobs/{id}/report",
        "get /api/jobs/{id}/events",
        "post /api/jobs/{id}/control",
        "get /api/sources/{id}",
        "post /api/sources/{id}/check",
        "post /api/sources/{id}/purge",
        "post /api/sources/{id}/reset",
        "post /api/captures/{name}/control",
    ];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let name = format!("{method} {path}");
            assert!(asked.contains(&name) || elsewhere.contains(&&*name), "{name} is not tried here");
        }
    }
}

#[test]
fn what_makes_no_sense_is_said_in_the_form_of_a_problem() {
    let address = service().address;
    let document = get(address, "/openapi.json", "").json();
    for (path, query, status, code) in [
        ("/api/search", "", 400, "bad_request"),
        ("/api/search", "?query=", 400, "bad_request"),
        ("/api/search", "?query=a&colour=red", 400, "bad_request"),
        ("/api/search", "?query=a&top=0", 400, "bad_request"),
        ("/api/search", "?query=a&top=many", 400, "bad_request"),
        ("/api/search", "?query=a&arm=left", 400, "bad_request"),
        ("/api/search", "?query=a&cursor=c1.1.1.0.0000", 400, "bad_request"),
        ("/api/fields", "?event=nope", 404, "not_found"),
        ("/api/fields/explain", "?path=nope.nope", 404, "not_found"),
        ("/api/schemas", "?event=nope", 404, "not_found"),
        ("/api/schemas/drift", "?from=99&to=99", 404, "not_found"),
        ("/api/schemas/drift", "?from=2&to=1", 400, "bad_request"),
        ("/api/excerpt", "?source=nope&line=1", 404, "not_found"),
        ("/api/excerpt", "?source=game.jsonl&line=99999", 404, "not_found"),
        ("/api/quarantine", "?reason=nope", 404, "not_found"),
        ("/api/graph/show", "?name=nope", 404, "not_found"),
        ("/api/graph/neighbors", "?name=crane&kinds=NOPE", 400, "bad_request"),
        ("/api/jobs", "?state=nope", 400, "bad_request"),
        ("/api/jobs", "?cursor=j000000000000", 404, "not_found"),
    ] {
        let response = get(address, &format!("{path}{query}"), "");
        assert_eq!(response.status, status, "{path}{query}: {}", response.body);
        check_form(&document, path, "get", &response);
        let problem = response.json();
        assert_eq!(problem["code"], code, "{path}{query}: {problem}");
        assert!(problem["next"].is_string(), "{path}{query} says nothing of what to do: {problem}");
        assert_eq!(response.header("content-type").as_deref(), Some("application/problem+json"));
    }
    for (query, status) in [
        ("SELECT", 400),
        ("SELECT * FROM nowhere", 400),
        ("DROP TABLE events", 403),
        ("SELECT * FROM read_csv('/etc/passwd')", 403),
        ("COPY events TO '/tmp/x'", 403),
        ("", 400),
    ] {
        let response = post(address, "/api/sql", &json!({ "query": query }), "");
        assert_eq!(response.status, status, "{query}: {}", response.body);
        check_form(&document, "/api/sql", "post", &response);
    }
}

#[test]
fn addresses_that_are_not_there_are_said_so() {
    let address = service().address;
    for (path, status) in
        [("/api/nope", 404), ("/api/search/", 404), ("/api", 404), ("/mcp/x", 404), ("/nope", 404)]
    {
        let response = get(address, path, "");
        assert_eq!(response.status, status, "{path}: {}", response.body);
        let is_page = response.header("content-type").unwrap().starts_with("text/html");
        assert_eq!(is_page, !path.starts_with("/api"), "{path}");
    }
    let response = post(address, "/api/search", &json!({}), "");
    assert_eq!((response.status, &response.json()["code"]), (405, &json!("method_not_allowed")));
    let head = format!("POST /api/sql HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain");
    assert_eq!(crate::client::request(address, &head, "{}").status, 415);
    let head = format!("POST /api/sql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json");
    for body in ["", "[]", "{", "\u{0}", "7"] {
        assert_eq!(crate::client::request(address, &head, body).status, 400, "{body}");
    }
    let response = crate::client::request(address, &format!("HEAD /health HTTP/1.1\r\nHost: {address}"), "");
    assert_eq!((response.status, &*response.body), (200, ""));
}

#[test]
fn it_is_not_ready_until_everything_is_there_and_says_why() {
    let world = World::unserved().service(local());
    let check = |codes: &[&str]| {
        let response = get(world.address, "/ready", "");
        let found = response.json();
        let have: Vec<&str> =
            found["reasons"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(
            (response.status, &have[..]),
            (if codes.is_empty() { 200 } else { 503 }, codes),
            "{found}"
        );
        assert!(
            found["reasons"]
                .as_array()
                .unwrap()
                .iter()
                .all(|one| one["next"].as_str().is_some_and(|next| !next.is_empty()))
        );
        // What was found is believed for a second.
        wait(1100);
    };
    check(&["no_lake"]);
    assert_eq!(get(world.address, "/health", "").status, 200);
    assert_eq!(get(world.address, "/", "").status, 200, "the overview says it, too");
    let response = get(world.address, "/api/events", "");
    assert_eq!((response.status, &response.json()["code"]), (503, &json!("unavailable")));

    world
        .engine()
        .ingest(
            &[{
                let path = world.path("a.jsonl");
                std::fs::write(&path, "{\"event\":\"a\"}\n").unwrap();
                path.display().to_string()
            }],
            &stele_engine::IngestOptions::default(),
            &stele_engine::NoProgress,
            &stele_engine::Cancel::default(),
        )
        .unwrap();
    let codes = get(world.address, "/ready", "").json();
    assert_eq!(codes["ready"], false, "{codes}");
    world.index();
    wait(1100);
    check(&[]);
    world.ingest("b.jsonl", "{\"event\":\"b\"}\n");
    let behind = get(world.address, "/ready", "").json();
    assert_eq!(behind["ready"], false, "{behind}");
    world.index();
    wait(1100);
    check(&[]);
}

#[test]
fn a_disk_that_is_nearly_full_is_a_reason() {
    let disk = DiskWanted { least: u64::MAX, ..DiskWanted::default() };
    let world = World::unserved().service(HttpOptions { disk, ..local() });
    let found = get(world.address, "/ready", "").json();
    let codes: Vec<&Value> = found["reasons"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["no_lake", "disk"], "{found}");
    assert!(get(world.address, "/", "").body.contains("Nothing has been ingested yet"));
}
