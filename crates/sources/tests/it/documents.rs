//! Values that span lines: arrays of records, single objects, archives, and what is broken.

use stele_sources::{OpenOptions, Profiles, open_reader};

use crate::{check, check_with, drain, rebuild, report};

const PRETTY: &str = r#"[
  {
    "type": "a"
  },
  {
    "type": "b"
  }
]
"#;

#[test]
fn an_array_of_objects_holds_records() {
    check(
        PRETTY,
        r#"F15
        1: filler "[\n  "
        2: row a
        4: filler ",\n  "
        5: row b
        7: filler "\n]\n""#,
    );
    check(
        "[\n{\"type\":\"a\"},\n{\"type\":\"b\"}\n]",
        r#"F15
        1: filler "[\n"
        2: row a
        2: filler ",\n"
        3: row b
        3: filler "\n]""#,
    );
}

#[test]
fn any_other_value_is_one_record() {
    check("{\n\"type\": \"a\"\n}", "F15\n1: row a");
    check("[1\n]", "F15\n1: row unknown");
    check("[\n]\n", "F15\n1: row unknown\n2: filler \"\\n\"");
    check(
        "{\n\"type\":\"a\"\n}\n{\n\"type\":\"b\"\n}\n",
        r#"F15
        1: row a
        3: filler "\n"
        4: row b
        6: filler "\n""#,
    );
}

#[test]
fn documents_have_formats_too() {
    check("{\n\"meta\": {\"game_id\":\"g\"},\n\"prices\": [1]\n}", "F8\n1: row unknown game=g");
    check(
        "[\n{\"type\":\"tick\",\"timestamp\":\"x\",\"game_id\":\"g\",\"tick\":1,\"price\":2}\n]",
        r#"F4
        1: filler "[\n"
        2: game_tick tick ts_raw=x game=g price=2 tick=1
        2: filler "\n]""#,
    );
}

#[test]
fn a_whole_array_on_one_line_is_a_record() {
    check("[{\"a\":1}]\n[{\"a\":2}]\n", "lines\n1: row unknown\n2: row unknown");
    check("[{\"a\":1}]", "lines\n1: row unknown");
}

#[test]
fn a_document_that_breaks_loses_nothing() {
    check(
        "[\n  {\n    \"type\": \"a\"\n  },\n  {\n    \"type\": \"b\",\n  ],\n  {\n    \"type\": \"c\"\n  }\n]\n",
        r#"F15
        1: filler "[\n  "
        2: row a
        4: filler ",\n  "
        5: rejected (the document breaks at byte 50: the closing bracket does not match)
        8: row c
        10: filler "\n]\n""#,
    );
    check(
        "[\n{\"type\":\"a\"}\n{\"type\":\"b\"},\n{\"type\":\"c\"",
        r#"F15
        1: filler "[\n"
        2: row a
        2: filler "\n"
        3: row b
        3: filler ",\n"
        4: rejected (the document breaks at byte 40: the text ends inside a value)"#,
    );
    check(
        "{\n\"type\":\"a\"\n} x\n",
        "F15\n1: rejected (the document breaks at byte 15: text follows the value)",
    );
}

#[test]
fn broken_documents_of_no_objects_are_rejected_whole() {
    check(
        "[\"a\",\n4\n,1,",
        "F15\n1: rejected (the document breaks at byte 11: the text ends inside a value)",
    );
    check("[1,\n1\n,1", "F15\n1: rejected (the document breaks at byte 8: the text ends inside a value)");
}

const HAR: &str = r#"{
  "log": {
    "version": "1.2",
    "entries": [
      {"request": {"url": "wss://example.test/?EIO=4"}, "_webSocketMessages": [
        {"type": "receive", "time": 1735787045.5, "opcode": 1, "data": "0{\"sid\":\"x\"}"},
        {"type": "send", "time": 1735787045.75, "opcode": 1, "data": "425[\"buy\",{\"gameId\":\"g\"}]"},
        {"type": "receive", "time": 1735787046, "opcode": 1, "data": "42[\"t\",{\"__trace\":true},{\"price\":2}]"},
        {"type": "receive", "time": 1735787046, "opcode": 2, "data": "AAEC"}
      ]},
      {"request": {"url": "https://example.test/\"]}"}}
    ]
  }
}
"#;

