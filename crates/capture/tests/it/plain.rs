//! WebSockets without frames of their own, and how they are lost.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use stele_capture::{CaptureConfig, CaptureError, Template};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tungstenite::{Message, WebSocket};

use crate::proxy::Proxy;
use crate::rig::{add_up, assert_sequence, config, lines, of_event, start, wait_until};

/// A server whose connections all do the same; gives the headers that it was asked with.
fn serve(mut each: impl FnMut(u64, WebSocket<TcpStream>) + Send + 'static) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, heads) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for (place, stream) in (1..).zip(listener.incoming()) {
            let seen = Arc::clone(&seen);
            #[expect(clippy::result_large_err, reason = "so says the library")]
            let callback = |request: &Request, response: Response| {
                seen.lock().unwrap().push(format!("{} {:?}", request.uri(), request.headers()));
                Ok(response)
            };
            if let Ok(socket) = tungstenite::accept_hdr(stream.unwrap(), callback) {
                each(place, socket);
            }
        }
    });
    (port, heads)
}

#[test]
fn messages_are_kept_byte_for_byte() {
    let said = ["{\"type\":\"a\",\"v\": 1.50}", "plain words", "{\n\"type\":\"b\"}", " [1]", ""];
    let (port, heads) = serve(move |_, mut socket| {
        assert_eq!(socket.read().unwrap(), Message::text("subscribe"));
        assert_eq!(socket.read().unwrap(), Message::text("key geheim"));
        for text in said {
            socket.send(Message::text(text)).unwrap();
        }
        socket.send(Message::binary(vec![0, 255, 10])).unwrap();
        let close = CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() };
        socket.close(Some(close)).unwrap();
        while socket.read().is_ok() {}
    });
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig {
        send: vec![Template::new("subscribe"), Template::new("key ${FEED_TOKEN}")],
        headers: [("X-Key".to_owned(), Template::new("${FEED_TOKEN}"))].into(),
        event: Some("/type".to_owned()),
        connects_max: Some(1),
        ..config(&format!("ws://127.0.0.1:{port}/feed?key=${{FEED_TOKEN}}"))
    };
    let ended = start(dir.path(), config).end();
    assert!(matches!(ended, Err(CaptureError::GaveUp { tries: 1, .. })), "{ended:?}");
    let lines = lines(dir.path());
    assert_sequence(&lines);
    let received: Vec<_> = lines.iter().filter(|line| line["direction"] == "received").collect();
    let found: Vec<_> = received
        .iter()
        .map(|line| {
            let data = line.get("data").map(|data| data.to_string());
            (line["event"].as_str().unwrap(), data, line["text"].as_str(), line["base64"].as_str())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a", Some(r#"{"type":"a","v":1.50}"#.to_owned()), None, None),
            ("message", None, Some("plain words"), None),
            ("b", None, Some("{\n\"type\":\"b\"}"), None),
            ("message", None, Some(" [1]"), None),
            ("message", None, Some(""), None),
            ("binary", None, None, Some("AP8K")),
        ]
    );
    // The spaces of JSON are kept too.
    let text = std::fs::read_to_string(&crate::rig::segments(dir.path())[0]).unwrap();
    assert!(text.contains(r#""data":{"type":"a","v": 1.50}}"#), "{text}");
    assert!(!text.contains("geheim"), "{text}");
    let lost = &of_event(&lines, "disconnected")[0]["data"];
    assert_eq!(
        (&lost["reason"], &lost["code"], &lost["received"]),
        (&json!("closed"), &json!(4001), &json!(6))
    );
    let head = heads.lock().unwrap()[0].clone();
    assert!(head.starts_with("/feed?key=geheim ") && head.contains("x-key"), "{head}");
}

#[test]
fn silence_after_a_ping_is_the_end() {
    let (port, _) = serve(|_, mut socket| {
        std::thread::spawn(move || {
            for n in 0.. {
                let sent = socket.send(Message::text(format!("{{\"n\":{n}}}")));
                socket.get_ref().set_read_timeout(Some(Duration::from_millis(5))).unwrap();
                // Answers pings.
                let _ = socket.read();
                if sent.is_err() {
                    return;
                }
            }
        });
    });
    let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::to(port));
    let config = CaptureConfig {
        ping_ms: 100,
        ping_timeout_ms_max: 300,
        ..config(&format!("ws://127.0.0.1:{}", proxy.port))
    };
    let running = start(dir.path(), config);
    wait_until("a latency is measured", || running.control.status().latency_us.is_some());
    proxy.freeze(true);
    wait_until("it notices", || running.control.status().counts.failures > 0);
    proxy.freeze(false);
    let before = running.received();
    wait_until("it listens again", || running.received() > before);
    running.stop();
    let lines = lines(dir.path());
    assert_sequence(&lines);
    assert_eq!(of_event(&lines, "disconnected")[0]["data"]["reason"], "ping_timeout");
    assert!(of_event(&lines, "disconnected")[0]["data"]["latency"]["count"].as_u64().unwrap() >= 1);
    let gap = &of_event(&lines, "gap")[0]["data"];
    // Without numbers nobody knows how much is missing, and nobody says so.
    assert_eq!((&gap["reason"], &gap["missing"]), (&json!("ping_timeout"), &json!(null)));
}

#[test]
fn numbers_that_are_skipped_without_a_cut() {
    let (port, _) = serve(|_, mut socket| {
        for n in [1, 2, 5, 6, 9] {
            socket.send(Message::text(format!("{{\"n\":{n}}}"))).unwrap();
        }
        while socket.read().is_ok() {}
    });
    let dir = tempfile::tempdir().unwrap();
    let number = Some("/n".to_owned());
    let running = start(dir.path(), CaptureConfig { number, ..config(&format!("ws://127.0.0.1:{port}")) });
    wait_until("it hears all", || running.received() == 5);
    let summary = running.stop();
    let sum = add_up(&lines(dir.path()));
    assert_eq!((sum.received, sum.missing, summary.counts.gaps), (5, 4, 2));
}

