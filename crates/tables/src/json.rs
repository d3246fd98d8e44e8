//! Values as JSON, written straight behind what is already in a buffer: nothing is built for a value.
//!
//! What is kept of each type is in the crate's own documentation. Numbers are written exactly; text is escaped where
//! JSON needs it and not touched otherwise.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The one key of an object that stands for bytes; its value is base64 with padding.
pub const BYTES_MARK: &str = "$bytes";

/// For each byte how it is escaped: 0 is not at all, `u` is `\u00XX`, and everything else follows the backslash.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x08] = b'b';
    escapes[0x09] = b't';
    escapes[0x0a] = b'n';
    escapes[0x0c] = b'f';
    escapes[0x0d] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// A text. Bytes that are not UTF-8 are bytes.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    match simdutf8::basic::from_utf8(text) {
        Ok(_) => {
            out.push(b'"');
            escaped(out, text);
            out.push(b'"');
        }
        Err(_) => bytes(out, text),
    }
}

/// What stands between the quotes of a string.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    let (mut copied, mut at) = (0, 0);
    while at < text.len() {
        if let Some(eight) = text.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok())
            && plain(u64::from_le_bytes(eight))
        {
            at += 8;
            continue;
        }
        // One of the next eight has to be escaped, or there are fewer than eight.
        let end = text.len().min(at + 8);
        while at < end {
            let byte = text[at];
            let escape = ESCAPES[usize::from(byte)];
            if escape != 0 {
                out.extend_from_slice(&text[copied..at]);
                out.extend_from_slice(&[b'\\', escape]);
                if escape == b'u' {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    out.extend_from_slice(b"00");
                    out.push(HEX[usize::from(byte >> 4)]);
                    out.push(HEX[usize::from(byte & 15)]);
                }
                copied = at + 1;
            }
            at += 1;
        }
    }
    out.extend_from_slice(&text[copied..]);
}

/// Whether none of these eight bytes has to be escaped. The borrow of a subtraction may blame a byte above one that
/// is to blame, and none without one: a second look at single bytes decides.
fn plain(eight: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let control = eight.wrapping_sub(ONES * 0x20) & !eight & TOPS;
    control | zero(eight ^ (ONES * b'"' as u64)) | zero(eight ^ (ONES * b'\\' as u64)) == 0
}

/// Bytes that are no text: `{"$bytes":"…"}`.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(BYTES_MARK.as_bytes());
    out.extend_from_slice(b"\":\"");
    let from = out.len();
    out.resize(from + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, &mut out[from..]).unwrap_or(0);
    out.truncate(from + written);
    out.extend_from_slice(b"\"}");
}

/// JSON that its database has checked, as it is spelled there. Line breaks can only stand between its values; they
/// become blanks, as a record is a line.
pub(crate) fn verbatim(out: &mut Vec<u8>, json: &[u8]) {
    let from = out.len();
    out.extend_from_slice(json);
    for byte in &mut out[from..] {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// A text that is said to be JSON: as it is spelled if it is, and otherwise a string.
pub(crate) fn perhaps_json(out: &mut Vec<u8>, said: &[u8]) {
    match serde_json::from_slice::<&serde_json::value::RawValue>(said) {
        Ok(_) => verbatim(out, said),
        Err(_) => text(out, said),
    }
}

/// An integer.
pub(crate) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The shortest number that reads back as the same. What JSON has no number for is a string: `"NaN"`, `"Infinity"`,
/// `"-Infinity"`.
pub(crate) fn float(out: &mut Vec<u8>, number: impl ryu::Float + Into<f64>) {
    let wide: f64 = number.into();
    if wide.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(match (wide.is_nan(), wide > 0.0) {
            (true, _) => b"\"NaN\"".as_slice(),
            (false, true) => b"\"Infinity\"",
            (false, false) => b"\"-Infinity\"",
        });
    }
}

/// A number that is already spelled in decimal digits, such as `-12.50`, as databases print theirs: JSON wants a
/// digit before the point. What is no such number is a string.
pub(crate) fn decimal(out: &mut Vec<u8>, spelled: &[u8]) {
    let (sign, digits) = match spelled {
        [b'-', rest @ ..] => (b"-".as_slice(), rest),
        _ => (b"".as_slice(), spelled),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, part) = digits.split_at(point.unwrap_or(digits.len()));
    let all_digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    let part_fits = part.is_empty() || (part.len() > 1 && all_digits(&part[1..]));
    if !all_digits(whole) || !part_fits || (whole.is_empty() && part.is_empty()) {
        return text(out, spelled);
    }
    out.extend_from_slice(sign);
    // `ZEROFILL` pads with zeros, which JSON does not know.
    let leading = whole.iter().take_while(|byte| **byte == b'0').count();
    match &whole[leading..] {
        [] => out.push(b'0'),
        whole => out.extend_from_slice(whole),
    }
    out.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_what_another_writer_makes_of_them() {
        let check = |said: &str| {
            assert_eq!(written(|out| text(out, said.as_bytes())), serde_json::to_string(said).unwrap());
        };
        for length in 0..20 {
            check(&"x".repeat(length));
            for odd in ["\"", "\\", "\n", "\u{0}", "\u{1f}", " ", "ü", "🦀", "\u{7f}", "\u{80}", "!"] {
                for place in 0..=length {
                    check(&format!("{}{odd}{}", "a".repeat(place), "z".repeat(length - place)));
                    check(&format!("{odd}{}{odd}", "\u{8}\u{c}\r\t".repeat(place)));
                }
            }
        }
    }

    #[test]
    fn values() {
        let check = |write: &dyn Fn(&mut Vec<u8>), expect: &str| assert_eq!(written(write), expect);
        check(&|out| bytes(out, b""), r#"{"$bytes":""}"#);
        check(&|out| bytes(out, &[0, 255, 16, 9]), r#"{"$bytes":"AP8QCQ=="}"#);
        check(&|out| text(out, &[b'a', 0xff]), r#"{"$bytes":"Yf8="}"#);
        check(&|out| verbatim(out, b"{\"a\":\r\n 1}"), r#"{"a":   1}"#);
        check(&|out| perhaps_json(out, br#"{"a":1e400}"#), r#"{"a":1e400}"#);
        check(&|out| perhaps_json(out, br#"{"a":"#), r#""{\"a\":""#);
        check(&|out| integer(out, u64::MAX), "18446744073709551615");
        check(&|out| float(out, 0.1f32), "0.1");
        check(&|out| float(out, 0.1f64), "0.1");
        check(&|out| float(out, f64::NAN), r#""NaN""#);
        check(&|out| float(out, f32::NEG_INFINITY), r#""-Infinity""#);
        check(&|out| decimal(out, b"-00012.50"), "-12.50");
        check(&|out| decimal(out, b".5"), "0.5");
        check(&|out| decimal(out, b"000"), "0");
        check(&|out| decimal(out, b"1e5"), r#""1e5""#);
        check(&|out| decimal(out, b"1."), r#""1.""#);
        check(&|out| decimal(out, b"-"), r#""-""#);
    }
}
