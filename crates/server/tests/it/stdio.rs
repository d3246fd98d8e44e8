//! The program on standard input and output, spoken to by a client of bad manners.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::hostile::{ENDLESS, answers_nothing, processes};
use crate::world::{World, sql};

/// `stele mcp` over the lake of a world.
fn program(world: &World) -> Child {
    let mut command = Command::new(sql().program);
    command.arg("mcp").arg("--data-dir").arg(world.path("data"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params }).to_string()
}

fn initialize() -> String {
    let client = json!({ "name": "test", "version": "1" });
    request(
        0,
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
    )
}

/// Writes all of a text and closes the input; gives the answers but the first, in the order of their ids.
fn answers(world: &World, lines: &str) -> Vec<Value> {
    let mut child = program(world);
    let mut input = child.stdin.take().unwrap();
    let text = format!("{}\n{lines}", initialize());
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut answers: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    answers.retain(|answer| answer["id"] != json!(0));
    answers.sort_by_key(|answer| answer["id"].to_string());
    answers
}

/// One line after the handshake, and what its answer holds.
fn check(line: &str, id: Value, code: i64) {
    let answers = answers(World::shared_empty(), &format!("{line}\n"));
    assert_eq!(answers.len(), 1, "{line}: {answers:?}");
    assert_eq!((&answers[0]["id"], &answers[0]["error"]["code"]), (&id, &json!(code)), "{line}: {answers:?}");
    assert!(answers[0].get("id").is_some(), "{line}: {answers:?}");
}

#[test]
fn what_is_no_message_is_answered() {
    check("{ no JSON", Value::Null, -32700);
    check("[]", Value::Null, -32600);
    check(r#"{"jsonrpc":"2.0","id":4}"#, json!(4), -32600);
    check(r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, json!("a"), -32600);
    check(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Value::Null, -32600);
    check(&format!("\"{}\"", "x".repeat(1 << 20)), Value::Null, -32600);
    for arguments in [json!(7), json!("text"), json!([1])] {
        let call = request(5, "tools/call", json!({ "name": "list_events", "arguments": arguments }));
        check(&call, json!(5), -32602);
    }
    check(&request(6, "tools/call", json!({ "name": 5 })), json!(6), -32602);
    check(&request(7, "no/such/method", json!({})), json!(7), -32601);
}

#[test]
fn the_last_line_needs_no_end() {
    let ping = |id: u64| request(id, "ping", json!({}));
    let answers = answers(World::shared_empty(), &format!("{}\r\n\n  \n{}", ping(1), ping(2)));
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2)], "{answers:?}");
    assert!(answers.iter().all(|answer| answer["result"] == json!({})), "{answers:?}");
}

#[test]
fn what_comes_before_a_request_ends_nothing() {
    let mut child = program(World::shared_empty());
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        &initialize(),
    ] {
        writeln!(input, "{line}").unwrap();
    }
    let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
    assert_eq!((&answer["id"], answer["result"].is_object()), (&json!(0), true), "{answer}");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_query_ends_when_it_is_cancelled() {
    let world = World::new(false);
    let mut child = program(&world);
    let id = child.id().to_string();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let query = request(1, "tools/call", json!({ "name": "sql", "arguments": { "query": ENDLESS } }));
    writeln!(input, "{}\n{query}", initialize()).unwrap();
    while processes(&id).is_empty() {
        std::thread::yield_now();
    }
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    writeln!(input, "{cancelled}").unwrap();
    answers_nothing(&id);
    // Nothing is said to a request that was cancelled.
    writeln!(input, "{}", request(2, "ping", json!({}))).unwrap();
    let next = output.by_ref().nth(1).unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&next).unwrap()["id"], 2, "{next}");
    drop(input);
    assert!(child.wait().unwrap().success());
}
