//! String text: out of its escapes, and back into quotes.

use std::borrow::Cow;

/// The text of a string literal's inside. A lone surrogate escape has no character of its own and
/// stays as the six bytes it is written with.
pub fn unescape(inside: &[u8]) -> Cow<'_, str> {
    let plain = String::from_utf8_lossy(inside);
    if !plain.contains('\\') {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain.as_ref();
    while let Some(slash) = rest.find('\\') {
        out.push_str(&rest[..slash]);
        rest = &rest[slash..];
        let mut used = 2;
        match rest.as_bytes().get(1) {
            Some(b'b') => out.push('\u{8}'),
            Some(b'f') => out.push('\u{c}'),
            Some(b'n') => out.push('\n'),
            Some(b'r') => out.push('\r'),
            Some(b't') => out.push('\t'),
            Some(b'u') => {
                let (character, length) = unicode_escape(rest);
                match character {
                    Some(character) => out.push(character),
                    None => out.push_str(&rest[..length]),
                }
                used = length;
            }
            Some(&plain) if plain.is_ascii() => out.push(char::from(plain)),
            // No escape at all: this text was never accepted, and is only looked at.
            Some(_) | None => {
                out.push('\\');
                used = 1;
            }
        }
        rest = &rest[used..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of a `\uXXXX` or of a surrogate pair, and how many bytes it takes.
fn unicode_escape(text: &str) -> (Option<char>, usize) {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        u32::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let Some(high) = unit(0) else {
        return (None, text.len().min(2));
    };
    if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (high, unit(6)) {
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code), 12);
    }
    (char::from_u32(high), 6)
}

/// Bytes that the escapes of a string's inside take beyond one a character; an escape is one
/// character, and so is a pair of surrogate escapes.
pub(super) fn escape_bytes(inside: &[u8]) -> usize {
    let mut beyond = 0;
    let mut at = 0;
    while let Some(slash) = inside[at..].iter().position(|byte| *byte == b'\\') {
        let length = escape_length(&inside[at + slash..]);
        beyond += length - 1;
        at += slash + length;
    }
    beyond
}

fn escape_length(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'u') if is_high_surrogate(bytes) && bytes.get(6..).is_some_and(is_low_surrogate) => 12,
        Some(b'u') => 6,
        _ => 2,
    }
}

/// Whether `bytes` begin with `\uD8..` to `\uDB..`.
pub(super) fn is_high_surrogate(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\\u")
        && matches!(bytes.get(2), Some(b'd' | b'D'))
        && matches!(bytes.get(3), Some(b'8' | b'9' | b'a' | b'A' | b'b' | b'B'))
}

/// Whether `bytes` begin with `\uDC..` to `\uDF..`.
pub(super) fn is_low_surrogate(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\\u")
        && matches!(bytes.get(2), Some(b'd' | b'D'))
        && matches!(bytes.get(3), Some(b'c'..=b'f' | b'C'..=b'F'))
}

/// `text` as a JSON string literal with the fewest escapes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
