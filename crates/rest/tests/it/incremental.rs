//! What is new since the last run: where one begins, what is met again, what has no cursor.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stele_collect::CollectError;
use stele_testkit::server::{Reply, Request, Server};

use crate::rig::{Lake, ended, param, rig, say};

/// Records that a test changes, given by a service that understands `since`.
type Records = Arc<Mutex<Vec<Value>>>;

fn service(records: &Records) -> Server {
    let records = Arc::clone(records);
    Server::new(move |_, request| {
        let since = param(request, "since").unwrap_or_default();
        let records = records.lock().unwrap();
        let at = |record: &Value| record["at"].as_str().unwrap_or("9").to_owned();
        say(&records.iter().filter(|record| at(record) >= since).cloned().collect())
    })
}

fn settings(server: &Server, incremental: Value) -> Value {
    json!({"endpoint": server.url, "name": "items", "key": "id", "incremental": incremental})
}

fn asked(server: &Server) -> Vec<Option<String>> {
    server.requests().iter().map(|request| param(request, "since")).collect()
}

fn minute(minute: u32) -> String {
    format!("2026-01-01T00:{minute:02}:00Z")
}

#[test]
fn rest_05_a_run_begins_where_the_last_one_ended() {
    let records: Records = Arc::new(Mutex::new(vec![
        json!({"id": 1, "at": minute(1)}),
        json!({"id": 3, "at": minute(3)}),
        json!({"id": 2, "at": minute(3)}),
        json!({"id": 0, "at": "2020-01-01T00:00:00Z"}),
    ]));
    let server = service(&records);
    let settings = settings(&server, json!({"cursor": "at", "param": "since", "initial": minute(0)}));
    let mut lake = Lake::default();
    rig(settings.clone()).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("items"), [1, 2, 3]);
    // Nothing new is a run that went well, with nothing.
    let collected = rig(settings.clone()).collect(&mut lake).unwrap();
    assert_eq!((ended(&collected, "items"), collected.streams[0].records), ("ok".to_owned(), 0));
    // Another at the same time as the last one, a later one, and one that changed.
    let more = [
        json!({"id": 4, "at": minute(3)}),
        json!({"id": 5, "at": minute(9)}),
        json!({"id": 2, "at": minute(8)}),
    ];
    records.lock().unwrap().extend(more);
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("items"), [1, 2, 2, 3, 4, 5]);
    assert_eq!(asked(&server), [Some(minute(0)), Some(minute(3)), Some(minute(3))]);
    let line = &lake.lines("items")[0];
    assert_eq!((&line["ts"], &line["original_id"]), (&json!(minute(1)), &json!("1")));
}

#[test]
fn rest_05_what_appears_late_is_found_within_the_lag() {
    let records: Records = Arc::new(Mutex::new(vec![
        json!({"id": 1, "at": minute(10)}),
        json!({"id": 2, "at": minute(18)}),
        json!({"id": 3, "at": minute(20)}),
    ]));
    let server = service(&records);
    let settings = settings(&server, json!({"cursor": "at", "param": "since", "lag": "5m"}));
    let mut lake = Lake::default();
    rig(settings.clone()).collect(&mut lake).unwrap();
    // Written after the run, with an older time.
    records.lock().unwrap().push(json!({"id": 4, "at": minute(16)}));
    records.lock().unwrap().push(json!({"id": 5, "at": minute(2)}));
    rig(settings.clone()).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("items"), [1, 2, 3, 4]);
    // What is known within it stays known.
    for _ in 0..2 {
        let collected = rig(settings.clone()).collect(&mut lake).unwrap();
        assert_eq!(collected.streams[0].records, 0);
    }
    assert_eq!(asked(&server), [None, Some(minute(15)), Some(minute(15)), Some(minute(15))]);
}

