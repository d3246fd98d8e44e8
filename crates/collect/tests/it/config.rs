//! Which sources there are: every form, every mistake, the order, the variables.

use serde_json::{Map, Value, json};
use stele_collect::{Action, CollectError, DedupBy, KnownKeys, SourceKind, SourcesConfig, Window};
use stele_model::ErrorKind;

/// The form that other programs have, with its comments.
const REFERENCE: &str = r#"{
  // what holds for all
  "defaults": {"parallel_ingestion": true, "max_workers": 4, "batch_size": 32, "validate_schema": true, "filter_invalid_data": true,
               "enable_cache": true, "cache_ttl_seconds": 3600, "max_requests_per_minute": 10, "daily_cost_threshold_usd": 10,
               "emergency_shutdown_threshold_usd": 50},
  "data_sources": [
    {"source_id": "api_source", "source_type": "api", "enabled": true, "priority": 2,
     "endpoint": "https://api.example/v1/articles", // not http://
     "auth_type": "api_key", "headers": {"X-API-KEY": "${NEWS_KEY}"}, "rate_limit": 50, "token_usage_tracking": true},
    {"source_id": "file_source", "source_type": "file", "path": "/var/log/app_events", "file_pattern": "*.json",
     "archive_after_ingestion": true},
    {"source_id": "db_source", "source_type": "database", "priority": 1,
     "connection_string": "postgresql://ann:geheim@host/db",
     "query": "SELECT * FROM t WHERE ts > :last_ingested_timestamp",
     "parameters": {"last_ingested_timestamp": "2023-01-01T00:00:00Z"}},
    {"source_id": "helpdesk", "source_type": "freshdesk", "domain": "${FRESHDESK_DOMAIN}", "tenant_id": "wedosoft",
     "rate": {"reserve": 0.2}},
  ]
}"#;

const KEYS: KnownKeys<'static> = &[(SourceKind::Rest, &["endpoint", "auth_type", "auth", "headers"])];

