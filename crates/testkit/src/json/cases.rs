//! Named cases that other tools get wrong, with the whole answer: the metamorphic set (T12).
//!
//! The answer is the catalogue under `--fold digits`, written out by hand or by a loop; it owes
//! nothing to any reader.

use std::fmt::Write as _;

/// Lines and what has to be found in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// The lines of a file, without their ends.
    pub lines: Vec<Vec<u8>>,
    /// Accepted records.
    pub records: u64,
    /// Rejected lines.
    pub rejected: u64,
    /// Event, path, types, nodes, records; sorted.
    pub tsv: String,
}

impl Case {
    /// The lines as a file.
    pub fn content(&self) -> Vec<u8> {
        let mut out = self.lines.join(&b'\n');
        out.push(b'\n');
        out
    }
}

/// A case from lines and from rows without their event, which is `e` for records that state it and
/// otherwise given in front of a slash.
fn case(name: &'static str, lines: &[&str], rejected: u64, rows: &[&str]) -> Case {
    let mut tsv = String::new();
    for row in rows {
        let (event, row) = row.split_once('/').unwrap_or(("e", row));
        let _ = writeln!(tsv, "{event}\t{}", row.replace(' ', "\t"));
    }
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let records = lines.len() as u64 - rejected;
    Case { name, lines, records, rejected, tsv }
}

/// How many dynamic keys: more than any table has columns.
const KEYS: usize = 10_000;

/// How many records come before the one with the late key: beyond every default sample.
const LATE: usize = 25_000;

/// Nesting of the deep record.
const DEPTH: usize = 64;