#[test]
fn rest_05_a_record_without_a_cursor() {
    let check = |missing: Option<&str>, expect: &str, ids: &[i64], notes: usize| {
        let records: Records = Arc::new(Mutex::new(vec![
            json!({"id": 1, "at": minute(1)}),
            json!({"id": 2}),
            json!({"id": 3, "at": null}),
        ]));
        let server = service(&records);
        let mut incremental = json!({"cursor": "at"});
        if let Some(missing) = missing {
            incremental["missing"] = json!(missing);
        }
        let mut lake = Lake::default();
        let collected = rig(settings(&server, incremental)).collect(&mut lake).unwrap();
        let ended = ended(&collected, "items");
        assert!(ended.contains(expect), "{missing:?}: {ended}");
        assert_eq!((lake.ids("items").as_slice(), collected.notes.len()), (ids, notes), "{missing:?}");
        // What ended too early is read again from where it was.
        assert_eq!(lake.cursors.get("items").is_some(), expect == "ok");
    };
    check(None, "a record has no `at`, which is its cursor; set `missing`", &[], 0);
    check(Some("raise"), "a record has no `at`", &[], 0);
    check(Some("include"), "ok", &[1, 2, 3], 0);
    check(Some("exclude"), "ok", &[1], 1);
}

#[test]
fn rest_05_a_run_ends_where_it_is_told_to() {
    let records: Records = Arc::new(Mutex::new((0..6).map(|n| json!({"id": n, "at": minute(n)})).collect()));
    let server = service(&records);
    let mut lake = Lake::default();
    let incremental = json!({"cursor": "at", "param": "since", "initial": minute(2), "end": minute(4), "end_param": "until"});
    rig(settings(&server, incremental)).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("items"), [2, 3]);
    assert_eq!(param(&server.requests()[0], "until"), Some(minute(4)));
    // The ends in the path.
    let mut settings = settings(&server, json!({"cursor": "at", "initial": minute(2), "end": minute(4)}));
    settings["path"] = json!("from/{incremental.start}/to/{incremental.end}");
    rig(settings).collect(&mut Lake::default()).unwrap();
    assert_eq!(server.requests()[1].path, "/from/2026-01-01T00%3A02%3A00Z/to/2026-01-01T00%3A04%3A00Z");
}

/// Ten pages of one record each, in this order; page 6 fails as often as it is told to.
fn pages(newest_first: bool, fails: usize) -> Server {
    let fails = Mutex::new(fails);
    Server::new(move |_, request: &Request| {
        let page: i64 = param(request, "page").unwrap().parse().unwrap();
        let since: i64 = param(request, "since").map_or(0, |since| since.parse().unwrap());
        let mut fails = fails.lock().unwrap();
        if page == 6 && *fails > 0 {
            *fails -= 1;
            return Reply::Say(400, "", "no".to_owned());
        }
        let at = if newest_first { 11 - page } else { since.max(1) + page - 1 };
        say(&if (1..=10).contains(&at) && page <= 10 { json!([{"id": at, "at": at}]) } else { json!([]) })
    })
}

#[test]
fn rest_05_oldest_first_goes_on_within_a_run_that_died() {
    let check = |order: &str, fails: usize, asked_again: Option<&str>, kept: usize| {
        let server = pages(false, fails);
        let settings = json!({
            "endpoint": server.url, "name": "items", "paginate": {"type": "page_number"},
            "incremental": {"cursor": "at", "param": "since", "order": order},
        });
        let mut lake = Lake::default();
        let collected = rig(settings.clone()).collect(&mut lake).unwrap();
        assert!(ended(&collected, "items").starts_with("failed"), "{order}");
        // What was read is kept either way.
        assert_eq!(lake.ids("items"), [1, 2, 3, 4, 5], "{order}");
        let before = server.requests().len();
        rig(settings).collect(&mut lake).unwrap();
        assert_eq!(param(&server.requests()[before], "since").as_deref(), asked_again, "{order}");
        assert_eq!(lake.ids("items").len(), kept, "{order}");
        let mut ids = lake.ids("items");
        ids.dedup();
        assert_eq!(ids, (1..=10).collect::<Vec<i64>>(), "{order}");
    };
    check("asc", 1, Some("5"), 10);
    // In no order nothing can be said before the end: the next run reads it again.
    check("none", 1, None, 15);
}