#[test]
fn a_key_in_the_path_is_said_nowhere() {
    // As servers do that know no such path.
    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 21\r\n\r\nCannot GET /ws/geheim";
    let server = answering::refusing(answer);
    for (url, shown) in [
        (format!("ws://127.0.0.1:{server}/ws/${{FEED_TOKEN}}"), "/ws/${FEED_TOKEN}"),
        // Beside a browser, the list of its pages is asked for there.
        (format!("cdp+http://127.0.0.1:{server}/ws/${{FEED_TOKEN}}"), "/ws/${FEED_TOKEN}"),
        ("${FEED_URL}".to_owned(), ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let secrets = move |name: &str| match name {
            "FEED_TOKEN" => Some(stele_http::Secret::new("geheim")),
            "FEED_URL" => Some(stele_http::Secret::new(format!("ws://127.0.0.1:{server}/ws/geheim"))),
            _ => None,
        };
        let means = stele_capture::Means { secrets: Arc::new(secrets), ..crate::rig::means(dir.path()) };
        let refused = crate::rig::start_with(means, config(&url), None).end().unwrap_err();
        let said = stele_model::error::in_full(&refused);
        assert!(!said.contains("geheim"), "{url}: {said}");
        let target = lines(dir.path())[0]["data"]["target"].as_str().unwrap().to_owned();
        assert!(target.ends_with(&format!("127.0.0.1:{server}{shown}")), "{url}: {target}");
        for entry in std::fs::read_dir(dir.path().join("feed")).unwrap() {
            let path = entry.unwrap().path();
            let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            assert!(!text.contains("geheim"), "{url}: {path:?}: {text}");
        }
    }
}

#[test]
fn a_login_and_a_query_that_are_repeated_are_said_nowhere() {
    let server = answering::repeating();
    let encoded =
        |login: &str| data_encoding::BASE64.encode(login.as_bytes()).trim_end_matches('=').to_owned();
    let keys = ["varkey88", "annika", "litpass", "litquery"].map(str::to_owned).into_iter().chain([
        encoded("us:varkey88"),
        encoded("annika:litpass"),
        encoded("annika:varkey88"),
    ]);
    let keys: Vec<String> = keys.collect();
    for url in [
        format!("ws://us:${{CK}}@127.0.0.1:{server}/feed"),
        format!("ws://annika:litpass@127.0.0.1:{server}/feed?k=litquery"),
        format!("ws://annika:${{CK}}@127.0.0.1:{server}/feed?k=litquery&v=${{CK}}"),
        format!("cdp+http://annika:litpass@127.0.0.1:{server}"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let secrets = |name: &str| (name == "CK").then(|| stele_http::Secret::new("varkey88"));
        let means = stele_capture::Means { secrets: Arc::new(secrets), ..crate::rig::means(dir.path()) };
        let refused = crate::rig::start_with(means, config(&url), None).end().unwrap_err();
        let said = stele_model::error::in_full(&refused);
        // What the server said is there, without what it repeats.
        assert!(url.starts_with("cdp") || said.contains("Basic ***"), "{url}: {said}");
        let mut texts = vec![said];
        for entry in std::fs::read_dir(dir.path().join("feed")).unwrap() {
            texts.push(String::from_utf8(std::fs::read(entry.unwrap().path()).unwrap()).unwrap());
        }
        for (text, key) in texts.iter().flat_map(|text| keys.iter().map(move |key| (text, key))) {
            assert!(!text.contains(key.as_str()), "{url}: {key}: {text}");
        }
    }
}

#[test]
fn who_refuses_the_handshake_is_not_asked_for_ever() {
    let server = answering::refusing("HTTP/1.1 401 Unauthorized\r\ncontent-length: 8\r\n\r\nno entry");
    let dir = tempfile::tempdir().unwrap();
    let refused = start(dir.path(), config(&format!("ws://127.0.0.1:{server}"))).end();
    let Err(error @ CaptureError::Refused { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("HTTP 401"), "{error}");
    // One that is busy is asked again.
    let server = answering::refusing("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let config = CaptureConfig { connects_max: Some(3), ..config(&format!("ws://127.0.0.1:{server}")) };
    let gone = start(dir.path(), config).end();
    assert!(matches!(gone, Err(CaptureError::GaveUp { tries: 3, .. })), "{gone:?}");
    // That was an orderly end, also when somebody has taken its segments.
    for segment in crate::rig::segments(dir.path()) {
        std::fs::remove_file(segment).unwrap();
    }
    let running = start(dir.path(), crate::rig::config("events:"));
    wait_until("it is there", || running.control.status().counts.connections == 1);
    running.stop();
    assert_eq!(of_event(&lines(dir.path()), "gap")[0]["data"]["reason"], "not_running");
}

/// Servers that let nobody in.
mod answering {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Says one thing to everybody.
    pub fn refusing(answer: &'static str) -> u16 {
        serve(move |_| answer.to_owned())
    }

    /// Says what it was asked, and as whom.
    pub fn repeating() -> u16 {
        serve(|head| {
            let login = |line: &&str| line.to_ascii_lowercase().starts_with("authorization:");
            let asked = head.lines().next().unwrap_or_default();
            let said = format!("{asked} {}", head.lines().find(login).unwrap_or_default());
            format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{said}", said.len())
        })
    }

    fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap_or(0);
                let answer = answer(&String::from_utf8_lossy(&head[..length]));
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }
}
