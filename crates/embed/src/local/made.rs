//! The graph file of a model: made once of its weights, beside them, and believed only if it is
//! still what was made.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Precision;
use super::bert::{Bert, WEIGHTS, Weights, small_json};
use super::graph::{GRAPH_VERSION, build};
use crate::EmbedError;
use crate::durable;
use crate::error::{At, MAKE_AGAIN};

/// What is known of a graph file, in a JSON file beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// How it was made.
    graph_version: u32,
    /// Checksum, size and time of the weights that it was made of.
    weights_sha256: String,
    weights_bytes: u64,
    weights_modified_ns: u64,
    /// Checksum of the graph file.
    sha256: String,
}

/// Where the graph of a model lies: `stele-int8.onnx` or `stele-f32.onnx` beside the weights.
pub(crate) fn graph_path(dir: &Path, precision: Precision) -> PathBuf {
    dir.join(format!("stele-{}.onnx", precision.name()))
}

fn note_path(dir: &Path, precision: Precision) -> PathBuf {
    dir.join(format!("stele-{}.json", precision.name()))
}

/// The content of the graph file; it is made first if there is none of these weights.
pub(crate) fn load(bert: &Bert, precision: Precision) -> Result<Vec<u8>, EmbedError> {
    let path = graph_path(&bert.dir, precision);
    match current(&bert.dir, precision)? {
        Some(note) => {
            let bytes = std::fs::read(&path).at("read", &path)?;
            if durable::sha256(&bytes) != note.sha256 {
                return Err(differs(&path));
            }
            Ok(bytes)
        }
        None => make(bert, precision),
    }
}

/// Whether the graph file, if there is one with a note, is the one that was made. `None`: there is
/// none, or it is being made.
pub(crate) fn verify(dir: &Path, precision: Precision) -> Result<Option<PathBuf>, EmbedError> {
    let path = graph_path(dir, precision);
    if !path.exists() {
        return Ok(None);
    }
    match small_json::<Note>(&note_path(dir, precision))? {
        None => Ok(None),
        Some(note) if durable::sha256_file(&path)? == note.sha256 => Ok(Some(path)),
        Some(_) => Err(differs(&path)),
    }
}

fn differs(path: &Path) -> EmbedError {
    EmbedError::Damaged {
        path: path.display().to_string(),
        reason: "its SHA-256 is not the one that was noted when it was made".to_owned(),
        mend: MAKE_AGAIN,
    }
}

/// The note of a graph file that was made the way it would be made today, of these weights.
fn current(dir: &Path, precision: Precision) -> Result<Option<Note>, EmbedError> {
    if !graph_path(dir, precision).exists() {
        return Ok(None);
    }
    let Some(mut note) = small_json::<Note>(&note_path(dir, precision))? else { return Ok(None) };
    let (bytes, modified) = stamp(dir)?;
    if note.graph_version != GRAPH_VERSION || note.weights_bytes != bytes {
        return Ok(None);
    }
    if note.weights_modified_ns != modified {
        // Copied, or other weights of the same size: the checksum tells.
        if durable::sha256_file(&dir.join(WEIGHTS))? != note.weights_sha256 {
            return Ok(None);
        }
        note.weights_modified_ns = modified;
        if let Err(error) = write_note(dir, precision, &note) {
            tracing::debug!(%error, "the weights are hashed again next time");
        }
    }
    Ok(Some(note))
}

/// Makes the graph file and its note. The note goes first and comes last, so that there is never one
/// of another graph; without it the graph is made again.
pub(crate) fn make(bert: &Bert, precision: Precision) -> Result<Vec<u8>, EmbedError> {
    let path = bert.dir.join(WEIGHTS);
    let (weights_bytes, weights_modified_ns) = stamp(&bert.dir)?;
    let weights = std::fs::read(&path).at("read", &path)?;
    let graph = build(bert, &Weights::parse(bert, &weights)?, precision)?;
    let note = note_path(&bert.dir, precision);
    match std::fs::remove_file(&note) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).at("remove", &note),
        _ => {}
    }
    let path = graph_path(&bert.dir, precision);
    durable::write(&path, |out| out.write_all(&graph))?;
    let note = Note {
        graph_version: GRAPH_VERSION,
        weights_sha256: durable::sha256(&weights),
        weights_bytes,
        weights_modified_ns,
        sha256: durable::sha256(&graph),
    };
    write_note(&bert.dir, precision, &note)?;
    tracing::info!(path = %path.display(), bytes = graph.len(), "graph made");
    Ok(graph)
}

fn write_note(dir: &Path, precision: Precision, note: &Note) -> Result<(), EmbedError> {
    let path = note_path(dir, precision);
    durable::write(&path, |out| serde_json::to_writer_pretty(out, note).map_err(std::io::Error::from))
}

/// Size and time of the weights file.
fn stamp(dir: &Path) -> Result<(u64, u64), EmbedError> {
    let path = dir.join(WEIGHTS);
    let metadata = std::fs::metadata(&path).at("read", &path)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok((metadata.len(), modified.map_or(0, |time| time.as_nanos() as u64)))
}
