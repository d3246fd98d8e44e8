//! Which records are kept, and how they look.

use serde_json::{Value, json};
use stele_collect::{CollectError, Collector, Preview, StreamInfo};
use stele_model::ErrorKind;
use stele_testkit::server::{Reply, Server};

use crate::rig::{Lake, ended, path, rig, say};

#[test]
fn rest_02_nothing_is_not_a_failure() {
    let check = |reply: fn() -> Reply, expect: &str| {
        let server = Server::new(move |_, _| reply());
        let collected = rig(json!({"endpoint": server.url})).collect(&mut Lake::default()).unwrap();
        let ended = ended(&collected, "news");
        assert!(ended.contains(expect), "{ended}");
        assert_eq!(collected.streams[0].records, 0);
    };
    check(|| say(&json!([])), "ok");
    check(|| say(&json!({"items": []})), "ok");
    check(|| Reply::Say(204, "", String::new()), "ok");
    check(|| say(&Value::Null), "ok");
    check(|| Reply::Say(200, "", "<html>".to_owned()), "failed: source news, news: its answer is no JSON");
    check(|| say(&json!("text")), "neither an object nor a list");
    check(|| say(&json!({"a": [], "b": []})), "has several lists (a, b); say by `select`");
}

#[test]
fn rest_02_an_empty_answer_is_no_list_that_is_empty() {
    let check = |status: u16, body: &'static str, expect: &str, ids: &[i64]| {
        let server = Server::new(move |_, _| Reply::Say(status, "", body.to_owned()));
        let mut lake = Lake::default();
        let settings = json!({"endpoint": server.url, "select": "$.data[*]"});
        let collected = rig(settings).collect(&mut lake).unwrap();
        let ended = ended(&collected, "news");
        assert!(ended.contains(expect), "{ended}");
        assert_eq!(lake.ids("news"), ids);
    };
    check(200, "", "failed: source news, news: its answer is empty, and `$.data` is not in it", &[]);
    check(200, r#"{"nodata": 1}"#, "`$.data` is not in its answer", &[]);
    check(204, "", "ok", &[]);
    // Some programs write a mark in front of UTF-8.
    check(200, "\u{feff}{\"data\": [{\"id\": 1}]}", "ok", &[1]);
}

#[test]
fn rest_03_a_record_that_is_too_deep_stops_no_other() {
    let deep = format!("{{\"id\": 2, \"x\": {}{}}}", "[".repeat(200), "]".repeat(200));
    let body = format!("{{\"data\": [{{\"id\": 1}}, {deep}, {{\"id\": 3}}], \"next\": \"/two\"}}");
    let check = |settings: Value, expect: &str, ids: &[i64], rejected: u64| {
        let body = body.clone();
        let server = Server::new(move |_, request| match path(request) {
            "/" => Reply::Say(200, "", body.clone()),
            _ => say(&json!({"data": [{"id": 4}]})),
        });
        let mut all = settings.as_object().unwrap().clone();
        all.insert("endpoint".to_owned(), json!(server.url));
        all.insert("paginate".to_owned(), json!({"type": "json_link", "path": "$.next"}));
        let (mut rig, mut lake) = (rig(Value::Object(all)), Lake::default());
        let collected = rig.collect(&mut lake).unwrap();
        let ended = ended(&collected, "news");
        assert!(ended.contains(expect), "{settings}: {ended}");
        assert_eq!((lake.ids("news").as_slice(), rig.sifted.rejected), (ids, rejected), "{settings}");
        lake.rejected()
    };
    // The next page is found all the same.
    let rejected = check(json!({"select": "$.data[*]"}), "ok", &[1, 3, 4], 1);
    assert!(rejected[0].starts_with("news, record 2: it cannot be looked into: recursion"), "{rejected:?}");
    check(json!({}), "ok", &[1, 3, 4], 1);
    check(json!({"select": "$.data[*]", "incremental": {"cursor": "id"}}), "ok", &[1, 3, 4], 1);
    check(json!({"select": "$.data[*]", "dedup": "content"}), "ok", &[1, 3, 4], 1);
    check(json!({"select": "$.data[?@.id>0]"}), "its answer is nested too deep to be looked into", &[], 0);
}

