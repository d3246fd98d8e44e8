//! Index documents and pages, on servers that answer, fail and lie.

use std::sync::{Arc, Mutex};

use stele_http::{Secret, never};
use stele_model::ErrorKind;
use stele_testkit::server::{Reply, Request, Server};
use stele_watch::{ArrivalKind, WatchError, Watcher, WatcherConfig, WatcherState};

use crate::rig::Rig;

/// A server whose next answers a test says: one closure for all requests, which may be replaced.
type Answer = Box<dyn Fn(&Request) -> Reply + Send>;

struct Web {
    server: Server,
    answer: Arc<Mutex<Answer>>,
    rig: Rig,
}

impl Web {
    fn new() -> Web {
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(|_| Reply::Close)));
        let asked = Arc::clone(&answer);
        let server = Server::new(move |_, request| asked.lock().unwrap()(request));
        Web { server, answer, rig: Rig::default() }
    }

    fn answer(&self, answer: impl Fn(&Request) -> Reply + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    fn say(&self, body: &str) {
        let body = body.to_owned();
        self.answer(move |_| Reply::Say(200, "", body.clone()));
    }

    fn open(&self, settings: &str) -> Watcher {
        let settings = settings.replace("HOST", &self.server.url);
        let config = toml::from_str(&format!("kind = \"http\"\n{settings}\n[http]\ntries_max = 1")).unwrap();
        self.rig.open(&config)
    }

    /// Looks once, and says what was told since.
    fn look(&self, watcher: &mut Watcher) -> String {
        let already = self.rig.told.arrivals().len();
        watcher.step(&never);
        let arrivals = self.rig.told.arrivals();
        let said = arrivals[already..].iter().map(|arrival| {
            assert_eq!(arrival.uri, arrival.location);
            let (uri, checksum) = (&arrival.uri, &arrival.checksum);
            match &arrival.kind {
                ArrivalKind::Appeared => format!("+{uri}={checksum}"),
                ArrivalKind::Changed => format!("~{uri}={checksum}"),
                ArrivalKind::Gone => format!("-{uri}"),
                ArrivalKind::Renamed { from } => format!("{from}>{uri}"),
            }
        });
        said.collect::<Vec<_>>().join(" ").replace(&self.server.url, "")
    }
}

