//! Bytes to text, whatever they are written in.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};
use stele_model::document::Warning;

/// The text of `bytes`, without a byte order mark. What is no UTF-8 and says nothing about itself is
/// read as Windows-1252, which gives every byte a character, so nothing is lost.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    declared: Option<&str>,
    warnings: &mut Vec<Warning>,
) -> Cow<'a, str> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let (text, damaged) = encoding.decode_without_bom_handling(&bytes[length..]);
        if damaged {
            warnings.push(warning("damaged_text", format!("some bytes are no {}", encoding.name()), 0));
        }
        return text;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let encoding = declared.and_then(|name| Encoding::for_label(name.as_bytes())).unwrap_or(WINDOWS_1252);
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    warnings.push(warning("not_utf8", format!("no UTF-8; read as {}", encoding.name()), 0));
    text
}

/// A warning about `place`: a line or page counted from 1, or 0 for the whole.
pub(crate) fn warning(code: &str, message: impl Into<String>, place: u32) -> Warning {
    Warning { code: code.to_owned(), message: message.into(), place }
}

/// Where each line of `text` begins; one more entry than lines, the last at the end. Lines end with
/// `\n`, `\r\n` or `\r`, as CommonMark has it.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (at, byte) in bytes.iter().enumerate() {
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        if ends {
            starts.push(at + 1);
        }
    }
    if starts.last() != Some(&bytes.len()) {
        starts.push(bytes.len());
    }
    starts
}
