//! Sources, captures and watchers over HTTP: seen, tried, started, steered; and only by whose they are.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use stele_server::{HttpOptions, Tokens};
use stele_testkit::freshdesk::{Knobs, MockFreshdesk, Real};
use stele_testkit::server::{Reply, Server};

use crate::client::{get, post, request};
use crate::world::{World, local};

const ONE: &str = "token-of-tenant-one";
const TWO: &str = "token-of-tenant-two";
const READER: &str = "token-that-only-reads";

/// A service of five articles, of which one page is all.
pub fn news() -> Server {
    Server::new(|_, request| match request.path.starts_with("/articles") {
        true => {
            let articles: Vec<Value> = (1..=5).map(|id| json!({ "id": id, "about": "harbour" })).collect();
            Reply::Say(200, "", json!({ "data": articles }).to_string())
        }
        false => Reply::Say(500, "", "{\"message\":\"not today\"}".to_owned()),
    })
}

fn source(id: &str, url: &str, more: Value) -> Value {
    let mut source = json!({
        "source_id": id, "source_type": "api", "endpoint": url, "select": "$.data[*]", "key": ["id"],
        "retry": { "max": 1 }, "cost": { "per_call_usd": 0.001, "day_usd_max": 0.01 }, "cache": false,
    });
    source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    source
}

pub fn world(server: &Server) -> World {
    let at = |path: &str| format!("{}{path}", server.url);
    let sources = vec![
        source("news", &at("/articles"), json!({ "rate_limit": 50, "priority": 2 })),
        source("away", &at("/nothing"), json!({})),
        source("off", &at("/articles"), json!({ "enabled": false })),
        json!({ "source_id": "broken", "source_type": "teapot" }),
        source("secret", &at("/articles"), json!({ "headers": { "x-key": "${NOBODY_SET_THIS}" } })),
    ];
    World::unserved().with_sources(sources).service(local())
}

pub fn start(world: &World, body: &Value) -> Value {
    let queued = post(world.address, "/api/ingest/start", body, "");
    assert_eq!(queued.status, 200, "{body}: {}", queued.body);
    queued.json()
}

fn shown(world: &World, id: &str) -> Value {
    let found = get(world.address, &format!("/api/sources/{id}"), "");
    assert_eq!(found.status, 200, "{}", found.body);
    found.json()
}

