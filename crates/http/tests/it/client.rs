//! Services that answer, fail, limit, cut short and lie.

use std::sync::{Arc, Mutex};

use stele_http::{
    Answer, Client, ClientConfig, HttpError, Key, Method, Pace, Secret, Still, Unless, Version, never,
};
use stele_model::ErrorKind;
use stele_testkit::server::{Reply, Server};

fn client(url: &str, config: ClientConfig) -> (Client, Arc<Still>) {
    let pace = Arc::new(Still::default());
    let key = Key::Bearer(Secret::new("sk-geheim\n"));
    (Client::new(url, config, Some(key), Arc::clone(&pace) as Arc<dyn Pace>).unwrap(), pace)
}

fn post(client: &Client) -> Result<Answer, HttpError> {
    client.send(Method::Post, "/ask", Some(b"[1]".to_vec()), &never)
}

fn say(status: u16, headers: &'static str) -> Reply {
    Reply::Say(status, headers, r#"{"error": {"message": "sk-geheim is too eager"}}"#.to_owned())
}

#[test]
fn requests_are_made_as_they_are_asked_for() {
    let check = |method: Method, name: &str, body: Option<&str>| {
        let server = Server::new(|_, _| Reply::Say(201, "", "made".to_owned()));
        let (client, _) = client(&format!("{}/base/", server.url), ClientConfig::default());
        let sent = body.map(|body| body.as_bytes().to_vec());
        let answer = client.send(method, "/things?wait=true", sent, &never).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (201, &b"made"[..]));
        let request = &server.requests()[0];
        assert_eq!((request.method.as_str(), request.path.as_str()), (name, "/base/things?wait=true"));
        assert_eq!(request.header("content-type"), body.map(|_| "application/json"));
        assert_eq!(request.body.to_string(), body.unwrap_or("null"));
    };
    check(Method::Get, "GET", None);
    check(Method::Post, "POST", Some(r#"{"a":1}"#));
    check(Method::Put, "PUT", Some("[]"));
    check(Method::Patch, "PATCH", Some("[]"));
    check(Method::Delete, "DELETE", None);
}

#[test]
fn a_key_goes_where_it_is_looked_for() {
    let check = |key: Option<Key>, name: &str, value: Option<&str>| {
        let server = Server::new(|_, _| Reply::Say(200, "", String::new()));
        let client = Client::new(&server.url, ClientConfig::default(), key, Arc::new(Still::default()));
        post(&client.unwrap()).unwrap();
        assert_eq!(server.requests()[0].header(name), value);
    };
    let secret = || Secret::new(" sk-geheim\n");
    check(Some(Key::Bearer(secret())), "authorization", Some("Bearer sk-geheim"));
    check(Some(Key::Header("x-chroma-token", secret())), "x-chroma-token", Some("sk-geheim"));
    check(Some(Key::Header("api-key", secret())), "authorization", None);
    check(Some(Key::Bearer(Secret::new(" "))), "authorization", None);
    check(None, "authorization", None);
}

#[test]
fn a_request_is_made_once_and_told_as_it_was() {
    let server = Server::new(|number, _| match number {
        0 => Reply::Say(429, "Retry-After: 7\r\nX-Left: 0.0\r\n", "<html>slow".to_owned()),
        1 => Reply::Close,
        2 => Reply::Say(302, "location: http://elsewhere/\r\n", String::new()),
        _ => Reply::Say(200, "", "12345".to_owned()),
    });
    let key = Key::Basic(Secret::new("geheim"), Secret::new("X"));
    let pace = Arc::new(Still::default());
    let client = Client::new(&server.url, ClientConfig::default(), Some(key), pace.clone()).unwrap();
    let said = client.once(Method::Get, "/a?b=1", None, &never).unwrap();
    assert_eq!((said.status, said.body.as_slice()), (429, &b"<html>slow"[..]));
    assert_eq!((said.header("retry-after"), said.header("x-left")), (Some("7"), Some("0.0")));
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic Z2VoZWltOlg="));
    let error = client.once(Method::Get, "/a", None, &never).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry);
    let said = client.read_elsewhere(&format!("{}/file?sig=1", server.url), 5, &never).unwrap();
    assert_eq!((said.status, said.header("location")), (302, Some("http://elsewhere/")));
    assert_eq!(server.requests()[2].header("authorization"), None);
    assert_eq!(client.read_elsewhere(&server.url, 5, &never).unwrap().body, b"12345");
    let error = client.read_elsewhere(&server.url, 4, &never).unwrap_err();
    assert!(
        matches!(&error, HttpError::Unusable { reason, .. } if reason.contains("more than 4 bytes")),
        "{error}"
    );
    assert_eq!(client.read_elsewhere("geheim@", 4, &never).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!((server.requests().len(), pace.now().as_millis()), (5, 0));
}

#[test]
fn a_request_goes_to_a_whole_address_with_headers_of_its_own() {
    let server = Server::new(|_, _| Reply::Say(404, "", "sk-geheim".to_owned()));
    let key = Key::Bearer(Secret::new("not-this"));
    let client =
        Client::new("http://127.0.0.1:1", ClientConfig::default(), Some(key), Arc::new(Still::default()));
    let client = client.unwrap();
    let headers = [("X-Key".to_owned(), Secret::new("sk-geheim")), ("accept".to_owned(), Secret::new("a/b"))];
    let url = format!("{}/a?b=1", server.url);
    let said = client.exchange(Method::Post, &url, &headers, Some(b"[1]".to_vec()), &never).unwrap();
    assert_eq!(said.status, 404);
    let request = &server.requests()[0];
    assert_eq!((request.path.as_str(), request.header("x-key")), ("/a?b=1", Some("sk-geheim")));
    assert_eq!((request.header("accept"), request.header("authorization")), (Some("a/b"), None));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let refused = |url: &str, name: &str, value: &str| {
        let headers = [(name.to_owned(), Secret::new(value))];
        let error = client.exchange(Method::Get, url, &headers, None, &never).unwrap_err();
        assert!(
            matches!(error, HttpError::Config { .. }) && !error.to_string().contains("geheim"),
            "{error}"
        );
    };
    refused("geheim@", "a", "b");
    refused(&url, "a b", "geheim");
    refused(&url, "a", "geheim\nx");
}

/// A service that fails in the given ways, one after another, and then answers; how long was waited,
/// and what became of it.
fn after(replies: Vec<Reply>, config: ClientConfig) -> (Result<Answer, HttpError>, u128, usize) {
    let replies = Mutex::new(replies.into_iter());
    let good = || Reply::Say(200, "", "yes".to_owned());
    let server = Server::new(move |_, _| replies.lock().unwrap().next().unwrap_or_else(good));
    let (client, pace) = client(&server.url, config);
    let result = post(&client);
    assert_eq!(client.retries() as usize, server.requests().len() - 1);
    (result, pace.now().as_millis(), server.requests().len())
}

#[test]
fn what_may_pass_is_tried_again() {
    let check = |replies: Vec<Reply>, waited: u128| {
        let tries = replies.len() + 1;
        let (result, found, requests) = after(replies, ClientConfig::default());
        assert_eq!(result.unwrap().body, b"yes");
        assert_eq!((found, requests), (waited, tries));
    };
    check(vec![], 0);
    check(vec![say(500, "")], 500);
    check(vec![say(503, ""), say(502, ""), say(429, ""), say(529, "")], 500 + 1000 + 2000 + 4000);
    check(vec![say(429, "retry-after: 7\r\n")], 7000);
    check(vec![say(429, "retry-after: 0\r\n")], 0);
    check(vec![say(429, "retry-after: Fri, 01 Jan 2100 00:00:00 GMT\r\n")], 500);
    check(vec![Reply::Close, Reply::Half("[[1".to_owned())], 500 + 1000);
}

#[test]
fn patience_has_bounds() {
    let tight = ClientConfig { tries_max: 3, backoff_ms_max: 600, ..ClientConfig::default() };
    let (result, waited, requests) = after((0..9).map(|_| say(503, "")).collect(), tight);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), waited, requests), (ErrorKind::Retry, 500 + 600, 3));
    assert!(error.to_string().contains("503 after 3 tries: *** is too eager"), "{error}");

    let (result, waited, requests) = after(vec![say(429, "retry-after: 3600\r\n")], ClientConfig::default());
    let error = result.unwrap_err();
    assert_eq!((error.kind(), waited, requests), (ErrorKind::Retry, 0, 1));
    assert!(error.to_string().contains("429 after 1 tries"), "{error}");

    let (client, _) = client("http://127.0.0.1:9", ClientConfig { tries_max: 2, ..ClientConfig::default() });
    let error = post(&client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains("http://127.0.0.1:9/ask does not answer"), "{error}");
    assert_eq!(client.retries(), 1);
}

