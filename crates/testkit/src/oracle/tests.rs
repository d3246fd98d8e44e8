use super::{Count, event_of, read};

#[track_caller]
fn check(lines: &str, expect: &str) {
    let mut count = Count::default();
    count.lines(lines.as_bytes());
    assert_eq!(count.tsv(), expect, "{lines}");
}

#[test]
fn every_place_is_counted() {
    check(
        "{\"a\":[1,[2.5,{}]]}",
        "unknown\ta\tarray\t1\t1\nunknown\ta[]\tarray|integer\t2\t1\nunknown\ta[][]\tnumber|object\t2\t1\n",
    );
    check("[[],null]\n[]\n7\n", "unknown\t[]\tarray|null\t2\t1\n");
    check("{\"k\":1,\"k\":\"x\"}", "unknown\tk\tinteger|string\t2\t1\n");
    check(
        "{\"a.b\":{\"\":1}}",
        "unknown\t[\"a.b\"]\tobject\t1\t1\nunknown\t[\"a.b\"][\"\"]\tinteger\t1\t1\n",
    );
    check(
        "{\"1\":{\"2\":[{\"x\":1}]},\"\\u0033\":0}",
        "unknown\t{}\tinteger|object\t2\t1\nunknown\t{}.{}\tarray\t1\t1\nunknown\t{}.{}[]\tobject\t1\t1\nunknown\t{}.{}[].x\tinteger\t1\t1\n",
    );
}

#[test]
fn events_come_from_the_first_key_that_holds_text() {
    let event = |text: &str| event_of(&read(text.as_bytes()).expect("valid"));
    assert_eq!(event(r#"{"type":"a","event":"b"}"#), "b");
    assert_eq!(event(r#"{"type":"a","event":5}"#), "a");
    assert_eq!(event(r#"{"event":"a","event":"b"}"#), "b");
    assert_eq!(event(r#"{"data":{"event":"a"}}"#), "unknown");
    assert_eq!(event(r#"{"_metadata":{}}"#), "_metadata");
    assert_eq!(event(r#"{"_metadata":{},"x":1}"#), "unknown");
    assert_eq!(event("[1]"), "unknown");
}

#[test]
fn only_json_is_accepted() {
    for good in ["0", "-0.0e+9", " [ ] ", "{\"\":{}}", "\"\\ud800\"", "\"\\ud83d\\ude00\"", "1e400", "\r1"] {
        assert!(read(good.as_bytes()).is_ok(), "{good}");
    }
    for bad in [
        "",
        "01",
        "1.",
        ".5",
        "+1",
        "NaN",
        "[1,]",
        "{\"a\":}",
        "{a:1}",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\ud800\\u\"",
        "1 2",
        "nul",
        "\u{feff}1",
        "[1}",
        "{\"a\",1}",
        "\u{a0}1",
    ] {
        assert!(read(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(read(b"\"\xff\"").is_err());
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(read(deep.as_bytes()).map(|items| items.len()), Ok(100_000));
}

#[test]
fn damage_is_told_apart_from_blank_lines() {
    let mut count = Count::default();
    count.lines(b"\xef\xbb\xbf{\"event\":\"a\"}\r\n\r\n \t\n{\"event\":\n\0\0{}\n{}");
    assert_eq!((count.records, count.blank), (2, 2));
    assert_eq!(count.refused.iter().map(|refused| refused.line).collect::<Vec<_>>(), [4, 5]);
}

#[test]
fn documents_are_taken_apart() {
    let mut count = Count::default();
    count.document(b"[{\"event\":\"a\",\"n\":[1,2]},\n {\"event\":\"a\"}, 3]").expect("valid");
    assert_eq!(count.records, 3);
    assert_eq!(count.tsv(), "a\tevent\tstring\t2\t2\na\tn\tarray\t1\t1\na\tn[]\tinteger\t2\t1\n");
}
