//! Lists in pages: each entry once, and never a page of another state.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stele_server::{RESULT_BYTES_MAX, SEARCH_RESULTS_MAX};

use crate::client::{answered, call, refused};
use crate::world::{RARE_EVENTS, TICKS, World, shared};

/// Reads a list to its end; gives what tells its entries apart, in order, and the number of pages.
fn all(
    world: &World,
    tool: &str,
    arguments: &Value,
    list: &str,
    id: impl Fn(&Value) -> String,
) -> (Vec<String>, usize) {
    let mut arguments = arguments.clone();
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let page = answered(world.address, tool, arguments.clone());
        ids.extend(page[list].as_array().unwrap().iter().map(&id));
        pages += 1;
        let next = &page["next_cursor"];
        assert_eq!(next.is_string(), page["truncated"] == true, "{page}");
        assert_eq!(next.is_string(), page["limit_reason"].is_string(), "{page}");
        if next.is_null() {
            return (ids, pages);
        }
        assert!(pages < 100, "{tool} never ends");
        arguments["cursor"] = next.clone();
    }
}

fn once(ids: &[String]) {
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}

#[test]
fn events_come_exactly_once() {
    let name = |event: &Value| event["name"].as_str().unwrap().to_owned();
    for (limit, pages_expected) in [(7, 7), (48, 1), (47, 2)] {
        let (names, pages) = all(shared(), "list_events", &json!({ "limit": limit }), "events", name);
        once(&names);
        assert_eq!(names.len() as u64, RARE_EVENTS + 3);
        assert_eq!(pages, pages_expected, "{limit}");
    }
}

#[test]
fn fields_come_exactly_once() {
    let path = |field: &Value| field["path"].as_str().unwrap().to_owned();
    let (paths, pages) =
        all(shared(), "describe_event", &json!({ "event": "tick", "limit": 2 }), "fields", path);
    once(&paths);
    assert_eq!(paths, ["data", "data.odd", "data.price", "data.tick", "event", "gameId"]);
    assert_eq!(pages, 3);
}

#[test]
fn examples_come_exactly_once() {
    let at = |example: &Value| example["at"].as_str().unwrap().to_owned();
    let (places, _) =
        all(shared(), "find_examples", &json!({ "path": "data.price", "limit": 50 }), "examples", at);
    once(&places);
    assert_eq!(places.len() as u64, TICKS);
    let (places, _) = all(shared(), "find_examples", &json!({ "path": "data.likes[]" }), "examples", at);
    assert_eq!(places.len(), 1);
}

#[test]
fn results_come_exactly_once() {
    let id = |hit: &Value| hit["id"].as_str().unwrap().to_owned();
    let (whole, _) =
        all(shared(), "search", &json!({ "query": "number", "top": SEARCH_RESULTS_MAX }), "results", id);
    let (ids, pages) = all(shared(), "search", &json!({ "query": "number", "top": 7 }), "results", id);
    once(&ids);
    assert!(pages > 2 && ids.len() > 14, "{pages}");
    assert_eq!(ids, whole);
}

#[test]
fn the_byte_budget_ends_a_page_and_loses_nothing() {
    let world = World::new(false);
    let text = "x\\u0002".repeat(700);
    let line = |n: usize| format!("{{\"event\":\"big\",\"data\":{{\"n\":{n},\"text\":\"{text}\"}}}}\n");
    world.ingest("big.jsonl", &(0..40).map(line).collect::<String>());
    let arguments = json!({ "event": "big", "limit": 50 });
    let result = call(world.address, "find_examples", arguments.clone());
    let page = &result["structuredContent"];
    assert_eq!((&page["truncated"], &page["limit_reason"]), (&json!(true), &json!("bytes")));
    assert!(page.to_string().len() <= RESULT_BYTES_MAX, "{}", page.to_string().len());
    let at = |example: &Value| example["at"].as_str().unwrap().to_owned();
    let (places, _) = all(&world, "find_examples", &arguments, "examples", at);
    once(&places);
    assert_eq!(places.len(), 40);

    let around = json!({ "source": "big.jsonl", "line": 20, "before": 19, "after": 20 });
    let excerpt = answered(world.address, "read_excerpt", around);
    assert_eq!(excerpt["limit_reason"], "bytes");
    let lines: Vec<u64> =
        excerpt["lines"].as_array().unwrap().iter().filter_map(|line| line["line"].as_u64()).collect();
    assert!(lines.contains(&20) && lines.is_sorted() && lines.len() < 40, "{lines:?}");

    let table =
        answered(world.address, "sql", json!({ "query": "SELECT * FROM events WHERE event_type = 'big'" }));
    assert_eq!((&table["truncated"], &table["limit_reason"]), (&json!(true), &json!("bytes")));
    assert!(table.to_string().len() <= RESULT_BYTES_MAX);
}

#[test]
fn rows_are_limited() {
    let table = answered(shared().address, "sql", json!({ "query": "SELECT tick FROM ticks", "limit": 5 }));
    assert_eq!(table["rows"].as_array().unwrap().len(), 5);
    assert_eq!((&table["truncated"], &table["limit_reason"]), (&json!(true), &json!("rows")));
    let table = answered(shared().address, "sql", json!({ "query": "SELECT 1 AS one", "limit": 1 }));
    assert_eq!((&table["truncated"], &table["limit_reason"]), (&json!(false), &Value::Null));
}

#[test]
fn a_cursor_of_another_state_or_question_is_refused() {
    let world = World::new(true);
    let cursor =
        |tool: &str, arguments: Value| answered(world.address, tool, arguments)["next_cursor"].clone();
    let events = cursor("list_events", json!({ "limit": 3 }));
    let fields = cursor("describe_event", json!({ "event": "tick", "limit": 2 }));
    let results = cursor("search", json!({ "query": "number", "top": 3 }));
    let examples = cursor("find_examples", json!({ "event": "tick", "limit": 3 }));
    let text = refused(world.address, "describe_event", json!({ "event": "chat", "cursor": fields }));
    assert!(text.contains("another question"), "{text}");
    let text = refused(world.address, "list_events", json!({ "cursor": results }));
    assert!(text.contains("another question"), "{text}");

    world.ingest("more.jsonl", "{\"event\":\"tick\",\"data\":{\"number\":1}}\n");
    let text = refused(world.address, "list_events", json!({ "cursor": events }));
    assert!(text.contains("stale") && text.contains("begin again"), "{text}");
    let text = refused(world.address, "describe_event", json!({ "event": "tick", "cursor": fields }));
    assert!(text.contains("stale"), "{text}");
    // A list of records goes on where it began: the lake keeps its versions.
    let on = json!({ "event": "tick", "limit": 50, "cursor": examples });
    let version = answered(world.address, "find_examples", on)["lake_version"].clone();
    let newest = answered(world.address, "list_events", json!({}))["lake_version"].clone();
    assert!(version.as_u64() < newest.as_u64(), "{version} {newest}");
    // And an answer of the index until that is brought up to date.
    answered(world.address, "search", json!({ "query": "number", "cursor": results }));
    world.index();
    let text = refused(world.address, "search", json!({ "query": "number", "cursor": results }));
    assert!(text.contains("stale"), "{text}");
}
