//! Both generations of the protocol over both transports, with one list of tools.

use rmcp::ServiceExt;
use serde_json::{Value, json};
use stele_model::ChunkKind;
use stele_server::Agents;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::client::{answered, ask, head, message, request};
use crate::world::{shared, sql};

const TOOLS: [&str; 11] = [
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
];

/// Sends messages over pipes, as a client that started the program does; gives the answers.
fn over_pipes(messages: &[Value]) -> Vec<Value> {
    let agents = Agents::new(shared().engine(), sql());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = tokio::spawn(async move { agents.serve(theirs).await.map(|running| running.waiting()) });
        let (read, mut write) = tokio::io::split(ours);
        let mut lines = BufReader::new(read).lines();
        let mut answers = Vec::new();
        for message in messages {
            write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
            if message.get("id").is_some() {
                let line = lines.next_line().await.unwrap().unwrap();
                answers.push(serde_json::from_str(&line).unwrap());
            }
        }
        drop(write);
        drop(lines);
        if let Ok(Ok(waiting)) = server.await {
            let _ = waiting.await;
        }
        answers
    })
}

fn initialize() -> [Value; 2] {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ]
}

#[test]
fn the_list_of_tools_is_the_same_everywhere() {
    let [first, second] = initialize();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "ingest_status", "arguments": {} } });
    let answers = over_pipes(&[first, second, list, call]);
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(answers[0]["result"]["serverInfo"]["name"], "stele");
    assert!(answers[0]["result"]["instructions"].as_str().unwrap().contains("never"));
    assert_eq!(answers[2]["result"]["structuredContent"]["ledger"]["balances"], true, "{}", answers[2]);

    let stateless = over_pipes(&[message("tools/list", json!({}))]);
    let http = ask(shared().address, "tools/list", json!({}));
    let tools = &answers[1]["result"]["tools"];
    assert_eq!(tools, &stateless[0]["result"]["tools"]);
    assert_eq!(tools, &http["result"]["tools"]);
    let names: Vec<&str> =
        tools.as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, TOOLS);
}

#[test]
fn every_tool_says_what_it_takes_gives_and_does() {
    let tools = ask(shared().address, "tools/list", json!({}))["result"]["tools"].clone();
    for tool in tools.as_array().unwrap() {
        let hints = &tool["annotations"];
        assert_eq!(
            [
                &hints["readOnlyHint"],
                &hints["idempotentHint"],
                &hints["destructiveHint"],
                &hints["openWorldHint"]
            ],
            [&json!(true), &json!(true), &json!(false), &json!(false)],
            "{tool}"
        );
        assert!(tool["description"].as_str().unwrap().len() > 60, "{tool}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool}");
            assert!(jsonschema::validator_for(&tool[schema]).is_ok(), "{tool}");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        for (name, property) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(
                property["description"].is_string() || property["anyOf"].is_array(),
                "{}: {name}",
                tool["name"]
            );
        }
    }
}

#[test]
fn a_schema_names_what_there_is_to_choose_from() {
    let tools = ask(shared().address, "tools/list", json!({}))["result"]["tools"].clone();
    let search =
        &tools.as_array().unwrap().iter().find(|tool| tool["name"] == "search").unwrap()["inputSchema"];
    let kinds: Vec<Value> =
        ChunkKind::ALL.iter().map(|kind| json!(kind.name())).chain([Value::Null]).collect();
    assert_eq!(search["properties"]["kind"]["enum"], json!(kinds));
    assert_eq!(search["properties"]["arm"]["enum"], json!(["text", "vector", "hybrid", null]));
    assert_eq!(search["required"], json!(["query"]));
    for kind in kinds {
        answered(shared().address, "search", json!({ "query": "price", "kind": kind, "arm": "text" }));
    }
}

#[test]
fn an_old_client_may_initialize_over_http() {
    let address = shared().address;
    let [first, _] = initialize();
    let plain = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream"
    );
    let response = request(address, &plain, &first.to_string());
    assert_eq!(response.status, 200, "{}", response.body);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");

    let with_version = format!("{plain}\r\nMCP-Protocol-Version: 2025-11-25");
    let call =
        json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": { "name": "list_events" } });
    let response = request(address, &with_version, &call.to_string());
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["id"], "a");
    assert_eq!(answer["result"]["structuredContent"]["events"][0]["name"], "tick", "{answer}");
}

#[test]
fn what_is_no_tool_and_no_method_is_an_error_of_the_protocol() {
    let address = shared().address;
    let answer = ask(address, "tools/call", json!({ "name": "drop_lake", "arguments": {} }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("list_events"), "{answer}");
    let answer = ask(address, "resources/frobnicate", json!({}));
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    for arguments in [json!(7), json!("text"), json!([1])] {
        let answer = ask(address, "tools/call", json!({ "name": "list_events", "arguments": arguments }));
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[test]
fn what_is_no_message_is_a_bad_request() {
    let address = shared().address;
    let list = head(address, "tools/list", "");
    for (body, code, id) in [
        ("{ this is no JSON", -32700, Value::Null),
        ("[]", -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":4}"#, -32600, json!(4)),
        (r#"{"jsonrpc":"1.0","id":"a","method":"tools/list"}"#, -32600, json!("a")),
    ] {
        let response = request(address, &list, body);
        assert_eq!(response.status, 400, "{body}: {response:?}");
        let answer: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{body}: {answer}");
    }
    let body = message("tools/list", json!({})).to_string();
    for other in ["text/plain", "application/json5", "application/x-www-form-urlencoded", ""] {
        let response =
            request(address, &list.replace("application/json\r\n", &format!("{other}\r\n")), &body);
        assert_eq!(response.status, 415, "{other}: {response:?}");
    }
    let with_charset = list.replace("application/json\r\n", "Application/JSON; charset=utf-8\r\n");
    assert_eq!(request(address, &with_charset, &body).status, 200);
}
