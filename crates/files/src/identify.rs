//! What a file is: one that is known, one that goes on, one that has another name or form now, or a new one.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use encoding_rs::Encoding;

use crate::FilesError;
use crate::archive::IN;
use crate::config::After;
use crate::error::At;
use crate::feed::Feed;
use crate::find::{Met, Stamp};
use crate::state::{Comparison, Digest, FileState, HEADS, Known, Mark, PARTS_MAX, Tracker, begins_alike};

/// A file of the same name that begins and goes on alike is gone over again up to where it was read, if that is not
/// further than this: a quarter of a second. Beyond it, that its beginning is the same and that it grew has to do.
const CHECKED_BYTES_MAX: u64 = 256 << 20;

/// Files that begin alike and are compared to the end, at most, those that were read furthest first.
const COMPARED_MAX: usize = 16;

/// What is read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What was found out about a file.
pub(crate) struct Identity {
    /// What is known of it: where it goes on. A new one is at 0.
    pub state: FileState,
    /// The name that it was read under, if that was another.
    pub was: Option<String>,
    /// Whether there is nothing in it that was not read.
    pub nothing_new: bool,
}

impl Identity {
    fn new() -> Self {
        Self { state: FileState::default(), was: None, nothing_new: false }
    }
}

/// What is known, and what is there now.
pub(crate) struct Register<'k> {
    known: &'k Known,
    /// Names of what is known, by the shortest beginning that has a hash: its length and that hash.
    by_head: BTreeMap<u64, HashMap<Digest, Vec<String>>>,
    there: BTreeMap<&'k str, Stamp>,
    /// What was read in this run: a copy of it is none of its own, as it would not be in the next.
    read: BTreeMap<String, FileState>,
    after: After,
}

impl<'k> Register<'k> {
    pub(crate) fn of(known: &'k Known, met: &'k [Met], after: After) -> Self {
        let there = met.iter().map(|met| (met.name.as_str(), met.stamp)).collect();
        let mut register = Self { known, by_head: BTreeMap::new(), there, read: BTreeMap::new(), after };
        known.files.iter().for_each(|(name, state)| register.index(name, state));
        register
    }

    fn index(&mut self, name: &str, state: &FileState) {
        // What nothing was read of has nothing in common with anything.
        if let Some(Mark(length, hash)) = state.heads.first().filter(|_| state.rows > 0) {
            let names = self.by_head.entry(*length).or_default().entry(*hash).or_default();
            names.push(name.to_owned());
        }
    }

    /// A file was read to its end.
    pub(crate) fn learn(&mut self, met: &Met, mut state: FileState) {
        state.lay_there_as(met);
        self.index(&met.name, &state);
        self.read.insert(met.name.clone(), state);
    }

    /// What was read of a file in this run is not kept.
    pub(crate) fn forget(&mut self, name: &str) {
        self.read.remove(name);
    }

    /// Whether what is known of a file was found out in this run.
    pub(crate) fn is_of_this_run(&self, name: &str) -> bool {
        self.read.contains_key(name)
    }

    /// What is known of another file by now.
    fn state(&self, name: &str) -> Option<&FileState> {
        self.read.get(name).or_else(|| self.known.files.get(name))
    }