#[test]
fn a_source_is_seen_started_and_followed() {
    let server = news();
    let world = world(&server);
    let list = get(world.address, "/api/sources", "").json();
    let ids: Vec<&str> =
        list["sources"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["away", "off", "news"], "by priority, then by id");
    let problems: Vec<&Value> =
        list["problems"].as_array().unwrap().iter().map(|problem| &problem["source_id"]).collect();
    assert_eq!(problems, ["broken", "secret"], "{list}");
    assert!(list["problems"][1]["why"].as_str().unwrap().contains("NOBODY_SET_THIS"), "{list}");
    let before = shown(&world, "news");
    assert_eq!((&before["state"], &before["last_run"]), (&json!("never"), &Value::Null), "{before}");
    assert_eq!(before["limits"], json!([{ "requests": 50, "per_s": 60.0 }]));
    assert_eq!(shown(&world, "off")["state"], "disabled");
    let next = &before["next_run"];
    assert_eq!((&next["likely"], &next["cost_usd"]), (&Value::Null, &Value::Null), "{next}");
    assert_eq!((&next["level"], &next["left_today_usd"]), (&json!("ok"), &json!(0.01)), "{next}");

    let queued = start(&world, &json!({ "source": "news", "tag": "t" }));
    let id = queued["job_ids"][0].as_str().unwrap();
    let waiting = shown(&world, "news");
    assert_eq!((&waiting["state"], &waiting["job"]["id"]), (&json!("queued"), &json!(id)), "{waiting}");
    let job = get(world.address, &format!("/api/jobs/{id}"), "").json();
    assert_eq!((&job["source"], &job["tag"]), (&json!("news"), &json!("t")), "{job}");
    // The queue has the name, and nothing of the configuration.
    let spec = world.job(id).spec;
    assert_eq!(spec.inputs.len(), 1);
    assert!(!serde_json::to_string(&spec).unwrap().contains("articles"), "{spec:?}");
    world.work();
    let done = shown(&world, "news");
    let run = &done["last_run"];
    assert_eq!(
        (&done["state"], &run["outcome"], &done["job"]),
        (&json!("ok"), &json!("ok"), &Value::Null),
        "{done}"
    );
    assert_eq!((&run["counts"]["calls"], &run["counts"]["unchanged"]), (&json!(1), &json!(0)), "{done}");
    assert_eq!(done["budget"]["bounds"][0]["setting"], "day_usd_max", "{done}");
    assert_eq!(
        (&done["budget"]["today_usd"], &done["budget"]["calls"]),
        (&json!(0.001), &json!(1)),
        "{done}"
    );
    // Five articles: what holds the cursor is none.
    assert_eq!((&run["counts"]["records"], &run["counts"]["tokens"]), (&json!(5), &json!(0)), "{done}");
    let next = &done["next_run"];
    assert_eq!((&next["likely"]["calls"], &next["cost_usd"]), (&json!(1), &json!(0.001)), "{next}");
    assert_eq!(next["left_today_usd"], json!(0.009), "{next}");
    let report = get(world.address, &format!("/api/jobs/{id}/report"), "").json()["report"].clone();
    assert_eq!((&report["source"]["id"], &report["state"]), (&json!("news"), &json!("done")), "{report}");
    assert_eq!(report["source"]["cost_usd"], json!(0.001), "{report}");
    for (path, says) in [
        (
            "/sources".to_owned(),
            vec![
                "source-news",
                "never collected",
                "about 1 call, 5 records, $0.0010",
                "of $0.01",
                "calls 1",
                "Collect news",
                "broken",
            ],
        ),
        (format!("/jobs/{id}"), vec!["/sources#source-news", "calls 1"]),
        (format!("/jobs/{id}/report"), vec!["Source news: ok", "cost $0.0010"]),
        ("/jobs".to_owned(), vec!["news"]),
    ] {
        let page = get(world.address, &path, "");
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        for text in says {
            assert!(page.body.contains(text), "{path} has no {text}:\n{}", page.body);
        }
    }
}

#[test]
fn all_sources_are_a_job_each_and_one_that_fails_is_none_that_is_empty() {
    let server = news();
    let world = world(&server);
    let queued = start(&world, &json!({ "all_sources": true, "priority_threshold": 1 }));
    assert_eq!(
        queued["job_ids"].as_array().unwrap().len(),
        1,
        "away, of which alone priority is 1: {queued}"
    );
    let queued = start(&world, &json!({ "all_sources": true }));
    assert_eq!(
        (queued["job_ids"].as_array().unwrap().len(), queued["duplicates"].as_array().unwrap().len()),
        (1, 1),
        "{queued}"
    );
    world.work();
    for (id, state, says) in [("news", "ok", ""), ("away", "failed", "500")] {
        let shown = shown(&world, id);
        let error = shown["last_error"].as_str().unwrap_or_default();
        assert!(shown["state"] == state && error.contains(says), "{shown}");
        assert_eq!(error.is_empty(), state == "ok", "{shown}");
    }
    let page = get(world.address, "/sources", "").body;
    assert!(page.contains("The last run failed") && page.contains("not today"), "{page}");
}

