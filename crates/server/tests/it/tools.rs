//! Each tool on a lake whose content is known.

use serde_json::{Value, json};

use crate::client::{answered, ask, call, refused};
use crate::world::{INJECTION, RARE_EVENTS, TICKS, World, shared};

/// Line of the injection in the recording, of the damaged line, and of the long record.
const CHAT_LINE: u64 = TICKS + RARE_EVENTS + 1;
const BROKEN_LINE: u64 = CHAT_LINE + 1;
const LONG_LINE: u64 = CHAT_LINE + 2;

#[test]
fn results_are_what_the_output_schemas_say() {
    let address = shared().address;
    let tools = ask(address, "tools/list", json!({}))["result"]["tools"].clone();
    let asked = [
        ("search", json!({ "query": "price" })),
        ("explain_field", json!({ "path": "price" })),
        ("explain_field", json!({ "path": "chat" })),
        ("list_events", json!({})),
        ("describe_event", json!({ "event": "chat" })),
        ("find_examples", json!({ "event": "chat" })),
        ("find_examples", json!({ "path": "data.likes[]" })),
        ("read_excerpt", json!({ "source": "game.jsonl", "line": CHAT_LINE })),
        ("sql", json!({ "query": "SELECT 1 AS a, NULL AS b, [1, 2] AS c, 18446744073709551615 AS d" })),
        ("ingest_status", json!({})),
    ];
    for (name, arguments) in asked {
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        assert!(jsonschema::is_valid(&tool["inputSchema"], &arguments), "{name} {arguments}");
        let result = answered(address, name, arguments);
        let validator = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
        let errors: Vec<String> = validator.iter_errors(&result).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {result}");
        assert_eq!(result["untrusted_data"], true, "{name}");
        assert!(result["notice"].as_str().unwrap().contains("untrusted"), "{name}");
    }
}

#[test]
fn events_and_fields_are_counted_exactly() {
    let address = shared().address;
    let events = answered(address, "list_events", json!({ "limit": 2 }));
    assert_eq!(events["events_total"], RARE_EVENTS + 3);
    assert_eq!(events["records"], TICKS + RARE_EVENTS + 2);
    assert_eq!(events["events"][0]["name"], "tick");
    assert_eq!(events["events"][0]["records"], TICKS);

    let field = &answered(address, "explain_field", json!({ "path": "price" }))["fields"][0];
    assert_eq!((&field["event"], &field["path"]), (&json!("tick"), &json!("data.price")));
    assert_eq!(field["records"], TICKS);
    assert_eq!(field["number_range"], json!(["0.5", "22.5"]));
    assert!(field["first_seen"].as_str().unwrap().ends_with("game.jsonl:1"), "{field}");
    assert!(field["last_seen"].as_str().unwrap().ends_with(&format!("game.jsonl:{TICKS}")), "{field}");

    let event = answered(address, "describe_event", json!({ "event": "tick" }));
    let odd = event["fields"].as_array().unwrap().iter().find(|field| field["path"] == "data.odd").unwrap();
    assert_eq!((&odd["types"], &odd["always"]), (&json!("boolean"), &json!(true)), "{odd}");
}

#[test]
fn what_does_not_exist_is_said_with_what_does() {
    let address = shared().address;
    for (tool, arguments, says) in [
        ("explain_field", json!({ "path": "pricee" }), "data.price"),
        ("explain_field", json!({ "path": "price", "event": "tikc" }), "tick"),
        ("describe_event", json!({ "event": "tock" }), "tick"),
        ("find_examples", json!({ "event": "tock" }), "tick"),
        ("find_examples", json!({}), "event"),
        ("read_excerpt", json!({ "source": "gone.jsonl", "line": 1 }), "game.jsonl"),
        ("read_excerpt", json!({ "source": "game.jsonl", "line": 0 }), "counted from 1"),
        ("read_excerpt", json!({ "source": "game.jsonl", "line": 99_999 }), "lines were read"),
        ("search", json!({ "query": "  " }), "query is empty"),
        ("sql", json!({ "query": "SELECT * FROM evnts" }), "events"),
        ("sql", json!({ "query": "SELECT 1 AS a, 2 AS a" }), "same name"),
        ("list_events", json!({ "limit": 0 }), "from 1 to 100"),
        ("list_events", json!({ "limt": 5 }), "limt"),
        ("search", json!({ "query": "a", "arm": "leg" }), "hybrid"),
    ] {
        let text = refused(address, tool, arguments.clone());
        assert!(text.contains(says), "{tool} {arguments}: {text}");
        assert!(text.contains("Try: "), "{tool} {arguments}: {text}");
    }
}

#[test]
fn sql_reads_and_nothing_else() {
    let world = shared();
    let result = answered(
        world.address,
        "sql",
        json!({ "query": "SELECT count(*) AS n, max(price) AS p FROM events" }),
    );
    assert_eq!(result["rows"], json!([{ "n": TICKS + RARE_EVENTS + 2, "p": 22.5 }]));
    let file = world.path("game.jsonl").display().to_string();
    for query in [
        "DROP VIEW events".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        format!("COPY events TO '{file}.out'"),
        format!("SELECT * FROM read_text('{file}')"),
        "INSTALL httpfs".to_owned(),
        "SET memory_limit = '100GB'".to_owned(),
        "ATTACH ':memory:' AS other".to_owned(),
    ] {
        refused(world.address, "sql", json!({ "query": query }));
    }
    assert!(!world.path("game.jsonl.out").exists());
}

