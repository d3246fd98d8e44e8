//! A client that shares no code with the server: sockets and JSON.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// The protocol that needs no handshake.
pub const STATELESS: &str = "2026-07-28";

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends one HTTP request and reads to its end.
pub fn request(address: SocketAddr, head: &str, body: &str) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let text = format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    // A server that refuses a large body may close before all of it is sent.
    let _ = stream.write_all(text.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        body.to_owned()
    };
    Response { status, head: head.to_owned(), body }
}

fn unchunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    body
}

/// The head of a request as a well-behaved client sends it, with more lines if wanted.
pub fn head(address: SocketAddr, method: &str, more: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {STATELESS}\r\nMcp-Method: {method}{more}"
    )
}

/// A message of the stateless protocol.
pub fn message(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// Asks over HTTP and gives the whole answer.
pub fn ask(address: SocketAddr, method: &str, params: Value) -> Value {
    let more = match params["name"].as_str() {
        Some(name) if !name.contains(['\r', '\n']) => format!("\r\nMcp-Name: {name}"),
        _ => String::new(),
    };
    let response = request(address, &head(address, method, &more), &message(method, params).to_string());
    serde_json::from_str(&response.body)
        .unwrap_or_else(|error| panic!("{error}: {} {}", response.head, response.body))
}

/// Calls a tool; gives its result, which may be an error of the tool.
pub fn call(address: SocketAddr, tool: &str, arguments: Value) -> Value {
    let answer = ask(address, "tools/call", json!({ "name": tool, "arguments": arguments }));
    assert!(answer["result"].is_object(), "{tool}: {answer}");
    answer["result"].clone()
}

/// Calls a tool that has to answer; gives its structured content.
pub fn answered(address: SocketAddr, tool: &str, arguments: Value) -> Value {
    let result = call(address, tool, arguments);
    assert_ne!(result["isError"], true, "{tool}: {result}");
    result["structuredContent"].clone()
}

/// Calls a tool that has to refuse; gives what it says.
pub fn refused(address: SocketAddr, tool: &str, arguments: Value) -> String {
    let result = call(address, tool, arguments.clone());
    assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

/// One GET as a program sends it, with a token if there is one.
pub fn get(address: SocketAddr, path: &str, token: &str) -> Response {
    let bearer = if token.is_empty() { String::new() } else { format!("\r\nAuthorization: Bearer {token}") };
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}{bearer}"), "")
}

/// One POST of JSON.
pub fn post(address: SocketAddr, path: &str, body: &Value, token: &str) -> Response {
    let bearer = if token.is_empty() { String::new() } else { format!("\r\nAuthorization: Bearer {token}") };
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json{bearer}");
    request(address, &head, &body.to_string())
}

impl Response {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    /// A line of the head.
    pub fn header(&self, name: &str) -> Option<String> {
        let begin = format!("{}:", name.to_lowercase());
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(&begin))?;
        Some(line[begin.len()..].trim().to_owned())
    }
}