/// Every case.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![late_key(), dynamic_digits(), dynamic_names(), deep()];
    cases.extend([
        case("null only", &[r#"{"event":"e","x":null}"#; 3], 0, &["event string 3 3", "x null 3 3"]),
        case(
            "null, then object",
            &[r#"{"event":"e","x":null}"#, r#"{"event":"e","x":{"y":1}}"#],
            0,
            &["event string 2 2", "x null|object 2 2", "x.y integer 1 1"],
        ),
        case(
            "integer, then number, then string",
            &[r#"{"event":"e","x":1}"#, r#"{"event":"e","x":1.5}"#, r#"{"event":"e","x":"1.5"}"#],
            0,
            &["event string 3 3", "x integer|number|string 3 3"],
        ),
        case(
            "every type at one path",
            &[r#"{"event":"e","x":[{"y":1},[2],3,4.0,"5",null,true]}"#, r#"{"event":"e","x":{"y":"z"}}"#],
            0,
            &[
                "event string 2 2",
                "x array|object 2 2",
                "x.y string 1 1",
                "x[] array|boolean|integer|null|number|object|string 7 1",
                "x[].y integer 1 1",
                "x[][] integer 1 1",
            ],
        ),
        case(
            "repeated keys",
            &[r#"{"event":"e","k":1,"k":"two","k":{"v":3}}"#],
            0,
            &["event string 1 1", "k integer|object|string 3 1", "k.v integer 1 1"],
        ),
        case(
            "one key, two spellings",
            &[r#"{"event":"e","a":1}"#, r#"{"event":"e","\u0061":2}"#],
            0,
            &["a integer 2 2", "event string 2 2"],
        ),
        case(
            "2^63 and more",
            &[
                r#"{"event":"e","n":9223372036854775808}"#,
                r#"{"event":"e","n":340282366920938463463374607431768211456}"#,
            ],
            0,
            &["event string 2 2", "n integer 2 2"],
        ),
        case(
            "1e400",
            &[r#"{"event":"e","n":1e400}"#, r#"{"event":"e","n":-1E-400}"#],
            0,
            &["event string 2 2", "n number 2 2"],
        ),
        case(
            "keys with dots and brackets",
            &[r#"{"event":"e","a.b":1,"a":{"b":2},"c[]":3,"c":[4],"":5,"{}":6,"q\"q":7}"#],
            0,
            &[
                "[\"\"] integer 1 1",
                "[\"a.b\"] integer 1 1",
                "[\"c[]\"] integer 1 1",
                "[\"q\\\"q\"] integer 1 1",
                "[\"{}\"] integer 1 1",
                "a object 1 1",
                "a.b integer 1 1",
                "c array 1 1",
                "c[] integer 1 1",
                "event string 1 1",
            ],
        ),
        case(
            "one bad line",
            &[r#"{"event":"e","x":1}"#, r#"{"event":"e","x":"#, r#"{"event":"e","x":2}"#],
            1,
            &["event string 2 2", "x integer 2 2"],
        ),
        case(
            "NaN, single quotes, trailing text, two values",
            &[
                r#"{"event":"e","x":NaN}"#,
                "{'event':'e'}",
                r#"{"event":"e"} ok"#,
                "{}{}",
                r#"{"event":"e","x":1}"#,
            ],
            4,
            &["event string 1 1", "x integer 1 1"],
        ),
        case(
            "empty containers",
            &[r#"{"event":"e","o":{},"a":[],"n":[[],{}]}"#, r#"{"event":"e","o":{},"a":[]}"#],
            0,
            &["a array 2 2", "event string 2 2", "n array 1 1", "n[] array|object 2 1", "o object 2 2"],
        ),
        case(
            "digits here, names there",
            &[
                r#"{"event":"e","m":{"1":{"v":1},"2":{"v":2}}}"#,
                r#"{"event":"e","m":{"1":{"v":3},"all":{"v":4}}}"#,
            ],
            0,
            &[
                "event string 2 2",
                "m object 2 2",
                "m.1 object 1 1",
                "m.1.v integer 1 1",
                "m.all object 1 1",
                "m.all.v integer 1 1",
                "m.{} object 2 1",
                "m.{}.v integer 2 1",
            ],
        ),
        case(
            "odd roots",
            &["[1,[2],{\"k\":3}]", "[]", "7", "\"text\"", "null", "{}"],
            0,
            &["unknown/[] array|integer|object 3 1", "unknown/[].k integer 1 1", "unknown/[][] integer 1 1"],
        ),
        case(
            "lone surrogates",
            &[r#"{"event":"e","x":"\ud800"}"#, r#"{"event":"e","x":"\udc00\ud83d\ude00"}"#],
            0,
            &["event string 2 2", "x string 2 2"],
        ),
        case(
            "which key names the event",
            &[
                r#"{"type":"b","event":"e"}"#,
                r#"{"type":"b","event":1}"#,
                r#"{"event_name":"c","type":"b"}"#,
                r#"{"_metadata":{"v":1}}"#,
                r#"{"_metadata":{"v":1},"w":2}"#,
            ],
            0,
            &[
                "_metadata/_metadata object 1 1",
                "_metadata/_metadata.v integer 1 1",
                "b/event integer 1 1",
                "b/type string 1 1",
                "c/event_name string 1 1",
                "c/type string 1 1",
                "event string 1 1",
                "type string 1 1",
                "unknown/_metadata object 1 1",
                "unknown/_metadata.v integer 1 1",
                "unknown/w integer 1 1",
            ],
        ),
    ]);
    cases
}

fn late_key() -> Case {
    let mut lines = vec![br#"{"event":"e","x":1}"#.to_vec(); LATE];
    lines.push(br#"{"event":"e","x":1,"late":{"at":"last"}}"#.to_vec());
    let all = LATE + 1;
    let tsv = format!(
        "e\tevent\tstring\t{all}\t{all}\ne\tlate\tobject\t1\t1\ne\tlate.at\tstring\t1\t1\ne\tx\tinteger\t{all}\t{all}\n"
    );
    Case { name: "a key first seen in the last record", lines, records: all as u64, rejected: 0, tsv }
}

fn dynamic_digits() -> Case {
    let lines =
        (0..KEYS).map(|key| format!(r#"{{"event":"e","by":{{"{key}":{{"v":{key}}}}}}}"#).into_bytes());
    let tsv = format!(
        "e\tby\tobject\t{KEYS}\t{KEYS}\ne\tby.{{}}\tobject\t{KEYS}\t{KEYS}\ne\tby.{{}}.v\tinteger\t{KEYS}\t{KEYS}\n\
         e\tevent\tstring\t{KEYS}\t{KEYS}\n"
    );
    let records = KEYS as u64;
    Case { name: "10,000 dynamic keys of digits", lines: lines.collect(), records, rejected: 0, tsv }
}

fn dynamic_names() -> Case {
    let lines = (0..KEYS).map(|key| format!(r#"{{"event":"e","by":{{"id-{key:05}":{key}}}}}"#).into_bytes());
    let mut tsv = format!("e\tby\tobject\t{KEYS}\t{KEYS}\n");
    for key in 0..KEYS {
        let _ = writeln!(tsv, "e\tby.id-{key:05}\tinteger\t1\t1");
    }
    let _ = writeln!(tsv, "e\tevent\tstring\t{KEYS}\t{KEYS}");
    let records = KEYS as u64;
    Case { name: "10,000 dynamic keys of letters", lines: lines.collect(), records, rejected: 0, tsv }
}

fn deep() -> Case {
    let text = format!(r#"{{"event":"e","d":{}1{}}}"#, r#"{"d":"#.repeat(DEPTH), "}".repeat(DEPTH));
    let mut tsv = String::new();
    let mut path = String::from("d");
    for _ in 0..DEPTH {
        let _ = writeln!(tsv, "e\t{path}\tobject\t1\t1");
        path.push_str(".d");
    }
    let _ = writeln!(tsv, "e\t{path}\tinteger\t1\t1\ne\tevent\tstring\t1\t1");
    Case { name: "depth 64", lines: vec![text.into_bytes()], records: 1, rejected: 0, tsv }
}
