//! Sources that are collected together: side by side, in their order, and within limits that outlast a run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stele_engine::collecting::{SourceDesk, SourceRun};
use stele_engine::{Cancel, Engine, Environment, NoProgress, SystemClock};
use stele_model::{Clock, Micros};
use stele_testkit::server::{Reply, Server};

use crate::graph::sql;
use crate::place::Place;

/// How long services wait for each other: only a test that fails takes so long.
const TOGETHER_MAX: Duration = Duration::from_secs(20);

/// The service of this name refuses everything.
const BROKEN: &str = "broken";

/// Which service was asked for which page, in the order in which that came to any of them.
#[derive(Default)]
struct Asked {
    log: Mutex<Vec<(String, String)>>,
    came: Condvar,
}

impl Asked {
    /// Notes a request, and waits until so many services were asked. Says whether they were.
    fn meet(&self, service: &str, page: &str, at_once: usize) -> bool {
        let mut log = self.log.lock().unwrap();
        log.push((service.to_owned(), page.to_owned()));
        self.came.notify_all();
        let too_few = |log: &mut Vec<(String, String)>| {
            log.iter().map(|(service, _)| service).collect::<BTreeSet<_>>().len() < at_once
        };
        let (_log, waited) = self.came.wait_timeout_while(log, TOGETHER_MAX, too_few).unwrap();
        !waited.timed_out()
    }

    /// The services in turn: one that was asked several times, and no other between, is there once.
    fn turns(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let mut turns: Vec<String> = log.iter().map(|(service, _)| service.clone()).collect();
        turns.dedup();
        turns
    }

    fn pages(&self, service: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|(asked, _)| asked == service).map(|(_, page)| page.clone()).collect()
    }
}

/// Three records on two pages, and an empty page behind them. It answers once so many services were asked.
fn service(name: &'static str, asked: &Arc<Asked>, at_once: usize) -> Server {
    let asked = Arc::clone(asked);
    Server::new(move |_, request| {
        let page = request.path.rsplit('=').next().unwrap_or_default();
        if !asked.meet(name, page, at_once) || name == BROKEN {
            return Reply::Say(400, "", "{}".to_owned());
        }
        let items = match page {
            "1" => json!([{"id": 1}, {"id": 2}]),
            "2" => json!([{"id": 3}]),
            _ => json!([]),
        };
        Reply::Say(200, "", json!({"items": items}).to_string())
    })
}

fn source(name: &str, priority: i64, url: &str) -> Value {
    json!({
        "source_id": name,
        "source_type": "api",
        "priority": priority,
        "base_url": url,
        "cache": false,
        "retry": {"max": 1},
        "resources": [{
            "name": "items",
            "path": "items",
            "select": "$.items[*]",
            "key": "id",
            "paginate": {"type": "page_number"},
        }],
    })
}

/// A lake, what its sources were asked for, and what came of them.
struct Together {
    place: Place,
    asked: Arc<Asked>,
    runs: Vec<SourceRun>,
}

