//! A labelled collection on disk, in BEIR's layout.
//!
//! ```text
//! DIR/corpus.jsonl[.gz]    {"_id", "title", "text"}
//! DIR/queries.jsonl[.gz]   {"_id", "text"}
//! DIR/qrels/*.tsv          query-id  corpus-id  score
//! ```
//!
//! Judgements are read by `judgements.rs`. A mark at the beginning of a file that says UTF-8 is skipped.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::EngineError;
use crate::error::At;

/// The longest line of a collection: a document longer than this is a mistake.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What some programs put at the beginning of a file to say that it is UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A document or a question.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(rename = "_id", deserialize_with = "name")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) title: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) text: String,
}

/// A number is as good a name as a text.
fn name<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    match Value::deserialize(input)? {
        Value::String(text) if text.trim().is_empty() => {
            Err(serde::de::Error::custom("_id: expected a text or a number, got an empty text"))
        }
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("_id: expected a text or a number, got {other}"))),
    }
}

/// Nothing is an empty text.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(input)?.unwrap_or_default())
}

/// The file `DIR/name`, or `DIR/name.gz`.
pub(super) fn find(dir: &Path, name: &str) -> Result<PathBuf, EngineError> {
    let (plain, zipped) = (dir.join(name), dir.join(format!("{name}.gz")));
    if plain.exists() {
        return Ok(plain);
    }
    if zipped.exists() {
        return Ok(zipped);
    }
    let reason = "there is no such file, and none with .gz behind it; a collection has corpus.jsonl, \
                  queries.jsonl and qrels/*.tsv, as docs/guide/search.md shows";
    Err(EngineError::Collection { path: plain, reason: reason.to_owned() })
}

/// Where a line stands.
pub(super) type Spot<'a> = (&'a Path, u64);

/// A line that cannot be used.
pub(super) fn wrong((path, line): Spot<'_>, reason: impl std::fmt::Display) -> EngineError {
    EngineError::Collection { path: path.to_path_buf(), reason: format!("line {line}: {reason}") }
}

/// Reads one line.
pub(super) fn parsed(place: Spot<'_>, line: &str) -> Result<Document, EngineError> {
    serde_json::from_str(line).map_err(|error| wrong(place, error))
}

/// The text without the mark at its beginning.
pub(super) fn unmarked(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Hands over the lines of `DIR/name`, or of `DIR/name.gz`.
pub(super) fn lines(
    dir: &Path,
    name: &str,
    take: &mut dyn FnMut(Spot<'_>, &str) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let path = find(dir, name)?;
    let file = File::open(&path).at("open", &path)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        match reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line) {
            Ok(0) => break,
            Ok(bytes) if bytes as u64 == LINE_BYTES_MAX => {
                return Err(wrong((&path, number), format!("it is longer than {LINE_BYTES_MAX} bytes")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(wrong((&path, number), "it is not UTF-8"));
            }
            Err(error) => return Err(error).at("read", &path),
        }
        let line = if number == 1 { unmarked(&line) } else { &line };
        if !line.trim().is_empty() {
            take((&path, number), line)?;
        }
    }
    Ok(())
}