    /// What is known of a file of this name.
    pub(crate) fn known(&self, name: &str) -> Option<&'k FileState> {
        self.known.files.get(name)
    }

    /// Whether a file of this name is there; of one in an archive, whether the archive is.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.there.contains_key(name) || self.is_in_archive(name)
    }

    fn is_in_archive(&self, name: &str) -> bool {
        name.match_indices(IN).any(|(at, _)| self.there.contains_key(&name[..at]))
    }

    /// The state of a file that was read to its end and not touched since. One that should not be there any more is
    /// looked into: it may be another delivery under the same name.
    pub(crate) fn unchanged(&self, met: &Met) -> Option<&'k FileState> {
        let same = |state: &&FileState| state.stamp() == met.stamp && state.changed == met.changed;
        self.known.files.get(&met.name).filter(|state| state.done && !state.whole).filter(same)
    }

    /// Looks into a file.
    pub(crate) fn identify(
        &self,
        met: &Met,
        encoding: Option<&'static Encoding>,
    ) -> Result<Identity, FilesError> {
        let mut feed = Feed::open(met, encoding)?;
        let own = self.known.files.get(&met.name);
        let head = feed.head(usize::try_from(HEADS[2]).unwrap_or(usize::MAX)).to_vec();
        if let Some(state) = own.filter(|state| begins_alike(state, &head)) {
            // What is moved or deleted then has to be known to its last byte.
            let stays = self.after == After::Nothing;
            let far = feed.is_plain() && state.at > CHECKED_BYTES_MAX && met.stamp.size >= state.at;
            if far && stays {
                let nothing_new = met.stamp.size == state.at && state.done;
                return Ok(Identity { state: state.clone(), was: None, nothing_new });
            }
            if let Some(nothing_new) = self.compare(met, state, encoding)? {
                let nothing_new = nothing_new && state.done;
                return Ok(Identity { state: state.clone(), was: None, nothing_new });
            }
        }
        for name in self.alike(met, &head) {
            let Some(state) = self.state(name) else { continue };
            let Some(at_end) = self.compare(met, state, encoding)? else { continue };
            // What was a whole, or still lies there as it was, is another file; a copy of it holds nothing new.
            // Nobody appends to what is in an archive.
            let lies_there = self.there.get(name) == Some(&state.stamp()) || self.is_in_archive(name);
            if at_end || !(state.whole || lies_there) {
                let state = state.clone();
                return Ok(Identity { was: Some(name.to_owned()), nothing_new: at_end && state.done, state });
            }
        }
        Ok(Identity::new())
    }

    /// Other files that begin as this one does, those that were read furthest first.
    fn alike(&self, met: &Met, head: &[u8]) -> Vec<&str> {
        let mut found: Vec<(u64, &str)> = Vec::new();
        let (mut hasher, mut done) = (blake3::Hasher::new(), 0);
        for (length, names) in &self.by_head {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            let Some(bytes) = head.get(done..length) else { break };
            hasher.update(bytes);
            done = length;
            for name in names.get(&Digest::of(&hasher)).into_iter().flatten() {
                if *name != met.name
                    && let Some(state) = self.state(name).filter(|state| begins_alike(state, head))
                {
                    found.push((state.at, name));
                }
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(COMPARED_MAX);
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether a file begins with all that was read of another; if so, whether there is nothing more.
    fn compare(
        &self,
        met: &Met,
        state: &FileState,
        encoding: Option<&'static Encoding>,
    ) -> Result<Option<bool>, FilesError> {
        let mut feed = Feed::open(met, encoding)?;
        let mut comparison = Comparison::with(state);
        while !comparison.is_over() {
            if feed.ready().is_empty() && !feed.more() {
                // Damage before that place is damage of something else.
                break;
            }
            let took = comparison.add(feed.ready());
            feed.discard(took as u64)?;
        }
        if !comparison.is_same() {
            return Ok(None);
        }
        let at_end = feed.ready().is_empty() && !feed.more();
        // What is damaged behind it is not at its end.
        Ok(Some(at_end && feed.failure().is_ok()))
    }
}

/// Hashes all of a file as it lies there, for what is not read from its beginning to its end.
pub(crate) fn marks_of(file: &mut File, path: &Path) -> Result<FileState, FilesError> {
    let (mut tracker, mut buffer) = (Tracker::new(), vec![0; CHUNK_BYTES]);
    loop {
        let len = file.read(&mut buffer).at("read", path)?;
        if len == 0 {
            break;
        }
        tracker.add(&buffer[..len]);
    }
    file.rewind().at("read", path)?;
    let mut state = FileState::default();
    tracker.marks(&mut state);
    Ok(state)
}

/// Makes one stretch of many, for which all of them are gone over.
pub(crate) fn joined(
    met: &Met,
    state: &mut FileState,
    encoding: Option<&'static Encoding>,
) -> Result<(), FilesError> {
    if state.parts.len() < PARTS_MAX {
        return Ok(());
    }
    let mut feed = Feed::open(met, encoding)?;
    let mut tracker = Tracker::new();
    while tracker.at() < state.at {
        if feed.ready().is_empty() && !feed.more() {
            return feed.failure();
        }
        let left = usize::try_from(state.at - tracker.at()).unwrap_or(usize::MAX);
        let len = feed.ready().len().min(left);
        tracker.add(&feed.ready()[..len]);
        feed.discard(len as u64)?;
    }
    let mut whole = FileState::default();
    tracker.marks(&mut whole);
    (state.heads, state.parts) = (whole.heads, whole.parts);
    Ok(())
}
