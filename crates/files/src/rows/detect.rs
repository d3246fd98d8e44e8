//! What a file holds: by its beginning, and by its name where that leaves a choice.

use serde_json::value::RawValue;

use super::csv::delimiter_of;
use crate::FilesError;
use crate::config::{CsvConfig, Format};

/// How Parquet begins, and ends.
pub(crate) const PARQUET: &[u8] = b"PAR1";

/// Endings of names of packed files that hold one.
const PACKED: [&str; 5] = [".gz", ".bz2", ".zst", ".gzip", ".zstd"];

/// The name, in lower case, of what a packed file holds; none if by its name it is not packed.
pub(crate) fn unpacked_name(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    PACKED.iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned)
}

/// What is no text and is met all the same: how it begins, and what it is.
const OTHERS: [(&[u8], &str); 4] = [
    (b"\xfd7zXZ\0", "packed by xz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
];

/// `cut` says that there is more than `head`.
pub(crate) fn detect(name: &str, head: &[u8], cut: bool) -> Result<Format, FilesError> {
    if head.starts_with(PARQUET) {
        return Ok(Format::Parquet);
    }
    if let Some((_, what)) = OTHERS.iter().find(|(begins, _)| head.starts_with(begins)) {
        let why =
            format!("it is {what}, which is not read here; unpack or convert it, or narrow `file_pattern`");
        return Err(FilesError::Unknown { why });
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let name = unpacked_name(name).unwrap_or_else(|| name.to_lowercase());
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match (ending, text.first()) {
        ("jsonl" | "ndjson", _) => Ok(Format::Jsonl),
        ("csv" | "tsv" | "tab" | "psv", _) => Ok(Format::Csv),
        ("parquet" | "pq", _) if !text.is_empty() => Err(FilesError::Unknown {
            why: "it is called Parquet and does not begin with `PAR1`: it is cut off or something else".to_owned(),
        }),
        (_, Some(b'{' | b'[')) if is_lines(text, cut) => Ok(Format::Jsonl),
        (_, Some(b'{' | b'[')) | ("json", _) => Ok(Format::Json),
        // Nothing is nothing in every format.
        (_, None) => Ok(Format::Jsonl),
        _ if looks_separated(text, cut) => Ok(Format::Csv),
        _ => Err(FilesError::Unknown {
            why: "it is neither JSON nor Parquet nor separated values; say in `format` what it is (`text` takes any lines), or narrow `file_pattern`".to_owned(),
        }),
    }
}

/// Whether the first line is a value, and another one begins with the second.
fn is_lines(text: &[u8], cut: bool) -> bool {
    let Some(end) = memchr::memchr(b'\n', text) else {
        // One long line, of which the end is not seen: a list that is written in one is JSON, an object is a line.
        return cut && text.first() == Some(&b'{');
    };
    let is_value = serde_json::from_slice::<&RawValue>(text[..end].trim_ascii()).is_ok();
    is_value && !text[end..].trim_ascii().is_empty()
}

/// Whether a sign divides at least two lines into the same number of values.
fn looks_separated(text: &[u8], cut: bool) -> bool {
    std::str::from_utf8(&text[..text.len().min(4096)])
        .map_or_else(|error| error.valid_up_to() > 1024, |_| true)
        && delimiter_of(text, &CsvConfig::default(), cut).is_some_and(|(_, rows)| rows >= 2)
}
