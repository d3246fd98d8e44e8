//! Jobs over HTTP: started, seen, followed, steered; and only from where they may come.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{get, post, request};
use crate::world::{World, local};

fn world() -> (World, String) {
    let world = World::unserved().service(local());
    let target = world.path("in/a.jsonl");
    std::fs::write(&target, "{\"event\":\"a\"}\n").unwrap();
    (world, target.display().to_string())
}

#[track_caller]
fn started(world: &World, target: &str) -> String {
    let queued = post(world.address, "/api/ingest/start", &json!({ "targets": [target], "tag": "t" }), "");
    assert_eq!(queued.status, 200, "{}", queued.body);
    queued.json()["job_ids"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_job_is_started_seen_and_steered() {
    let (world, target) = world();
    let id = started(&world, &target);
    let job = get(world.address, &format!("/api/jobs/{id}"), "").json();
    assert_eq!(
        (&job["state"], &job["origin"], &job["tag"]),
        (&json!("queued"), &json!("http"), &json!("t")),
        "{job}"
    );
    assert!(job["inputs"][0].as_str().unwrap().ends_with("in/a.jsonl"), "{job}");
    assert!(!job["cause"].as_str().unwrap().is_empty() && !job["next_action"].as_str().unwrap().is_empty());
    assert_eq!(get(world.address, "/api/jobs", "").json()["jobs"][0]["id"], json!(id));
    assert_eq!(get(world.address, "/api/jobs?state=done", "").json()["jobs"], json!([]));
    assert_eq!(get(world.address, "/api/ingest/status", "").json()["jobs"]["queued"], 1);
    assert_eq!(get(world.address, &format!("/api/jobs/{id}/report"), "").json()["report"], Value::Null);
    let control = |action: &str| {
        let response =
            post(world.address, &format!("/api/jobs/{id}/control"), &json!({ "action": action }), "");
        (response.status, response.json())
    };
    assert_eq!(control("pause").1["paused"], true);
    assert_eq!(control("resume").1["paused"], false);
    let (status, problem) = control("nope");
    assert_eq!((status, &problem["title"]), (400, &json!("There is no such action.")), "{problem}");
    assert_eq!(control("cancel").1["state"], "cancelled");
    assert_eq!(control("retry").1["state"], "queued");
    let page = get(world.address, &format!("/jobs/{id}"), "");
    assert!(page.body.contains("data-events") && page.body.contains("value=\"cancel\""), "{}", page.body);
    for path in ["/jobs", &format!("/jobs/{id}/report")] {
        assert_eq!(get(world.address, path, "").status, 200, "{path}");
    }
}

#[test]
fn a_report_is_given_as_it_was_written() {
    let (world, target) = world();
    let id = started(&world, &target);
    let dir = world.path("data").join("manifests/jobs").join(&id);
    std::fs::create_dir_all(&dir).unwrap();
    world.ingest("b.jsonl", "{\"event\":\"<i>\"}\n");
    let job = world.job(&id);
    let report = world.engine().report_now(&job).unwrap();
    std::fs::write(dir.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let given = get(world.address, &format!("/api/jobs/{id}/report"), "").json();
    assert_eq!(
        (&given["report"]["job"], &given["report"]["inputs_total"]),
        (&json!(id), &json!(1)),
        "{given}"
    );
    let page = get(world.address, &format!("/jobs/{id}/report"), "").body;
    assert!(
        page.contains("ready for queries") && page.contains("1 input") && !page.contains("<i>"),
        "{page}"
    );
    std::fs::write(dir.join("report.json"), "{ cut").unwrap();
    assert_eq!(get(world.address, &format!("/api/jobs/{id}/report"), "").status, 500);
}

#[test]
fn the_same_state_of_an_input_is_not_done_twice() {
    let (world, target) = world();
    let spec = json!({ "inputs": [{ "uri": target, "checksum": "abc" }] });
    let first = post(world.address, "/api/jobs", &spec, "").json();
    let second = post(world.address, "/api/jobs", &spec, "").json();
    assert_eq!(second["job_ids"], json!([]), "{second}");
    assert_eq!(second["duplicates"][0]["job_id"], first["job_ids"][0], "{second}");
    let other = json!({ "inputs": [{ "uri": target, "checksum": "def" }] });
    assert_eq!(post(world.address, "/api/jobs", &other, "").json()["job_ids"].as_array().unwrap().len(), 1);
}

#[test]
fn only_what_lies_below_an_allowed_directory_is_ingested() {
    let (world, target) = world();
    std::fs::write(world.path("secret"), "x").unwrap();
    let root = world.path("in").display().to_string();
    std::os::unix::fs::symlink(world.path("secret"), world.path("in/link")).unwrap();
    for (targets, status) in [
        (json!([target]), 200),
        (json!([root]), 200),
        (json!([format!("{root}/../secret")]), 403),
        (json!([format!("{root}/link")]), 403),
        (json!([target, "/etc/passwd"]), 403),
        (json!(["/etc"]), 403),
        (json!(["https://a.example/x"]), 403),
        (json!(["a.jsonl"]), 400),
        (json!([format!("{root}/nope")]), 404),
        (json!([]), 400),
        (json!([7]), 400),
        (json!("x"), 400),
    ] {
        let response = post(world.address, "/api/ingest/start", &json!({ "targets": targets }), "");
        assert_eq!(response.status, status, "{targets}: {}", response.body);
        let inputs = json!({ "inputs": targets.as_array().map(|all| all.iter().map(|uri| json!({ "uri": uri })).collect::<Vec<_>>()) });
        let response = post(world.address, "/api/jobs", &inputs, "");
        assert_eq!(response.status, status, "{inputs}: {}", response.body);
    }
    let form = format!("POST /jobs/start HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}", world.address);
    assert_eq!(request(world.address, &form, "targets=%2Fetc%2Fpasswd").status, 403);
}

/// All lists go on the same way.
#[test]
fn the_list_comes_in_pages() {
    let (world, target) = world();
    let other = world.path("in/b.jsonl");
    std::fs::write(&other, "{\"event\":\"b\"}\n").unwrap();
    let ids = [started(&world, &target), started(&world, &other.display().to_string())];
    let first = get(world.address, "/api/jobs?limit=1", "").json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(world.address, &format!("/api/jobs?limit=1&cursor={cursor}"), "").json();
    assert_eq!((&first["jobs"][0]["id"], &second["jobs"][0]["id"]), (&json!(ids[1]), &json!(ids[0])));
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(get(world.address, "/api/jobs?before=j000000000000", "").status, 400);
}

/// What the queue has to say is said, and what was lost with it is only what was in it.
#[test]
fn a_queue_that_fails_is_a_reason() {
    let (world, target) = world();
    let remove = || {
        for name in ["data/state.db", "data/state.db-wal", "data/state.db-shm"] {
            let _ = std::fs::remove_file(world.path(name));
        }
    };
    let reasons = || {
        // What was found a moment ago is believed.
        crate::world::wait(1_500);
        let ready = get(world.address, "/ready", "").json();
        let codes = ready["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].clone());
        (codes.collect::<Vec<Value>>(), ready.to_string())
    };
    remove();
    started(&world, &target);
    assert_eq!(get(world.address, "/api/jobs", "").json()["jobs"].as_array().unwrap().len(), 1);
    assert!(!reasons().0.contains(&json!("queue")));
    remove();
    std::fs::write(world.path("data/state.db"), "garbage, and long enough to be looked at").unwrap();
    let refused = post(world.address, "/api/ingest/start", &json!({ "targets": [target] }), "");
    assert!(refused.status == 503 && refused.body.contains("move the file away"), "{}", refused.body);
    assert!(!refused.body.contains("code:"), "{}", refused.body);
    let (codes, text) = reasons();
    assert!(codes.contains(&json!("queue")) && text.contains("not a database"), "{text}");
    // How many wait nobody knows now.
    let metrics = get(world.address, "/metrics", "").body;
    assert!(!metrics.contains("ingest_queue_depth{"), "{metrics}");
    remove();
    started(&world, &target);
    assert!(!reasons().0.contains(&json!("queue")));
}

/// Not by its name, not through a link, and not with the directory around it.
#[test]
fn what_is_the_services_own_is_not_ingested() {
    let (world, _) = world();
    let root = world.path("in").display().to_string();
    std::os::unix::fs::symlink(world.path("data"), world.path("in/door")).unwrap();
    for target in
        [format!("{root}/door"), format!("{root}/door/state.db"), format!("{root}/door/state.db-wal")]
    {
        let refused = post(world.address, "/api/ingest/start", &json!({ "targets": [target] }), "");
        assert_eq!(refused.status, 403, "{target}: {}", refused.body);
    }
}

/// The lines of a stream, as a browser asks for it. One that neither tells anything nor ends fails the test: its signs of
/// life are further apart than what is waited for a line.
fn listen(world: &World, id: &str, more: &str) -> impl Iterator<Item = String> + use<> {
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!(
        "GET /api/jobs/{id}/events HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\
         Connection: close{more}\r\n\r\n",
        world.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    BufReader::new(stream).lines().map(|line| line.expect("more, or an end"))
}

/// The next event of a kind.
#[track_caller]
fn next(lines: &mut impl Iterator<Item = String>, want: &str) -> Value {
    let events = lines.filter_map(|line| line.strip_prefix("data:").map(str::to_owned));
    let mut events = events.map(|data| serde_json::from_str::<Value>(data.trim()).unwrap());
    events.find(|event| event["kind"] == want).unwrap()
}

#[test]
fn what_happens_is_told_as_it_happens() {
    let (world, target) = world();
    let id = started(&world, &target);
    let control = |action: &str| {
        let body = json!({ "action": action });
        let done = post(world.address, &format!("/api/jobs/{id}/control"), &body, "");
        assert_eq!(done.status, 200, "{action}: {}", done.body);
    };
    let mut lines = listen(&world, &id, "");
    let first = next(&mut lines, "submitted");
    control("cancel");
    let last = next(&mut lines, "ended");
    assert_eq!(last["state"], "cancelled", "{last}");
    assert!(last["number"].as_u64() > first["number"].as_u64());
    // The stream ends with the job.
    assert!(lines.all(|line| !line.starts_with("data:")));
    // Who comes back is told what is new, and who does not stay is told what there is.
    let path = format!("/api/jobs/{id}/events");
    let so_far = get(world.address, &path, "").json();
    assert_eq!(so_far["events"].as_array().unwrap().last().unwrap(), &last);
    let rest = get(world.address, &format!("{path}?after={}", last["number"]), "").json();
    assert_eq!(rest["events"], json!([]));
    assert_eq!(get(world.address, &format!("{path}?after=x"), "").status, 400);
    assert_eq!(get(world.address, "/api/jobs/j000000000000/events", "").status, 404);
    // A browser that comes back after the end is told to come no more; one that has not seen the end is told of it.
    let seen = |event: &Value| format!("\r\nLast-Event-ID: {}", event["number"]);
    let head = listen(&world, &id, &seen(&last)).next().unwrap();
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    let mut late = listen(&world, &id, &seen(&first));
    assert_eq!(next(&mut late, "ended"), last);
    assert!(late.all(|line| !line.starts_with("data:")));
    // Of a job that is taken up again, a new stream tells.
    control("retry");
    let mut again = listen(&world, &id, &seen(&last));
    assert_eq!(next(&mut again, "control")["state"], "queued");
    control("cancel");
    next(&mut again, "ended");
    assert!(again.all(|line| !line.starts_with("data:")));
}
