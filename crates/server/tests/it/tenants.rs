//! A token sees what its tenant has, everywhere, and nothing of others.

use serde_json::{Value, json};
use stele_server::{HttpOptions, Tokens};

use crate::client::{Response, get, message, post, request};
use crate::world::{World, local};

const ONE: &str = "token-of-tenant-one";
const TWO: &str = "token-of-tenant-two";
const READER: &str = "token-that-only-reads";

/// What only one of them has, in every place where something could be told.
const MARKS: [&str; 4] = ["onesecret", "oneevent", "onegame", "onefile"];

fn world() -> World {
    let source = |tenant: &str| {
        json!({ "source_id": format!("{tenant}secret-desk"), "source_type": "api", "endpoint": "http://127.0.0.1:9/x",
            "tenant_id": tenant })
    };
    let world = World::unserved().with_sources(vec![source("one"), source("two")]);
    let record = |tenant: &str, number: usize| {
        format!(
            "{{\"event\":\"{tenant}event\",\"gameId\":\"{tenant}game\",\"data\":{{\"{tenant}secret\":\"{tenant}secret {number}\"}}}}\n"
        )
    };
    for tenant in ["one", "two"] {
        let mut text: String = (0..20).map(|number| record(tenant, number)).collect();
        text.push_str(&format!("{{\"{tenant}secret is damaged\n"));
        world.ingest_of(&world.engine_of(tenant), &format!("{tenant}file.jsonl"), &text);
        let document = format!("# {tenant}secret\n\nRun `{tenant}secret --go`.\n");
        world.ingest_of(&world.engine_of(tenant), &format!("{tenant}file.md"), &document);
        world
            .engine_of(tenant)
            .index_build(&stele_engine::NoProgress, &stele_engine::Cancel::default())
            .unwrap();
    }
    let file = format!(
        "[[token]]\nname = \"one\"\ntoken = \"{ONE}\"\ntenant = \"one\"\nmay = \"run\"\nrequests_per_minute = 1000000\n\
         [[token]]\nname = \"two\"\ntoken = \"{TWO}\"\ntenant = \"two\"\nmay = \"run\"\nrequests_per_minute = 1000000\n\
         [[token]]\nname = \"reader\"\ntoken = \"{READER}\"\ntenant = \"two\"\nrequests_per_minute = 1000000\n"
    );
    let tokens = Tokens::parse(&file, "default").unwrap();
    world.service(HttpOptions { tokens, ..local() })
}

/// Arguments that would show something of tenant one if anything did.
fn arguments(path: &str) -> &'static [&'static str] {
    match path {
        "/api/search" => &["query=onesecret", "query=onesecret&arm=text", "query=onegame&arm=text&kind=game"],
        "/api/coverage" => &["", "recount=true"],
        "/api/schemas" => &["", "event=oneevent"],
        "/api/schemas/drift" => &["", "from=0", "from=1"],
        "/api/fields" => &["event=oneevent"],
        "/api/fields/explain" => &["path=onesecret", "path=data.onesecret&event=oneevent"],
        "/api/examples" => &["event=oneevent", "path=data.onesecret", "path=data.twosecret"],
        "/api/excerpt" => &["source=onefile.jsonl&line=1", "source=onefile.md&line=1"],
        "/api/quarantine" => &["", "source=onefile.jsonl"],
        "/api/graph/neighbors" | "/api/graph/show" => &["name=onesecret", "name=oneevent", "name=onegame"],
        "/api/graph/path" => &["from=onesecret&to=oneevent"],
        "/api/graph/section" => &["section=onesecret"],
        "/api/status"
        | "/api/events"
        | "/api/ingest/status"
        | "/api/jobs"
        | "/api/sources"
        | "/api/captures"
        | "/api/watchers"
        | "/api/metrics/summary"
        | "/api/system"
        | "/ready"
        | "/health"
        | "/metrics"
        | "/openapi.json" => &[""],
        "/" | "/jobs" | "/sources" | "/coverage" | "/sql" | "/docs" => {
            &["", "recount=true", "query=SELECT * FROM events"]
        }
        "/coverage/event" => &["name=oneevent"],
        "/coverage/field" => &["event=oneevent&path=data.onesecret", "path=onesecret"],
        "/coverage/drift" => &["from=0"],
        "/excerpt" => &["source=onefile.jsonl&line=1"],
        "/search" => &["query=onesecret"],
        "/graph" | "/graph/picture" => &["name=onesecret"],
        "/quarantine" => &["", "source=onefile.jsonl"],
        _ => panic!("{path} is new: what would show something of another tenant there?"),
    }
}