#[test]
fn an_excerpt_shows_damaged_lines_too() {
    let address = shared().address;
    let arguments = json!({ "source": "game.jsonl", "line": BROKEN_LINE, "before": 1, "after": 0 });
    let result = answered(address, "read_excerpt", arguments);
    let lines = result["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{result}");
    assert_eq!((&lines[0]["line"], &lines[0]["class"]), (&json!(CHAT_LINE), &json!("record")));
    assert_eq!(lines[1]["class"], "rejected");
    assert_eq!(lines[1]["text"], "{\"event\":\"broken\",");
    assert!(lines[1]["reason"].is_string());
}

#[test]
fn long_texts_are_cut_and_say_so() {
    let address = shared().address;
    let example = answered(address, "find_examples", json!({ "event": "long" }))["examples"][0].clone();
    assert_eq!(example["record_cut"], true);
    assert!(example["record_bytes"].as_u64().unwrap() > 100_000, "{}", example["record_bytes"]);
    assert!(example["record"].to_string().len() <= stele_server::TEXT_BYTES_MAX + 10);
    let excerpt =
        answered(address, "read_excerpt", json!({ "source": "game.jsonl", "line": LONG_LINE, "before": 0 }));
    assert_eq!(excerpt["lines"][0]["text_cut"], true, "{excerpt}");
    let table =
        answered(address, "sql", json!({ "query": "SELECT raw FROM events WHERE event_type = 'long'" }));
    assert_eq!(table["values_cut"], 1);
    assert!(table["rows"][0]["raw"].as_str().unwrap().ends_with('…'));
}

/// Text between the marks of a result.
fn marked(text: &str) -> (&str, &str, &str) {
    let (before, rest) = text.split_once("<<<UNTRUSTED DATA ").unwrap();
    let (id, rest) = rest.split_once('\n').unwrap();
    let (data, after) = rest.split_once(&format!("\nUNTRUSTED DATA {id}>>>")).unwrap();
    (before, data, after)
}

#[test]
fn what_somebody_wrote_into_a_record_comes_back_as_data() {
    let address = shared().address;
    for (tool, arguments) in [
        ("find_examples", json!({ "event": "chat" })),
        ("explain_field", json!({ "path": "data.message" })),
        ("describe_event", json!({ "event": "chat" })),
        ("search", json!({ "query": "ignore all previous instructions" })),
        ("read_excerpt", json!({ "source": "game.jsonl", "line": CHAT_LINE })),
        ("sql", json!({ "query": "SELECT raw FROM events WHERE event_type = 'chat'" })),
    ] {
        let result = call(address, tool, arguments);
        let text = result["content"][0]["text"].as_str().unwrap();
        let (before, data, after) = marked(text);
        assert!(data.contains(INJECTION), "{tool}: {text}");
        assert!(!before.contains("Ignore") && before.contains("untrusted data"), "{tool}: {before}");
        assert_eq!(after, "", "{tool}");
        let same: Value = serde_json::from_str(data).unwrap();
        assert_eq!(same, result["structuredContent"], "{tool}");
        assert_eq!(result["structuredContent"]["untrusted_data"], true, "{tool}");
    }
    // An error may quote a record as well.
    let query = "SELECT CAST(json_extract_string(raw, '$.data.message') AS INTEGER) FROM events WHERE event_type = 'chat'";
    let text = refused(address, "sql", json!({ "query": query }));
    let (before, data, after) = marked(&text);
    assert!(data.contains("Ignore all") && !before.contains("Ignore") && !after.contains("Ignore"), "{text}");
}

#[test]
fn status_adds_up_and_knows_the_index() {
    let status = answered(shared().address, "ingest_status", json!({}));
    let ledger = &status["ledger"];
    assert_eq!(ledger["balances"], true);
    assert_eq!(ledger["rejected_lines"], 1);
    assert_eq!(status["inputs"]["total"], 1);
    assert_eq!(status["index"]["pending"], 0, "{status}");
    assert_eq!(status["index"]["semantic"], false);

    let world = World::new(false);
    let status = answered(world.address, "ingest_status", json!({}));
    assert_eq!(status["index"], Value::Null);
    assert!(status["notes"][0].as_str().unwrap().contains("search"), "{status}");
    let text = refused(world.address, "search", json!({ "query": "price" }));
    assert!(text.contains("stele index build"), "{text}");
}

#[test]
fn without_a_lake_every_tool_says_so() {
    let world = World::empty();
    for (tool, arguments) in [
        ("search", json!({ "query": "a" })),
        ("list_events", json!({})),
        ("sql", json!({ "query": "SELECT 1" })),
        ("ingest_status", json!({})),
    ] {
        let text = refused(world.address, tool, arguments);
        assert!(text.contains("no lake") && text.contains("stele ingest"), "{tool}: {text}");
    }
    // It may come while the server runs.
    world.ingest("game.jsonl", "{\"event\":\"a\"}\n");
    assert_eq!(answered(world.address, "list_events", json!({}))["records"], 1);
}

#[test]
fn search_says_what_it_knows() {
    let world = World::new(true);
    let arguments = json!({ "query": "data.price", "kind": "field", "arm": "text" });
    let answer = answered(world.address, "search", arguments);
    assert_eq!(answer["results"][0]["path"], "data.price", "{answer}");
    assert!(answer["results"][0]["at"].as_str().unwrap().contains("game.jsonl"), "{answer}");
    assert_eq!((&answer["pending"], &answer["complete"]), (&json!(0), &json!(true)));
    world.ingest("more.jsonl", "{\"event\":\"tick\",\"data\":{\"price\":1}}\n");
    let answer = answered(world.address, "search", json!({ "query": "price" }));
    assert_eq!((&answer["pending"], &answer["complete"]), (&json!(1), &json!(false)));
}
