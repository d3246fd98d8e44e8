//! Whether a job read what it was submitted with, and what its earlier attempts had read already.
//!
//! The checksum of a file is taken when it is submitted, and the file is read later. Whatever was there by then is in
//! the lake, so the queue may say that the input is done in that state only if the lake says the same. And a file that
//! somebody wrote to while it was read is in the lake in a state in which it never was.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use stele_jobs::Job;
use stele_model::id::to_hex;
use stele_model::{FileEntry, FileId, FileState, Micros};
use stele_sources::{Input, absolute, prefix_hashes, uri_of};
use stele_watch::is_remote;

use super::desk::sha256_of;
use crate::EngineError;
use crate::documents::is_document;
use crate::engine::Engine;
use crate::summary::InputFailure;

/// What the queue calls a checksum that is the SHA-256 of a file as it lies on the disk.
pub(super) const SHA256: &str = "sha256:";

/// What was read otherwise than it was submitted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Compared {
    /// Numbers of the inputs whose submitted state is not what the lake has.
    pub(super) changed: Vec<usize>,
    /// Those of them that were never as a whole what the lake has: reading them again helps.
    pub(super) torn: Vec<InputFailure>,
}

/// What earlier attempts of a job brought into the lake: the last one finds it there and does not read it again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Before {
    pub(super) records: u64,
    pub(super) quarantined: u64,
    pub(super) bytes_in: u64,
    pub(super) documents: u64,
    pub(super) removed: u64,
    /// Inputs that were read to their end, and are duplicates of themselves by now.
    pub(super) whole: u64,
}

impl Engine {
    /// What a job brought into the lake between its first beginning and this time.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub(super) fn brought_before(&self, job: &Job, began: Micros) -> Result<Before, EngineError> {
        let mut before = Before::default();
        let Some(first) = job.started else { return Ok(before) };
        let targets: HashSet<&str> = job.spec.inputs.iter().map(|input| &*input.uri).collect();
        let is_own = |uri: &str| {
            targets.contains(uri)
                || Path::new(uri)
                    .ancestors()
                    .skip(1)
                    .any(|above| above.to_str().is_some_and(|above| targets.contains(above)))
        };
        // How far each content was known before the job, and how far it is known from its earlier attempts.
        let mut contents: HashMap<FileId, (Option<FileEntry>, Option<FileEntry>)> = HashMap::new();
        for entry in self.own(self.snapshot()?.history()?) {
            if entry.updated_at >= began || !is_own(&entry.uri) {
                continue;
            }
            let (known, read) = contents.entry(entry.file_id).or_default();
            let newest = if entry.updated_at < first { known } else { read };
            let later = |known: &FileEntry| {
                (known.updated_at, known.bytes_done) < (entry.updated_at, entry.bytes_done)
            };
            if newest.as_ref().is_none_or(later) {
                *newest = Some(entry);
            }
        }
        for (known, read) in contents.into_values() {
            let Some(read) = read else { continue };
            if read.gone_at.is_some() {
                before.removed += 1;
                continue;
            }
            let known = known.map(|known| known.ledger).unwrap_or_default();
            before.records += read.ledger.records.saturating_sub(known.records);
            before.quarantined += read.ledger.quarantined.saturating_sub(known.quarantined);
            before.bytes_in += read.ledger.bytes_in.saturating_sub(known.bytes_in);
            before.documents += u64::from(is_document(&read));
            before.whole += u64::from(read.state == FileState::Complete);
        }
        Ok(before)
    }

    /// Compares what the lake has of a job's files with what they were submitted as. `lies_at` gives where the content
    /// of a name lies.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read. That a file cannot be read any more is no error: the next job on it says so.
    pub(super) fn compare_inputs(
        &self,
        job: &Job,
        lies_at: impl Fn(&str) -> Input,
    ) -> Result<Compared, EngineError> {
        let submitted = job.spec.inputs.iter().enumerate().filter_map(|(number, input)| {
            let sha256 = input.checksum.as_deref()?.strip_prefix(SHA256)?;
            (!input.removed && !is_remote(&input.uri)).then_some((number, &*input.uri, sha256))
        });
        let submitted: Vec<_> = submitted.collect();
        let mut compared = Compared::default();
        if submitted.is_empty() {
            return Ok(compared);
        }
        let entries = self.own(self.snapshot()?.files()?);
        let entries: HashMap<&str, &FileEntry> =
            entries.iter().map(|entry| (entry.uri.as_str(), entry)).collect();
        for (number, uri, sha256) in submitted {
            let input = lies_at(uri);
            // Where a directory on the way is a link, the lake has the name without it.
            let entry = entries.get(&*input.uri).copied().or_else(|| {
                let real = absolute(&input.uri).ok()?;
                entries.get(uri_of(&real).as_str()).copied()
            });
            // What could not be read is in no state.
            let Some(entry) = entry.filter(|entry| entry.gone_at.is_none()) else {
                compared.changed.push(number);
                continue;
            };
            if is_of(entry, &input, sha256) {
                continue;
            }
            compared.changed.push(number);
            if is_torn(entry, &input) {
                let reason = "it was written to while it was read, so what the lake has of it was never there as a \
                              whole; it is read again";
                compared.torn.push(InputFailure {
                    uri: uri.to_owned(),
                    reason: reason.to_owned(),
                    passing: true,
                });
            }
        }
        Ok(compared)
    }
}

/// Whether what the lake has is the file with this checksum.
fn is_of(entry: &FileEntry, input: &Input, sha256: &str) -> bool {
    if entry.compression == "none" {
        return entry.sha256.eq_ignore_ascii_case(sha256);
    }
    // The lake knows the content, and the queue the file that it is packed in.
    let on_disk = input.path.as_deref().map_or(Path::new(&input.uri), |path| path);
    entry.state != FileState::Partial && sha256_of(on_disk).is_ok_and(|now| now.eq_ignore_ascii_case(sha256))
}

/// Whether the file does not begin with what the lake has of it. One that has only grown does.
fn is_torn(entry: &FileEntry, input: &Input) -> bool {
    prefix_hashes(input, &[entry.bytes_done]).is_ok_and(|now| to_hex(&now[0]) != entry.sha256)
}