#[test]
fn archives_hold_messages() {
    check(
        HAR,
        r#"har
        1: filler "{\n  \"log\": {\n    \"version\": \"1.2\",\n    \"entries\": [\n      {\"request\": {\"url\": \"wss://example.test/?EIO=4\"}, \"_webSocketMessages\": [\n        "
        6: system_event open time=1735787045500000/utc direction=received framed={"sid":"x"} traced=false
        6: filler ",\n        "
        7: ws_event buy time=1735787045750000/utc game=g direction=sent framed={"gameId":"g"} traced=false
        7: filler ",\n        "
        8: ws_event t time=1735787046000000/utc direction=received price=2 framed={"price":2} traced=true
        8: filler ",\n        "
        9: ws_event unknown time=1735787046000000/utc direction=received
        9: filler "\n      ]},\n      {\"request\": {\"url\": \"https://example.test/\\\"]}\"}}\n    ]\n  }\n}\n""#,
    );
    let minified = HAR.replace("\n", "").replace(": ", ":");
    let format = |content: &str| {
        let reader = Box::new(std::io::Cursor::new(content.as_bytes().to_vec()));
        let source = open_reader("x", reader, &Profiles::builtin(), &OpenOptions::default());
        source.expect("opens").format().name().to_owned()
    };
    assert_eq!(format(&minified), "har");
    assert_eq!(format(&format!("{minified}\n{{\"event\":\"e\"}}\n")), "lines");
}

#[test]
fn any_block_size_gives_the_same_parts() {
    let mut array = String::from("\u{feff}[\n");
    for number in 0..200 {
        array.push_str(&format!("  {{\n    \"n\": {number},\n    \"s\": \"\\\"}}\\\\\"\n  }},\n"));
    }
    array.push_str("  {\"n\": \"last\"}\n]\n");
    for content in [array.as_str(), HAR, PRETTY, "[\n{\"a\":1}\n{\"a\":2},,\n{\"a\":3}", "{\n\"a\":1\n} "] {
        let pieces = |block_bytes: usize| {
            let options = OpenOptions { block_bytes, ..OpenOptions::default() };
            let mut source = crate::source(content.as_bytes(), &options).expect("opens");
            let (blocks, error) = drain(&mut source);
            assert!(error.is_none());
            assert_eq!(rebuild(&blocks), content.as_bytes());
            assert!(blocks.iter().rev().skip(1).all(|block| !block.last));
            assert!(blocks.last().is_some_and(|block| block.last));
            let lines: u64 = blocks.iter().map(|block| block.lines).sum();
            assert_eq!(lines as usize, content.lines().count());
            let records = blocks.iter().flat_map(|block| block.pieces());
            let records = records.filter(|piece| piece.kind == stele_sources::PieceKind::Record);
            records.map(|piece| (piece.byte_offset, piece.line_no, piece.bytes.to_vec())).collect::<Vec<_>>()
        };
        let all = pieces(1 << 20);
        for block_bytes in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(pieces(block_bytes), all, "{block_bytes}");
        }
    }
}

#[test]
fn documents_can_be_forced() {
    let options = OpenOptions { format: Some("F15".to_owned()), ..OpenOptions::default() };
    check_with(
        "[{\"type\":\"a\"},{\"type\":\"b\"}]",
        &options,
        r#"F15
        1: filler "["
        1: row a
        1: filler ","
        1: row b
        1: filler "]""#,
    );
}

#[test]
fn lines_behind_a_document_go_on_after_damage() {
    let document = "{\n  \"event\": \"a\"\n}\n";
    for bad in ["{\"event\":\"cut", "not JSON", "{\"event\":\"c\"} text", "{\"event\":{\"x\":1}"] {
        let content = format!("{document}{bad}\n{{\"event\":\"b\"}}\n{{\n  \"event\": \"c\"\n}}\n");
        for block_bytes in [1, 7, 4096] {
            let options = OpenOptions { block_bytes, ..OpenOptions::default() };
            let got = report(content.as_bytes(), &options);
            for event in ["a", "b", "c"] {
                assert!(got.contains(&format!(" {event}\n")), "{bad} {block_bytes} {event}\n{got}");
            }
            // Only blocks as small as these divide the damage.
            assert!(block_bytes < 4096 || got.matches("rejected").count() == 1, "{bad}\n{got}");
        }
    }
}

#[test]
fn brackets_without_end_are_bounded() {
    let mut content = b"[\n{\"event\":\"e\"},\n{\"a\":".to_vec();
    content.resize(content.len() + stele_sources::RECORD_BYTES_MAX + (5 << 20), b'[');
    content.extend_from_slice(b"\n{\"event\":\"after\"}\n");
    let mut source = crate::source(&content, &OpenOptions::default()).expect("opens");
    let (blocks, error) = drain(&mut source);
    assert!(error.is_none() && rebuild(&blocks) == content);
    let reasons: std::collections::BTreeSet<_> = blocks
        .iter()
        .flat_map(|block| block.pieces())
        .filter_map(|piece| match piece.kind {
            stele_sources::PieceKind::Rejected(reason) => Some(reason.to_owned()),
            _ => None,
        })
        .collect();
    assert!(reasons.iter().any(|reason| reason.ends_with("too many brackets are open")), "{reasons:?}");
}