#[test]
fn rest_09_records_that_nothing_tells_apart_are_spoken_of() {
    let check = |extra: Value, is_said: bool| {
        let server = Server::new(|_, _| say(&json!([{"id": 1}])));
        let mut settings = extra.as_object().unwrap().clone();
        settings.insert("endpoint".to_owned(), json!(server.url));
        let mut rig = rig(Value::Object(settings));
        let ran = rig.collect(&mut Lake::default()).unwrap().notes;
        let checked = rig.with(|collector, means| collector.check(means)).unwrap().notes;
        for notes in [ran, checked] {
            let said = notes.iter().filter(|note| note.starts_with("news: it has no `key`")).count();
            assert_eq!(said, usize::from(is_said), "{extra}: {notes:?}");
        }
    };
    check(json!({}), true);
    check(json!({"key": "id"}), false);
    check(json!({"dedup": "content"}), false);
    check(json!({"incremental": {"cursor": "id"}}), false);
}

#[test]
fn rest_03_records_are_where_the_path_says_and_as_they_were_said() {
    let body = "{\n \"data\" : { \"items\" : [ {\"id\":1, \"n\": 1.00,\n \"s\":\"\\u00e9\"},\r\n {\"id\":2} ] }, \"one\": {\"id\": 3}, \"nothing\": null }";
    let check = |select: Option<&str>, expect: &[&str]| {
        let server = Server::new(move |_, _| Reply::Say(200, "", body.to_owned()));
        let mut settings = json!({"endpoint": server.url, "key": ["id"]});
        settings["select"] = json!(select);
        let mut lake = Lake::default();
        rig(settings).collect(&mut lake).unwrap();
        let lines: Vec<u8> = lake.batches.iter().flat_map(|batch| batch.lines.clone()).collect();
        let lines = String::from_utf8(lines).unwrap();
        let data: Vec<&str> = lines
            .lines()
            .map(|line| line.split_once("\"data\":").unwrap().1.strip_suffix('}').unwrap())
            .collect();
        assert_eq!(data, expect, "{select:?}");
    };
    let said = "{\"id\":1, \"n\": 1.00,  \"s\":\"\\u00e9\"}";
    check(Some("$.data.items[*]"), &[said, "{\"id\":2}"]);
    check(Some("$.data.items"), &[said, "{\"id\":2}"]);
    check(Some("$.one"), &["{\"id\": 3}"]);
    check(Some("$.nothing[*]"), &[]);
    // By a condition: understood and written anew, every digit as it was.
    check(Some("$.data.items[?@.id==1]"), &["{\"id\":1,\"n\":1.00,\"s\":\"é\"}"]);
    check(Some("$..id"), &["1", "2", "3"]);
    // No list of objects in it: it is one record.
    let server = Server::new(|_, _| say(&json!({"id": 7, "tags": ["a"]})));
    let mut lake = Lake::default();
    rig(json!({"endpoint": server.url})).collect(&mut lake).unwrap();
    assert_eq!(lake.ids("news"), [7]);
    // A path that leads nowhere is no empty list.
    let server = Server::new(|_, _| say(&json!({"items": [{"id": 1}]})));
    let collected =
        rig(json!({"endpoint": server.url, "select": "$.item[*]"})).collect(&mut Lake::default()).unwrap();
    assert!(ended(&collected, "news").contains("`$.item` is not in its answer; correct `select`"));
}

