//! A queue that hangs: it takes connections and answers nothing. Whoever asks something else notices nothing of it.

use std::time::{Duration, Instant};

use stele_engine::jobs::QueueHome;
use stele_testkit::stores::{Server, Store};

use crate::client::{get, post, request};
use crate::world::{World, local, recording};

/// What everybody who does not need the queue may take, on a machine that does much else. Where places are held by
/// those who do, a question is given up after 25 seconds.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_queue_that_hangs_holds_up_nothing_else() {
    let Some(redis) = Server::start(Store::Redis) else { return };
    let shop =
        serde_json::json!({ "source_id": "shop", "source_type": "api", "endpoint": "http://127.0.0.1:1/" });
    let world = World::unserved().with_sources(vec![shop]);
    world.ingest("game.jsonl", &recording());
    world.index();
    let world = world.service_over(QueueHome::Redis(redis.url.clone()), local());
    let address = world.address;
    // Each another question: what was answered a moment ago would need no place.
    let search = |number: u32| get(address, &format!("/api/search?query=price+{number}&arm=text"), "");
    assert_eq!(search(100).status, 200);
    assert_eq!(get(address, "/api/ingest/status", "").status, 200);
    let target = world.path("in/a.jsonl");
    std::fs::write(&target, "{\"event\":\"a\"}\n").unwrap();
    let queued = post(address, "/api/ingest/start", &serde_json::json!({ "targets": [target] }), "");
    assert_eq!(queued.status, 200, "{}", queued.body);
    let events = format!("/api/jobs/{}/events", queued.json()["job_ids"][0].as_str().unwrap());
    redis.freeze();
    let began = Instant::now();
    // Browsers that stay on a page, a prober, a scraper, and somebody who submits.
    let pages = [
        "/",
        "/jobs",
        "/sources",
        "/api/sources",
        "/api/jobs",
        &events,
        "/api/ingest/status",
        "/ready",
        "/metrics",
    ];
    std::thread::scope(|scope| {
        let asked: Vec<_> = pages
            .iter()
            .cycle()
            .take(36)
            .map(|path| scope.spawn(move || (path, get(address, path, "").status)))
            .collect();
        let stream = scope.spawn(|| {
            let head = format!("GET {events} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream");
            request(address, &head, "").status
        });
        for _ in 0..4 {
            let target = serde_json::json!({ "targets": [world.path("in")] });
            scope.spawn(move || post(address, "/api/ingest/start", &target, "").status);
        }
        for number in 0..10 {
            let found = search(number);
            assert_eq!(found.status, 200, "search {number}: {}", found.body);
            assert!(began.elapsed() < SOON, "search {number} after {:?}", began.elapsed());
        }
        let rows = post(address, "/api/sql", &serde_json::json!({ "query": "SELECT 1" }), "");
        assert_eq!(rows.status, 200, "{}", rows.body);
        let ready = get(address, "/ready", "");
        assert_eq!(ready.status, 503);
        let reasons = ready.json()["reasons"].to_string();
        assert!(reasons.contains("\"queue\"") && reasons.contains("does not answer"), "{reasons}");
        assert!(began.elapsed() < SOON, "all of it after {:?}", began.elapsed());
        for page in asked {
            let (path, status) = page.join().unwrap();
            let expect: &[u16] = match *path {
                "/" | "/metrics" | "/sources" | "/api/sources" => &[200],
                _ => &[503],
            };
            assert!(expect.contains(&status), "{path}: {status}");
        }
        assert_eq!(stream.join().unwrap(), 503);
        // Those who look were told within moments; who submits is still waiting for the queue.
        assert!(began.elapsed() < 2 * SOON, "pages after {:?}", began.elapsed());
        redis.thaw();
    });
    let until = Instant::now() + Duration::from_secs(60);
    while get(address, "/ready", "").json()["reasons"].to_string().contains("\"queue\"") {
        assert!(Instant::now() < until, "it stays away");
        crate::world::wait(200);
    }
    assert_eq!(get(address, "/api/ingest/status", "").status, 200);
}
