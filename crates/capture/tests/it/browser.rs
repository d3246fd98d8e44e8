//! Beside a browser: one that is real, and one that is made up of what the protocol says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use stele_capture::{CaptureConfig, CaptureError};
use tungstenite::Message;

use crate::rig::{add_up, assert_sequence, config, lines, of_event, start, wait_until};

/// A browser with two pages, of which the first says `notices` each time that somebody listens, and closes if told to.
fn made_up(notices: Vec<Value>, crash: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, notices, crash) = (stream.unwrap(), notices.clone(), Arc::clone(&crash));
            std::thread::spawn(move || answer(stream, port, &notices, &crash));
        }
    });
    port
}

fn answer(mut stream: TcpStream, port: u16, notices: &[Value], crash: &AtomicBool) {
    if has(&stream, "GET /json/list ") {
        let page = |id: &str, kind: &str, url: &str| {
            // The browser believes to be called localhost.
            let debugger = format!("ws://localhost:{port}/devtools/page/{id}");
            json!({"id": id, "type": kind, "url": url, "title": "", "webSocketDebuggerUrl": debugger})
        };
        let list = json!([
            page("A", "page", "https://game.example/play?token=geheim"),
            page("B", "page", "https://other.example/"),
            page("C", "service_worker", "https://game.example/worker.js"),
        ]);
        let body = list.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
        let _ = write!(stream, "{head}: {}\r\n\r\n{body}", body.len());
        return;
    }
    assert!(has(&stream, "GET /devtools/page/A "), "another page is asked for");
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    let asked: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(asked, json!({"id": 1, "method": "Network.enable"}));
    let _ = socket.send(Message::text(r#"{"id":1,"result":{}}"#));
    for notice in notices {
        let _ = socket.send(Message::text(notice.to_string()));
    }
    while !crash.swap(false, Ordering::Relaxed) {
        socket.get_ref().set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
        match socket.read() {
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn notice(method: &str, id: &str, more: Value) -> Value {
    let mut params = json!({"requestId": id, "timestamp": 8123.5});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"method": format!("Network.{method}"), "params": params})
}

fn frame(method: &str, id: &str, opcode: u8, data: &str) -> Value {
    notice(method, id, json!({"response": {"opcode": opcode, "mask": false, "payloadData": data}}))
}

#[test]
fn frames_of_chosen_pages_and_sockets() {
    let (received, sent) = ("webSocketFrameReceived", "webSocketFrameSent");
    let notices = vec![
        // Open before anybody listened: its frames say what it speaks.
        frame(received, "1.0", 1, r#"42["tick",{"n":1}]"#),
        notice("webSocketCreated", "1.1", json!({"url": "wss://feed.example/socket.io/?EIO=4&key=geheim"})),
        frame(sent, "1.1", 1, "40"),
        frame(received, "1.1", 1, r#"451-["pic",{"_placeholder":true,"num":0}]"#),
        frame(received, "1.1", 2, "AQID"),
        notice("webSocketCreated", "1.2", json!({"url": "wss://ads.example/"})),
        frame(received, "1.2", 1, "buy"),
        notice("webSocketCreated", "1.3", json!({"url": "wss://feed.example/plain"})),
        frame(received, "1.3", 1, r#"{"n":2}"#),
        frame(received, "1.3", 2, "/w=="),
        frame(received, "1.0", 1, r#"42["tick",{"n":5}]"#),
        json!({"method": "Network.dataReceived", "params": {"requestId": "7"}}),
        notice("webSocketFrameError", "1.3", json!({"errorMessage": "Invalid frame header"})),
        notice("webSocketClosed", "1.1", json!({})),
        notice("webSocketClosed", "1.2", json!({})),
    ];
    let crash = Arc::new(AtomicBool::new(false));
    let port = made_up(notices, Arc::clone(&crash));
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig {
        pages: vec!["game.example".into()],
        sockets: vec!["feed.example".into()],
        number: Some("/n".into()),
        ..config(&format!("cdp+http://127.0.0.1:{port}"))
    };
    let running = start(dir.path(), config);
    wait_until("it hears all", || running.received() == 6);
    let summary = running.stop();
    let lines = lines(dir.path());
    assert_sequence(&lines);
    let said: Vec<(String, String)> = lines
        .iter()
        .filter(|line| line["direction"].is_string())
        .map(|line| {
            let (_, socket) = line["connection"].as_str().unwrap().split_once(':').unwrap();
            let words = ["raw", "data", "base64"].iter().find_map(|name| line.get(*name)).unwrap();
            (socket.to_owned(), words.as_str().map_or_else(|| words.to_string(), str::to_owned))
        })
        .collect();
    let said: Vec<(&str, &str)> =
        said.iter().map(|(socket, words)| (socket.as_str(), words.as_str())).collect();
    assert_eq!(
        said,
        [
            ("1.0", r#"42["tick",{"n":1}]"#),
            ("1.1", "40"),
            ("1.1", r#"451-["pic",{"_placeholder":true,"num":0}]"#),
            ("1.1", "bAQID"),
            ("1.3", r#"{"n":2}"#),
            ("1.3", "/w=="),
            ("1.0", r#"42["tick",{"n":5}]"#),
        ]
    );
    assert_eq!((summary.counts.sent, summary.counts.missing), (1, 2));
    assert_eq!(add_up(&lines).missing, 2);
    assert_eq!((of_event(&lines, "socket_opened").len(), of_event(&lines, "socket_closed").len()), (2, 1));
    assert_eq!(of_event(&lines, "error")[0]["data"]["error"], "Invalid frame header");
    let text = lines.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains("geheim") && text.contains("wss://feed.example/socket.io"), "{text}");
}

#[test]
fn a_page_that_crashes_is_found_again() {
    let crash = Arc::new(AtomicBool::new(false));
    let port = made_up(vec![frame("webSocketFrameReceived", "1.0", 1, "words")], Arc::clone(&crash));
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig {
        pages: vec!["game.example".into()],
        ..config(&format!("cdp+http://127.0.0.1:{port}"))
    };
    let running = start(dir.path(), config);
    wait_until("it hears", || running.received() == 1);
    crash.store(true, Ordering::Relaxed);
    wait_until("it hears again", || running.received() == 2);
    running.stop();
    let lines = lines(dir.path());
    assert_eq!(of_event(&lines, "gap")[0]["data"]["missing"], Value::Null);
}

#[test]
fn no_browser_is_a_wrong_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let ended = start(dir.path(), config(&format!("cdp+http://127.0.0.1:{port}"))).end();
    assert!(matches!(ended, Err(CaptureError::Pages { .. })), "{ended:?}");
}

/// Whether a request begins like this.
fn has(stream: &TcpStream, begin: &str) -> bool {
    let mut head = [0; 64];
    let length = stream.peek(&mut head).unwrap_or(0);
    head[..length].starts_with(begin.as_bytes())
}

/// Ends with the test, however that ends.
struct Browser(std::process::Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn beside_a_real_browser() {
    let Some(program) = chromium() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (place, stream) in (1..).zip(listener.incoming()) {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                // The page comes from where its socket goes: browsers let no other page speak to this machine.
                if has(&stream, "GET /page ") {
                    let script = "let n=0;setInterval(()=>{let s=new WebSocket('ws://'+location.host+'/feed?key=geheim');s.onopen=()=>s.send(++n);},200)";
                    let body = format!("<title>feed</title><script>{script}</script>");
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length";
                    let _ = write!(stream, "{head}: {}\r\n\r\n{body}", body.len());
                    return;
                }
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while let Ok(Message::Text(text)) = socket.read() {
                    let _ = socket.send(Message::text(format!("{{\"socket\":{place},\"echo\":{text}}}")));
                    let _ = socket.send(Message::binary(vec![1, 2, 3]));
                }
            });
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://127.0.0.1:{port}/page"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(Browser)
        .unwrap();
    let mut errors = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let debugger = errors
        .by_ref()
        .find_map(|line| line.unwrap().strip_prefix("DevTools listening on ws://").map(str::to_owned))
        .unwrap();
    std::thread::spawn(move || errors.for_each(drop));
    let address = debugger.split('/').next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig {
        pages: vec![format!("127.0.0.1:{port}/page")],
        sockets: vec!["/feed".into()],
        ..config(&format!("cdp+http://{address}"))
    };
    let running = start(dir.path(), config);
    wait_until("it hears", || running.received() >= 10);
    let summary = running.stop();
    let lines = lines(dir.path());
    assert_sequence(&lines);
    assert!(summary.counts.sent >= 4, "{summary:?}");
    let echo = lines
        .iter()
        .find(|line| line["data"]["echo"].is_number() && line["direction"] == "received")
        .unwrap();
    assert_eq!(echo["url"], format!("ws://127.0.0.1:{port}/feed"));
    assert!(lines.iter().any(|line| line["base64"] == "AQID"));
    assert!(of_event(&lines, "socket_opened").len() >= 4);
}

#[allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration and no log")]
fn chromium() -> Option<std::path::PathBuf> {
    let path =
        std::env::var_os("STELE_TEST_CHROMIUM").map(std::path::PathBuf::from).filter(|path| path.is_file());
    if path.is_none() {
        let missing = "STELE_TEST_CHROMIUM has to name the browser that `make setup-test` brings";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("SKIPPED, NOTHING TESTED: {missing}");
    }
    path
}