impl Together {
    /// Collects services of these names and priorities into a new lake. No answer comes before so many of them were asked.
    #[track_caller]
    fn collect(services: &[(&'static str, i64)], defaults: Value, at_once: usize) -> Together {
        let (mut place, asked) = (Place::new(), Arc::new(Asked::default()));
        for (name, priority) in services {
            let server = service(name, &asked, at_once);
            place.settings.sources.push(source(name, *priority, &server.url));
        }
        place.settings.source_defaults = defaults.as_object().unwrap().clone();
        let engine = place.engine();
        let nothing = |_: &str| None::<String>;
        let desk = SourceDesk::open(&engine, &nothing).unwrap();
        assert!(desk.unusable().is_empty(), "{:?}", desk.unusable());
        let ids: Vec<String> = desk.config().due(None).iter().map(|source| source.id.clone()).collect();
        let runs = desk.collect_all(&ids, &NoProgress, &Cancel::default()).unwrap();
        Together { place, asked, runs }
    }

    /// Each source, how it ended, and how many records there were.
    fn told(&self) -> Vec<(&str, &str, u64)> {
        self.runs.iter().map(|run| (run.source.as_str(), run.outcome, run.records)).collect()
    }

    /// What is in the lake, for each source in the order in which it lies there.
    fn lake(&self) -> String {
        let query = "SELECT json_extract_string(raw, '$.source') AS whose, json_extract_string(raw, '$.data.id') \
             FROM events WHERE event_type = 'items' ORDER BY whose, source, byte_offset";
        sql(&self.place.engine(), query)
    }
}

#[test]
fn sources_15_what_is_collected_side_by_side_is_what_is_collected_in_turn() {
    let services = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    // Nobody is answered before all four were asked.
    let side_by_side = Together::collect(&services, json!({"max_workers": 4}), 4);
    let expect = services.map(|(name, _)| (name, "ok", 3));
    assert_eq!(side_by_side.told(), expect, "they were not asked at one time");
    let in_turn = Together::collect(&services, json!({"parallel_ingestion": false, "max_workers": 4}), 1);
    assert_eq!(in_turn.told(), expect);
    assert_eq!(in_turn.asked.turns(), ["a", "b", "c", "d"], "one is through before the next begins");
    for (name, _) in services {
        for together in [&side_by_side, &in_turn] {
            assert_eq!(together.asked.pages(name), ["1", "2", "3"], "{name}");
        }
    }
    let lake = in_turn.lake();
    assert_eq!(lake, "a 1\na 2\na 3\nb 1\nb 2\nb 3\nc 1\nc 2\nc 3\nd 1\nd 2\nd 3");
    assert_eq!(side_by_side.lake(), lake);
}

#[test]
fn sources_15_one_that_fails_stops_no_other() {
    let services = [("a", 1), ("b", 1), (BROKEN, 1), ("c", 1)];
    for (defaults, at_once) in [(json!({}), 4), (json!({"parallel_ingestion": false}), 1)] {
        let together = Together::collect(&services, defaults, at_once);
        let expect = [("a", "ok", 3), ("b", "ok", 3), (BROKEN, "failed", 0), ("c", "ok", 3)];
        assert_eq!(together.told(), expect);
        assert_eq!(together.lake(), "a 1\na 2\na 3\nb 1\nb 2\nb 3\nc 1\nc 2\nc 3");
    }
}

#[test]
fn sources_02_they_start_by_priority_and_then_by_name() {
    let services = [("a", 3), ("b", 1), ("c", 2), ("d", 1), ("e", -1)];
    let order = ["e", "b", "d", "c", "a"];
    let in_turn = Together::collect(&services, json!({"parallel_ingestion": false}), 1);
    assert_eq!(in_turn.asked.turns(), order);
    assert_eq!(in_turn.told(), order.map(|name| (name, "ok", 3)));
    // Of two at a time, it is the first two that begin; what came of them is told in the order of the start.
    let in_pairs = Together::collect(&services, json!({"max_workers": 2}), 2);
    let mut first = in_pairs.asked.turns();
    first.truncate(2);
    first.sort();
    assert_eq!(first, ["b", "e"]);
    assert_eq!(in_pairs.told(), order.map(|name| (name, "ok", 3)));
}

/// The machine's clock, so many microseconds ahead.
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Micros {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn sources_06_a_limit_of_a_day_outlasts_a_run() {
    let (mut place, asked) = (Place::new(), Arc::new(Asked::default()));
    let server = service("a", &asked, 1);
    let mut limited = source("a", 1, &server.url);
    limited["rate_limit"] = json!({"requests": 4, "per": "1d"});
    place.settings.sources.push(limited);
    let clock = Arc::new(Ahead(AtomicI64::new(0)));
    let run = || {
        let clock: Arc<dyn Clock> = clock.clone();
        let environment = Environment { clock, ..Environment::default() };
        let engine = Engine::new(place.settings.clone(), environment).unwrap();
        let nothing = |_: &str| None::<String>;
        let desk = SourceDesk::open(&engine, &nothing).unwrap();
        let run = desk.collect("a", &NoProgress, &Cancel::default()).unwrap();
        (run.outcome, run.error.unwrap_or_default(), asked.pages("a").len())
    };
    assert_eq!(run(), ("ok", String::new(), 3));
    // One is left of the four, and then none.
    for _ in 0..2 {
        let (outcome, error, requests) = run();
        assert_eq!((outcome, requests), ("failed", 4), "{error}");
        assert!(error.contains("the limit of requests is reached"), "{error}");
    }
    // The day is over, and the hour in whose course it is counted.
    clock.0.fetch_add(25 * 3_600 * 1_000_000, Ordering::SeqCst);
    assert_eq!(run(), ("ok", String::new(), 7));
}

#[test]
fn sources_08_what_is_kept_hides_nothing_new_and_is_forgotten_by_a_reset() {
    let (mut place, asked) = (Place::new(), Arc::new(Asked::default()));
    let server = service("a", &asked, 1);
    let mut run = |cache: Value, resets: bool| {
        let mut kept = source("a", 1, &server.url);
        kept["cache"] = cache;
        place.settings.sources = vec![kept];
        let engine = place.engine();
        let nothing = |_: &str| None::<String>;
        let desk = SourceDesk::open(&engine, &nothing).unwrap();
        if resets {
            desk.reset("a", None, &NoProgress, &Cancel::default()).unwrap();
        }
        let before = asked.pages("a").len();
        assert_eq!(desk.collect("a", &NoProgress, &Cancel::default()).unwrap().outcome, "ok");
        asked.pages("a").len() - before
    };
    // Each run that nobody gave a time asks for everything.
    assert_eq!((run(json!(true), false), run(json!(true), false)), (3, 3));
    // A time that somebody chose holds, until the source begins anew.
    assert_eq!((run(json!("10m"), false), run(json!("10m"), true)), (0, 3));
}
