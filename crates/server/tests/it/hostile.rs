//! Arguments of somebody who means no good, or of a model that guesses: an answer within the caps or
//! an error that says what to try, and a server that goes on.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use stele_engine::Cancel;
use stele_engine::retrieval::Question;
use stele_model::ErrorKind;
use stele_server::{CALL_TIME_MAX, RESULT_BYTES_MAX, SQL_ROWS_MAX};

use crate::client::{answered, ask, head, message, refused};
use crate::world::{World, shared, wait};

/// Bytes of text beside the structured content: the head and the marks.
const TEXT_HEAD_BYTES: usize = 1000;

/// One call; whatever comes, it is an answer within the caps or an error that helps.
fn check(tool: &str, arguments: &Value) {
    let answer = ask(shared().address, "tools/call", json!({ "name": tool, "arguments": arguments }));
    if answer["error"].is_object() {
        // Arguments that are no object are an error of the protocol.
        assert!(!arguments.is_object(), "{tool} {arguments}: {answer}");
        return;
    }
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    if result["isError"] == true {
        assert!(text.len() < 4000, "{tool} {arguments}: {text}");
        assert!(text.contains("Try: "), "{tool} {arguments}: {text}");
        assert!(!text.contains("failed on that call"), "{tool} {arguments}: {text}");
        return;
    }
    let content = result["structuredContent"].to_string();
    assert!(content.len() <= RESULT_BYTES_MAX, "{tool} {arguments}: {} bytes", content.len());
    assert!(text.len() <= content.len() + TEXT_HEAD_BYTES, "{tool} {arguments}: {} bytes", text.len());
    assert_eq!(result["structuredContent"]["untrusted_data"], true);
}

/// Names and values that are near to real ones, so that they get past the first check.
fn value() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just("tick"),
        Just("data.price"),
        Just("game.jsonl"),
        Just("SELECT * FROM events"),
        Just("../../etc/passwd"),
        Just("'; DROP VIEW events; --"),
        Just("data[].{}[\"a.b\"]"),
        Just("$..*"),
        Just("\"unclosed"),
        Just(""),
        Just("c1.0.1.0.0123456789abcdef"),
        Just("c1.18446744073709551615.1.0.0123456789abcdef"),
        Just("hybrid"),
        Just("record"),
        Just("FROM range(100000000)"),
        Just("SELECT repeat('x', 10000000) AS x FROM range(100)"),
        Just("what is data.price?"),
    ];
    prop_oneof![
        4 => texts.prop_map(Value::from),
        2 => any::<String>().prop_map(Value::from),
        2 => any::<u64>().prop_map(Value::from),
        2 => (0u64..60).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => prop::collection::vec(any::<u8>().prop_map(Value::from), 0..4).prop_map(Value::from),
        1 => Just(json!({ "nested": { "deeply": [] } })),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "query", "top", "arm", "event", "doc_type", "game", "kind", "cursor", "path", "limit", "source",
        "line", "before", "after", "name", "from", "to", "depth", "kinds", "section", "tokens", "scope",
        "unknown",
    ]);
    let one = (names, value());
    prop::collection::vec(one, 0..5)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The arguments without which a tool refuses at once, as a start.
fn likely(tool: &str, mut arguments: Value) -> Value {
    let needed: &[(&str, Value)] = match tool {
        "search" => &[("query", json!("price"))],
        "explain_field" => &[("path", json!("price"))],
        "describe_event" | "find_examples" => &[("event", json!("tick"))],
        "read_excerpt" => &[("source", json!("game.jsonl")), ("line", json!(7))],
        "graph_expand" => &[("name", json!("tick"))],
        "graph_paths" => &[("from", json!("tick")), ("to", json!("chat"))],
        "expand_excerpt" => &[("section", json!("00112233445566778899aabbccddeeff"))],
        "sql" => &[("query", json!("SELECT * FROM events"))],
        _ => &[],
    };
    for (name, value) in needed {
        if arguments.get(*name).is_none() {
            arguments[*name] = value.clone();
        }
    }
    arguments
}

#[test]
fn no_arguments_get_past_the_caps() {
    let tools = prop::sample::select(vec![
        "search",
        "explain_field",
        "list_events",
        "describe_event",
        "find_examples",
        "read_excerpt",
        "expand_excerpt",
        "graph_expand",
        "graph_paths",
        "sql",
        "ingest_status",
    ]);
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(tools, arguments(), any::<bool>()), |(tool, arguments, complete)| {
        let arguments = if complete { likely(tool, arguments) } else { arguments };
        check(tool, &arguments);
        Ok(())
    });
    result.unwrap();
    // It still works.
    assert_eq!(answered(shared().address, "list_events", json!({}))["events"][0]["name"], "tick");
}

#[test]
fn arguments_of_another_shape_are_refused() {
    for arguments in [json!([]), json!("text"), json!(7)] {
        check("list_events", &arguments);
    }
    check("sql", &json!({ "query": "x".repeat(20_000) }));
    check("search", &json!({ "query": "word ".repeat(3_000) }));
    check("explain_field", &json!({ "path": ".".repeat(10_000) }));
    check("explain_field", &json!({ "path": "[\"".repeat(5_000) }));
    check("find_examples", &json!({ "path": "a[]".repeat(2_000) }));
    check("read_excerpt", &json!({ "source": "/".repeat(10_000), "line": u64::MAX, "before": 50 }));
    check("read_excerpt", &json!({ "source": "game.jsonl", "line": 1, "before": u64::MAX }));
}

