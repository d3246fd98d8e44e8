//! One lake of everything: recordings and every kind of source. Its ledger holds, and what each gave is there once.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use stele_testkit::freshdesk::{Knobs, MockFreshdesk, Real};
use stele_testkit::server::{Reply, Request, Server};
use tungstenite::Message;

use crate::world::{Ran, World};

/// Articles of the service, two a page.
const ARTICLES: usize = 7;

const TICKETS: u64 = 12;

/// What each answer of the desk takes; it is asked for lists one after another, so many times at least.
const LATENCY_MS: u64 = 25;
const LISTS_MIN: u64 = 3;

/// Rows of each file: four of lines, three of separated values.
const ROWS: [&str; 2] = [
    "{\"id\":1,\"what\":\"tea\",\"price\":1.50}\n{\"id\":2,\"what\":\"rope\"}\n{\"id\":3,\"of\":{\"deep\":[1,{\"a\":null}]}}\n{\"id\":4}\n",
    "id;what\n5;cloth\n6;\"salt; fine\"\n7;tar\n",
];

/// What is said to a capture; number 4 is missing.
const SAID: &str = "{\"seq\":1,\"tide\":2.5}\n{\"seq\":2,\"tide\":2.6}\n{\"seq\":3}\nno JSON at all\n{\"seq\":5,\"tide\":2.8}\n";

/// Numbers of what a server of Socket.IO says.
const TICKS: [u64; 3] = [1, 2, 5];

/// Issues of the other help desk, and how many comments each has.
const COMMENTS: [u64; 4] = [1, 2, 0, 1];

/// As much of the service of issues as is asked; all of it is on one page.
fn issues(request: &Request) -> Reply {
    let at = "2024-01-01T00:00:00Z";
    let issue = |number: usize| {
        json!({ "id": 900 + number, "number": number, "title": format!("Pump {number}"), "body": "It leaks.",
            "state": "open", "labels": [], "user": { "id": 1, "login": "auk" }, "assignee": null,
            "created_at": at, "updated_at": at })
    };
    let comment = |id: u64| json!({ "id": id, "body": "Here too.", "user": { "id": 2 }, "created_at": at });
    let mut words = request.path.split('?').next().unwrap_or_default().rsplit('/');
    let all: Vec<_> = match words.next() {
        Some("issues") => (1..=COMMENTS.len()).map(issue).collect(),
        Some("comments") => {
            let number: usize = words.next().unwrap().parse().unwrap();
            (0..COMMENTS[number - 1]).map(|n| comment(1_000 * number as u64 + n)).collect()
        }
        Some("milestones") => vec![json!({ "id": 1, "title": "v1" })],
        _ => return Reply::Say(200, "", json!({ "full_name": "harbour/pumps" }).to_string()),
    };
    Reply::Say(200, "x-ratelimit-limit: 5000\r\nx-ratelimit-remaining: 4000\r\n", json!(all).to_string())
}

struct All {
    world: World,
    _desk: MockFreshdesk,
    _articles: Server,
    _issues: Server,
}