#[test]
fn a_source_is_tried_and_begins_anew() {
    let server = news();
    let world = world(&server);
    let check = |id: &str| post(world.address, &format!("/api/sources/{id}/check"), &json!({}), "");
    assert_eq!(check("news").json()["ok"], true);
    let away = check("away").json();
    assert!(away["ok"] == false && away["error"].as_str().unwrap().contains("500"), "{away}");
    for (id, status, says) in [("nobody", 404, "no such source"), ("broken", 404, "teapot")] {
        let refused = check(id);
        assert!(refused.status == status && refused.body.contains(says), "{}", refused.body);
        assert_eq!(refused.header("content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(get(world.address, &format!("/api/sources/{id}"), "").status, status);
        assert_eq!(post(world.address, "/api/ingest/start", &json!({ "source": id }), "").status, status);
    }
    let form = |to: &str, body: &str| {
        request(
            world.address,
            &format!("POST {to} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}", world.address),
            body,
        )
    };
    assert!(form("/sources/check", "source=news").body.contains("It can be collected"));
    assert!(form("/sources/check", "source=away").body.contains("It cannot be collected"));
    assert_eq!(form("/sources/check", "source=nobody").status, 404);
    let run = form("/sources/run", "source=news");
    assert!(run.status == 303 && run.header("location").unwrap().starts_with("/jobs/j"), "{}", run.head);
    world.work();
    let reset = |body: Value| post(world.address, "/api/sources/news/reset", &body, "");
    assert_eq!(reset(json!({})).status, 200);
    // While somebody has it, it is nobody else's.
    let lock = fs::File::create(world.path("data/sources/news.lock")).unwrap();
    lock.lock().unwrap();
    let taken = reset(json!({}));
    assert!(taken.status == 409 && taken.body.contains("being collected"), "{}", taken.body);
    drop(lock);
    assert_eq!(reset(json!({ "stream": "none of them" })).json()["streams"], json!([]));
}

#[test]
fn what_makes_no_sense_is_refused_as_a_problem() {
    let server = news();
    let world = world(&server);
    for (body, status) in [
        (json!({}), 400),
        (json!({ "source": "news", "all_sources": true }), 400),
        (json!({ "source": "news", "targets": ["/x"] }), 400),
        (json!({ "source": "news", "priority_threshold": 1 }), 400),
        (json!({ "all_sources": "yes" }), 400),
        (json!({ "targets": ["source://news"] }), 403),
        (json!({ "source": "../news" }), 404),
    ] {
        let refused = post(world.address, "/api/ingest/start", &body, "");
        assert_eq!(refused.status, status, "{body}: {}", refused.body);
        assert_eq!(refused.header("content-type").as_deref(), Some("application/problem+json"));
    }
    let job = json!({ "inputs": [{ "uri": "source://news" }] });
    assert_eq!(post(world.address, "/api/jobs", &job, "").status, 403);
    assert_eq!(get(world.address, "/api/sources?limit=0", "").status, 400);
    assert_eq!(get(world.address, "/api/sources?cursor=nobody", "").status, 400);
    let first = get(world.address, "/api/sources?limit=2", "").json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = get(world.address, &format!("/api/sources?limit=2&cursor={cursor}"), "").json();
    assert_eq!((&rest["sources"][0]["id"], &rest["next_cursor"]), (&json!("news"), &Value::Null));
}

/// Number 27: another tenant's, unknown, no such action.
#[test]
fn desk_27_a_source_of_another_tenant_is_as_unknown_as_none() {
    let server = news();
    let at = format!("{}/articles", server.url);
    let sources = vec![
        source("ones", &at, json!({ "tenant_id": "one" })),
        source("twos", &at, json!({ "tenant_id": "two" })),
        // Nobody of this service: the service's own tenant's, who is nobody here.
        source("nobodys", &at, json!({ "tenant_id": "three" })),
        json!({ "source_id": "broken", "source_type": "teapot" }),
    ];
    let file = format!(
        "[[token]]\nname = \"one\"\ntoken = \"{ONE}\"\ntenant = \"one\"\nmay = \"run\"\n\
         [[token]]\nname = \"two\"\ntoken = \"{TWO}\"\ntenant = \"two\"\nmay = \"run\"\n\
         [[token]]\nname = \"reader\"\ntoken = \"{READER}\"\ntenant = \"one\"\n"
    );
    let tokens = Tokens::parse(&file, "default").unwrap();
    let world = World::unserved().with_sources(sources).service(HttpOptions { tokens, ..local() });
    let address = world.address;
    for (token, theirs) in [(ONE, "ones"), (TWO, "twos")] {
        let list = get(address, "/api/sources", token);
        assert_eq!(list.json()["sources"].as_array().unwrap().len(), 1, "{}", list.body);
        assert_eq!(list.json()["sources"][0]["id"], theirs, "{}", list.body);
        assert!(!list.body.contains("broken") && !list.body.contains("nobodys"), "{}", list.body);
    }
    let start = |token: &str, id: &str| post(address, "/api/ingest/start", &json!({ "source": id }), token);
    let queued = start(ONE, "ones");
    let id = queued.json()["job_ids"][0].as_str().unwrap_or_else(|| panic!("{}", queued.body)).to_owned();
    for other in ["ones", "nobodys", "broken", "never was"] {
        let path = format!("/api/sources/{}", other.replace(' ', "%20"));
        let refused = get(address, &path, TWO);
        assert!(refused.status == 404 && !refused.body.contains("teapot"), "{other}: {}", refused.body);
        for verb in ["check", "reset"] {
            assert_eq!(
                post(address, &format!("{path}/{verb}"), &json!({}), TWO).status,
                404,
                "{other} {verb}"
            );
        }
        assert_eq!(start(TWO, other).status, 404, "{other}");
    }
    // The job as well, whatever is asked of it.
    assert_eq!(get(address, &format!("/api/jobs/{id}"), TWO).status, 404);
    let control = |token: &str, id: &str, action: &str| {
        post(address, &format!("/api/jobs/{id}/control"), &json!({ "action": action }), token).status
    };
    assert_eq!(control(TWO, &id, "cancel"), 404);
    assert_eq!(control(ONE, "j000000000000", "cancel"), 404);
    assert_eq!(control(ONE, &id, "explode"), 400);
    // Whoever only reads sees, and starts and steers nothing.
    assert_eq!(get(address, "/api/sources/ones", READER).status, 200);
    assert!(!get(address, "/sources", READER).body.contains("<form method=\"post\" action=\"/sources"));
    assert_eq!(start(READER, "ones").status, 403);
    for path in ["/api/sources/ones/check", "/api/sources/ones/reset", "/api/captures/x/control"] {
        assert_eq!(post(address, path, &json!({ "action": "stop" }), READER).status, 403, "{path}");
    }
    assert_eq!(control(ONE, &id, "pause"), 200);
    assert_eq!(get(address, "/api/sources/ones", ONE).json()["state"], "paused");
    assert_eq!(control(ONE, &id, "resume"), 200);
    world.work();
    assert_eq!(get(address, "/api/sources/ones", ONE).json()["state"], "ok");
    assert_eq!(get(address, "/api/sources/twos", TWO).json()["state"], "never");
    let counted = |token| {
        let query = json!({ "query": "SELECT count(*) AS n FROM events WHERE event_type = 'ones'" });
        post(address, "/api/sql", &query, token).json()["rows"][0]["n"].clone()
    };
    assert_eq!((counted(ONE), counted(TWO)), (json!(5), json!(0)));
    let system = |token| {
        let facts = get(address, "/api/system", token).json();
        ["record_count", "api_call_count", "active_sources"].map(|name| facts[name].as_u64().unwrap())
    };
    assert_eq!((system(ONE), system(TWO)), ([6, 1, 1], [0, 0, 1]));
}

#[test]
fn the_system_in_numbers_is_of_this_tenant() {
    let server = news();
    let world = world(&server);
    let system = || get(world.address, "/api/system", "").json();
    let before = system();
    assert_eq!((&before["lake_version"], &before["record_count"]), (&Value::Null, &json!(0)), "{before}");
    assert_eq!((&before["active_sources"], &before["source_count"]), (&json!(2), &json!(3)), "{before}");
    let rules = before["formats"].as_u64().unwrap() + before["contracts"].as_u64().unwrap();
    assert_eq!((&before["rule_count"], &before["contracts"]), (&json!(rules), &json!(0)), "{before}");
    start(&world, &json!({ "source": "news" }));
    world.work();
    let after = system();
    // The line that holds the cursor is a record of the lake.
    assert_eq!((&after["record_count"], &after["api_call_count"]), (&json!(6), &json!(1)), "{after}");
    assert_eq!(
        (&after["cost_usd"], &after["tokens"], &after["token_usage"]),
        (&json!(0.001), &json!(0), &json!(0))
    );
    assert_eq!(after["version"], env!("CARGO_PKG_VERSION"));
}

/// Number 30: only what belongs to the tenant and the platform, and only with the words that no answer tells.
#[test]
fn freshdesk_30_a_purge_needs_the_words_the_right_and_the_tenant() {
    let knobs = Knobs { tickets: 5, ..Knobs::default() };
    let mock = MockFreshdesk::start(knobs, Arc::new(Real::default()));
    let desk = |id: &str, tenant: &str| {
        json!({
            "source_id": id, "source_type": "freshdesk", "domain": mock.url, "allow_insecure": true,
            "api_key": "mock-key-1", "tenant_id": tenant, "streams": ["tickets", "conversations"],
            "rate": { "credits_per_minute": 90_000 },
        })
    };
    let file = format!(
        "[[token]]\nname = \"one\"\ntoken = \"{ONE}\"\ntenant = \"one\"\nmay = \"run\"\n\
         [[token]]\nname = \"two\"\ntoken = \"{TWO}\"\ntenant = \"two\"\nmay = \"run\"\n\
         [[token]]\nname = \"reader\"\ntoken = \"{READER}\"\ntenant = \"one\"\n"
    );
    let tokens = Tokens::parse(&file, "default").unwrap();
    let no_desk = source("news", &mock.url, json!({ "tenant_id": "one" }));
    // One that names no tenant is the service's own, whoever asks.
    let mut unnamed = desk("unnamed", "");
    unnamed.as_object_mut().unwrap().remove("tenant_id");
    let sources = vec![desk("ones", "one"), desk("twos", "two"), unnamed, no_desk];
    let world = World::unserved().with_sources(sources).service(HttpOptions { tokens, ..local() });
    let address = world.address;
    for (token, id) in [(ONE, "ones"), (TWO, "twos")] {
        assert_eq!(post(address, "/api/ingest/start", &json!({ "source": id }), token).status, 200);
    }
    world.work();
    let rows = |token: &str| {
        let query = json!({ "query": "SELECT count(*) AS n, count(integrated_content) AS said FROM integrated_objects" });
        let row = post(address, "/api/sql", &query, token).json()["rows"][0].clone();
        (row["n"].as_u64().unwrap(), row["said"].as_u64().unwrap())
    };
    assert_eq!((rows(ONE), rows(TWO)), ((5, 5), (5, 5)));
    let purge =
        |token: &str, id: &str, body: Value| post(address, &format!("/api/sources/{id}/purge"), &body, token);
    let plan = purge(ONE, "ones", json!({}));
    let told = plan.json();
    assert_eq!(
        (plan.status, &told["done"], &told["objects"]["ticket"], &told["sources"]),
        (200, &json!(false), &json!(5), &json!(["ones"])),
        "{}",
        plan.body
    );
    let right = {
        let day = std::process::Command::new("date").args(["-u", "+%Y%m%d"]).output().unwrap().stdout;
        format!("DELETE_one_freshdesk_{}", String::from_utf8(day).unwrap().trim())
    };
    assert!(!plan.body.contains(&right), "{}", plan.body);
    for wrong in ["", "DELETE_one_freshdesk", &right.replace("one", "two"), &right.to_lowercase()] {
        let refused = purge(ONE, "ones", json!({ "confirm": wrong }));
        assert_eq!(refused.status, 403, "{}", refused.body);
        assert!(
            !refused.body.contains(&right) && refused.body.contains("Nothing was removed"),
            "{}",
            refused.body
        );
    }
    assert_eq!(purge(ONE, "news", json!({})).status, 400);
    assert_eq!(purge(ONE, "nobody", json!({})).status, 404);
    // Whoever only reads, and another tenant, with the right words even.
    assert_eq!(purge(READER, "ones", json!({ "confirm": right })).status, 403);
    assert_eq!(purge(TWO, "ones", json!({ "confirm": right })).status, 404);
    assert_eq!(purge(ONE, "ones", json!({ "confirm": right, "backup": "/etc" })).status, 400);
    assert_eq!((rows(ONE), rows(TWO)), ((5, 5), (5, 5)));

    let done = purge(ONE, "ones", json!({ "confirm": right, "backup": true }));
    let told = done.json();
    assert_eq!(
        (done.status, &told["done"], &told["behind"]),
        (200, &json!(true), &Value::Null),
        "{}",
        done.body
    );
    let backup = std::path::PathBuf::from(told["backup"].as_str().unwrap());
    assert!(backup.join("backup.json").exists());
    assert_eq!((rows(ONE), rows(TWO)), ((0, 0), (5, 5)));
    // Once more there is nothing, and it is no error.
    assert_eq!(purge(ONE, "ones", json!({ "confirm": right })).json()["records"], 0);
}

#[test]
fn a_capture_is_seen_and_told_what_to_do() {
    let server = news();
    let world = world(&server);
    let dir = world.path("data/captures/feed");
    fs::create_dir_all(&dir).unwrap();
    let lock = fs::File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let status = json!({
        "capture": "feed", "target": "wss://feed.example/", "state": "listening", "since": 1, "cause": null, "epoch": 1,
        "durable_seq": 7, "queued_bytes": 0, "latency_us": null, "last_held": null, "lines": 8, "received": 6, "sent": 0,
        "received_bytes": 60, "connections": 1, "failures": 0, "gaps": 1, "missing": 2, "dropped": 0, "refused": 0,
        "stalls": 0, "stalled_ms": 0, "disk_failures": 0, "segments": 1, "segment_bytes": 80,
    });
    fs::write(dir.join("status.json"), status.to_string()).unwrap();
    let seen = || get(world.address, "/api/captures", "").json()["captures"][0].clone();
    let listening = seen();
    assert_eq!(
        (&listening["running"], &listening["state"], &listening["missing"]),
        (&json!(true), &json!("listening"), &json!(2)),
        "{listening}"
    );
    let tell = |name: &str, action: &str| {
        let path = format!("/api/captures/{name}/control");
        let told = post(world.address, &path, &json!({ "action": action }), "");
        (told.status, told.body)
    };
    assert_eq!(tell("feed", "explode").0, 400);
    assert_eq!(tell("nobody", "stop").0, 404);
    assert_eq!(tell("..%2ffeed", "stop").0, 404);
    let page = get(world.address, "/sources", "").body;
    assert!(page.contains("Pause feed") && page.contains("wss:"), "{page}");
    assert_eq!(tell("feed", "pause").0, 200);
    assert_eq!(fs::read_to_string(dir.join("control")).unwrap(), "pause");
    assert_eq!(seen()["told"], true);
    // It has not obeyed yet: the second word would take the place of the first.
    let (status, body) = tell("feed", "stop");
    assert!(status == 409 && body.contains("not obeyed yet"), "{body}");
    assert_eq!(fs::read_to_string(dir.join("control")).unwrap(), "pause");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 3, "nothing is left beside it");
    fs::remove_file(dir.join("control")).unwrap();
    drop(lock);
    // Whoever was killed says nothing any more, whatever it said last.
    assert_eq!((&seen()["running"], &seen()["state"]), (&json!(false), &json!("ended")));
    let (status, body) = tell("feed", "stop");
    assert!(status == 409 && body.contains("it has ended"), "{body}");
}

#[test]
fn watchers_are_seen() {
    let server = news();
    let world = world(&server);
    let dir = world.path("spool");
    fs::create_dir_all(&dir).unwrap();
    world.watch("inbox", &dir);
    let watcher = get(world.address, "/api/watchers", "").json()["watchers"][0].clone();
    assert_eq!((&watcher["name"], &watcher["kind"]), (&json!("inbox"), &json!("spool")), "{watcher}");
    assert!(watcher["target"].as_str().unwrap().ends_with("/spool"), "{watcher}");
    assert!(get(world.address, "/sources", "").body.contains("inbox"));
}
