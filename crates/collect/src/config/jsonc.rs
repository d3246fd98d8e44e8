//! JSON with comments, as people write configuration: `//`, `/* … */`, and a comma too many.
//!
//! What is no JSON becomes blanks, so that a mistake is still reported in its line and column.

/// The same text as JSON. What stands in a string stays as it is.
pub(crate) fn plain_json(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    let mut comma = None;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                comma = None;
                at = end_of_string(&bytes, at);
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = blank(&mut bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = blank(&mut bytes, at, b"*/"),
            b',' => {
                comma = Some(at);
                at += 1;
            }
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
                at += 1;
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    comma = None;
                }
                at += 1;
            }
        }
    }
    // Only whole comments were replaced, byte by byte, by blanks: it is still UTF-8.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the string that begins at `start` is over.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Blanks the comment that begins at `start`, but no line feed, and says where it is over. One that nobody ended goes
/// to the end of the text.
fn blank(bytes: &mut [u8], start: usize, end: &[u8]) -> usize {
    let after = bytes[start + 2..].windows(end.len()).position(|window| window == end);
    let end = after.map_or(bytes.len(), |after| start + 2 + after + end.len());
    for byte in &mut bytes[start..end] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::plain_json;

    #[test]
    fn comments_and_commas_become_blanks() {
        let check = |text: &str, expect: &str| assert_eq!(plain_json(text), expect);
        check("{\"a\": 1} // é", "{\"a\": 1}      ");
        check("[1, // one\n2]", "[1,       \n2]");
        check("[1, 2, /* no\nmore */ ]", "[1, 2       \n        ]");
        check(r#"{"url": "http://x/*y*/", "q": "\"//"}"#, r#"{"url": "http://x/*y*/", "q": "\"//"}"#);
        check("[1,, ]", "[1,  ]");
        check("[\"a\", \"b,\",]", "[\"a\", \"b,\" ]");
        check("/* never ended", "              ");
        check("\"never ended \\", "\"never ended \\");
    }
}
