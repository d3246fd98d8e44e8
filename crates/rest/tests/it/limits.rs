//! What holds requests back, makes them again, or makes them needless.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use stele_collect::{Budget, BudgetState, CollectError, Collector, Preview, ResponseCache};
use stele_http::Pace;
use stele_model::time::FixedClock;
use stele_rest::Shared;
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{Lake, Rig, ended, param, path, rig, say, say_with, try_rig};

/// A service that fails in the given ways and then answers: how it ended, how many requests, how long it took.
fn after(replies: Vec<Reply>, extra: Value) -> (String, usize, u64) {
    let replies = Mutex::new(replies.into_iter());
    let good = || say(&json!([{"id": 1}]));
    let server = Server::new(move |_, _| replies.lock().unwrap().next().unwrap_or_else(good));
    let mut settings = extra.as_object().unwrap().clone();
    settings.insert("endpoint".to_owned(), json!(server.url));
    let mut rig = rig(Value::Object(settings));
    let ended = match rig.collect(&mut Lake::default()) {
        Ok(collected) => ended(&collected, "news"),
        Err(error) => format!("stopped: {error}"),
    };
    (ended, server.requests().len(), rig.pace.now().as_secs())
}

fn no(status: u16, headers: &'static str) -> Reply {
    Reply::Say(status, headers, "<html>no</html>".to_owned())
}

#[test]
fn rest_06_what_may_pass_is_tried_again() {
    let check = |replies: Vec<Reply>, requests: usize, seconds: u64| {
        let (ended, found, took) = after(replies, json!({}));
        assert_eq!((ended.as_str(), found, took), ("ok", requests, seconds));
    };
    check(vec![no(503, ""), no(503, "")], 3, 1 + 2);
    check(vec![Reply::Close, Reply::Half("{}".to_owned())], 3, 1 + 2);
    check(vec![no(502, "Retry-After: 7\r\n")], 2, 7);
    // 0 asks for nothing.
    check(vec![no(502, "Retry-After: 0\r\n")], 2, 1);
    // A date, which is 90 s after the time of the test.
    check(vec![no(503, "Retry-After: Sat, 28 Nov 2026 12:01:30 GMT\r\n")], 2, 90);
    check(vec![no(429, "Retry-After: Sat, 28 Nov 2026 12:01:30 GMT\r\n")], 2, 90);
}

#[test]
fn rest_06_what_will_not_pass_is_not() {
    let check = |replies: Vec<Reply>, extra: Value, requests: usize, why: &str| {
        let (ended, found, _) = after(replies, extra);
        assert!(ended.contains(why), "{ended}");
        assert_eq!(found, requests, "{ended}");
    };
    let many = |reply: fn() -> Reply| (0..50).map(|_| reply()).collect::<Vec<_>>();
    check(
        many(|| no(500, "")),
        json!({"retry": {"max": 3}}),
        3,
        "answered 500 after 3 tries: <html>no</html>",
    );
    check(many(|| Reply::Close), json!({"retry": {"max": 3}}), 3, "(3 tries)");
    check(many(|| no(400, "")), json!({}), 1, "refused the request with 400");
    check(many(|| no(500, "")), json!({"retry": {"on": [429]}}), 1, "refused the request with 500");
    check(many(|| no(403, "")), json!({}), 1, "unavailable: 403");
    check(many(|| Reply::Raw("SSH-2.0\r\n\r\n")), json!({}), 1, "cannot be used");
    check(many(|| no(301, "location: http://elsewhere/\r\n")), json!({}), 1, "refused the request with 301");
}

