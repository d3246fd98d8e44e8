//! What counts as a change, and how bad it is.

use stele_discover::render::diff::{self, Rule, Severity, Shape, compare};
use stele_discover::render::field_index;
use stele_discover::render::schema::{self, SchemaOptions};
use stele_discover::render::{json, to_text};
use stele_discover::view::CatalogueView;

use super::build::view;
use super::documents::golden;

fn lines(old: &Shape, new: &Shape) -> Vec<String> {
    let diff = compare(old, new);
    let line = |change: &diff::Change| {
        let path = change.path.as_deref().unwrap_or("(event)");
        format!("{path} {:?}", change.rule)
    };
    diff.changes.iter().map(line).collect()
}

/// The changes between two sets of records of one event, apart from ranges of lengths and numbers.
#[track_caller]
fn check(old: &[&str], new: &[&str], expect: &[&str]) {
    let (old, new) = (Shape::of(&view(old)), Shape::of(&view(new)));
    let got: Vec<String> = lines(&old, &new).into_iter().filter(|line| !line.ends_with("Range")).collect();
    assert_eq!(got, expect);
    assert_eq!(lines(&old, &old), Vec::<String>::new());
}

#[test]
fn types() {
    check(&[r#"{"a":1}"#], &[r#"{"a":1}"#, r#"{"a":2.5}"#], &["a WidenedByNumber"]);
    check(&[r#"{"a":1.5}"#], &[r#"{"a":1}"#], &["a WidenedByInteger"]);
    check(&[r#"{"a":1}"#], &[r#"{"a":null}"#], &["a WidenedByNull"]);
    check(&[r#"{"a":1}"#], &[r#"{"a":1}"#, r#"{"a":"x"}"#], &["a WidenedByType"]);
    check(&[r#"{"a":1}"#], &[r#"{"a":"x"}"#], &["a Replaced"]);
    check(&[r#"{"a":1}"#], &[r#"{"a":"x"}"#, r#"{"a":null}"#], &["a Replaced"]);
    check(&[r#"{"a":null}"#], &[r#"{"a":{"b":1}}"#], &["a WidenedFromNull", "a.b PathAdded"]);
    check(&[r#"{"a":1}"#, r#"{"a":"x"}"#], &[r#"{"a":1}"#], &["a Narrowed"]);
}

#[test]
fn presence() {
    check(&[r#"{"a":1}"#], &[r#"{"a":1}"#, "{}"], &["a AlwaysToSometimes"]);
    check(&[r#"{"a":1}"#, "{}"], &[r#"{"a":1}"#], &["a SometimesToAlways"]);
    check(&[r#"{"a":1}"#], &["{}"], &["a AlwaysNotSeen"]);
    let often: Vec<&str> = [[r#"{"a":1}"#; 30], ["{}"; 30]].concat();
    let seldom: Vec<&str> = [[r#"{"a":1}"#; 3].as_slice(), &["{}"; 57]].concat();
    check(&often, &seldom, &["a PresenceShift"]);
    check(&seldom, &often, &["a PresenceShift"]);
}

#[test]
fn not_seen_is_weighed_by_what_one_would_expect() {
    let half: Vec<&str> = [[r#"{"a":1}"#; 30], ["{}"; 30]].concat();
    check(&half, &["{}"; 5], &["a PathNotSeenRare"]);
    check(&half, &["{}"; 40], &["a PathNotSeen"]);
    check(&[r#"{"a":{"b":1}}"#], &["{}"], &["a AlwaysNotSeen", "a.b HolderNotSeen"]);
    check(&[r#"{"a":[{"b":1}]}"#], &[r#"{"a":[]}"#], &["a[] HolderNotSeen", "a[].b HolderNotSeen"]);
    check(&[r#"{"a":{"x.y":1}}"#], &[r#"{"a":null}"#], &["a WidenedByNull", "a[\"x.y\"] HolderNotSeen"]);
    check(&[r#"{"m":{"1":2}}"#], &[r#"{"m":{}}"#], &["m.{} HolderNotSeen"]);
}

#[test]
fn events() {
    let many: Vec<&str> = [[r#"{"event":"a"}"#; 50], [r#"{"event":"b"}"#; 50]].concat();
    let few: Vec<&str> = [[r#"{"event":"a"}"#; 3].as_slice(), &[r#"{"event":"c"}"#]].concat();
    check(&many, &few, &["(event) EventNotSeenRare", "(event) EventAdded"]);
    check(&many, &[r#"{"event":"a"}"#; 50], &["(event) EventNotSeen"]);
}

#[test]
fn enumerations() {
    let old = [[r#"{"phase":"OPEN"}"#; 4], [r#"{"phase":"DONE"}"#; 4]].concat();
    check(&old, &[r#"{"phase":"OPEN"}"#, r#"{"phase":"LOST"}"#], &["phase NewValue"]);
    check(&old, &[r#"{"phase":"OPEN"}"#], &[]);
    // Texts that hardly repeat are no enumeration.
    check(&[r#"{"say":"hello"}"#, r#"{"say":"bye"}"#], &[r#"{"say":"hm"}"#], &[]);
}

#[test]
fn ranges() {
    let shapes = |text: &str| Shape::of(&view(&[text]));
    let changes =
        compare(&shapes(r#"{"a":1,"b":"x","c":[1]}"#), &shapes(r#"{"a":1.0,"b":"xy","c":[1,1]}"#)).changes;
    let texts: Vec<String> = changes
        .iter()
        .filter(|c| c.rule == Rule::Range)
        .map(|c| format!("{} → {}", c.before, c.after))
        .collect();
    assert_eq!(texts, ["1 … 1 characters → 2 … 2 characters", "1 … 1 elements → 2 … 2 elements"]);
}

#[test]
fn every_rule_is_in_the_table_once() {
    let mut rules = Rule::ALL;
    assert!(rules.is_sorted_by(|a, b| a.severity() >= b.severity()));
    rules.sort_unstable();
    assert!(rules.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn drift_is_measured_against_a_level() {
    let (a, b) = (Shape::of(&view(&[r#"{"a":1}"#])), Shape::of(&view(&[r#"{"a":null}"#])));
    let diff = compare(&a, &b);
    assert_eq!(diff.worst(), Severity::Warning);
    assert!(
        diff.reaches(Severity::Safe) && diff.reaches(Severity::Warning) && !diff.reaches(Severity::Breaking)
    );
    let none = compare(&a, &a);
    assert_eq!(none.worst(), Severity::Safe);
    assert!(!none.reaches(Severity::Safe));
}

/// Both forms of the same view have the same shape as the view itself.
#[track_caller]
fn check_load(view: &CatalogueView) {
    let shape = Shape::of(view);
    let from_json = Shape::parse(&to_text(|out| json::write(out, view))).unwrap();
    assert_eq!(from_json, shape);
    let from_schema =
        Shape::parse(&to_text(|out| schema::write(out, view, &SchemaOptions::default()))).unwrap();
    assert_eq!(lines(&shape, &from_schema), Vec::<String>::new());
    assert_eq!(lines(&from_schema, &shape), Vec::<String>::new());
    let from_index = Shape::parse(&to_text(|out| field_index::write(out, view))).unwrap();
    assert_eq!(lines(&shape, &from_index), Vec::<String>::new());
}

#[test]
fn shapes_are_read_from_every_document() {
    check_load(&super::lobby());
    check_load(&view(&[r#"{"m":{"1":"a","2":"b"}}"#, r#"{"m":{"1":5,"n":true},"x":[[[{"y":null}]]]}"#]));
    let deep = format!("{}{}", "{\"k\":[".repeat(40), "]}".repeat(40));
    check_load(&view(&[&deep]));
    let one = super::lobby();
    let alone = to_text(|out| schema::write_event(out, &one.events[0], &SchemaOptions::default()));
    assert_eq!(Shape::parse(&alone).unwrap().events.keys().collect::<Vec<_>>(), ["bet"]);
}

#[test]
fn a_dictionary_by_hand() {
    let toml = r#"
        [events.tick.paths]
        "data.price" = "integer|number"
        "data.phase" = { types = "string", presence = "always", values = ["OPEN"] }
        "data.odds" = { types = "number", range = [0, 100], presence = "always" }
        direction = "integer"
    "#;
    let shape = Shape::parse(toml).unwrap();
    let got = lines(&shape, &Shape::of(&super::lobby()));
    for expect in [
        "(event) EventAdded",
        "data.odds AlwaysNotSeen",
        "data.phase NewValue",
        "data.tags PathAdded",
        "direction Replaced",
    ] {
        assert!(got.iter().any(|line| line == expect), "{expect} in {got:?}");
    }
    assert!(!got.iter().any(|line| line.starts_with("data.price")), "{got:?}");
    let written = serde_json::to_string(&shape).unwrap();
    assert_eq!(Shape::parse(&written).unwrap(), shape);
}

#[track_caller]
fn check_error(text: &str, expect: &str) {
    let error = Shape::parse(text).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn unreadable_shapes_say_why() {
    check_error("[events.tick.paths]\nprice = \"decimal\"", "`decimal` is not a JSON type");
    check_error("[events.tick.paths]\nprice = { types = \"number\", unit = \"x\" }", "unknown field `unit`");
    check_error("[event.tick]", "unknown field `event`");
    check_error("{\"a\":", "EOF");
    let reference =
        |to: &str| format!(r##"{{"a":{{"$schema":"","properties":{{"x":{{"$ref":"{to}"}}}}}}}}"##);
    check_error(&reference("#/$defs/1"), "leads nowhere");
    check_error(&reference("#"), "referred to twice");
    check_error("{\"version\":99}", "use a newer stele");
}

#[test]
fn golden_reports() {
    let new = view(&[
        r#"{"event":"tick","direction":"received","data":{"price":"2","phase":"LOST","note":{"by":"ann"},"tags":["a|b"]}}"#,
        r#"{"event":"say","direction":"sent","data":{"user.name":null,"text":"x"}}"#,
        r#"{"event":"win","data":{}}"#,
    ]);
    let diff = compare(&Shape::of(&super::lobby()), &Shape::of(&new));
    golden(&[
        ("diff_report.md", to_text(|out| diff::write_md(out, &diff, "old.json", "new|`.json"))),
        ("diff_report.json", to_text(|out| diff::write_json(out, &diff, "old.json", "new|`.json"))),
    ]);
}
