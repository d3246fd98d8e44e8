use super::{Kind, Tape};

#[track_caller]
fn check(text: &str, expect: &str) {
    let mut tape = Tape::default();
    let got = match tape.parse(text) {
        Ok(()) => tape
            .nodes()
            .iter()
            .map(|node| format!("{}@{}..{}>{}", node.kind.name(), node.start, node.end, node.next))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expect, "{text}");
}

#[test]
fn values_have_ranges_and_subtree_ends() {
    check(
        r#"{"a":[1,2.5],"b":null}"#,
        "object@0..22>5 array@5..12>4 integer@6..7>3 number@8..11>4 null@17..21>5",
    );
    check("  [ ] ", "array@2..5>1");
    check("{ }", "object@0..3>1");
    check("-0", "integer@0..2>1");
    check("\"a\\\"b\"", "string@0..6>1");
}

#[test]
fn errors_say_where() {
    check("", "the text ends inside a value at byte 0");
    check("{\"a\":1", "the text ends inside a value at byte 6");
    check("[1,]", "a value was expected at byte 3");
    check("{\"a\" 1}", "a colon was expected at byte 5");
    check("{a:1}", "a member name in quotes was expected at byte 1");
    check("01", "the number is malformed at byte 1");
    check("1.", "the text ends inside a value at byte 2");
    check("[1.x]", "the number is malformed at byte 3");
    check("NaN", "a value was expected at byte 0");
    check("nul", "the text ends inside a value at byte 3");
    check("{} {}", "text follows the value at byte 3");
    check("\"\\x\"", "the escape is malformed at byte 2");
    check("\"a\u{1}bcdefghijkl\"", "a control character stands inside a string at byte 2");
    check("[1}", "a comma or a closing bracket was expected at byte 2");
}

#[test]
fn depth_is_bounded_without_recursion() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let mut tape = Tape::default();
    assert!(tape.parse(&deep(super::DEPTH_MAX)).is_ok());
    assert!(tape.parse(&deep(super::DEPTH_MAX + 1)).is_err());
    assert!(tape.nodes().is_empty());
}

#[test]
fn digit_keys_are_known_at_the_object() {
    let digits = |text: &str| {
        let mut tape = Tape::default();
        tape.parse(text).expect("valid");
        tape.nodes()[0].digit_keys()
    };
    assert!(digits(r#"{"1":0,"002":{"x":1}}"#));
    assert!(digits(r#"{"\u0031":0}"#));
    assert!(!digits("{}"));
    assert!(!digits(r#"{"1":0,"a":0}"#));
    assert!(!digits(r#"{"":0}"#));
    assert!(!digits(r#"{"1":0,"-2":0}"#));
}

#[test]
fn what_is_no_escape_stays_as_it_is() {
    let check = |text: &str, expect: &str| assert_eq!(super::unescape(text.as_bytes()), expect);
    check("\\é", "\\é");
    check("a\\", "a\\");
    check("\\u00", "\\u00");
    check("\\u€€€", "\\u€€€");
    check("\\ud83d\\uZ€", "\\ud83d\\uZ€");
}

#[test]
fn strings_are_unescaped_and_lone_surrogates_stay() {
    let text = r#"{"a\u002eb":"x\n\ud83d\ude00\ud800!","k":1,"k":2}"#;
    let mut tape = Tape::default();
    tape.parse(text).expect("valid");
    let root = tape.value(text, 0);
    assert_eq!(root.member("a.b").and_then(|v| v.as_str()).as_deref(), Some("x\n😀\\ud800!"));
    assert_eq!(root.member("k").and_then(|v| v.as_i64()), Some(2));
    assert_eq!(
        root.children().map(|c| c.kind()).collect::<Vec<_>>(),
        [Kind::String, Kind::Integer, Kind::Integer]
    );
}

#[test]
fn an_escape_is_one_character() {
    let check = |literal: &str, characters: usize| {
        let mut tape = Tape::default();
        assert_eq!(tape.parse(literal), Ok(()), "{literal}");
        let node = &tape.nodes()[0];
        assert_eq!(node.characters(literal, literal.is_ascii()), characters, "{literal}");
        assert_eq!(node.text_escaped(), literal.contains('\\'), "{literal}");
    };
    check(r#""""#, 0);
    check(r#""plain""#, 5);
    check(r#""ü\\ü""#, 3);
    check(r#""\n\u0041\t""#, 3);
    check(r#""\uD83D\ude00""#, 1);
    check(r#""\uD83D\uD83D\ude00""#, 2);
    check(r#""\ude00\uD83D""#, 2);
    check(r#""\uD83D-\ude00""#, 3);
    check(r#""\\uD83D\ude00""#, 7);
    // More bytes than a node can count.
    check(&format!("\"{}\"", r"\u0041".repeat(20_000)), 20_000);
    check(&format!("\"{}é\"", r"\uD83D\ude00".repeat(20_000)), 20_001);
}
