//! Configurations that cannot be used, and what is said about them.

use std::sync::Arc;

use serde_json::json;
use stele_http::Still;
use stele_model::ErrorKind;
use stele_sinks::{SinkConfig, SinkKind, open};

use crate::rig::config;

#[test]
fn few_settings_are_enough() {
    let read = |value| serde_json::from_value::<SinkConfig>(value);
    let config = read(json!({ "kind": "qdrant", "url": "http://127.0.0.1:6333", "collection": "texts" }));
    let config = config.unwrap();
    assert_eq!((config.kind, config.http.tries_max), (SinkKind::Qdrant, 5));
    let sink = open(&config, None, Arc::new(Still::default())).unwrap();
    assert_eq!(sink.shown(), "the Qdrant collection texts at http://127.0.0.1:6333");
    for wrong in [
        json!({ "kind": "other", "url": "http://127.0.0.1:6333", "collection": "texts" }),
        json!({ "kind": "chroma", "url": "http://127.0.0.1:6333", "collection": "texts", "key": "sk" }),
        json!({ "kind": "chroma", "url": "", "collection": "texts", "http": { "tries": 1 } }),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let check = |change: fn(&mut SinkConfig), setting: &str| {
        let mut config = config(SinkKind::Qdrant, "http://127.0.0.1:9");
        change(&mut config);
        let error = open(&config, None, Arc::new(Still::default())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(&format!("the setting {setting} ")), "{error}");
    };
    check(|config| config.url = "localhost".to_owned(), "url");
    check(|config| config.collection = String::new(), "collection");
    check(|config| config.user = Some("ann".to_owned()), "user");
    check(|config| config.kind = SinkKind::Neo4j, "kind");
    check(|config| config.http.tries_max = 0, "tries_max");
    for name in ["", "ab", "a/b", "a b", "..", "_abc", "abc-", "äbc"] {
        let config = SinkConfig { collection: name.to_owned(), ..config(SinkKind::Chroma, "http://[::1]:9") };
        let error = open(&config, None, Arc::new(Still::default())).err().unwrap();
        assert!(error.to_string().contains("the setting collection "), "{name}: {error}");
    }
    check(|config| config.tenant = Some("mine".to_owned()), "tenant");
    check(
        |config| {
            config.kind = SinkKind::Chroma;
            config.database = Some("a?b".to_owned());
        },
        "database",
    );
}
