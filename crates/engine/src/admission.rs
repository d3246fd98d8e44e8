//! Has this content been seen before? Decided by content alone, never by name or time.
//!
//! - Equal content, under any name: a duplicate. The name is noted and no row is written.
//! - Content that begins with all of a known input and goes on: the same input, grown, if it has
//!   the same name, or if what was known of it was a megabyte or more, which no two recordings have
//!   in common by chance. Only the tail is read.
//! - Anything else is new, and gets an id from the hash of its first megabyte.
//!
//! Files are hashed here only when something that is known makes it possible that they match.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use stele_model::id::to_hex;
use stele_model::{FileEntry, FileId, FileState};
use stele_sources::{HEAD_BYTES, Input, SourceError, head_hash, prefix_hashes};

/// What is to be done with an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Admission {
    /// Read all of it under this id.
    New(FileId),
    /// Read what comes after this entry's `bytes_done`.
    Continue(Box<FileEntry>),
    /// Note the name, if it is new; the content is this entry's.
    Duplicate(Box<FileEntry>),
}

/// The contents that are in the lake or will be after this run. A name that held one content and
/// holds another now stands here with both.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The content that a name stands for now.
    by_uri: HashMap<String, FileId>,
    /// What is known of a content, by the names that it has or had.
    by_id: BTreeMap<FileId, BTreeMap<String, FileEntry>>,
    /// Contents and names by size: of the content, and of the file that it lay in.
    by_size: HashMap<u64, BTreeSet<(FileId, String)>>,
}

impl Known {
    pub(crate) fn new(entries: Vec<FileEntry>) -> Self {
        let mut known = Self::default();
        entries.into_iter().for_each(|entry| known.put(entry));
        known
    }

    /// The newest entry of `uri`.
    pub(crate) fn get(&self, uri: &str) -> Option<&FileEntry> {
        self.entry(*self.by_uri.get(uri)?, uri)
    }

    fn entry(&self, id: FileId, uri: &str) -> Option<&FileEntry> {
        self.by_id.get(&id)?.get(uri)
    }

    /// Notes what became of an input.
    pub(crate) fn put(&mut self, entry: FileEntry) {
        for size in [entry.bytes_done, entry.size_on_disk] {
            self.by_size.entry(size).or_default().insert((entry.file_id, entry.uri.clone()));
        }
        self.by_uri.insert(entry.uri.clone(), entry.file_id);
        self.by_id.entry(entry.file_id).or_default().insert(entry.uri.clone(), entry);
    }

    /// Decides about `input`.
    pub(crate) fn admit(&self, tenant: &str, input: &Input) -> Result<Admission, SourceError> {
        if input.size_on_disk == 0
            && let Some(entry) = self.get(&input.uri).filter(|entry| entry.bytes_done == 0)
        {
            return Ok(Admission::Duplicate(Box::new(entry.clone())));
        }
        let head = head_hash(input)?;
        let id = FileId::of(tenant, &head);
        let candidates = self.candidates(id, input);
        let mut lengths: Vec<u64> = candidates.iter().map(|entry| entry.bytes_done).collect();
        if candidates.is_empty() {
            return Ok(Admission::New(self.unused(id)));
        }
        lengths.push(u64::MAX);
        let hashes = prefix_hashes(input, &lengths)?;
        let whole = hashes[hashes.len() - 1];
        let mut longest: Option<&FileEntry> = None;
        for (entry, hash) in candidates.iter().zip(&hashes) {
            if to_hex(hash) != entry.sha256 {
                continue;
            }
            if *hash == whole && entry.state != FileState::Partial {
                return Ok(Admission::Duplicate(Box::new((*entry).clone())));
            }
            let same_recording = entry.uri == input.uri || entry.bytes_done >= HEAD_BYTES as u64;
            // Only the end of an input can be continued; a shorter name of it is a branch.
            let names = self.by_id.get(&entry.file_id);
            let is_end = names
                .into_iter()
                .flat_map(|names| names.values())
                .all(|other| other.bytes_done <= entry.bytes_done);
            if same_recording && is_end && longest.is_none_or(|known| known.bytes_done < entry.bytes_done) {
                longest = Some(entry);
            }
        }
        Ok(match longest {
            Some(entry) => Admission::Continue(Box::new(entry.clone())),
            None => Admission::New(self.unused(id)),
        })
    }

    /// Entries whose content may be the beginning of `input`'s, or all of it.
    fn candidates(&self, id: FileId, input: &Input) -> Vec<&FileEntry> {
        let mut seen = HashSet::new();
        let same_uri = self.get(&input.uri).into_iter();
        let same_head =
            (0..).map(|n| id.nth(n)).map_while(|id| self.by_id.get(&id)).flat_map(BTreeMap::values);
        let same_size = self.by_size.get(&input.size_on_disk).into_iter().flatten();
        let same_size = same_size.filter_map(|(id, uri)| self.entry(*id, uri));
        same_uri
            .chain(same_head)
            .chain(same_size)
            .filter(|entry| entry.bytes_done > 0 && seen.insert((entry.file_id, entry.bytes_done)))
            .collect()
    }

    /// The first id after `id` that no input has.
    fn unused(&self, id: FileId) -> FileId {
        let mut n = 0;
        while self.by_id.contains_key(&id.nth(n)) {
            n += 1;
        }
        id.nth(n)
    }
}