#[test]
fn rest_06_a_refusal_for_too_many_requests_is_no_failure() {
    let refusals =
        |count: usize, headers: &'static str| (0..count).map(|_| no(429, headers)).collect::<Vec<_>>();
    // Twenty in a row, with five tries.
    assert_eq!(after(refusals(20, "Retry-After: 7\r\n"), json!({})), ("ok".to_owned(), 21, 140));
    // Ours doubles until a minute.
    assert_eq!(after(refusals(8, "Retry-After: 0\r\n"), json!({})).2, 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60);
    // Nothing waits for ever.
    let (ended, requests, took) =
        after(refusals(500, "Retry-After: 60\r\n"), json!({"retry": {"max_total_wait": "10m"}}));
    assert!(
        ended.starts_with("stopped: rate_limit: ") && ended.contains("it goes on where it stopped"),
        "{ended}"
    );
    assert!(requests < 14 && took <= 660, "{requests} {took}");
    // Nothing left, until a time; and 403 of whoever asked too often.
    let left = no(403, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1795867230\r\n");
    let (ended, requests, took) = after(vec![left], json!({}));
    assert_eq!((ended.as_str(), requests), ("ok", 2));
    assert!(took > 0);
}

#[test]
fn rest_06_the_limit_of_a_source_is_shared_by_its_workers() {
    let server = Server::new(|_, request| match path(request) {
        "/posts" => say(&(0..100).map(|id| json!({"id": id})).collect()),
        _ => say(&json!([])),
    });
    let mut rig = rig(json!({"base_url": server.url, "rate_limit": 50, "workers": 4, "resources": [
        {"name": "posts", "path": "posts"}, {"name": "comments", "path": "posts/{resources.posts.id}/comments"},
    ]}));
    rig.collect(&mut Lake::default()).unwrap();
    // 101 requests: fifty, fifty, and one in the third minute.
    assert_eq!(server.requests().len(), 101);
    assert!(rig.pace.now() >= Duration::from_secs(120), "{:?}", rig.pace.now());
    // Somebody is told that it waits, and how long still.
    let waits = rig.waits.0.lock().unwrap();
    let longest = waits.iter().max().copied().unwrap_or_default();
    assert!(
        waits.len() > 2 && longest > Duration::from_secs(30) && longest <= Duration::from_secs(60),
        "{waits:?}"
    );
}

#[test]
fn rest_06_statuses_mean_what_the_source_says() {
    let check = |on_status: Value, replies: Vec<Reply>, expect: &str, requests: usize| {
        let (ended, found, took) = after(replies, json!({"on_status": on_status}));
        assert!(ended.starts_with(expect) && found == requests, "{on_status}: {ended}, {found}");
        took
    };
    check(json!([{"status": 404, "action": "ignore"}]), vec![no(404, "")], "ok", 1);
    check(json!([{"status": "4xx", "action": "ignore"}]), vec![no(418, "")], "ok", 1);
    check(json!([{"status": [400, "5xx"], "action": "fail"}]), vec![no(503, "")], "failed", 1);
    check(json!([{"status": 400, "action": "retry"}]), vec![no(400, "")], "ok", 2);
    // The words of a 200 may say that it is none.
    check(json!([{"contains": "<html>", "action": "retry"}]), vec![no(200, "")], "ok", 2);
    let took = check(
        json!([{"status": 420, "action": "rate_limited"}]),
        vec![no(420, "Retry-After: 9\r\n")],
        "ok",
        2,
    );
    assert_eq!(took, 9);
    // The first that fits.
    let rules =
        json!([{"status": 400, "contains": "yes", "action": "fail"}, {"status": "*", "action": "ignore"}]);
    check(rules, vec![no(400, "")], "ok", 1);
}

#[test]
fn rest_06_a_service_that_is_down_is_left_alone() {
    let server = Server::new(|_, request| match path(request) {
        "/posts" => say(&(0..30).map(|id| json!({"id": id})).collect()),
        _ => Reply::Close,
    });
    let mut rig = rig(json!({"base_url": server.url, "workers": 1, "retry": {"max": 1}, "resources": [
        {"name": "posts", "path": "posts"}, {"name": "comments", "path": "posts/{resources.posts.id}/comments"},
    ]}));
    let collected = rig.collect(&mut Lake::default()).unwrap();
    assert!(ended(&collected, "comments").starts_with("failed: 30 records"));
    // After ten failures one request a minute.
    assert_eq!(rig.pace.now().as_secs(), 20 * 60);
}

#[test]
fn rest_07_the_budget_stops_before_the_call() {
    let server = Server::new(|number, _| say(&json!([{"id": number}])));
    let budget = Arc::new(Budget::new(0.005, 50.0, BudgetState::default()));
    let shared = || Shared { budget: Some(Arc::clone(&budget)), ..Shared::default() };
    let settings =
        json!({"endpoint": server.url, "paginate": {"type": "page_number"}, "cost": {"per_call_usd": 0.001}});
    let mut rig = try_rig(settings.clone(), shared()).unwrap();
    let mut lake = Lake::default();
    let error = rig.collect(&mut lake).unwrap_err();
    assert!(matches!(&error, CollectError::Stopped { code: "budget", .. }), "{error}");
    // Five were sent, the sixth was not, and what they brought is kept.
    assert_eq!((server.requests().len(), lake.ids("news")), (5, vec![0, 1, 2, 3, 4]));
    assert_eq!(budget.summary()["by_source"]["news"]["token_usage"], 0);
    let error = try_rig(settings, shared()).unwrap().collect(&mut lake).unwrap_err();
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn rest_07_tokens_are_counted_where_an_answer_says_how_many() {
    let asked = |tokens_path: Value| {
        let server = Server::new(|number, _| match number {
            0..3 => {
                let usage = json!({ "prompt": 300, "completion": 40, "total": 340 });
                say(&json!({ "data": [{ "id": number }], "usage": usage }))
            }
            // One that says nothing, or no number, took none.
            3 => say(&json!({ "data": [{ "id": number }], "usage": { "total": "many" } })),
            _ => say(&json!({ "data": [] })),
        });
        let budget = Arc::new(Budget::new(1.0, 50.0, BudgetState::default()));
        let settings = json!({
            "endpoint": server.url, "paginate": {"type": "page_number"}, "select": "$.data[*]",
            "tokens_path": tokens_path, "cost": {"per_token_usd": 0.00001, "day_tokens_max": 1_000},
        });
        let shared = Shared { budget: Some(Arc::clone(&budget)), ..Shared::default() };
        let mut rig = try_rig(settings, shared).unwrap();
        let ended = rig.collect(&mut Lake::default()).map(|collected| ended(&collected, "news"));
        let spent = budget.summary()["by_source"]["news"].clone();
        assert_eq!(spent["tokens"], spent["token_usage"]);
        (server.requests().len(), spent["tokens"].as_u64(), spent["cost_usd"].as_f64(), ended)
    };
    let stopped = |why: &str, ended: Result<String, CollectError>| {
        let error = ended.unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("nothing was sent"), "{error}");
    };
    // The third is the one that goes beyond it, which is known when it has answered.
    let (requests, tokens, cost, ended) = asked(json!("$.usage.total"));
    assert_eq!((requests, tokens, cost), (3, Some(1_020), Some(0.0102)));
    stopped("1020 tokens were used today and 1000 are the most", ended);
    let (requests, tokens, _, ended) = asked(json!(["$.usage.prompt", "$.usage.completion"]));
    assert_eq!((requests, tokens), (3, Some(1_020)));
    stopped("day_tokens_max", ended);
    let (requests, tokens, _, ended) = asked(json!("$.usage.completion"));
    assert_eq!((requests, tokens, ended.unwrap().as_str()), (5, Some(120), "ok"));
    let (requests, tokens, _, ended) = asked(json!([]));
    assert_eq!((requests, tokens, ended.unwrap().as_str()), (5, Some(0), "ok"));
    let settings = json!({ "endpoint": "https://x.example", "tokens_path": "usage" });
    let error = try_rig(settings, Shared::default()).err().unwrap().to_string();
    assert!(error.contains("`usage` is no JSONPath"), "{error}");
}

#[test]
fn rest_07_somebody_is_warned() {
    let server = Server::new(|_, request| {
        say(&if param(request, "page").as_deref() == Some("4") {
            json!([])
        } else {
            json!([{"id": request.path}])
        })
    });
    let budget = Arc::new(Budget::new(0.005, 50.0, BudgetState::default()));
    let settings = json!({
        "endpoint": server.url, "key": "id", "paginate": {"type": "page_number"}, "cost": {"per_call_usd": 0.001},
    });
    let shared = Shared { budget: Some(budget), ..Shared::default() };
    let collected = try_rig(settings, shared).unwrap().collect(&mut Lake::default()).unwrap();
    assert_eq!(collected.notes, ["source news: more than 70 % of what it may cost is spent"]);
}

/// A source with a cache in a directory, at a time in seconds.
fn cached(server: &Server, directory: &tempfile::TempDir, key: &str, at: i64) -> Rig {
    let cache = ResponseCache::new(directory.path(), Duration::from_secs(60), 1 << 20);
    kept_by(server, cache, key, at)
}

fn kept_by(server: &Server, cache: ResponseCache, key: &str, at: i64) -> Rig {
    let shared = Shared { cache: Some(Arc::new(cache)), ..Shared::default() };
    let settings = json!({
        "endpoint": server.url, "key": "id", "headers": {"X-Key": key}, "paginate": {"type": "link_header"},
    });
    let mut rig = try_rig(settings, shared).unwrap();
    rig.clock = FixedClock(at * 1_000_000);
    rig
}

/// Two pages, of which the first has a version, and a failure now and then.
fn versioned(number: usize, request: &Request) -> Reply {
    if number == 0 {
        return no(500, "");
    }
    match (path(request), request.header("if-none-match")) {
        ("/", Some("\"v1\"")) => Reply::Say(304, "", String::new()),
        ("/", _) => {
            say_with(200, "ETag: \"v1\"\r\nLink: </two>; rel=next\r\n".to_owned(), &json!([{"id": 1}]))
        }
        _ => say(&json!([{"id": 2}])),
    }
}

#[test]
fn rest_08_what_is_known_is_not_asked_again() {
    let (server, directory) = (Server::new(versioned), tempfile::tempdir().unwrap());
    let run = |key: &str, at: i64| {
        let before = server.requests().len();
        let mut lake = Lake::default();
        let collected = cached(&server, &directory, key, at).collect(&mut lake).unwrap();
        assert_eq!(lake.ids("news"), [1, 2]);
        let conditional =
            server.requests()[before..].iter().filter(|r| r.header("if-none-match").is_some()).count();
        (server.requests().len() - before, conditional, collected.notes)
    };
    // The failure is not kept.
    assert_eq!(run("a", 0), (3, 0, vec![]));
    assert_eq!(run("a", 59), (0, 0, vec!["2 pages were known from before and not sent again".to_owned()]));
    // Somebody else may see something else.
    assert_eq!(run("b", 59), (2, 0, vec![]));
    // Old: whether the first still holds is asked, the second has to come again.
    assert_eq!(run("a", 60), (2, 1, vec!["1 pages were known from before and not sent again".to_owned()]));
    assert_eq!(run("a", 61).0, 0);
    // Broken: as if it were not there.
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::write(entry.unwrap().path(), "broken").unwrap();
    }
    assert_eq!(run("a", 61), (2, 0, vec![]));
    // Whether the service answers is not told by what is kept.
    let before = server.requests().len();
    cached(&server, &directory, "a", 61).with(|collector, means| collector.check(means)).unwrap();
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn rest_08_what_a_whole_run_was_told_is_old_to_the_next() {
    // The second page fails for as long as somebody says so.
    let is_down = Arc::new(Mutex::new(true));
    let down = Arc::clone(&is_down);
    let server = Server::new(move |_, request| match path(request) {
        "/" => versioned(1, request),
        _ if *down.lock().unwrap() => no(400, ""),
        _ => versioned(1, request),
    });
    let directory = tempfile::tempdir().unwrap();
    let rig = |at: i64| {
        let cache = ResponseCache::new(directory.path(), Duration::from_secs(60), 1 << 20).until_ended();
        kept_by(&server, cache, "a", at)
    };
    let run = |at: i64, ids: &[i64]| {
        let before = server.requests().len();
        let mut lake = Lake::default();
        rig(at).collect(&mut lake).unwrap();
        assert_eq!(lake.ids("news"), ids);
        let asked = &server.requests()[before..];
        (asked.len(), asked.iter().filter(|request| request.header("if-none-match").is_some()).count())
    };
    assert_eq!(run(0, &[1]), (2, 0));
    *is_down.lock().unwrap() = false;
    // Whoever looks is told by the service.
    let before = server.requests().len();
    let mut preview = Preview::new(1);
    rig(1).with(|collector, means| collector.collect(&Default::default(), &mut preview, means)).unwrap();
    rig(1).with(|collector, means| collector.discover(means)).unwrap();
    assert_eq!(server.requests().len(), before + 2);
    // It goes on behind what the one before was told.
    assert_eq!(run(1, &[1, 2]), (1, 0));
    // That one came to its end: whether the first page still holds is asked, and the second comes again.
    assert_eq!(run(2, &[1, 2]), (2, 1));
    assert_eq!(run(3, &[1, 2]), (2, 1));
}

#[test]
fn rest_08_what_is_new_is_always_asked_for() {
    let server = Server::new(versioned);
    let directory = tempfile::tempdir().unwrap();
    let settings =
        json!({"endpoint": server.url, "paginate": {"type": "single"}, "incremental": {"cursor": "id"}});
    let mut lake = Lake::default();
    for run in 1..4 {
        let cache = Arc::new(ResponseCache::new(directory.path(), Duration::from_secs(60), 1 << 20));
        let shared = Shared { cache: Some(cache), ..Shared::default() };
        try_rig(settings.clone(), shared).unwrap().collect(&mut lake).unwrap();
        // One failed at first.
        assert_eq!(server.requests().len(), run + 1);
    }
    assert_eq!(lake.ids("news"), [1]);
}
