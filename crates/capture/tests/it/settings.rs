//! Settings that cannot be used are named, and no secret is in what is said of them.

use stele_capture::{CaptureConfig, CaptureError, Template};
use stele_http::Secret;
use stele_model::ErrorKind;

#[track_caller]
fn check(toml: &str, expect: &str) {
    let config: CaptureConfig = match toml::from_str(toml) {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().contains(expect), "{error}");
            return;
        }
    };
    let secrets = |name: &str| (name == "TOKEN").then(|| Secret::new("geheim"));
    let said = match config.check("feed", &secrets) {
        Ok(()) => String::new(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config);
            error.to_string()
        }
    };
    assert!(said.contains(expect) && said.is_empty() == expect.is_empty(), "{said}");
    assert!(!said.contains("geheim") && !format!("{config:?}").contains("TOKEN"), "{said} {config:?}");
}

#[test]
fn each_is_named() {
    check("url = 'wss://a.example/feed?key=${TOKEN}'", "");
    check("url = 'socketio+https://a.example'\nnumber = '/n'\nanswer_acks = true", "");
    check("url = 'cdp+http://127.0.0.1:9222'\npages = ['a.example']", "");
    check("url = 'http://a.example'", "the setting url cannot be used: it has to be ws://");
    check("", "the setting url");
    check("url = 'wss://a.example/${OTHER}'", "the variable OTHER is not set");
    check("url = 'stdin:'\nnumber = 'n'", "the setting number cannot be used: it is no JSON pointer");
    check(
        "url = 'stdin:'\nping_ms = 1",
        "the setting ping_ms cannot be used: it is 1; it has to be 100 at least",
    );
    check("url = 'stdin:'\nreconnect_ms_max = 1", "the setting reconnect_ms_max");
    check("url = 'stdin:'\nconnects_max = 0", "the setting connects_max");
    check("url = 'ws://a'\nheaders = { A = \"geheim\\n\" }", "the setting headers");
    check("url = 'stdin:'\nnamespaces = [{ name = 'game' }]", "the setting namespaces");
    check("url = 'stdin:'\nnamespaces = [{ name = '/game', auth = '{geheim' }]", "auth of /game is no JSON");
    check("url = 'stdin:'\nemit = [{ event = 'a', namespace = '/b' }]", "the namespace /b is not joined");
    check("url = 'stdin:'\nunknown = 1", "unknown field");
}

#[test]
fn names_are_names_of_directories() {
    let config = CaptureConfig { url: Template::new("events:"), ..CaptureConfig::default() };
    for name in ["", "..", "a/b", "ä", &"x".repeat(65)] {
        let refused = config.check(name, &|_| None);
        assert!(matches!(refused, Err(CaptureError::Config { setting: "name", .. })), "{name}");
    }
    assert!(config.check("feed-1_A", &|_| None).is_ok());
}
