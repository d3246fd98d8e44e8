//! Has this content been seen before? Decided by content alone, never by name or time.
//!
//! - Equal content, under any name, that is in the lake with all of its rows: a duplicate. The name is
//!   noted and no row is written. What is damaged equals nothing: its end is not known.
//! - Content that begins with all of a known input and goes on: the same input, grown, if it has
//!   the same name, if the name under which it was known holds something else now, as after the
//!   rotation of a log, or if what was known of it is more than two recordings have in common by
//!   chance. Only the tail is read.
//! - Anything else is new, and gets an id from the hash of its first megabyte. So is content whose
//!   rows are gone, all of them; where some are left, reading it anew would double those.
//!
//! Files are hashed here only when something that is known makes it possible that they match.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use stele_lake::{Pruned, Snapshot};
use stele_model::id::to_hex;
use stele_model::{FileEntry, FileId, FileState};
use stele_sources::{HEAD_BYTES, Head, Input, SourceError, absolute, path_of, prefix_hashes, prefixes};

use crate::EngineError;
use crate::documents::is_document;

/// As much as two recordings do not have in common at their beginnings by chance. What they may have
/// is the greeting of a server or a header of some lines; times and ids soon differ.
const ALIKE_BYTES: u64 = 4 << 10;

/// Names of a content that an error lists.
const NAMES_MAX: usize = 3;

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
    /// Every length of a content, below that of a head.
    lengths: HashSet<u64>,
    /// Of these, the lengths of contents that end inside a line, by the place where it begins.
    unfinished: HashMap<u64, BTreeSet<u64>>,
    /// Ids that were given away, whether or not a name is left for them.
    used: HashSet<FileId>,
    /// What was removed from the contents.
    pruned: HashMap<FileId, Vec<Pruned>>,
    /// The lake in which they are.
    lake: Option<Snapshot>,
    /// The contents of which the lake has rows, once somebody asks.
    with_rows: OnceCell<HashSet<FileId>>,
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
    pub(crate) fn new(tenant: &str, lake: &Snapshot) -> Result<Self, EngineError> {
        let mut known = Self { lake: Some(lake.clone()), ..Self::default() };
        for one in lake.pruned()? {
            known.pruned.entry(one.file_id).or_default().push(one);
        }
        // With what the contents were before they grew: by that their beginnings are recognised.
        for entry in lake.history()?.into_iter().filter(|entry| entry.tenant == tenant) {
            if known.pruned_of(&entry).iter().any(|one| one.gives_up(&entry)) {
                known.used.insert(entry.file_id);
            } else {
                known.put(entry);
            }
        }
        Ok(known)
    }

    fn pruned_of(&self, entry: &FileEntry) -> &[Pruned] {
        self.pruned.get(&entry.file_id).map_or(&[], Vec::as_slice)
    }

    /// What was removed from an entry since it was read.
    fn lost_of(&self, entry: &FileEntry) -> Option<&Pruned> {
        self.pruned_of(entry).iter().find(|one| one.affects(entry))
    }

    /// The newest entry of `uri`.
    pub(crate) fn get(&self, uri: &str) -> Option<&FileEntry> {
        self.contents.get(self.by_uri.get(uri)?)?.names.get(uri)
    }

    /// Notes what became of an input.
    pub(crate) fn put(&mut self, entry: FileEntry) {
        self.sizes.extend([entry.bytes_done, entry.size_on_disk]);
        if entry.bytes_done <= HEAD_BYTES as u64 {
            self.lengths.insert(entry.bytes_done);
            if let Some(start) = entry.tail_offset {
                self.unfinished.entry(start).or_default().insert(entry.bytes_done);
            }
        }
        self.used.insert(entry.file_id);
        self.by_sha256.entry(entry.sha256.clone()).or_default().insert(entry.file_id);
        self.by_uri.insert(entry.uri.clone(), entry.file_id);
        self.contents.entry(entry.file_id).or_default().put(entry);
    }

    /// The documents below the directories among `targets` that are not there any more. A directory
    /// that is gone itself tells nothing: it may not be mounted today.
    pub(crate) fn gone(&self, targets: &[String]) -> Vec<FileEntry> {
        let directories: Vec<PathBuf> = targets
            .iter()
            .filter(|target| Path::new(target).is_dir())
            .filter_map(|target| absolute(target).ok())
            .collect();
        let is_gone = |entry: &&FileEntry| {
            let path = path_of(&entry.uri);
            let below = directories.iter().any(|directory| path.starts_with(directory));
            let absent =
                || matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
            is_document(entry) && entry.gone_at.is_none() && below && absent()
        };
        let mut gone: Vec<FileEntry> =
            self.by_uri.keys().filter_map(|uri| self.get(uri)).filter(is_gone).cloned().collect();
        gone.sort_by(|a, b| a.uri.cmp(&b.uri));
        gone
    }

    /// The documents that are called so and hold something.
    pub(crate) fn gone_by_name(&self, names: &[String]) -> Vec<FileEntry> {
        let there = |entry: &&FileEntry| is_document(entry) && entry.gone_at.is_none();
        names.iter().filter_map(|uri| self.get(uri)).filter(there).cloned().collect()
    }

    /// Decides about `input`.
    pub(crate) fn admit(&self, tenant: &str, input: &Input) -> Result<Admission, EngineError> {
        if input.size_on_disk == 0
            && let Some(entry) = self.get(&input.uri).filter(|entry| entry.bytes_done == 0)
        {
            return Ok(Admission::Duplicate(Box::new(entry.clone())));
        }
        let head = Head::of(input)?;
        let id = FileId::of(tenant, &head.hash());
        let beginnings = self.beginnings(id, input, &head);
        if beginnings.is_empty() && !self.sizes.contains(&input.size_on_disk) {
            return Ok(Admission::New(self.unused(id)));
        }
        let mut lengths: Vec<u64> = beginnings.iter().map(|entry| entry.bytes_done).collect();
        lengths.push(u64::MAX);
        let read = prefixes(input, &lengths)?;
        let whole = to_hex(&read.hashes[read.hashes.len() - 1]);
        let hashes = read.hashes.iter().map(|hash| to_hex(hash));
        let matching = beginnings.into_iter().zip(hashes).filter(|(entry, hash)| *hash == entry.sha256);
        let mut candidates: Vec<&FileEntry> = matching.map(|(entry, _)| entry).collect();
        candidates.extend(self.equals(&whole, input));
        if let Some(failure) = read.failure
            && candidates.iter().any(|entry| entry.sha256 == whole)
        {
            // All that can be read of it is there. What follows cannot be read, and nobody knows what
            // it is.
            return Err(failure.into());
        }
        let (mut longest, mut hollow): (Option<&FileEntry>, Option<&FileEntry>) = (None, None);
        let rank = |entry: &FileEntry| (entry.bytes_done, self.lost_of(entry).is_none());
        for entry in candidates {
            if entry.sha256 == whole && entry.state != FileState::Partial {
                if self.lost_of(entry).is_none() {
                    return Ok(Admission::Duplicate(Box::new(entry.clone())));
                }
                hollow = Some(entry);
                continue;
            }
            // Only the end of an input can be continued; a shorter name of it is a branch.
            let is_end =
                self.contents.get(&entry.file_id).is_none_or(|content| content.ends_at(entry.bytes_done));
            if is_end
                && longest.is_none_or(|known| rank(known) < rank(entry))
                && self.is_same_recording(entry, input)
            {
                longest = Some(entry);
            }
        }
        if let Some(entry) = hollow {
            return self.anew(entry, input, id);
        }
        Ok(match longest {
            Some(entry) if self.is_torn(entry) => return Err(self.in_part(entry, input)),
            Some(entry) => Admission::Continue(Box::new(entry.clone())),
            None => Admission::New(self.unused(id)),
        })
    }

    /// An id for content that is there and has to be kept in another way.
    pub(crate) fn another(&self, tenant: &str, input: &Input) -> Result<FileId, SourceError> {
        Ok(self.unused(FileId::of(tenant, &Head::of(input)?.hash())))
    }

    /// Whether an input that begins with all of `entry` is the same recording.
    fn is_same_recording(&self, entry: &FileEntry, input: &Input) -> bool {
        entry.uri == input.uri || entry.bytes_done >= ALIKE_BYTES || self.has_left(entry)
    }

    /// Whether the name of `entry` holds something else now, or nothing.
    fn has_left(&self, entry: &FileEntry) -> bool {
        if self.by_uri.get(&entry.uri) != Some(&entry.file_id) {
            return true;
        }
        if entry.uri.starts_with("stdin:") {
            return false;
        }
        let path = path_of(&entry.uri);
        let Ok(meta) = path.metadata() else { return true };
        let there = Input { uri: entry.uri.clone(), path: Some(path), size_on_disk: meta.len() };
        meta.len() != entry.size_on_disk
            || prefix_hashes(&there, &[entry.bytes_done])
                .map_or(true, |hashes| to_hex(&hashes[0]) != entry.sha256)
    }

    /// Content of which rows are gone, to be read as if it had never been there.
    fn anew(&self, entry: &FileEntry, input: &Input, id: FileId) -> Result<Admission, EngineError> {
        let with_rows = match (self.with_rows.get(), &self.lake) {
            (Some(known), _) => known,
            (None, Some(lake)) => {
                let inputs = lake.inputs_with_rows()?;
                self.with_rows.get_or_init(|| inputs)
            }
            (None, None) => self.with_rows.get_or_init(HashSet::new),
        };
        if !with_rows.contains(&entry.file_id) {
            return Ok(Admission::New(self.unused(id)));
        }
        Err(self.in_part(entry, input))
    }

    /// Whether the line in which an entry ends is there as a whole, left over from a longer name that
    /// was given up: it was not finished when the entry was read.
    fn is_torn(&self, entry: &FileEntry) -> bool {
        let given_up = |one: &Pruned| one.uri.is_some() && one.rows > 0 && one.at >= entry.updated_at;
        entry.tail_offset.is_some() && self.pruned_of(entry).iter().any(given_up)
    }

    /// The error about an input of which some rows are gone and others are not.
    fn in_part(&self, entry: &FileEntry, input: &Input) -> EngineError {
        let mut names: Vec<&str> = self
            .contents
            .get(&entry.file_id)
            .map_or_else(Vec::new, |content| content.names.keys().map(String::as_str).collect());
        names.sort_unstable();
        let more = if names.len() > NAMES_MAX { " and its other names" } else { "" };
        names.truncate(NAMES_MAX);
        let gone = self.lost_of(entry).or(self.pruned_of(entry).last()).map_or("", |one| one.reason.as_str());
        let reason = format!(
            "some rows of this content were removed from the lake ({gone}) and others are still there, \
             which would then be there twice; remove what is left of it first, with lake prune --source \
             for {}{more}, and ingest it again",
            names.join(" and for ")
        );
        SourceError::InPart { uri: input.uri.clone(), reason }.into()
    }

    /// Entries whose content may be the beginning of `input`'s, or all of it: what its name stands
    /// for, what begins as it does, and what is known to have been shorter once.
    fn beginnings(&self, id: FileId, input: &Input, head: &Head) -> Vec<&FileEntry> {
        let mut seen = HashSet::new();
        let same_head = (0..).map(|n| id.nth(n)).take_while(|id| self.used.contains(id));
        let shorter = self.shorter(head).into_iter();
        let contents = same_head.chain(shorter).filter_map(|id| self.contents.get(&id));
        let entries = contents.flat_map(|content| content.lengths(&input.uri));
        self.get(&input.uri)
            .into_iter()
            .chain(entries)
            .filter(|entry| entry.bytes_done > 0 && seen.insert((entry.file_id, entry.bytes_done)))
            .collect()
    }

    /// Contents that were, at some time, no more than the beginning of `head`. Such a content ended
    /// between two lines, or in a line that was not finished: only these lengths are looked at.
    fn shorter(&self, head: &Head) -> BTreeSet<FileId> {
        let mut lengths = BTreeSet::new();
        for at in head.line_bounds() {
            if at > 0 && self.lengths.contains(&at) {
                lengths.insert(at);
            }
            lengths.extend(self.unfinished.get(&at).into_iter().flatten());
        }
        let lengths: Vec<u64> = lengths.into_iter().collect();
        let hashes = head.hashes(&lengths);
        hashes.iter().filter_map(|hash| self.by_sha256.get(&to_hex(hash))).flatten().copied().collect()
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
        while self.used.contains(&id.nth(n)) {
            n += 1;
        }
        id.nth(n)
    }
}