#[test]
fn rest_09_the_same_record_is_kept_once() {
    let same = r#"[{"id": 1, "tags": [{"a": 1, "b": 2}]}, {"tags": [{"b": 2, "a": 1.0}], "id": 1}, {"id": 2}, {"id": 1, "x": 0}]"#;
    let check = |dedup: Value, kept: usize, duplicates: u64| {
        let server = Server::new(move |_, _| Reply::Say(200, "", same.to_owned()));
        let mut lake = Lake::default();
        let mut rig = rig(json!({"endpoint": server.url, "dedup": dedup}));
        rig.collect(&mut lake).unwrap();
        assert_eq!((lake.lines("news").len(), rig.sifted.duplicates), (kept, duplicates), "{dedup}");
        // Another run knows what this one has kept.
        rig.collect(&mut lake).unwrap();
        let (again, met) = if dedup == json!(false) { (8, 0) } else { (kept, 4) };
        assert_eq!((lake.lines("news").len(), rig.sifted.duplicates), (again, met), "{dedup}");
    };
    check(json!(false), 4, 0);
    check(json!("content"), 3, 1);
    check(json!(["id"]), 2, 2);
}

#[test]
fn rest_14_records_are_held_against_their_schema() {
    let check = |schema: Value, expect: &str, kept: Value, told: &[&str]| {
        let server = Server::new(|_, _| {
            say(&json!([{"forecast_id": "a", "n": 1}, {"n": 2}, {"forecast_id": "b", "n": 3, "new": true}]))
        });
        let mut lake = Lake::default();
        let settings = json!({"endpoint": server.url, "key": "forecast_id", "schema": schema});
        let collected = rig(settings).collect(&mut lake).unwrap();
        let ended = ended(&collected, "news");
        assert!(ended.contains(expect), "{schema}: {ended}");
        let found: Vec<Value> = lake.lines("news").iter().map(|line| line["data"].clone()).collect();
        assert_eq!(Value::from(found), kept, "{schema}");
        let reasons = lake.rejected();
        assert!(expect != "ok" || reasons == told, "{schema}: {reasons:?}");
    };
    let (a, b) = (json!({"forecast_id": "a", "n": 1}), json!({"forecast_id": "b", "n": 3, "new": true}));
    let without = "news, record 2: `forecast_id` is required and missing";
    check(json!({"required": ["forecast_id"]}), "ok", json!([a, b]), &[without]);
    check(
        json!({"required": ["forecast_id"], "columns": "discard_value"}),
        "ok",
        json!([a, {"forecast_id": "b", "n": 3}]),
        &[without],
    );
    check(
        json!({"required": ["forecast_id"], "columns": "discard_row"}),
        "ok",
        json!([a]),
        &[without, "news b: `new` is a new member"],
    );
    check(
        json!({"required": ["forecast_id"], "missing": "freeze"}),
        "record 2: `forecast_id` is required",
        // A batch is kept whole or not at all.
        json!([]),
        &[],
    );
    check(json!({"columns": "freeze"}), "record 3: `new` is a new member; allow it", json!([]), &[]);
}

#[test]
fn rest_14_what_was_learnt_holds_for_the_next_run() {
    let server = Server::new(|number, _| match number {
        0 => say(&json!([{"id": 1}])),
        _ => say(&json!([{"id": 2, "new": 1}])),
    });
    let settings = json!({"endpoint": server.url, "schema": {"columns": "freeze"}});
    let mut lake = Lake::default();
    assert_eq!(ended(&rig(settings.clone()).collect(&mut lake).unwrap(), "news"), "ok");
    assert!(ended(&rig(settings).collect(&mut lake).unwrap(), "news").contains("`new` is a new member"));
    assert_eq!(lake.ids("news"), [1]);
}