#[test]
fn results_that_are_too_large_are_cut_or_refused() {
    for query in [
        "SELECT repeat('x', 5000000) AS x",
        "SELECT i, repeat('\u{1}', 4000) AS x FROM range(1000) t(i)",
        "SELECT list(i) AS all FROM range(100000) t(i)",
        "SELECT * FROM range(1000000)",
        "SELECT COLUMNS(*) FROM events, (SELECT * FROM events) LIMIT 1",
        "SELECT repeat('[', 5000)::VARCHAR AS deep",
    ] {
        check("sql", &json!({ "query": query, "limit": SQL_ROWS_MAX }));
    }
    let columns: Vec<String> = (0..2000).map(|n| format!("{n} AS c{n}")).collect();
    let query = format!("SELECT {}", columns[..800].join(", "));
    check("sql", &json!({ "query": query }));
}

/// A query that has work for longer than anybody waits, and needs no memory for it.
pub const ENDLESS: &str = "SELECT max(hash(range)) AS n FROM range(100000000000000)";

#[test]
fn a_query_that_never_ends_is_ended() {
    let text = refused(shared().address, "sql", json!({ "query": ENDLESS }));
    assert!(text.contains("too long"), "{text} after {CALL_TIME_MAX:?}");
    goes_on(shared());
}

/// The next query is not held up by the one before.
fn goes_on(world: &World) {
    let rows = answered(world.address, "sql", json!({ "query": "SELECT 1 AS one" }))["rows"].clone();
    assert_eq!(rows, json!([{ "one": 1 }]));
}

#[test]
fn a_query_that_wants_all_the_memory_is_refused() {
    let world = shared();
    for query in [
        // A gigabyte of one letter is put together letter by letter, which a busy machine does not get done in the
        // time of a call; a thousand at once it does.
        "SELECT repeat(repeat('x', 1000), 1000000) FROM range(8)",
        "SELECT max(length(repeat(raw, 10000000))) AS n FROM events",
        "SELECT range(3000000000) AS n",
        "SELECT list_resize([1], 3000000000) AS n",
        "SELECT string_agg(repeat(raw, 1000), '') AS s FROM events, range(10000)",
    ] {
        let text = refused(world.address, "sql", json!({ "query": query }));
        assert!(text.contains("memory"), "{query}: {text}");
        assert!(text.contains("Try: "), "{query}: {text}");
        goes_on(world);
    }
}

/// Processes that answer queries of another, `self` for this one.
pub fn processes(of: &str) -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{of}/task")) else { return Vec::new() };
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let all: Vec<String> =
        children.flat_map(|ids| ids.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let answers = |id: &String| {
        std::fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.contains("answer-sql"))
    };
    all.into_iter().filter(answers).collect()
}

/// Kills them, and waits until they have ended: a busy machine takes its time, and who has not ended yet takes a
/// question and no answer comes.
fn kill(ids: &[String]) {
    assert!(!ids.is_empty(), "nobody answers queries");
    assert!(std::process::Command::new("kill").arg("-9").args(ids).status().unwrap().success());
    // One that has ended and was not asked how has no command line any more.
    let lives = |id: &String| {
        std::fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
    };
    while ids.iter().any(lives) {
        wait(1);
    }
}

#[test]
fn a_query_whose_process_is_killed_takes_nothing_with_it() {
    let world = World::new(false);
    goes_on(&world);
    // One that waits for the next query.
    let waiting = processes("self");
    assert_eq!(waiting.len(), 1);
    kill(&waiting);
    goes_on(&world);
    // One that works, and spills.
    let spilled = world.path("data/tmp");
    // A kilobyte a row, so that the engine's memory is full long before the time of a call is over, however busy
    // the machine is.
    let sort = "SELECT repeat(md5(i::VARCHAR), 32) AS m FROM range(100000000) t(i) ORDER BY m";
    std::thread::scope(|scope| {
        let killed = scope.spawn(|| refused(world.address, "sql", json!({ "query": sort })));
        while std::fs::read_dir(&spilled).map_or(0, |all| all.count()) == 0 {
            assert!(!killed.is_finished(), "it ended before it spilled");
            // Not as fast as can be: the query needs the processor more.
            wait(1);
        }
        kill(&processes("self"));
        let text = killed.join().unwrap();
        assert!(text.contains("ended before it answered"), "{text}");
        assert!(text.contains("Try: "), "{text}");
    });
    assert_eq!(std::fs::read_dir(&spilled).unwrap().count(), 0, "what was spilled is gone");
    goes_on(&world);
}

#[test]
fn more_queries_than_processes_take_turns() {
    let world = World::new(false);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| goes_on(&world))).collect();
        asked.into_iter().for_each(|one| one.join().unwrap());
    });
    assert_eq!(processes("self").len(), 1, "one waits for the next");
}

/// Waits until a process answers no queries any more, for less time than a call has.
pub fn answers_nothing(of: &str) {
    let begin = Instant::now();
    while !processes(of).is_empty() {
        assert!(begin.elapsed() < CALL_TIME_MAX / 2, "the query goes on");
        wait(1);
    }
}

#[test]
fn a_query_ends_with_the_connection_of_who_asked() {
    let world = World::new(false);
    let body = message("tools/call", json!({ "name": "sql", "arguments": { "query": ENDLESS } })).to_string();
    let head = head(world.address, "tools/call", "\r\nMcp-Name: sql");
    let mut stream = TcpStream::connect(world.address).unwrap();
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    while processes("self").is_empty() {
        std::thread::yield_now();
    }
    drop(stream);
    answers_nothing("self");
    goes_on(&world);
}

#[test]
fn a_question_that_is_cancelled_is_not_answered() {
    let cancel = Cancel::default();
    let question = Question::new("what is data.price?");
    assert!(shared().engine().search(&question, &cancel).is_ok());
    cancel.cancel();
    let error = shared().engine().search(&question, &cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
}
