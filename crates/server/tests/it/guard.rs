//! Who may come in: hosts, origins, rates, cookies.

use stele_server::{HttpOptions, Tokens};

use crate::client::{Response, get, request};
use crate::world::{World, local, service};

fn sent(world: &World, method: &str, path: &str, host: &str, more: &str, body: &str) -> Response {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}{more}");
    request(world.address, &head, body)
}

#[test]
fn requests_name_this_host_and_come_from_its_own_pages() {
    let world = service();
    let own = world.address.to_string();
    let port = world.address.port();
    for path in ["/", "/api/events", "/metrics", "/assets/style.css"] {
        for (host, more, expect) in [
            (&*own, String::new(), 200),
            (&format!("localhost:{port}"), String::new(), 200),
            (&*own, format!("\r\nOrigin: http://{own}"), 200),
            (&*own, "\r\nOrigin: https://evil.example".to_owned(), 403),
            (&*own, "\r\nOrigin: null".to_owned(), 403),
            (&*own, format!("\r\nOrigin: http://{own}.evil.example"), 403),
            (&*own, "\r\nOrigin: http://localhost:3000".to_owned(), 403),
            (&*own, "\r\nSec-Fetch-Site: cross-site".to_owned(), 403),
            (&*own, "\r\nSec-Fetch-Site: same-site".to_owned(), 403),
            (&*own, "\r\nSec-Fetch-Site: same-origin".to_owned(), 200),
            // A link from somewhere else is followed.
            (&*own, "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate".to_owned(), 200),
            ("evil.example", String::new(), 403),
            (&format!("evil.example:{port}"), String::new(), 403),
            ("", String::new(), 403),
            (&*own, format!("\r\nHost: {own}"), 403),
        ] {
            assert_eq!(sent(world, "GET", path, host, &more, "").status, expect, "{path} {host} {more}");
        }
    }
    // A form of somebody else's page is refused, link or not.
    let more = "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate";
    assert_eq!(sent(world, "POST", "/sql", &own, more, "query=SELECT+1").status, 403);
}

#[test]
fn every_answer_is_dressed_for_browsers() {
    let address = service().address;
    for path in [
        "/",
        "/nope",
        "/api/nope",
        "/api/events",
        "/health",
        "/graph/picture?name=crane",
        "/assets/app.js",
        "/openapi.json",
    ] {
        let response = get(address, path, "");
        let policy = response.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{path}: {}", response.head);
        assert!(!policy.contains("script-src 'unsafe"), "{path}");
        assert_eq!(response.header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(response.header("x-frame-options").as_deref(), Some("DENY"), "{path}");
        // With `no-referrer` browsers would send our own forms from the origin `null`, which is refused.
        assert_eq!(response.header("referrer-policy").as_deref(), Some("same-origin"), "{path}");
    }
}

fn guarded(per_minute: u32) -> World {
    let file = format!(
        "[[token]]\nname = \"a\"\ntoken = \"0123456789abcdef\"\nmay = \"run\"\nrequests_per_minute = {per_minute}\n\
         [[token]]\nname = \"b\"\ntoken = \"fedcba9876543210\"\nrequests_per_minute = 100000\n"
    );
    let tokens = Tokens::parse(&file, "default").unwrap();
    World::unserved().service(HttpOptions { tokens, ..local() })
}

#[test]
fn one_that_asks_too_often_is_told_when_to_come_back() {
    let world = guarded(12);
    let ask = |token| get(world.address, "/openapi.json", token);
    // Twelve a minute are two in ten seconds, which may come at once.
    assert_eq!([ask("0123456789abcdef").status, ask("0123456789abcdef").status], [200, 200]);
    let refused = ask("0123456789abcdef");
    assert_eq!((refused.status, &refused.json()["code"]), (429, &serde_json::json!("rate_limited")));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(ask("fedcba9876543210").status, 200, "another token has its own rate");
    // A page is refused in the form of a page.
    let page = get(world.address, "/", "0123456789abcdef");
    assert_eq!(page.status, 429);
    assert!(page.body.contains("too often") && page.header("retry-after").is_some(), "{}", page.body);
}

#[test]
fn a_browser_signs_in_with_a_cookie_that_scripts_cannot_read() {
    let world = guarded(1_000_000);
    let own = world.address.to_string();
    let origin = format!("\r\nOrigin: http://{own}\r\nContent-Type: application/x-www-form-urlencoded");
    let shown = sent(&world, "GET", "/sign-in", &own, "", "");
    assert!(shown.status == 200 && shown.body.contains("type=\"password\""), "{}", shown.body);
    let wrong = sent(&world, "POST", "/sign-in", &own, &origin, "token=nope");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let right = sent(&world, "POST", "/sign-in", &own, &origin, "token=0123456789abcdef");
    let cookie = right.header("set-cookie").unwrap();
    assert_eq!(right.status, 303);
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("\r\nCookie: other=1; {}", cookie.split(';').next().unwrap());
    assert_eq!(sent(&world, "GET", "/", &own, &cookie, "").status, 200);
    // Where something is changed, a cookie counts only with the word of the browser that the page is ours.
    let control = "/jobs/j000000000000/control";
    assert_eq!(
        sent(&world, "POST", control, &own, &format!("{cookie}{origin}"), "action=cancel").status,
        404
    );
    assert_eq!(sent(&world, "POST", control, &own, &cookie, "action=cancel").status, 303);
    // Agents have no cookies.
    let head = crate::client::head(world.address, "tools/list", &cookie);
    assert_eq!(request(world.address, &head, "{}").status, 401);
    let out = sent(&world, "POST", "/sign-out", &own, &format!("{cookie}{origin}"), "");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
}
