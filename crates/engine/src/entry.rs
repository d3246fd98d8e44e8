//! What the lake notes about an input, before it is read, while it is, and when it was there before.

use std::path::PathBuf;

use stele_model::id::{from_hex, to_hex};
use stele_model::{FileEntry, FileId, FileState, Ledger, Micros};
use stele_sources::{Input, OpenOptions, Resume, Source, SourceError, prefix_hashes};

use crate::EngineError;
use crate::documents::is_document;
use crate::engine::Engine;

/// An input that is about to be read, from where `before` ended if something of it is known.
pub(crate) fn entry_of(
    engine: &Engine,
    input: &Input,
    source: &Source,
    file_id: FileId,
    before: Option<&FileEntry>,
    now: Micros,
) -> FileEntry {
    FileEntry {
        tenant: engine.settings().tenant.clone(),
        file_id,
        uri: input.uri.clone(),
        format: source.format().name().to_owned(),
        compression: source.compression().to_owned(),
        timezone: engine.settings().timezone.clone(),
        bytes_done: source.bytes_done(),
        lines_done: before.map_or(0, |entry| entry.lines_done),
        sha256: checksum(source),
        size_on_disk: input.size_on_disk,
        tail_offset: None,
        ledger: before.map_or_else(Ledger::default, |entry| entry.ledger),
        state: FileState::Partial,
        gone_at: None,
        tags: Vec::new(),
        updated_at: now,
    }
}

/// The entry of an input whose content is in the lake as `original`; `None` if it is empty, which
/// is no content to have twice.
pub(crate) fn duplicate_of(original: &FileEntry, input: &Input, now: Micros) -> Option<FileEntry> {
    if input.size_on_disk == 0 && original.bytes_done == 0 {
        return None;
    }
    Some(FileEntry {
        uri: input.uri.clone(),
        size_on_disk: input.size_on_disk,
        state: if original.uri == input.uri { original.state } else { FileState::Duplicate },
        gone_at: None,
        updated_at: now,
        ..original.clone()
    })
}

/// `entry` as it was before the unfinished last line, which is read again now that the input has
/// grown.
pub(crate) fn without_tail(input: &Input, mut entry: FileEntry) -> Result<FileEntry, SourceError> {
    let Some(start) = entry.tail_offset.take() else {
        return Ok(entry);
    };
    let bytes = entry.bytes_done - start;
    entry.sha256 = to_hex(&prefix_hashes(input, &[start])?[0]);
    entry.bytes_done = start;
    entry.lines_done -= 1;
    entry.ledger.bytes_in -= bytes;
    entry.ledger.bytes_quarantine -= bytes;
    entry.ledger.lines -= 1;
    entry.ledger.quarantined -= 1;
    Ok(entry)
}

/// How to open an input of which `before` is known: records of one input have one format, whatever
/// the content that came later looks like.
pub(crate) fn going_on(
    options: &OpenOptions,
    resume: Option<Resume>,
    before: Option<&FileEntry>,
) -> OpenOptions {
    let before = before.filter(|entry| entry.ledger.records > 0 || is_document(entry));
    let format = before.map(|entry| entry.format.clone()).or_else(|| options.format.clone());
    OpenOptions { resume, format, ..options.clone() }
}

/// Where to go on after `entry`.
pub(crate) fn resume_after(entry: &FileEntry) -> Result<Resume, EngineError> {
    let sha256 = from_hex(&entry.sha256).ok_or_else(|| EngineError::Manifest {
        path: PathBuf::from(&entry.uri),
        reason: format!("the lake remembers {:?} for its SHA-256, which is none", entry.sha256),
    })?;
    Ok(Resume { bytes_done: entry.bytes_done, lines_done: entry.lines_done, sha256 })
}

/// SHA-256 of everything that `source` has handed over.
pub(crate) fn checksum(source: &Source) -> String {
    source.sha256().map_or_else(String::new, |sha256| to_hex(&sha256))
}
