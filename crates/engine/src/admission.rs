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

/// The contents of one tenant that are in the lake or will be after this run. A name that held one
/// content and holds another now stands here with both. Every question is answered without going
/// over all of them: there may be hundreds of thousands.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The content that a name stands for now.
    by_uri: HashMap<String, FileId>,
    contents: HashMap<FileId, Content>,
    /// Contents by the SHA-256 that they have, or had before they grew.
    by_sha256: HashMap<String, BTreeSet<FileId>>,
    /// Every size of a content, and of a file that it lay in.
    sizes: HashSet<u64>,
}

/// What is known of a content, by the names that it has or had.
#[derive(Debug, Default)]
struct Content {
    names: HashMap<String, FileEntry>,
    /// How far it is known under which names.
    by_length: BTreeMap<u64, BTreeSet<String>>,
}

impl Content {
    fn put(&mut self, entry: FileEntry) {
        let length = entry.bytes_done;
        if let Some(before) = self.names.get(&entry.uri).map(|before| before.bytes_done)
            && before != length
            && let Some(names) = self.by_length.get_mut(&before)
        {
            names.remove(&entry.uri);
            if names.is_empty() {
                self.by_length.remove(&before);
            }
        }
        self.by_length.entry(length).or_default().insert(entry.uri.clone());
        self.names.insert(entry.uri.clone(), entry);
    }

    /// One entry for each length: that of `uri` if it has this length, else that of the first name.
    fn lengths(&self, uri: &str) -> impl Iterator<Item = &FileEntry> {
        self.by_length.values().filter_map(move |names| {
            let name = names.get(uri).or_else(|| names.first())?;
            self.names.get(name)
        })
    }

    /// Whether nothing more of it is known than `length` bytes.
    fn ends_at(&self, length: u64) -> bool {
        self.by_length.last_key_value().is_none_or(|(longest, _)| *longest <= length)
    }
}

impl Known {
    /// Everything that `tenant` has in the lake.
    pub(crate) fn new(tenant: &str, entries: Vec<FileEntry>) -> Self {
        let mut known = Self::default();
        entries.into_iter().filter(|entry| entry.tenant == tenant).for_each(|entry| known.put(entry));
        known
    }

    /// The newest entry of `uri`.
    pub(crate) fn get(&self, uri: &str) -> Option<&FileEntry> {
        self.contents.get(self.by_uri.get(uri)?)?.names.get(uri)
    }

    /// Notes what became of an input.
    pub(crate) fn put(&mut self, entry: FileEntry) {
        self.sizes.extend([entry.bytes_done, entry.size_on_disk]);
        self.by_sha256.entry(entry.sha256.clone()).or_default().insert(entry.file_id);
        self.by_uri.insert(entry.uri.clone(), entry.file_id);
        self.contents.entry(entry.file_id).or_default().put(entry);
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
        let beginnings = self.beginnings(id, input);
        if beginnings.is_empty() && !self.sizes.contains(&input.size_on_disk) {
            return Ok(Admission::New(self.unused(id)));
        }
        let mut lengths: Vec<u64> = beginnings.iter().map(|entry| entry.bytes_done).collect();
        lengths.push(u64::MAX);
        let hashes = prefix_hashes(input, &lengths)?;
        let whole = to_hex(&hashes[hashes.len() - 1]);
        let hashes = hashes.iter().map(|hash| to_hex(hash));
        let matching = beginnings.into_iter().zip(hashes).filter(|(entry, hash)| *hash == entry.sha256);
        let mut longest: Option<&FileEntry> = None;
        for entry in matching.map(|(entry, _)| entry).chain(self.equals(&whole, input)) {
            if entry.sha256 == whole && entry.state != FileState::Partial {
                return Ok(Admission::Duplicate(Box::new(entry.clone())));
            }
            let same_recording = entry.uri == input.uri || entry.bytes_done >= HEAD_BYTES as u64;
            // Only the end of an input can be continued; a shorter name of it is a branch.
            let is_end =
                self.contents.get(&entry.file_id).is_none_or(|content| content.ends_at(entry.bytes_done));
            if same_recording && is_end && longest.is_none_or(|known| known.bytes_done < entry.bytes_done) {
                longest = Some(entry);
            }
        }
        Ok(match longest {
            Some(entry) => Admission::Continue(Box::new(entry.clone())),
            None => Admission::New(self.unused(id)),
        })
    }

    /// Entries whose content may be the beginning of `input`'s, or all of it: what its name stands
    /// for, and what begins as it does.
    fn beginnings(&self, id: FileId, input: &Input) -> Vec<&FileEntry> {
        let mut seen = HashSet::new();
        let same_head = (0..).map(|n| id.nth(n)).map_while(|id| self.contents.get(&id));
        let same_head = same_head.flat_map(|content| content.lengths(&input.uri));
        self.get(&input.uri)
            .into_iter()
            .chain(same_head)
            .filter(|entry| entry.bytes_done > 0 && seen.insert((entry.file_id, entry.bytes_done)))
            .collect()
    }

    /// Entries of contents that are the same as `input`'s, one a content.
    fn equals<'a>(&'a self, sha256: &'a str, input: &'a Input) -> impl Iterator<Item = &'a FileEntry> {
        let contents =
            self.by_sha256.get(sha256).into_iter().flatten().filter_map(|id| self.contents.get(id));
        contents.filter_map(move |content| {
            content.lengths(&input.uri).find(|entry| entry.bytes_done > 0 && entry.sha256 == sha256)
        })
    }

    /// The first id after `id` that no input has.
    fn unused(&self, id: FileId) -> FileId {
        let mut n = 0;
        while self.contents.contains_key(&id.nth(n)) {
            n += 1;
        }
        id.nth(n)
    }
}
