//! The grammar of RFC 8259 as a table of texts, made from small parts and their combinations.

/// What a reader has to say about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is JSON.
    Accept,
    /// It is not.
    Reject,
}

const GOOD_NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "123456789012345678901234567890",
    "0.0",
    "-0.5",
    "1.50",
    "0e0",
    "1e5",
    "1E5",
    "1e+5",
    "1e-5",
    "1.5E-05",
    "1e400",
    "-1e-400",
    "9223372036854775808",
];

const BAD_NUMBERS: &[&str] = &[
    "00",
    "01",
    "-01",
    "-",
    "+1",
    ".5",
    "1.",
    "-.5",
    "1e",
    "1e+",
    "1.e5",
    "1e5.0",
    "0x10",
    "1_000",
    "1,5",
    "- 1",
    "1 2",
    "--1",
    "1-1",
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "inf",
    "１",
    "1a",
    "0b1",
    "1e1e1",
    "1.2.3",
];

const GOOD_STRINGS: &[&str] = &[
    r#""""#,
    r#""a""#,
    r#""\"""#,
    r#""\\""#,
    r#""\/""#,
    r#""\b\f\n\r\t""#,
    r#""\u0000""#,
    r#""\u00e9\u00E9""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\ud800\u0041""#,
    r#""é日本🐟""#,
    "\"\u{7f}\u{2028}\u{feff}\"",
    r#""/""#,
    r#""{[,:]}""#,
];

const BAD_STRINGS: &[&str] = &[
    r#"""#,
    r#""a"#,
    r#"a""#,
    r#"'a'"#,
    r#""\a""#,
    r#""\x41""#,
    r#""\u12""#,
    r#""\u123g""#,
    r#""\U0041""#,
    r#""\"#,
    "\"\n\"",
    "\"\t\"",
    "\"\0\"",
    "\"\u{1f}\"",
    r#""a" "b""#,
    r#""\u""#,
    r#""\ud800\u""#,
    r#""\ud800\u12""#,
    r#""\'""#,
];

const GOOD_CONTAINERS: &[&str] = &[
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"\":{}}",
    " [ 1 , 2 ] ",
    "{ \"a\" : 1 , \"a\" : 2 }",
    "\t\r{}\r\t",
    "[\n]\n",
    "[null,true,false]",
];

const BAD_CONTAINERS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "[}",
    "{]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[1;2]",
    "[1:2]",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{:1}",
    "{\"a\"}",
    "{\"a\",1}",
    "{\"a\":1:2}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{null:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "[1]]",
    "{}}",
    "[]{}",
    "[] []",
    "{}#",
    "// c\n{}",
    "/**/{}",
    "{}//",
    "[1,,2]",
    "((1))",
    "<a>",
    "[\"a\",\n4",
    "[\u{a0}1]",
    "\u{feff}[]",
    "[]\0",
    "\0[]",
    "[\u{c}]",
];

const BAD_WORDS: &[&str] = &[
    "",
    " ",
    "nul",
    "nulll",
    "NULL",
    "True",
    "tru",
    "fals",
    "undefined",
    "None",
    "*",
    "\u{feff}",
    "=",
    "\\u0031",
];

/// Bytes that are not valid UTF-8.
const BAD_BYTES: &[&[u8]] = &[
    b"\xff",
    b"\x80",
    b"\xc0\xaf",
    b"\xc3",
    b"\xe6\x97",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
];

/// Levels of the deepest text that has to be read; recordings were seen to have them.
const DEPTH: usize = 1_000;

/// Texts with the verdict on each. Every scalar stands alone, in an array, as a member's value and
/// as a key; what is wrong alone is wrong inside.
pub fn grammar() -> Vec<(Vec<u8>, Verdict)> {
    let mut table: Vec<(Vec<u8>, Verdict)> = Vec::new();
    let mut add = |text: Vec<u8>, verdict| table.push((text, verdict));
    let inside = |text: &str| [format!("[{text}]"), format!("{{\"k\":{text}}}"), format!(" [0,{text} ]")];
    for text in [GOOD_NUMBERS, GOOD_STRINGS, GOOD_CONTAINERS, &["null", "true", "false"]].concat() {
        add(text.into(), Verdict::Accept);
        for text in inside(text) {
            add(text.into_bytes(), Verdict::Accept);
        }
    }
    for text in GOOD_STRINGS {
        add(format!("{{{text}:[]}}").into_bytes(), Verdict::Accept);
    }
    for text in [BAD_NUMBERS, BAD_STRINGS, BAD_CONTAINERS, BAD_WORDS].concat() {
        add(text.into(), Verdict::Reject);
        // Inside an array some of these only become two values or none.
        if !matches!(text, "" | " " | "1,5" | "[1" | "[1]]" | "]") {
            for text in inside(text) {
                add(text.into_bytes(), Verdict::Reject);
            }
        }
    }
    for bytes in BAD_BYTES {
        for (before, after) in [("", ""), ("\"", "\""), ("{\"", "\":1}"), ("[", "]"), ("[1]", "")] {
            add([before.as_bytes(), bytes, after.as_bytes()].concat(), Verdict::Reject);
        }
    }
    add(["[".repeat(DEPTH), "]".repeat(DEPTH)].concat().into_bytes(), Verdict::Accept);
    add(["{\"a\":".repeat(DEPTH), "1".to_owned(), "}".repeat(DEPTH)].concat().into_bytes(), Verdict::Accept);
    add("[".repeat(100_000).into_bytes(), Verdict::Reject);
    add("{\"a\":".repeat(100_000).into_bytes(), Verdict::Reject);
    table
}
