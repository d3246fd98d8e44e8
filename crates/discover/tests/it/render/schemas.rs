//! Every record meets the schema of its event, and says so through a validator of other hands.

use serde_json::Value;
use stele_discover::render::schema::{self, SchemaOptions};
use stele_discover::render::to_text;
use stele_discover::view::CatalogueView;

use super::build::view;

fn schemas(view: &CatalogueView, closed: bool) -> Value {
    let text = to_text(|out| schema::write(out, view, &SchemaOptions { closed }));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("{error}"));
    jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{error}"))
}

/// All of `records` are valid, open and closed, and none of `others` is valid when closed.
#[track_caller]
fn check(records: &[&str], others: &[&str]) {
    let view = view(records);
    for closed in [false, true] {
        let schemas = schemas(&view, closed);
        let validator = validator(&schemas["unknown"]);
        for record in records {
            let value: Value = serde_json::from_str(record).unwrap();
            assert!(validator.is_valid(&value), "{record} fails {}", schemas["unknown"]);
        }
        if closed {
            for other in others {
                let value: Value = serde_json::from_str(other).unwrap();
                assert!(!validator.is_valid(&value), "{other} passes {}", schemas["unknown"]);
            }
        }
    }
}

#[test]
fn members_and_presence() {
    check(&[r#"{"a":1,"b":"x"}"#, r#"{"a":2}"#], &[r#"{"b":"x"}"#, r#"{"a":"1"}"#, r#"{"a":1,"c":1}"#, "[]"]);
    check(&["{}", r#"{"a":1}"#], &[r#"{"a":null}"#]);
    check(&[r#"{"a":1,"a":2}"#, r#"{"a":3}"#], &["{}"]);
}

#[test]
fn unions_and_nulls_that_become_objects() {
    check(
        &[r#"{"a":null}"#, r#"{"a":{"b":1}}"#, r#"{"a":[true]}"#, r#"{"a":"x"}"#],
        &[r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":[1]}"#, r#"{"a":{"b":"1"}}"#],
    );
}

#[test]
fn arrays() {
    check(&[r#"{"a":[]}"#], &[r#"{"a":{}}"#]);
    check(&[r#"[[1],[],["x",[null]]]"#], &["[1]", "[[true]]", "[[[1]]]"]);
    check(&["1", "\"x\"", "null", "[{}]"], &["true", "{}", "[1]"]);
}

#[test]
fn folded_maps_and_mixed_folds() {
    check(
        &[r#"{"m":{"1":{"v":1},"22":{"v":2}}}"#, r#"{"m":{"3":{"v":3}}}"#],
        &[r#"{"m":{"1":{}}}"#, r#"{"m":{"x":1}}"#],
    );
    check(
        &[
            r#"{"m":{"1":"folded","2":"folded"}}"#,
            r#"{"m":{"1":5,"name":true}}"#,
            r#"{"m":{}}"#,
            r#"{"m":null}"#,
        ],
        &[r#"{"m":{"1":false}}"#, r#"{"m":{"name":5}}"#, r#"{"m":{"1":5,"2":"folded"}}"#],
    );
    check(&[r#"{"1":1}"#, r#"{"2":2}"#], &[r#"{"x":""}"#]);
}

#[test]
fn names_that_need_quotes() {
    check(
        &[r#"{"a.b":1,"a":{"b":"x"},"":[],"x\"y":null,"t\tab":1,"{}":1,"[]":2}"#],
        &[r#"{"a.b":"x","a":{"b":"x"},"":[],"x\"y":null,"t\tab":1,"{}":1,"[]":2}"#, "{}"],
    );
}

#[test]
fn numbers_keep_their_spelling_and_never_fail() {
    let records = [
        r#"{"a":1e400,"b":9223372036854775808,"c":1.0,"d":-0,"e":123456789012345678901234567890,"f":0.10}"#,
        r#"{"a":-1e400,"b":18446744073709551616,"c":2.50,"d":0,"e":-5,"f":1E-400}"#,
    ];
    check(&records, &[]);
    let text = to_text(|out| schema::write(out, &view(&records), &SchemaOptions::default()));
    for spelled in ["[\"integer\"", "1e400", "9223372036854775808", "2.50", "-0", "0.10", "1E-400"] {
        assert_eq!(text.contains(spelled), !spelled.starts_with('['), "{spelled} in {text}");
    }
}

#[test]
fn lone_surrogates_do_not_spoil_the_file() {
    let view = view(&[r#"{"\ud800":"\udfff","ok":"\ud83d\ude00"}"#]);
    let schema = &schemas(&view, true)["unknown"];
    validator(schema);
    assert_eq!(schema["required"], serde_json::json!(["ok"]));
    assert_eq!(schema["properties"]["ok"]["examples"], serde_json::json!(["😀"]));
    assert!(schema["properties"]["\\ud800"].get("examples").is_none());
    assert!(schema.get("additionalProperties").is_none());
}

#[test]
fn presence_is_never_rounded_up() {
    let mut records = vec![r#"{"a":1}"#; 3];
    records.push("{}");
    assert_eq!(
        schemas(&view(&records), false)["unknown"]["properties"]["a"]["x-presence"].to_string(),
        "0.75"
    );
    let mut view = view(&records);
    view.events[0].records = 10_000_000;
    view.events[0].tree[1].records = 9_999_999;
    assert_eq!(schemas(&view, false)["unknown"]["properties"]["a"]["x-presence"].to_string(), "0.999999");
}

/// A tree of `depth` levels whose paths are not written out, which would take its square in bytes.
fn deep(depth: usize) -> CatalogueView {
    let mut view = view(&[r#"[[{"k":1}]]"#]);
    let event = &mut view.events[0];
    let (root, array) = (event.tree[0].clone(), event.tree[1].clone());
    event.tree = vec![root];
    for level in 1..depth {
        let mut path = array.clone();
        path.parent = level - 1;
        path.path = format!("level {level}");
        path.children = if level + 1 < depth { vec![level + 1] } else { vec![] };
        event.tree.push(path);
    }
    view
}

#[test]
fn ten_thousand_levels_do_not_overflow_the_stack() {
    let view = deep(10_000);
    let schema = &schemas(&view, false)["unknown"];
    jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(schema.to_string().matches("\"type\":\"array\"").count(), 10_000);
}

#[test]
fn a_thousand_levels_validate() {
    // The validator recurses; the schema does not have to.
    let run = || {
        let schemas = schemas(&deep(1000), false);
        let validator = validator(&schemas["unknown"]);
        let nest = |depth: usize, inner: Value| (0..depth).fold(inner, |value, _| Value::Array(vec![value]));
        assert!(validator.is_valid(&nest(1000, Value::Array(vec![]))));
        assert!(validator.is_valid(&nest(999, Value::Array(vec![]))));
        assert!(!validator.is_valid(&nest(999, Value::Null)));
    };
    std::thread::Builder::new().stack_size(512 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn one_event_alone_is_the_same_schema() {
    let view = super::lobby();
    let alone = to_text(|out| schema::write_event(out, &view.events[2], &SchemaOptions::default()));
    let alone: Value = serde_json::from_str(&alone).unwrap();
    assert_eq!(schemas(&view, false)["tick"], alone);
    assert_eq!(alone["$schema"], schema::DIALECT);
}