#[test]
fn an_index() {
    let web = Web::new();
    let mut watcher = web.open("index = \"HOST/index.json\"");
    let mut check = |body: &str, expect: &str| {
        web.say(body);
        assert_eq!(web.look(&mut watcher), expect, "{body}");
        watcher.status()
    };
    let status = check(
        r#"{"documents":[{"url":"/a.md","checksum":"1"},{"url":"b/c.md?v=2","checksum":"2","title":"x"}],"page":1}"#,
        "+/a.md=1 +/b/c.md?v=2=2",
    );
    assert_eq!((status.seen, status.known, status.state), (2, 2, WatcherState::Watching));
    check(r#"{"documents":[{"url":"/a.md","checksum":"1"},{"url":"b/c.md?v=2","checksum":"2"}]}"#, "");
    check(
        r#"{"documents":[{"url":"/a.md","checksum":"3"},{"url":"/d.md","checksum":"2"}]}"#,
        "~/a.md=3 /b/c.md?v=2>/d.md",
    );
    check(r#"{"documents":[{"url":"/d.md","checksum":"2"}]}"#, "-/a.md");
    check(r#"{"documents":[]}"#, "-/d.md");
    web.rig.told.world();
    assert_eq!(web.rig.told.arrivals()[1].name, "c.md");
}

#[test]
fn an_index_that_cannot_be_used_says_nothing_is_gone() {
    let web = Web::new();
    let mut watcher = web.open("index = \"HOST/index.json\"\nbytes_max = 1000\nentries_max = 2");
    web.say(r#"{"documents":[{"url":"/a.md","checksum":"1"}]}"#);
    assert_eq!(web.look(&mut watcher), "+/a.md=1");
    let mut check = |reply: fn() -> Reply, cause: &str| {
        web.answer(move |_| reply());
        assert_eq!(web.look(&mut watcher), "");
        let status = watcher.status();
        let error = status.error.unwrap();
        assert!(error.cause.contains(cause), "{error:?}");
        assert!(!error.next_action.is_empty());
        assert_eq!((status.state, status.known), (WatcherState::Failing, 1), "{cause}");
    };
    check(|| Reply::Say(200, "", "<html>".to_owned()), "it is not {\"documents\"");
    check(|| Reply::Say(200, "", r#"{"documents":{}}"#.to_owned()), "it is not {\"documents\"");
    check(
        || Reply::Say(200, "", format!(r#"{{"documents":[],"x":"{}"}}"#, "x".repeat(1000))),
        "more than 1000 bytes",
    );
    check(
        || Reply::Say(200, "", r#"{"documents":[{"url":"1"},{"url":"2"},{"url":"3"}]}"#.to_owned()),
        "more than 2 entries",
    );
    check(|| Reply::Half(r#"{"documents":[]}"#.to_owned()), "broke off");
    check(|| Reply::Close, "does not answer");
    check(|| Reply::Say(404, "", "no".to_owned()), "404");
    check(|| Reply::Say(301, "location: /new\r\n", String::new()), "301");
    check(|| Reply::Say(503, "", "busy".to_owned()), "503");
    check(|| Reply::Raw("I speak no HTTP\r\n\r\n"), "cannot be used");
}

#[test]
fn entries_that_cannot_be_used_are_named() {
    let check = |hosts: &str, entry: &str, cause: &str| {
        let web = Web::new();
        let mut watcher = web.open(&format!("index = \"HOST/index.json\"\nhosts = [{hosts}]"));
        web.say(&format!(r#"{{"documents":[{entry},{{"url":"/good.md","checksum":"1"}}]}}"#));
        let said = web.look(&mut watcher);
        let status = watcher.status();
        if cause.is_empty() {
            assert_eq!((said.split(' ').count(), status.problems_count), (2, 0), "{entry}");
            return;
        }
        assert!(said.starts_with("+/good.md=") && !said.contains(' '), "{said} of {entry}");
        assert_eq!(status.problems_count, 1, "{status:?}");
        assert!(status.problems[0].cause.contains(cause), "{status:?}");
        assert!(!format!("{status:?}").contains("geheim"), "{status:?}");
    };
    check("", r#"{"url":"/x.md"}"#, "no checksum");
    check("", r#"{"url":"/x.md","checksum":" "}"#, "no checksum");
    check("", r#"{"url":"http://[","checksum":"1"}"#, "not an address");
    check("", r#"{"url":"file:///etc/passwd","checksum":"1"}"#, "scheme file");
    check("", r#"{"url":"http://169.254.169.254/meta","checksum":"1"}"#, "on the host 169.254.169.254");
    check("", r#"{"url":"//other.example/x.md","checksum":"1"}"#, "on the host other.example");
    check("\"other.example\"", r#"{"url":"https://other.example/x.md","checksum":"1"}"#, "");
    check(
        "\"other.example\"",
        r#"{"url":"https://other.example:444/x.md","checksum":"1"}"#,
        "on the host other.example:444",
    );
    check(
        "\"other.example\"",
        r#"{"url":"https://a:geheim@other.example/x.md","checksum":"1"}"#,
        "a name or a password",
    );
    check("", r#"{"url":"/good.md","checksum":"2"}"#, "twice");
}

/// A line that somebody spoiled is no word about its document: it stays, and what is out of the list goes.
#[test]
fn an_entry_that_is_spoiled_takes_nothing_away() {
    let check = |spoiled: &str| {
        let web = Web::new();
        let mut watcher = web.open("index = \"HOST/index.json\"");
        let entry = |name: &str| format!(r#"{{"url":"/{name}.md","checksum":"{name}"}}"#);
        web.say(&format!(r#"{{"documents":[{},{}]}}"#, entry("a"), entry("b")));
        assert_eq!(web.look(&mut watcher), "+/a.md=a +/b.md=b");
        web.say(&format!(r#"{{"documents":[{spoiled}]}}"#));
        assert_eq!(web.look(&mut watcher), "-/b.md", "{spoiled}");
        let status = watcher.status();
        assert_eq!((status.known, status.seen, status.problems_count), (1, 1, 1), "{status:?}");
        web.say(&format!(r#"{{"documents":[{}]}}"#, entry("a")));
        assert_eq!(web.look(&mut watcher), "");
        web.say(r#"{"documents":[]}"#);
        assert_eq!(web.look(&mut watcher), "-/a.md");
    };
    check(r#"{"url":"/a.md"}"#);
    check(r#"{"url":"a.md","checksum":" "}"#);
    check(&format!(r#"{{"url":"/x/../a.md","checksum":"{}"}}"#, "7".repeat(300)));
}

/// `ETag`, `Last-Modified`, or the content itself.
#[test]
fn pages() {
    type Said = (u16, &'static str, &'static str);
    let check = |first: Said, second: Said, expect: &str| {
        let web = Web::new();
        let mut watcher = web.open("pages = [\"HOST/dir/?a=1\"]");
        let say = |(status, headers, body): Said| {
            web.answer(move |request| {
                assert_eq!(request.path, "/dir/?a=1");
                Reply::Say(status, headers, body.to_owned())
            });
        };
        say(first);
        assert!(web.look(&mut watcher).starts_with("+/dir/?a=1="), "{first:?}");
        say(second);
        let said = web.look(&mut watcher);
        assert_eq!(said.split('=').take(2).collect::<Vec<_>>().join("="), expect, "{first:?} {second:?}");
        assert_eq!(watcher.status().error, None);
        let second = &web.server.requests()[1];
        let sent = (second.header("if-none-match"), second.header("if-modified-since"));
        let header =
            |name: &str| first.1.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        assert_eq!(sent, (header("etag"), header("last-modified")));
    };
    const ONE: &str = "etag: \"1\"\r\n";
    const TWO: &str = "etag: \"2\"\r\n";
    const OLD: &str = "last-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    const NEW: &str = "last-modified: Wed, 21 Oct 2025 07:28:00 GMT\r\n";
    check((200, ONE, "a"), (304, ONE, ""), "");
    check((200, ONE, "a"), (200, ONE, "a"), "");
    check((200, ONE, "a"), (200, TWO, "b"), "~/dir/?a=1");
    check((200, OLD, "a"), (304, OLD, ""), "");
    check((200, OLD, "a"), (200, OLD, "a"), "");
    check((200, OLD, "a"), (200, NEW, "b"), "~/dir/?a=1");
    check((200, OLD, "a"), (200, OLD, "of another length"), "~/dir/?a=1");
    check((200, "", "a"), (200, "", "a"), "");
    check((200, "", "a"), (200, "", "b"), "~/dir/?a=1");
    check((200, ONE, "a"), (404, "", ""), "-/dir/?a=1");
    check((200, ONE, "a"), (410, "", ""), "-/dir/?a=1");
}

#[test]
fn a_page_that_does_not_answer_is_not_gone() {
    let web = Web::new();
    let mut watcher = web.open("pages = [\"HOST/a\", \"HOST/b\", \"HOST/c\"]");
    let page = |request: &Request| Reply::Say(200, "", request.path.clone());
    web.answer(page);
    assert_eq!(web.look(&mut watcher).matches('+').count(), 3);
    web.answer(move |request| match request.path.as_str() {
        "/a" => Reply::Say(403, "", "not for you".to_owned()),
        "/b" => Reply::Say(404, "", String::new()),
        _ => page(request),
    });
    assert_eq!(web.look(&mut watcher), "-/b");
    let status = watcher.status();
    assert_eq!((status.state, status.problems_count, status.known), (WatcherState::Watching, 1, 2));
    assert!(status.problems[0].name.ends_with("/a"), "{status:?}");
    assert!(status.problems[0].cause.contains("403"), "{status:?}");
    // All of them: it is not the pages.
    web.answer(|_| Reply::Close);
    assert_eq!(web.look(&mut watcher), "");
    assert_eq!(watcher.status().state, WatcherState::Failing);
    web.answer(page);
    assert_eq!(web.look(&mut watcher).matches('+').count(), 1);
    assert_eq!((watcher.status().state, watcher.status().problems_count), (WatcherState::Watching, 0));
}

/// What was not taken is asked for again, whatever the service says about it.
#[test]
fn a_refusal_is_no_reason_to_believe_a_304() {
    for settings in ["pages = [\"HOST/a.md\"]", "index = \"HOST/index.json\""] {
        let web = Web::new();
        let mut watcher = web.open(settings);
        web.answer(|request| match request.header("if-none-match") {
            Some(_) => Reply::Say(304, "etag: \"1\"\r\n", String::new()),
            None => {
                let body = r#"{"documents":[{"url":"/a.md","checksum":"\"1\""}]}"#;
                Reply::Say(200, "etag: \"1\"\r\n", body.to_owned())
            }
        });
        web.rig.told.refusals.lock().unwrap().push(ErrorKind::Retry);
        assert_eq!(web.look(&mut watcher), "");
        assert_eq!(watcher.status().state, WatcherState::Held);
        assert!(web.look(&mut watcher).starts_with("+/a.md="));
        assert_eq!(web.look(&mut watcher), "");
        assert!(web.server.requests()[2].header("if-none-match").is_some());
        // And after a start, when nothing is known of the page but what was handed over.
        drop(watcher);
        let mut watcher = web.open(settings);
        assert_eq!(web.look(&mut watcher), "");
        assert_eq!(watcher.status().known, 1);
    }
}

#[test]
fn a_page_without_a_name_is_bounded_too() {
    let web = Web::new();
    let mut watcher = web.open("pages = [\"HOST/a\"]\nbytes_max = 10");
    web.answer(|_| Reply::Say(200, "", "x".repeat(11)));
    assert_eq!(web.look(&mut watcher), "");
    let error = watcher.status().error.unwrap();
    assert!(error.cause.contains("more than 10 bytes"), "{error:?}");
    // Where the service says which state it is, it need not be read.
    web.answer(|_| Reply::Say(200, "etag: \"1\"\r\n", "x".repeat(1 << 20)));
    assert_eq!(web.look(&mut watcher), "+/a=etag:\"1\"");
}

#[test]
fn a_key_is_sent_and_not_shown() {
    let mut web = Web::new();
    web.rig.means.secrets = Arc::new(|name| (name == "WEB_KEY").then(|| Secret::new("geheim")));
    web.say("a");
    let mut watcher = web.open("pages = [\"HOST/a\"]\nkey_variable = \"WEB_KEY\"");
    assert!(!web.look(&mut watcher).is_empty());
    assert_eq!(web.server.requests()[0].header("authorization"), Some("Bearer geheim"));
    web.answer(|_| Reply::Say(401, "", "geheim is wrong".to_owned()));
    web.look(&mut watcher);
    let status = watcher.status();
    assert!(status.error.as_ref().unwrap().cause.contains("401"), "{status:?}");
    assert!(!format!("{status:?}").contains("geheim"), "{status:?}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let check = |settings: &str, setting: &str| {
        let config: WatcherConfig = toml::from_str(&format!("kind = \"http\"\n{settings}")).unwrap();
        let error = Watcher::open("test", &config, &Rig::default().means).err().unwrap();
        assert!(matches!(&error, WatchError::Config { setting: named, .. } if *named == setting), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    };
    check("", "index");
    check("index = \"http://h/i\"\npages = [\"http://h/a\"]", "index");
    check("index = \"geheim\"", "index");
    check("pages = [\"ftp://a:geheim@h/\"]", "pages");
    check("pages = [\"http://h/\"]\nkey_variable = \"NOT_SET\"", "key_variable");
    check("pages = [\"http://h/\"]\nbytes_max = 0", "bytes_max");
    check("pages = [\"http://h/\"]\n[http]\ntries_max = 0", "tries_max");
}
