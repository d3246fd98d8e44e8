//! Strategies for JSON texts, and for files of them with and without damage.
//!
//! What is generated is text, never a value, because the interesting things are in the spelling:
//! escapes in keys, repeated keys, numbers that no float holds, white space in odd places. The pool
//! of keys is small, so that the same path meets different types.

use proptest::collection::vec;
use proptest::prelude::*;

/// Deepest nesting of generated texts, and about how many values one holds. Enough for every
/// combination of containers; deep texts have a named case of their own.
const DEPTH: u32 = 5;
const VALUES: u32 = 48;
const WIDTH: u32 = 6;

/// Most lines of a generated file.
const LINES: usize = 24;

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i16>().prop_map(|number| number.to_string()),
        2 => "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,4}",
        1 => "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        1 => prop::sample::select(vec![
            "-0", "-0.0", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
            "18446744073709551616", "1e400", "-1E+400", "1e-400", "0e0", "1.0", "1.00", "10E-1",
        ]).prop_map(str::to_owned),
    ]
}

/// A string literal with its quotes.
fn literal() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z ]{1,6}",
        1 => "\\PC",
        1 => prop::sample::select(vec![
            "\\n", "\\t", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\u0000", "\\u001f", "\\u00e9", "\\u0041",
            "\\ud83d\\ude00", "\\ud800", "\\udc00", "\\uD800\\u0041", "|", "é", "日本", "🐟", "\u{7f}", "\u{2028}",
        ]).prop_map(str::to_owned),
    ];
    vec(piece, 0..4).prop_map(|pieces| {
        let mut out = String::from("\"");
        for piece in pieces {
            // A generated character may need an escape; the chosen escapes have theirs.
            match piece.as_str() {
                "\"" => out.push_str("\\\""),
                "\\" => out.push_str("\\\\"),
                _ => out.push_str(&piece),
            }
        }
        out.push('"');
        out
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["\"a\"", "\"b\"", "\"data\"", "\"type\"", "\"event\"", "\"price\""])
            .prop_map(str::to_owned),
        4 => "\"[0-9]{1,3}\"",
        2 => prop::sample::select(vec![
            "\"\"", "\"a.b\"", "\"a[]\"", "\"{}\"", "\"say \\\"hi\\\"\"", "\"\\u0061\"", "\"\\u0031\"", "\"tab\\t\"",
            "\"back\\\\slash\"", "\"\\ud83d\\ude00\"", "\"-1\"", "\"1.5\"", "\"é\"", "\"_metadata\"",
        ]).prop_map(str::to_owned),
        1 => literal(),
    ]
}

/// White space between tokens: mostly none, never a line break.
fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", "", " ", "\t", " \r "])
}

fn array(items: &[String], space: &str) -> String {
    format!("[{space}{}{space}]", items.join(&format!("{space},{space}")))
}

fn object(members: &[(String, String)], space: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{key}{space}:{space}{value}")).collect();
    format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
}

/// The text of one JSON value, on one line.
pub fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        number(),
        literal(),
    ];
    scalar.prop_recursive(DEPTH, VALUES, WIDTH, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..WIDTH as usize), space()).prop_map(|(items, space)| array(&items, space)),
            (vec((key(), inner), 0..WIDTH as usize), space())
                .prop_map(|(members, space)| object(&members, space)),
        ]
    })
}

/// The text of one record: mostly an object that states an event.
pub fn record() -> impl Strategy<Value = String> {
    let event = prop::sample::select(vec!["\"tick\"", "\"bid\"", "\"a.b\"", "7"]);
    let name = prop::sample::select(vec!["event", "event_type", "event_name", "type"]);
    let stated = (event, name, vec((key(), value()), 0..5)).prop_map(|(event, name, members)| {
        let mut all = vec![(format!("\"{name}\""), event.to_owned())];
        all.extend(members);
        object(&all, "")
    });
    prop_oneof![5 => stated, 1 => value()]
}

/// A file of records and blank lines in which every line can be read.
pub fn file() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        9 => record().prop_map(String::into_bytes),
        1 => prop::sample::select(vec!["", " ", "\t", "\r"]).prop_map(|blank| blank.as_bytes().to_vec()),
    ];
    lines(line)
}

/// A file of records with damaged lines among them.
pub fn damaged_file() -> impl Strategy<Value = Vec<u8>> {
    let broken =
        (record(), record(), any::<prop::sample::Index>(), 0..6u8).prop_map(|(text, other, at, how)| {
            let text = text.into_bytes();
            let at = at.index(text.len());
            match how {
                0 => text[..at].to_vec(),
                1 => text[at..].to_vec(),
                2 => [&text[..at], other.as_bytes(), &text[at..]].concat(),
                3 => [&[0; 9], &text[..]].concat(),
                4 => [&text[..at], b"\xff", &text[at..]].concat(),
                _ => [&text[..], other.as_bytes()].concat(),
            }
        });
    let note = prop::sample::select(vec![
        "## note",
        "NaN",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{'a':1}",
        "\u{feff}{}",
    ]);
    let line = prop_oneof![
        6 => record().prop_map(String::into_bytes),
        2 => broken,
        1 => note.prop_map(|note| note.as_bytes().to_vec()),
        1 => prop::sample::select(vec!["", " ", "\r"]).prop_map(|blank| blank.as_bytes().to_vec()),
        1 => vec(any::<u8>().prop_filter("a line break ends the line", |byte| *byte != b'\n'), 0..40),
    ];
    lines(line)
}

/// Lines with one kind of line end, with or without one at the end of the file, with or without a
/// byte order mark.
fn lines(line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let shape = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    (vec(line, 0..LINES), shape).prop_map(|(lines, (windows, last, mark))| {
        let end: &[u8] = if windows { b"\r\n" } else { b"\n" };
        let mut out = lines.join(end);
        if last && !lines.is_empty() {
            out.extend(end);
        }
        if mark {
            out.splice(..0, *b"\xef\xbb\xbf");
        }
        out
    })
}