#[test]
fn rest_17_check_discover_and_preview() {
    let server = Server::new(|_, request| match path(request) {
        "/posts" => say(&json!([{"id": 1, "at": "2026-01-01T00:00:00Z", "n": null}, {"id": 2, "n": 1.5}])),
        "/secret" => Reply::Say(403, "", r#"{"message": "not for you"}"#.to_owned()),
        _ => say(&json!([{"id": 5}, {"id": 6}])),
    });
    let mut rig = rig(json!({"base_url": server.url, "resources": [
        {"name": "posts", "path": "posts", "key": ["id"], "incremental": {"cursor": "at", "missing": "include"}},
        {"name": "comments", "path": "posts/{resources.posts.id}/comments", "key": "id"},
        {"name": "secret", "path": "secret", "key": "id"},
    ]}));
    let checked = rig.with(|collector, means| collector.check(means)).unwrap();
    assert_eq!(
        checked.notes,
        [
            "posts answers, with 2 new records on its first page".to_owned(),
            "secret is not given: 403: not for you".to_owned(),
            format!("{} is reached", server.url),
        ]
    );
    let streams = rig.with(|collector, means| collector.discover(means)).unwrap();
    let fields =
        |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(
        streams[0],
        StreamInfo {
            name: "posts".to_owned(),
            key: vec!["id".to_owned()],
            cursor: Some("at".to_owned()),
            fields: fields(&[("id", "integer"), ("at", "string"), ("n", "null or number")]),
        }
    );
    assert_eq!((streams[1].name.as_str(), &streams[1].fields), ("secret", &fields(&[])));
    assert_eq!((streams[2].name.as_str(), &streams[2].fields), ("comments", &fields(&[("id", "integer")])));
    let before = server.requests().len();
    let mut preview = Preview::new(3);
    let collected =
        rig.with(|collector, means| collector.collect(&Default::default(), &mut preview, means)).unwrap();
    assert_eq!(preview.lines.len(), 3, "{:?}", preview.lines);
    // It stops when it has enough, and says how much that took: the posts, what is secret, and the comments of both posts.
    assert_eq!((collected.calls, server.requests().len() - before), (4, 4));
    let mut one = Preview::new(1);
    rig.with(|collector, means| collector.collect(&Default::default(), &mut one, means)).unwrap();
    assert_eq!((one.lines.len(), server.requests().len() - before), (1, 5));
}

#[test]
fn rest_17_a_preview_asks_for_what_it_shows() {
    let check = |resources: Value, limit: u64, requests: usize| {
        // A page is so long that whoever asked ahead would have done so before it is looked at.
        let server = Server::new(|number, request| match path(request) {
            "/posts" => say(&json!([{"id": 1}, {"id": 2}, {"id": 3}])),
            _ => {
                let page: Vec<Value> = (0..1_000).map(|id| json!({"id": number * 1_000 + id})).collect();
                say(&Value::from(page))
            }
        });
        let mut rig = rig(json!({"base_url": server.url, "resources": resources}));
        let mut preview = Preview::new(limit);
        rig.with(|collector, means| collector.collect(&Default::default(), &mut preview, means)).unwrap();
        assert_eq!(preview.lines.len() as u64, limit);
        let asked: Vec<String> = server.requests().iter().map(|request| request.path.clone()).collect();
        assert_eq!(asked.len(), requests, "{asked:?}");
    };
    let pages = json!([{"name": "many", "path": "many", "paginate": {"type": "page_number"}}]);
    check(pages.clone(), 1, 1);
    check(pages.clone(), 1_000, 1);
    check(pages, 1_001, 2);
    // Of the comments, those of the first post.
    let comments = json!([
        {"name": "posts", "path": "posts"},
        {"name": "comments", "path": "posts/{resources.posts.id}/comments"},
    ]);
    check(comments, 1_000, 2);
}

#[test]
fn rest_17_a_check_that_fails_says_why() {
    let server = Server::new(|_, _| Reply::Say(404, "", String::new()));
    let error =
        rig(json!({"endpoint": server.url})).with(|collector, means| collector.check(means)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fix);
    assert!(matches!(error, CollectError::Http { .. }));
    // Of several, one that is given is enough; see `rest_17_check_discover_and_preview`.
    let server = Server::new(|_, _| Reply::Say(403, "", r#"{"message": "not for you"}"#.to_owned()));
    let error =
        rig(json!({"endpoint": server.url})).with(|collector, means| collector.check(means)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("none of its streams can be had; news: 403: not for you"), "{error}");
}