/// Pages that are not in the document.
const PAGES: [&str; 14] = [
    "/",
    "/jobs",
    "/sources",
    "/coverage",
    "/coverage/event",
    "/coverage/field",
    "/coverage/drift",
    "/excerpt",
    "/search",
    "/graph",
    "/graph/picture",
    "/sql",
    "/quarantine",
    "/docs",
];

/// Every path of the document, with its methods.
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
    });
    all.collect()
}

/// What is asked is said back, and is no leak; what is beside it is.
fn leak(response: &Response, asked: &str) -> Option<String> {
    let asked = asked.to_lowercase();
    let body = response.body.to_lowercase();
    let mark = MARKS.iter().find(|mark| body.contains(**mark) && !asked.contains(**mark))?;
    Some(format!("{mark} in {}", response.body))
}

#[test]
fn nothing_of_another_tenant_is_told_anywhere() {
    let world = world();
    let address = world.address;
    let document = get(address, "/openapi.json", TWO).json();
    let mut tried = 0;
    let gets = operations(&document).into_iter().filter(|(_, method)| method == "get").map(|(path, _)| path);
    for path in gets.chain(PAGES.map(str::to_owned)).filter(|path| !path.contains('{')) {
        for query in arguments(&path) {
            let full =
                if query.is_empty() { path.clone() } else { format!("{path}?{}", query.replace(' ', "%20")) };
            let (mine, others) = (get(address, &full, ONE), get(address, &full, TWO));
            assert_eq!(leak(&others, &full), None, "{full} as tenant two");
            assert!(others.status < 500 || others.status == 503, "{full}: {} {}", others.status, others.body);
            // The same question does show something to the one whose it is, or it would prove nothing.
            if query.contains("one") && path != "/api/graph/section" {
                assert_eq!(mine.status, 200, "{full} as tenant one: {}", mine.body);
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");

    for query in [
        "SELECT * FROM events",
        "SELECT * FROM files",
        "SELECT * FROM quarantine",
        "SELECT * FROM residue",
        "SELECT * FROM games",
        "SELECT * FROM sessions",
        "SELECT * FROM event_counts",
        "SELECT * FROM counts",
        "SELECT * FROM entities",
        "SELECT * FROM documents",
        "SELECT * FROM sections",
        "SELECT * FROM edges",
        "SELECT * FROM events WHERE tenant_id = 'one'",
        "SELECT * FROM events WHERE true OR tenant_id = 'one'",
    ] {
        let response = post(address, "/api/sql", &json!({ "query": query, "limit": 1000 }), TWO);
        assert_eq!(response.status, 200, "{query}: {}", response.body);
        assert_eq!(leak(&response, ""), None, "{query}");
    }
    let counted = |token| {
        let answer =
            post(address, "/api/sql", &json!({ "query": "SELECT count(*) AS n FROM events" }), token);
        answer.json()["rows"][0]["n"].clone()
    };
    assert_eq!((counted(ONE), counted(TWO)), (json!(20), json!(20)));
    assert_eq!(get(address, "/api/metrics/summary", TWO).json()["records"], 20);
    assert_eq!(get(address, "/api/system", TWO).json()["record_count"], 20);
    assert_eq!(get(address, "/api/coverage", TWO).json()["rejected_lines"], 1);
}

#[test]
fn agents_meet_the_tools_of_their_tenant() {
    let world = world();
    let address = world.address;
    for (tool, arguments) in [
        ("list_events", json!({})),
        ("ingest_status", json!({})),
        ("search", json!({ "query": "twosecret", "arm": "text" })),
        ("find_examples", json!({ "path": "event" })),
        ("sql", json!({ "query": "SELECT raw, source FROM events" })),
    ] {
        let params = json!({ "name": tool, "arguments": arguments });
        let more = format!("\r\nMcp-Name: {tool}\r\nAuthorization: Bearer {TWO}");
        let head = crate::client::head(address, "tools/call", &more);
        let response = request(address, &head, &message("tools/call", params).to_string());
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(leak(&response, ""), None, "{tool}");
        assert!(response.body.contains("two"), "{tool}: {}", response.body);
    }
}

#[test]
fn without_a_token_nothing_is_told_anywhere() {
    let world = world();
    let address = world.address;
    let document = get(address, "/openapi.json", ONE).json();
    let open = ["/health", "/ready"];
    for (path, method) in operations(&document) {
        let at = path.replace("{id}", "j000000000000").replace("{name}", "feed");
        for token in ["", "token-of-tenant-on", "token-of-tenant-onee", "\u{e9}\u{e9}"] {
            let response = match &*method {
                "get" => get(address, &at, token),
                _ => post(address, &at, &json!({}), token),
            };
            if open.contains(&&*path) {
                assert_ne!(response.status, 401, "{method} {path}");
                assert_eq!(leak(&response, ""), None);
                continue;
            }
            assert_eq!(response.status, 401, "{method} {path} {token}: {}", response.body);
            assert_eq!(response.json()["code"], "unauthorized");
            assert_eq!(response.header("www-authenticate").as_deref(), Some("Bearer"));
        }
    }
    for path in PAGES {
        let response = get(address, path, "");
        assert_eq!(
            (response.status, response.header("location").as_deref()),
            (303, Some("/sign-in")),
            "{path}"
        );
    }
    assert_eq!(
        get(address, "/ready", "").json(),
        json!({ "ready": get(address, "/ready", "").json()["ready"] })
    );
    let head = crate::client::head(address, "tools/list", "");
    assert_eq!(request(address, &head, &message("tools/list", json!({})).to_string()).status, 401);
}

#[test]
fn who_may_only_ask_can_run_nothing() {
    let world = world();
    let address = world.address;
    let document = get(address, "/openapi.json", READER).json();
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["x-right"] != "run" {
                // Whatever is posted and is no question has to be behind the right.
                assert!(method == "get" || path == "/api/sql", "{method} {path} needs no right");
                continue;
            }
            let at = path.replace("{id}", "j000000000000").replace("{name}", "feed");
            let response = post(address, &at, &json!({ "action": "cancel" }), READER);
            assert_eq!((response.status, &response.json()["code"]), (403, &json!("forbidden")), "{path}");
            tried += 1;
        }
    }
    assert_eq!(tried, 7);
    let forms =
        ["/jobs/start", "/jobs/j000000000000/control", "/sources/run", "/sources/check", "/captures/control"];
    for path in forms {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {READER}");
        assert_eq!(request(address, &head, "action=cancel&targets=/").status, 403, "{path}");
    }
}

#[test]
fn jobs_of_another_tenant_are_not_there() {
    let world = world();
    let address = world.address;
    let target = world.path("in/onefile.jsonl");
    std::fs::write(&target, "{\"event\":\"a\"}\n").unwrap();
    let queued = post(address, "/api/ingest/start", &json!({ "targets": [target], "tag": "onesecret" }), ONE);
    let id = queued.json()["job_ids"][0].as_str().unwrap().to_owned();
    for path in ["", "/report", "/events"] {
        let at = format!("/api/jobs/{id}{path}");
        assert_eq!(get(address, &at, ONE).status, 200, "{at}: {}", get(address, &at, ONE).body);
        assert_eq!(get(address, &at, TWO).status, 404, "{at}");
    }
    for path in [format!("/jobs/{id}"), format!("/jobs/{id}/report")] {
        assert_eq!((get(address, &path, ONE).status, get(address, &path, TWO).status), (200, 404), "{path}");
    }
    let control = post(address, &format!("/api/jobs/{id}/control"), &json!({ "action": "cancel" }), TWO);
    assert_eq!(control.status, 404, "{}", control.body);
    assert_eq!(get(address, "/api/jobs", TWO).json()["jobs"], json!([]));
    assert_eq!(get(address, "/api/ingest/status", TWO).json()["jobs"]["queued"], 0);
    assert_eq!(get(address, "/api/ingest/status", ONE).json()["jobs"]["queued"], 1);
    assert_eq!(get(address, &format!("/api/jobs?cursor={id}"), TWO).status, 404);
}