#[test]
fn rest_05_newest_first_ends_at_what_is_known() {
    let server = pages(true, 0);
    let settings = json!({
        "endpoint": server.url, "name": "items", "paginate": {"type": "page_number"},
        "incremental": {"cursor": "at", "order": "desc"},
    });
    let mut lake = Lake::default();
    rig(settings.clone()).collect(&mut lake).unwrap();
    let first = server.requests().len();
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!((first, server.requests().len() - first), (11, 1));
    assert_eq!(lake.ids("items"), (1..=10).collect::<Vec<i64>>());
}

#[test]
fn rest_05_a_batch_that_is_not_kept_moves_no_cursor() {
    let records: Records = Arc::new(Mutex::new(vec![json!({"id": 1, "at": minute(1)})]));
    let server = service(&records);
    let settings = settings(&server, json!({"cursor": "at", "param": "since"}));
    let mut lake = Lake { takes: Some(0), ..Lake::default() };
    let error = rig(settings.clone()).collect(&mut lake).unwrap_err();
    assert_eq!(error.to_string(), "what was collected cannot be kept");
    assert!(lake.cursors.is_empty());
    lake.takes = None;
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!((lake.ids("items"), asked(&server)), (vec![1], vec![None, None]));
}

#[test]
fn rest_05_a_stop_while_a_batch_is_handed_over_moves_no_cursor() {
    let server = pages(false, 0);
    let settings = json!({
        "endpoint": server.url, "name": "items", "paginate": {"type": "page_number"},
        "incremental": {"cursor": "at", "param": "since", "order": "asc"},
    });
    let mut lake = Lake { stops: Some(2), size: Some(2), ..Lake::default() };
    let error = rig(settings.clone()).collect(&mut lake).unwrap_err();
    assert!(matches!(error, CollectError::Cancelled), "{error}");
    // Nothing comes after what was not kept, and nothing is missed.
    assert_eq!((lake.ids("items"), lake.batches.len()), (vec![1, 2, 3, 4], 2));
    assert_eq!(lake.cursors.get("items").unwrap()["at"], 4);
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("items"), (1..=10).collect::<Vec<i64>>());
}

#[test]
fn rest_05_numbers_that_are_texts_are_compared_as_numbers() {
    let records: Records =
        Arc::new(Mutex::new(vec![json!({"id": 1, "at": "998"}), json!({"id": 2, "at": "999"})]));
    let server = service(&records);
    let settings = settings(&server, json!({"cursor": "at"}));
    let mut lake = Lake::default();
    rig(settings.clone()).collect(&mut lake).unwrap();
    assert_eq!(lake.cursors.get("items").unwrap()["at"], "999");
    records.lock().unwrap().push(json!({"id": 3, "at": "1000"}));
    rig(settings).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("items"), [1, 2, 3]);
    assert_eq!(lake.cursors.get("items").unwrap()["at"], "1000");
}

#[test]
fn rest_05_a_cursor_that_is_none_of_ours_is_said() {
    let server = Server::new(|_, _| say(&json!([])));
    let mut lake = Lake::default();
    lake.cursors.set("items", json!([1]));
    let collected = rig(settings(&server, json!({"cursor": "at"}))).collect(&mut lake).unwrap();
    let error = ended(&collected, "items");
    assert!(
        error.contains("its cursor cannot be understood") && error.contains("stele sources state"),
        "{error}"
    );
    // Nothing was asked, and it stays what it was.
    assert_eq!((server.requests().len(), lake.cursors.get("items")), (0, Some(json!([1]))));
}
