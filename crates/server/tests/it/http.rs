//! Who may ask over HTTP: this machine, pages of this machine, whoever knows the token.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stele_server::{HttpOptions, ServerError, Stop, Tokens, serve_http};

use crate::client::{STATELESS, head, message, request};
use crate::world::{World, engines, shared, sql};

fn status(address: SocketAddr, host: &str, more: &str) -> u16 {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: {STATELESS}\r\nMcp-Method: tools/list{more}"
    );
    request(address, &head, &message("tools/list", json!({})).to_string()).status
}

#[test]
fn a_web_page_of_somebody_else_is_refused() {
    let address = shared().address;
    let own = address.to_string();
    for (host, more, expect) in [
        (&*own, "", 200),
        ("localhost", "", 200),
        (&*own, "\r\nOrigin: http://localhost:3000", 200),
        (&*own, "\r\nOrigin: http://127.0.0.1:8080", 200),
        (&*own, "\r\nOrigin: https://evil.example", 403),
        (&*own, "\r\nOrigin: http://localhost.evil.example", 403),
        (&*own, "\r\nOrigin: null", 403),
        ("evil.example", "", 403),
        ("evil.example:9108", "\r\nOrigin: http://localhost:3000", 403),
    ] {
        assert_eq!(status(address, host, more), expect, "{host} {more}");
    }
}

#[test]
fn a_token_is_needed_where_one_is_set() {
    let token = "0123456789abcdef-token";
    let world = World::guarded(token);
    let own = world.address.to_string();
    for (more, expect) in [
        (String::new(), 401),
        ("\r\nAuthorization: Bearer ".to_owned(), 401),
        (format!("\r\nAuthorization: Bearer {token}x"), 401),
        (format!("\r\nAuthorization: Basic {token}"), 401),
        (format!("\r\nAuthorization: Bearer {token}"), 200),
        (format!("\r\nauthorization: bearer {token}"), 200),
    ] {
        assert_eq!(status(world.address, &own, &more), expect, "{more}");
    }
    let response = request(world.address, &head(world.address, "tools/list", ""), "{}");
    assert!(response.head.to_lowercase().contains("www-authenticate: bearer"), "{}", response.head);
}

#[test]
fn beyond_this_machine_it_listens_with_a_token_only() {
    let world = World::empty();
    let refused = |listen: &str, token: Option<&str>| {
        let tokens = token.map(|token| Tokens::single(token, "default")).transpose()?.unwrap_or_default();
        let options = HttpOptions { tokens, ..HttpOptions::new(listen.parse().unwrap()) };
        let stop = Stop::default();
        stop.stop();
        serve_http(&engines(world.engine().settings().clone()), &sql(), options, &stop, |_| {})
    };
    assert!(matches!(refused("0.0.0.0:0", None), Err(ServerError::Open(_))));
    assert!(matches!(refused("[::]:0", None), Err(ServerError::Open(_))));
    assert!(matches!(refused("127.0.0.1:0", Some("short")), Err(ServerError::Tokens(_))));
    assert!(matches!(refused("127.0.0.1:0", Some("with blanks in the middle")), Err(ServerError::Tokens(_))));
    assert!(refused("127.0.0.1:0", None).is_ok());
    assert!(refused("0.0.0.0:0", Some("0123456789abcdef")).is_ok());
    let taken = world.address.to_string();
    assert!(matches!(refused(&taken, None), Err(ServerError::Listen { .. })));
}

#[test]
fn a_host_may_be_named() {
    let world = World::empty();
    let options = HttpOptions {
        hosts: vec!["stele.example".to_owned()],
        ..HttpOptions::new(([127, 0, 0, 1], 0).into())
    };
    let (engines, stop) = (engines(world.engine().settings().clone()), Stop::default());
    let told = std::sync::OnceLock::new();
    std::thread::scope(|scope| {
        let (told, stop) = (&told, &stop);
        let server = scope
            .spawn(move || serve_http(&engines, &sql(), options, stop, |address| told.set(address).unwrap()));
        let address = loop {
            match told.get() {
                Some(address) => break *address,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(status(address, "stele.example", ""), 200);
        assert_eq!(status(address, "other.example", ""), 403);
        // It ends when it is told to.
        stop.stop();
        assert!(server.join().unwrap().is_ok());
    });
}

#[test]
fn large_bodies_are_refused() {
    let address = shared().address;
    let body = message("tools/list", json!({ "filler": "x".repeat(1 << 20) })).to_string();
    let response = request(address, &head(address, "tools/list", ""), &body);
    assert_eq!(response.status, 413, "{}", response.head);
    let body = message("tools/list", json!({ "filler": "x".repeat(100 << 10) })).to_string();
    assert_eq!(request(address, &head(address, "tools/list", ""), &body).status, 200);
}

#[test]
fn there_is_nothing_but_mcp() {
    let address = shared().address;
    assert_eq!(request(address, &format!("GET / HTTP/1.1\r\nHost: {address}"), "").status, 404);
    assert_eq!(request(address, &format!("GET /mcp/../x HTTP/1.1\r\nHost: {address}"), "").status, 404);
    // Without sessions there is no stream to listen to.
    let get = format!("GET /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream");
    assert_eq!(request(address, &get, "").status, 405);
}

#[test]
fn many_may_ask_at_once() {
    let address = shared().address;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..24)
            .map(|n| {
                scope.spawn(move || {
                    let query = format!("SELECT {n} AS n, count(*) AS c FROM events");
                    let params = json!({ "name": "sql", "arguments": { "query": query } });
                    let head = head(address, "tools/call", "\r\nMcp-Name: sql");
                    let body = message("tools/call", params).to_string();
                    let answer: Value = serde_json::from_str(&request(address, &head, &body).body).unwrap();
                    assert_eq!(answer["result"]["structuredContent"]["rows"][0]["n"], n, "{answer}");
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