#[test]
fn refusals_are_final() {
    for status in [302, 400, 401, 404, 409, 413, 422, 501, 505, 511] {
        let (result, waited, requests) = after(vec![say(status, "")], ClientConfig::default());
        let error = result.unwrap_err();
        let said = error.to_string();
        assert_eq!((error.kind(), waited, requests), (ErrorKind::Fix, 0, 1), "{said}");
        assert_eq!(error.refused_with(), Some(status));
        assert!(said.contains(&format!("with {status}: *** is too eager")), "{said}");
        assert!(!format!("{said}{error:?}").contains("geheim"));
    }
}

#[test]
fn a_refusal_is_read_whoever_wrote_it() {
    let check = |body: &str, says: &str, is_json: bool| {
        let body = body.to_owned();
        let server = Server::new(move |_, _| Reply::Say(400, "", body.clone()));
        let (client, _) = client(&server.url, ClientConfig::default());
        let HttpError::Refused { reason, explained, .. } = post(&client).unwrap_err() else { panic!() };
        assert_eq!((reason.as_str(), explained), (says, is_json));
    };
    check(r#"{"error": {"message": "too long", "code": 7}}"#, "too long", true);
    check(r#"{"error": "too long", "error_type": "x"}"#, "too long", true);
    check(r#"{"error": "NotFoundError", "message": "no such collection"}"#, "no such collection", true);
    check(r#"{"status": {"error": "Wrong input"}, "time": 0.1}"#, "Wrong input", true);
    check(r#"{"status": "error", "message": "odd"}"#, "odd", true);
    check(r#""plain""#, "plain", true);
    check("<html>\n  no\n</html>", "<html> no </html>", false);
    check("", "it does not say why", false);
    check(r#"{"detail":"Not Found"}"#, r#"{"detail":"Not Found"}"#, false);
    check(&"x".repeat(1000), &format!("{}…", "x".repeat(300)), false);
}

#[test]
fn requests_are_spread_over_the_minute() {
    let server = Server::new(|_, _| Reply::Say(200, "", String::new()));
    let config = ClientConfig { requests_per_minute_max: Some(20), ..ClientConfig::default() };
    let (client, pace) = client(&server.url, config);
    for _ in 0..4 {
        post(&client).unwrap();
    }
    assert_eq!(pace.now().as_millis(), 3 * 3000);
}

#[test]
fn a_stop_ends_waits_and_requests() {
    let check = |reply: fn() -> Reply| {
        let server = Server::new(move |_, _| reply());
        let (client, _) = client(&server.url, ClientConfig { tries_max: 1000, ..ClientConfig::default() });
        let asked = || !server.requests().is_empty();
        let start = std::time::Instant::now();
        let error = client.send(Method::Get, "", None, &asked).unwrap_err();
        assert_eq!(error, HttpError::Cancelled);
        assert_eq!(server.requests().len(), 1);
        assert!(start.elapsed().as_secs() < 30, "it waited for the end of the request");
    };
    check(|| Reply::Hang);
    check(|| say(503, "retry-after: 100\r\n"));
}

#[test]
fn silence_has_a_limit() {
    let server = Server::new(|_, _| Reply::Hang);
    let (client, _) =
        client(&server.url, ClientConfig { tries_max: 2, timeout_ms_max: 200, ..ClientConfig::default() });
    let error = post(&client).unwrap_err();
    assert!(matches!(&error, HttpError::Unreachable { tries: 2, .. }), "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[test]
fn a_service_that_drips_is_given_up_in_time() {
    let server = Server::new(|_, _| Reply::Drip);
    let config = ClientConfig { tries_max: 2, timeout_ms_max: 200, ..ClientConfig::default() };
    let (client, _) = client(&server.url, config);
    let start = std::time::Instant::now();
    let error = post(&client).unwrap_err();
    assert!(matches!(&error, HttpError::Unreachable { tries: 2, .. }), "{error}");
    assert!(error.to_string().contains("broke off after"), "{error}");
    assert!(start.elapsed().as_secs() < 30, "the limit begins anew with each byte");
}

#[test]
fn what_no_try_can_mend_is_final() {
    let check = |reply: fn() -> Reply, says: &str| {
        let server = Server::new(move |_, _| reply());
        let (client, pace) =
            client(&server.url, ClientConfig { answer_bytes_max: 20, ..ClientConfig::default() });
        let error = post(&client).unwrap_err();
        assert!(matches!(&error, HttpError::Unusable { .. }), "{error:?}");
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Fix, 1), "{error}");
        assert!(error.to_string().contains(says) && pace.now().is_zero(), "{error}");
    };
    let long = "its answer has more than 20 bytes";
    check(|| Reply::Say(200, "", "x".repeat(21)), long);
    check(|| Reply::Drip, long);
    // Of unknown length.
    check(|| Reply::Raw("HTTP/1.1 200 Said\r\nconnection: close\r\n\r\n123456789012345678901"), long);
    check(|| Reply::Raw("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "invalid HTTP");

    let server = Server::new(|_, _| Reply::Say(200, "", "x".repeat(20)));
    let (just, _) = client(&server.url, ClientConfig { answer_bytes_max: 20, ..ClientConfig::default() });
    assert_eq!(post(&just).unwrap().body.len(), 20);

    // TLS is asked for, and something else answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 No\r\n\r\n");
        }
    });
    let error = post(&client(&url, ClientConfig::default()).0).unwrap_err();
    assert!(matches!(&error, HttpError::Unusable { .. }), "{error}");
}

#[test]
fn settings_are_checked_and_secrets_kept() {
    let check = |url: &str, change: fn(&mut ClientConfig), key: &str, setting: &str| {
        let mut config = ClientConfig::default();
        change(&mut config);
        let key = Some(Key::Bearer(Secret::new(key)));
        let error = Client::new(url, config, key, Arc::new(Still::default())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(&format!("the setting {setting} ")), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    };
    let here = "http://127.0.0.1:9";
    check("localhost", |_| {}, "", "url");
    check("ftp://geheim@127.0.0.1", |_| {}, "", "url");
    check(here, |config| config.tries_max = 0, "", "tries_max");
    check(here, |config| config.timeout_ms_max = 0, "", "timeout_ms_max");
    check(here, |config| config.answer_bytes_max = 0, "", "answer_bytes_max");
    check(here, |config| config.connect_timeout_ms_max = 0, "", "connect_timeout_ms_max");
    check(here, |config| config.requests_per_minute_max = Some(0), "", "requests_per_minute_max");
    check(here, |config| config.proxy = Some("::".to_owned()), "", "proxy");
    check(here, |_| {}, "geheim\u{7}", "key");

    assert_eq!(format!("{:?}", Key::Bearer(Secret::new("sk-geheim"))), "Bearer(Secret(***))");
    let config = ClientConfig { tries_max: 1, ..ClientConfig::default() };
    let (client, _) = client("http://user:geheim@127.0.0.1:9?key=geheim", config);
    assert_eq!(client.shown(), "http://127.0.0.1:9");
    let error = post(&client).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
}

#[test]
fn a_page_is_only_read_if_it_changed() {
    type Known = (Option<&'static str>, Option<&'static str>);
    let check = |known: Known,
                 enough: bool,
                 reply: fn() -> Reply,
                 expect: Result<(u16, &str, Known), u16>| {
        let server = Server::new(move |_, _| reply());
        let (client, _) =
            client(&server.url, ClientConfig { answer_bytes_max: 10, ..ClientConfig::default() });
        let version = |(etag, modified): Known| Version {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
            length: None,
        };
        let unless = Unless { version: version(known), version_is_enough: enough };
        let answer = client.read_unless("/page", unless, &never);
        let request = &server.requests()[0];
        assert_eq!((request.header("if-none-match"), request.header("if-modified-since")), known);
        match expect {
            Err(status) => assert_eq!(answer.unwrap_err().refused_with(), Some(status)),
            Ok((status, body, now)) => {
                let answer = answer.unwrap();
                assert_eq!((answer.status, String::from_utf8(answer.body).unwrap().as_str()), (status, body));
                assert_eq!(Version { length: None, ..answer.version }, version(now));
            }
        }
    };
    const TAG: Known = (Some("W/\"1\""), None);
    const DAY: Known = (None, Some("Wed, 21 Oct 2015 07:28:00 GMT"));
    let tagged = || Reply::Say(200, "etag: W/\"1\"\r\n", "words".to_owned());
    let dated = || Reply::Say(200, "last-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "words".to_owned());
    let unchanged = || Reply::Say(304, "etag: W/\"1\"\r\n", String::new());
    check((None, None), false, tagged, Ok((200, "words", TAG)));
    check((None, None), true, tagged, Ok((200, "", TAG)));
    check((None, None), true, dated, Ok((200, "", DAY)));
    check((None, None), true, || Reply::Say(200, "", "words".to_owned()), Ok((200, "words", (None, None))));
    check(TAG, false, unchanged, Ok((304, "", TAG)));
    check((TAG.0, DAY.1), false, unchanged, Ok((304, "", TAG)));
    check(DAY, true, dated, Ok((200, "", DAY)));
    // Too long to be read, and it need not be.
    check(TAG, true, || Reply::Say(200, "etag: W/\"1\"\r\n", "x".repeat(100)), Ok((200, "", TAG)));
    // Nobody asked under a condition.
    check((None, None), false, unchanged, Err(304));
}
