//! Many who do nothing, some who are slow, some who send too much: the others are answered as before.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use stele_server::{Family, HttpOptions, Patience};

use crate::client::{get, post, request};
use crate::world::{World, local, service, wait};

/// Connections that the service takes at once.
const CONNECTIONS_MAX: usize = 512;

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    let world = World::unserved().service(local());
    let began = Instant::now();
    // Two descriptors a connection, since both ends are in this process.
    let mut idle = Vec::new();
    for _ in 0..1000 {
        match TcpStream::connect(world.address) {
            Ok(stream) => idle.push(stream),
            // A machine that grants fewer descriptors is tried with what it grants.
            Err(_) => break,
        }
    }
    assert!(idle.len() > 300, "{}", idle.len());
    // Room for the client itself.
    idle.truncate(idle.len() - 20);
    for _ in 0..20 {
        assert_eq!(get(world.address, "/health", "").status, 200);
    }
    // Whoever does nothing is cut off after half a minute; nobody had to wait for that.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// It makes room in the order in which connections fell idle: not that which was opened first, and none that is at
/// something, such as a stream.
#[test]
fn the_one_that_was_idle_for_longest_makes_room() {
    let world = World::unserved().service(local());
    let address = world.address;
    let target = world.path("in/a.jsonl");
    std::fs::write(&target, "{\"event\":\"a\"}\n").unwrap();
    let queued = post(address, "/api/ingest/start", &json!({ "targets": [target] }), "");
    let id = queued.json()["job_ids"][0].as_str().unwrap().to_owned();
    let open = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let head =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    // Until it holds this, or the server closes.
    let read = |stream: &mut TcpStream, wanted: &str| {
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while !text.contains(wanted) {
            match stream.read(&mut buffer) {
                Ok(read) if read > 0 => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
                _ => panic!("no {wanted} in {text}"),
            }
        }
    };
    let mut events = open();
    events.write_all(head(&format!("/api/jobs/{id}/events")).as_bytes()).unwrap();
    read(&mut events, "submitted");
    let mut old = open();
    old.write_all(head("/health").as_bytes()).unwrap();
    read(&mut old, "\"ok\"");
    let mut idle: Vec<TcpStream> =
        (0..CONNECTIONS_MAX - 2).filter_map(|_| TcpStream::connect(address).ok()).collect();
    if idle.len() < CONNECTIONS_MAX - 2 {
        // A machine that grants fewer descriptors does not come so far.
        return;
    }
    let taken = || world.meters.of("default").value(Family::Connections, &[]) as usize;
    let began = Instant::now();
    while taken() < CONNECTIONS_MAX {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", taken());
        wait(20);
    }
    old.write_all(head("/health").as_bytes()).unwrap();
    read(&mut old, "\"ok\"");
    // Room is made for these, among those that never asked anything.
    for _ in 0..50 {
        assert_eq!(get(address, "/health", "").status, 200);
    }
    old.write_all(head("/health").as_bytes()).unwrap();
    read(&mut old, "\"ok\"");
    idle.truncate(10);
    let done = post(address, &format!("/api/jobs/{id}/control"), &json!({ "action": "cancel" }), "");
    assert_eq!(done.status, 200, "{}", done.body);
    read(&mut events, "cancelled");
}

#[test]
fn whoever_is_slow_is_cut_off() {
    let short = Duration::from_millis(400);
    let patience = Patience { head: short, request: short, write: short };
    let world = World::unserved().service(HttpOptions { patience, ..local() });
    let ends = |begin: &str| {
        let mut stream = TcpStream::connect(world.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let began = Instant::now();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(began.elapsed() < Duration::from_secs(10), "{begin:?} held it for {:?}", began.elapsed());
        answer
    };
    ends("");
    ends("GET /health HTTP/1.1\r\nHo");
    let host = world.address;
    let begun = format!(
        "POST /api/sql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let answer = ends(&begun);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(get(world.address, "/health", "").status, 200);
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let patience = Patience { write: Duration::from_millis(500), ..Patience::default() };
    let world = World::unserved().service(HttpOptions { patience, ..local() });
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // Requests without end, of whose answers none is read: in the end the server closes, and writing fails.
    let one = format!("GET /assets/style.css HTTP/1.1\r\nHost: {}\r\n\r\n", world.address);
    let began = Instant::now();
    let failed = (0..1_000_000).any(|_| stream.write_all(one.as_bytes()).is_err());
    assert!(failed && began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(get(world.address, "/health", "").status, 200);
}

#[test]
fn what_is_too_large_is_refused() {
    let address = service().address;
    let large = json!({ "query": "x".repeat(400 << 10) });
    let response = post(address, "/api/sql", &large, "");
    assert_eq!((response.status, &response.json()["code"]), (413, &json!("too_large")));
    let response = post(address, "/api/sql", &json!({ "query": "x".repeat(100 << 10) }), "");
    assert_eq!(response.status, 400, "an argument has a bound of its own: {}", response.body);
    let response = get(address, &format!("/api/search?query={}", "x".repeat(20 << 10)), "");
    assert_eq!(response.status, 414, "{}", response.body);
    let head =
        format!("POST /sql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded");
    assert_eq!(request(address, &head, &"query=1&".repeat(100_000)).status, 413);
    let response = get(address, &format!("/{}", "x".repeat(1 << 20)), "");
    assert!([400, 414, 431].contains(&response.status), "{}", response.status);
}

#[test]
fn nothing_leads_out_of_what_is_served() {
    let address = service().address;
    for path in [
        "/assets/../Cargo.toml",
        "/assets/..%2f..%2fetc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/jobs/..%2f..%2fstate.db/report",
        "/api/jobs/..%2f..%2f..%2fetc%2fpasswd/report",
        "/api/jobs/%00/report",
        "/api/jobs/j0000/../../report",
    ] {
        let response = get(address, path, "");
        assert_eq!(response.status, 404, "{path}: {}", response.body);
        assert!(!response.body.contains("root:"), "{path}");
    }
    for source in ["/etc/passwd", "../../etc/passwd", "file:///etc/passwd"] {
        let response = get(address, &format!("/api/excerpt?line=1&source={source}"), "");
        assert_eq!(response.status, 404, "{source}: {}", response.body);
    }
}

#[test]
fn who_asks_the_same_again_gets_the_same_until_something_changes() {
    let world = World::unserved();
    world.ingest("a.jsonl", "{\"event\":\"crane\"}\n");
    world.index();
    let world = world.service(local());
    let ask = || get(world.address, "/api/search?query=crane&arm=text", "").json();
    let worked = || {
        let metrics = get(world.address, "/metrics", "").body;
        let line = metrics.lines().find(|line| line.starts_with("search_seconds_count{arm=\"text\"}"));
        line.and_then(|line| line.rsplit_once(' ')).map_or(0.0, |(_, count)| count.parse().unwrap())
    };
    let (first, before) = (ask(), worked());
    assert!((0..50).all(|_| ask() == first));
    assert!(worked() - before < 50.0, "each was worked out anew");
    // At once, however young the answer is.
    world.ingest("b.jsonl", "{\"event\":\"crane\",\"more\":true}\n");
    let behind = ask();
    assert_eq!((&behind["lake_version"], &behind["complete"]), (&json!(2), &json!(false)), "{behind}");
    world.index();
    assert_eq!(ask()["complete"], true);
}
