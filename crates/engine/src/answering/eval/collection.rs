//! A labelled collection on disk, in BEIR's layout.
//!
//! ```text
//! DIR/corpus.jsonl[.gz]    {"_id", "title", "text"}
//! DIR/queries.jsonl[.gz]   {"_id", "text"}
//! DIR/qrels/*.tsv          query-id  corpus-id  score
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stele_search::Relevance;

use crate::EngineError;
use crate::error::At;

/// The longest line of a collection: a document longer than this is a mistake.
const LINE_BYTES_MAX: u64 = 64 << 20;

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
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("_id: expected a text or a number, got {other}"))),
    }
}

/// Nothing is an empty text.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(input)?.unwrap_or_default())
}

/// Relevance by question and document, from every table in `qrels/`.
pub(super) fn judgements(dir: &Path) -> Result<BTreeMap<String, Relevance>, EngineError> {
    let dir = dir.join("qrels");
    let mut tables: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&dir).at("list", &dir)? {
        let path = entry.at("list", &dir)?.path();
        if path.extension().is_some_and(|end| end == "tsv") {
            tables.push(path);
        }
    }
    tables.sort();
    let mut judged: BTreeMap<String, Relevance> = BTreeMap::new();
    for path in tables {
        let text = fs::read_to_string(&path).at("read", &path)?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut cells = line.split('\t');
            let (query, document, grade) = (cells.next(), cells.next(), cells.next());
            match (query, document, grade.map(|grade| grade.trim().parse::<i64>())) {
                (Some(query), Some(document), Some(Ok(grade))) => {
                    let grade = u32::try_from(grade.max(0)).unwrap_or(u32::MAX);
                    judged.entry(query.to_owned()).or_default().insert(document.to_owned(), grade);
                }
                // The first line names the columns.
                _ if number == 0 => {}
                _ => {
                    let reason =
                        format!("line {}: expected query, document and score, got {line:?}", number + 1);
                    return Err(EngineError::Collection { path, reason });
                }
            }
        }
    }
    Ok(judged)
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

/// Reads one line.
pub(super) fn parsed(place: Spot<'_>, line: &str) -> Result<Document, EngineError> {
    serde_json::from_str(line).map_err(|error| EngineError::Collection {
        path: place.0.to_path_buf(),
        reason: format!("line {}: {error}", place.1),
    })
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
        if reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).at("read", &path)? == 0 {
            break;
        }
        if !line.trim().is_empty() {
            take((&path, number), &line)?;
        }
    }
    Ok(())
}