impl All {
    fn new() -> All {
        let desk = MockFreshdesk::start(
            Knobs { tickets: TICKETS, latency_ms: LATENCY_MS, ..Knobs::default() },
            Arc::new(Real::default()),
        );
        let articles = Server::new(move |_, request| {
            let page = request.path.split(['?', '&']).find_map(|pair| pair.strip_prefix("page="));
            let page: usize = page.map_or(1, |page| page.parse().unwrap());
            let all =
                (1..=ARTICLES).map(|n| json!({ "id": n, "title": format!("Article {n}"), "tags": ["a", n] }));
            let part: Vec<_> = all.skip((page - 1) * 2).take(2).collect();
            Reply::Say(200, "", json!({ "data": part }).to_string())
        });
        let pumps = Server::new(|_, request| issues(request));
        let world = World::of_size(77, 60_000);
        world.write("rows/a.jsonl", ROWS[0]);
        world.write("rows/b.csv", ROWS[1]);
        // A queue of jobs is a database like any other.
        let config = format!(
            "[embedding]\nprovider = \"none\"\n[source_defaults]\nenable_cache = false\n\
             [[sources]]\nsource_id = \"desk\"\nsource_type = \"freshdesk\"\ndomain = \"{}\"\nallow_insecure = true\n\
             api_key = \"${{DESK_KEY}}\"\nstreams = [\"tickets\", \"conversations\", \"articles\"]\n\
             rate = {{ credits_per_minute = 90000, lists_per_minute = 9000 }}\n\
             [[sources]]\nsource_id = \"pumps\"\nsource_type = \"github_issues\"\ndomain = \"{}/repos/harbour/pumps\"\n\
             allow_insecure = true\napi_key = \"${{DESK_KEY}}\"\nstreams = [\"tickets\", \"conversations\", \"milestones\"]\n\
             [[sources]]\nsource_id = \"news\"\nsource_type = \"api\"\nendpoint = \"{}/articles\"\n\
             paginate = {{ type = \"page_number\" }}\nselect = \"$.data[*]\"\nkey = [\"id\"]\n\
             [[sources]]\nsource_id = \"rows\"\nsource_type = \"file\"\npath = \"rows\"\nfile_pattern = \"*.{{jsonl,csv}}\"\nkey = [\"id\"]\n\
             [[sources]]\nsource_id = \"queue\"\nsource_type = \"database\"\nconnection_string = \"sqlite:{}\"\ntable = \"jobs\"\n",
            desk.url,
            pumps.url,
            articles.url,
            world.path("d/state.db").display()
        );
        world.write("stele.toml", config);
        All { world, _desk: desk, _articles: articles, _issues: pumps }
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = self.world.stele(&format!("{line} --data-dir d"));
        Ran::of(command.env("DESK_KEY", "mock-key-1").output().unwrap())
    }

    fn capture(&self, said: &str) -> Ran {
        let mut command =
            self.world.stele("capture - --name tides --number /seq --no-embed --json --data-dir d");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap()).is(0)
    }

    /// Listens to a server of Socket.IO until all that it says is heard.
    fn listen(&self) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("socketio+http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let mut socket = tungstenite::accept(come(&listener)).unwrap();
            let open = json!({ "sid": "a", "upgrades": [], "pingInterval": 60_000, "pingTimeout": 60_000 });
            socket.send(Message::text(format!("0{open}"))).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text("40"));
            socket.send(Message::text("40{\"sid\":\"b\"}")).unwrap();
            for n in TICKS {
                socket.send(Message::text(format!("42[\"tick\",{{\"n\":{n},\"price\":1.50}}]"))).unwrap();
            }
            socket.close(None).unwrap();
            while socket.read().is_ok() {}
            // Who comes back has heard all of it.
            come(&listener);
        });
        let mut command = self
            .world
            .stele(&format!("capture {url} --name fair --number /n --no-embed --json --data-dir d"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        served.join().unwrap();
        let control = self.world.write("d/captures/fair/control.test", "stop\n");
        std::fs::rename(&control, control.with_extension("")).unwrap();
        Ran::of(child.wait_with_output().unwrap()).is(0);
    }

    /// Records of each kind that are in the lake, and different things among them.
    #[track_caller]
    fn holds(&self, jobs: u64) {
        self.world.covered();
        let of = |filter: &str| {
            let query =
                format!("SELECT count(*) || '/' || count(DISTINCT original_id) FROM events WHERE {filter}");
            self.world.sql(&query).trim().to_owned()
        };
        let both = |count: u64| format!("{count}/{count}");
        let stream = |source: &str, name: &str| {
            of(&format!("starts_with(source, 'collected://{source}/') AND event_type = '{name}'"))
        };
        assert_eq!(stream("desk", "tickets"), both(TICKETS));
        assert_eq!(stream("desk", "conversations"), both(3 * TICKETS));
        assert_eq!(stream("pumps", "tickets"), both(COMMENTS.len() as u64));
        assert_eq!(stream("pumps", "conversations"), both(COMMENTS.iter().sum()));
        assert_eq!(stream("pumps", "milestones"), both(1));
        assert_eq!(
            of("starts_with(source, 'collected://news/') AND doc_type <> 'system_event'"),
            both(ARTICLES as u64)
        );
        assert_eq!(of("starts_with(source, 'collected://rows/') AND doc_type <> 'system_event'"), both(7));
        assert_eq!(
            of("starts_with(source, 'collected://queue/') AND doc_type <> 'system_event'"),
            both(jobs)
        );
        assert_eq!(of("starts_with(source, 'capture://tides/') AND event_type = 'message'"), "5/0");
        assert_eq!(of("starts_with(source, 'capture://fair/') AND event_type = 'tick'"), "3/0");
        let missing = |feed: &str| {
            let query = format!(
                "SELECT sum(TRY_CAST(json_extract_string(raw, '$.data.missing') AS BIGINT)) FROM events \
                 WHERE event_type = 'gap' AND starts_with(source, 'capture://{feed}/')"
            );
            self.world.sql(&query).trim().to_owned()
        };
        assert_eq!((missing("tides").as_str(), missing("fair").as_str()), ("1", "2"));
    }
}