fn lookup(name: &str) -> Option<String> {
    match name {
        "NEWS_KEY" => Some("sk-geheim".to_owned()),
        "FRESHDESK_DOMAIN" => Some("acme.freshdesk.com".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> SourcesConfig {
    SourcesConfig::parse(text, KEYS, &lookup).unwrap()
}

#[test]
fn sources_01_the_reference_form_loads_unchanged() {
    let config = parse(REFERENCE);
    assert_eq!(config.problems, []);
    assert_eq!(config.warnings, ["defaults: `batch_size` has no effect: the program chooses it by itself"]);
    let names: Vec<(&str, SourceKind)> = config.sources.iter().map(|s| (s.id.as_str(), s.kind)).collect();
    let kinds = [SourceKind::Rest, SourceKind::File, SourceKind::Database, SourceKind::Freshdesk];
    assert_eq!(
        names,
        ["api_source", "file_source", "db_source", "helpdesk"].into_iter().zip(kinds).collect::<Vec<_>>()
    );
    let api = config.source("api_source").unwrap();
    assert_eq!((api.rate_limit.clone(), api.trust_score), (vec![Window::minute(50)], 0.5));
    assert_eq!(api.cache_ttl.map(|ttl| ttl.as_secs()), Some(3600));
    let file = config.source("file_source").unwrap();
    assert_eq!(file.rate_limit, [Window::minute(10)]);
    assert_eq!(
        file.shown_settings(),
        json!({"path": "/var/log/app_events", "file_pattern": "*.json", "archive_after_ingestion": true})
    );
    assert_eq!(config.source("helpdesk").unwrap().tenant_id.as_deref(), Some("wedosoft"));
}

#[test]
fn sources_01_a_broken_entry_is_named_and_the_others_load() {
    let check = |entry: Value, why: &str| {
        let list =
            json!([{"source_id": "first", "type": "file"}, entry, {"source_id": "last", "type": "file"}]);
        let config = parse(&list.to_string());
        let ids: Vec<&str> = config.sources.iter().map(|source| source.id.as_str()).collect();
        assert_eq!(ids, ["first", "last"], "{entry}");
        assert_eq!(config.problems.len(), 1, "{entry}");
        assert_eq!(config.problems[0].index, 1);
        let told = config.problems[0].to_string();
        assert!(told.starts_with("entry 2 of the sources") && told.contains(why), "{told}");
    };
    check(json!(7), "no object");
    check(json!({"source_type": "api"}), "`source_id` is missing");
    check(json!({"source_id": "x"}), "`source_type` is missing");
    check(
        json!({"source_id": "x", "source_type": "fax"}),
        "(x) cannot be used: there is no `source_type` fax; there are rest, file",
    );
    check(json!({"source_id": "first", "source_type": "api"}), "another source has the same `source_id`");
    check(json!({"source_id": "a/b", "source_type": "api"}), "letters, digits");
    check(json!({"source_id": "x", "source_type": "api", "priority": "high"}), "`priority`: invalid type");
    check(json!({"source_id": "x", "source_type": "api", "trust_score": 7}), "between 0 and 1");
    check(json!({"source_id": "x", "source_type": "api", "rate_limit": 0}), "0 would be no request");
    check(
        json!({"source_id": "x", "source_type": "api", "rate_limit": {"requests": 5}}),
        "`rate_limit`: missing field `per`",
    );
    check(json!({"source_id": "x", "source_type": "api", "dedup": 5}), "no way to tell records");
    check(
        json!({"source_id": "x", "source_type": "api", "cost": {"per_cal_usd": 1}}),
        "unknown field `per_cal_usd`",
    );
    check(
        json!({"source_id": "x", "source_type": "api", "schema": {"types": "melt"}}),
        "unknown variant `melt`",
    );
    check(json!({"source_id": "x", "source_type": "api", "cache": "soon"}), "`cache` has to be");
    check(
        json!({"source_id": "x", "source_type": "api", "auth": {"type": "bearer", "token": "${NO_TOKEN}"}}),
        "NO_TOKEN is not set in the environment",
    );
}

#[test]
fn sources_01_what_cannot_be_read_is_an_error_and_never_a_default() {
    let check = |text: &str, why: &str| {
        let error = SourcesConfig::parse(text, KEYS, &lookup).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(matches!(&error, CollectError::Sources { .. }) && error.to_string().contains(why), "{error}");
    };
    check("", "EOF");
    // Comments do not move the place.
    check("{\n  // a comment\n  \"data_sources\": [ oops ]\n}", "at line 3 column 21");
    check("7", "neither an object");
    check("{}", "no list `data_sources`");
    check(r#"{"data_sources": {}}"#, "no list `data_sources`");
    check(r#"{"data_sources": [], "defaults": []}"#, "`defaults` has to be an object");
    check(r#"{"data_sources": [], "defaults": {"max_workers": "four"}}"#, "defaults: invalid type");
}

#[test]
fn sources_01_unknown_keys_are_warned_of() {
    let config = parse(
        r#"{"defaults": {"max_workers_": 3}, "cache_ttl_seconds": 60, "data_sources":
            [{"source_id": "x", "source_type": "api", "endpoint_": "https://x", "headers": {}}]}"#,
    );
    assert_eq!(
        config.warnings,
        [
            "defaults: `max_workers_` has no effect: nothing has this name; is it misspelt?",
            "source x: `endpoint_` has no effect: nothing has this name; is it misspelt?",
        ]
    );
    assert_eq!((config.defaults.max_workers, config.defaults.cache_ttl_seconds), (4, 60));
    assert_eq!(config.sources[0].shown_settings(), json!({"headers": {}}));
}

#[test]
fn what_holds_for_every_kind_is_known_to_every_kind() {
    for kind in SourceKind::NAMES.iter().flat_map(|(_, names)| *names) {
        let entry = |more: Value| {
            let mut entry = json!({"source_id": "x", "source_type": kind});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let config =
                parse(&json!({"max_total_tokens_per_day": 900, "data_sources": [entry]}).to_string());
            assert_eq!(
                (config.problems.as_slice(), config.warnings.as_slice()),
                (&[][..], &[][..]),
                "{kind}"
            );
            config.sources[0].clone()
        };
        let said = entry(json!({"allow_insecure": true, "cost": {"day_tokens_max": 5}}));
        assert_eq!((said.allow_insecure, said.cost.day_tokens_max), (true, Some(5)), "{kind}");
        let unsaid = entry(json!({}));
        assert_eq!((unsaid.allow_insecure, unsaid.cost.day_tokens_max), (false, Some(900)), "{kind}");
    }
}

#[test]
fn sources_01_tables_of_toml_are_the_same() {
    let table: toml::Table = toml::from_str(
        r#"
        [[sources]]
        source_id = "helpdesk"
        source_type = "freshdesk"
        start_date = 2015-01-01
        priority = 3
        schema = { columns = "freeze", required = ["id"] }
        dedup = ["id"]
        rate_limit = [{ requests = 50, per = "1m" }, { requests = 1000, per = "1h" }]
        "#,
    )
    .unwrap();
    let entries: Vec<Value> =
        serde_json::from_value(serde_json::to_value(&table["sources"]).unwrap()).unwrap();
    let config = SourcesConfig::of(entries, Map::new(), KEYS, &lookup).unwrap();
    assert_eq!((config.problems.len(), config.warnings.len()), (0, 0), "{:?}", config.problems);
    let source = &config.sources[0];
    assert_eq!(source.shown_settings(), json!({"start_date": "2015-01-01"}));
    assert_eq!(
        (source.schema.columns, source.dedup.clone()),
        (Action::Freeze, DedupBy::Key(vec!["id".into()]))
    );
    assert_eq!(source.rate_limit, [Window::minute(50), Window::hour(1000)]);
}

#[test]
fn sources_02_order_and_threshold() {
    let config = parse(
        r#"[{"source_id": "c", "source_type": "file", "priority": 2}, {"source_id": "b", "source_type": "file"},
            {"source_id": "off", "source_type": "file", "enabled": false}, {"source_id": "a", "source_type": "file", "priority": 1},
            {"source_id": "z", "source_type": "file", "priority": -1}]"#,
    );
    let check = |threshold: Option<i64>, expect: &[&str]| {
        let due: Vec<&str> = config.due(threshold).iter().map(|source| source.id.as_str()).collect();
        assert_eq!(due, expect, "{threshold:?}");
    };
    check(None, &["z", "a", "b", "c"]);
    check(Some(1), &["z", "a", "b"]);
    check(Some(-1), &["z"]);
    check(Some(-2), &[]);
    let error = config.source("d").unwrap_err().to_string();
    assert_eq!(error, "source d: there is no such source; there are c, b, off, a, z");
}

#[test]
fn sources_16_variables_are_resolved_and_secrets_never_shown() {
    let config = parse(REFERENCE);
    let api = config.source("api_source").unwrap();
    let settings: Value = api.settings(&lookup).unwrap().read().unwrap();
    assert_eq!(settings["headers"]["X-API-KEY"], "sk-geheim");
    // Shown by the name of its variable, and by stars where it was written there.
    assert_eq!(api.shown_settings()["headers"]["X-API-KEY"], "${NEWS_KEY}");
    assert_eq!(config.source("db_source").unwrap().shown_settings()["connection_string"], "***");
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
    // A value that does not fit is not repeated by the error.
    let error =
        api.settings(&lookup).unwrap().read::<std::collections::BTreeMap<String, bool>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read is asked")]
    struct Headers {
        headers: std::collections::BTreeMap<String, bool>,
    }
    let error = api.settings(&lookup).unwrap().read::<Headers>().unwrap_err().to_string();
    assert!(error.starts_with("source api_source: invalid type: string \"***\""), "{error}");
    // Gone since the configuration was read.
    let error = api.settings(&|_| None).err().unwrap().to_string();
    assert_eq!(error, "source api_source: the variable NEWS_KEY is not set; set it, or write the value here");
}

#[test]
fn sources_16_what_is_written_down_is_hidden() {
    let check = |settings: Value, expect: Value| {
        let mut entry = settings.as_object().unwrap().clone();
        entry.insert("source_id".to_owned(), json!("x"));
        entry.insert("source_type".to_owned(), json!("freshdesk"));
        let config = SourcesConfig::of(vec![Value::Object(entry)], Map::new(), KEYS, &lookup).unwrap();
        assert_eq!(config.sources[0].shown_settings(), expect);
        assert!(!format!("{:?}", config.sources[0]).contains("geheim"));
    };
    check(json!({"api_key": "geheim", "key": ["id"]}), json!({"api_key": "***", "key": ["id"]}));
    check(
        json!({"auth": {"type": "bearer", "token": "geheim"}}),
        json!({"auth": {"type": "bearer", "token": "***"}}),
    );
    check(
        json!({"auth": {"type": "api_key", "in": "header", "name": "X", "value": "geheim"}}),
        json!({"auth": {"type": "api_key", "in": "header", "name": "X", "value": "***"}}),
    );
    check(
        json!({"auth": {"client_id": "me", "client_secret": "geheim", "token_url": "https://ann:geheim@host/t"}}),
        json!({"auth": {"client_id": "me", "client_secret": "***", "token_url": "https://***@host/t"}}),
    );
    check(json!({"password": "${FRESHDESK_DOMAIN}"}), json!({"password": "${FRESHDESK_DOMAIN}"}));
    check(json!({"list": [{"secret": "geheim"}], "n": 1}), json!({"list": [{"secret": "***"}], "n": 1}));
    // A `${` that is none.
    let text = r#"[{"source_id": "x", "source_type": "file", "path": "/a/$${b}/${NEWS_KEY}/c"}]"#;
    let settings: Value = parse(text).sources[0].settings(&lookup).unwrap().read().unwrap();
    assert_eq!(settings["path"], "/a/${b}/sk-geheim/c");
}

#[test]
fn whether_somebody_chose_how_long_answers_are_kept_is_known() {
    let check = |defaults: Value, cache: Value, seconds: Option<u64>, is_set: bool| {
        let entry = json!({"source_id": "x", "source_type": "api", "cache": cache});
        let defaults = defaults.as_object().unwrap().clone();
        let config = SourcesConfig::of(vec![entry], defaults, &[], &|_| None).unwrap();
        let source = &config.sources[0];
        let found = (source.cache_ttl.map(|ttl| ttl.as_secs()), source.cache_ttl_set);
        assert_eq!(found, (seconds, is_set), "{cache}");
    };
    check(json!({}), json!(true), Some(3_600), false);
    check(json!({"enable_cache": true}), json!(true), Some(3_600), false);
    check(json!({}), json!("10m"), Some(600), true);
    check(json!({"cache_ttl_seconds": 3_600}), json!(true), Some(3_600), true);
}