/// Who comes next; a minute without anybody is a program that has ended.
fn come(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < until, "nobody came: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_ledger_of_a_lake_of_every_kind_of_source_holds() {
    let all = All::new();
    let recorded = all.run("ingest sample --no-embed --json");
    assert!(recorded.code == Some(0) || recorded.code == Some(3), "{}", recorded.stderr);
    for name in ["a", "b"] {
        all.world.write(&format!("later/{name}.jsonl"), format!("{{\"event\":\"{name}\"}}\n"));
        all.run(&format!("ingest later/{name}.jsonl --no-wait --json")).is(0);
    }
    all.capture(SAID);
    all.listen();
    let collected = all.run("ingest --all-sources --no-embed --json").is(0).events();
    let run = collected.iter().find(|event| event["source"] == "desk").unwrap();
    // What the time went into: at the desk it is told by how slow it is.
    let seconds = |name: &str| run[name].as_f64().unwrap_or_else(|| panic!("no {name} in {run}"));
    assert!(seconds("fetch_seconds") >= (LISTS_MIN * LATENCY_MS) as f64 / 1e3, "{run}");
    assert!(seconds("store_seconds") > 0.0, "{run}");
    let parts = ["fetch_seconds", "limit_seconds", "normalise_seconds", "store_seconds"].map(seconds);
    assert!((parts.iter().sum::<f64>() - seconds("seconds")).abs() < 0.01, "{run}");
    all.holds(2);
    // The same again is nothing new, and the ledger says the same.
    all.run("ingest --all-sources --no-embed --json").is(0);
    all.holds(2);
    // Few parts or many, whoever made them: the same records, every byte, every path.
    let compacted = all.run("lake compact --json").is(0).last();
    assert!(compacted["parts_before"].as_u64() > compacted["parts_after"].as_u64(), "{compacted}");
    all.holds(2);
}

#[test]
fn sources_12_a_source_never_takes_the_lake_it_is_kept_in() {
    let world = World::of_size(78, 5_000);
    world.write("a/one.json", "{\"id\":1}");
    let source = |path: &str| {
        format!(
            "[embedding]\nprovider = \"none\"\n[[sources]]\nsource_id = \"all\"\nsource_type = \"file\"\npath = \"{path}\"\n\
             file_pattern = \"**/*.{{json,jsonl,parquet,lock}}\"\nmin_age = \"0s\"\nafter_ingest = \"delete\"\n"
        )
    };
    world.write("stele.toml", source("a"));
    for n in 2..4 {
        world.run("ingest --source all --data-dir a/lake").is(0);
        world.run("coverage --data-dir a/lake").is(0);
        world.write("a/next.json", format!("{{\"id\":{n}}}"));
    }
    world.write("stele.toml", source("a/lake/lake"));
    world.run("ingest --source all --data-dir a/lake").is(78).says(&["belongs to the program"]);
    // Nor its own settings, wherever they are.
    world.write("a/stele.toml", source("a").replace("lock}", "lock,toml}"));
    world.write("a/other.toml", "{\"id\":4}\n");
    world.run("ingest --source all --config a/stele.toml --data-dir a/lake").is(0);
    assert!(world.path("a/stele.toml").exists() && !world.path("a/other.toml").exists());
    world.write("a/stele.toml", source("a/stele.toml"));
    let refused = world.run("ingest --source all --config a/stele.toml --data-dir a/lake");
    refused.is(78).says(&["belongs to the program"]);
    assert!(world.path("a/stele.toml").exists());
    world.run("coverage --data-dir a/lake").is(0);
}
