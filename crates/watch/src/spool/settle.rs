//! When a document is ready to be read, and what became of it since it was handed over.
//!
//! A state machine over what was seen of the files and when; it reads no file and no clock. What is seen goes in by
//! [`Settling::observe`]; what has to be said comes out of [`Settling::step`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use stele_model::Micros;

use crate::handed::{Entry, Handed, Step};
use crate::spool::names::{Role, ready_holds, ready_of, role};
use crate::watch::{Change, Lost, Now, Thing, gone};
use crate::{ArrivalKind, BATCH_MAX, Mode, URI_BYTES_MAX, WatchError};

/// How many settling times something that is gone is held back for a file of its size that may turn out to be the same
/// one under another name.
const HOLD_SETTLES: u32 = 10;

/// How long a file that could not be read is left alone, unless something about it changes.
const RETRY: Duration = Duration::from_secs(30);

/// What is seen of a file without reading it. Two of them are equal if nothing says that its content changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Bytes.
    pub(crate) size: u64,
    /// Microseconds since 1970, by its own account.
    pub(crate) modified: i64,
    /// The number of the file in its file system.
    pub(crate) inode: u64,
    /// Whether a file named `….ready` has nothing in it but white space: it is a marker.
    pub(crate) blank: bool,
}

/// What a file was when it was read.
pub(crate) enum Read {
    /// It is still what was seen, and this is the checksum of its content.
    Content(String),
    /// It is something else by now.
    Changed(Stat),
    /// It is not there.
    Gone,
    /// It cannot be read.
    Failed(String),
}

/// Reads files.
pub(crate) trait Reader {
    /// Reads the file of this name, which was last seen like that. If it still is, and its checksum is known from then,
    /// that need not be found out again.
    fn read(&mut self, name: &str, seen: &Stat, known: Option<&str>) -> Result<Read, WatchError>;
}

/// Where something was looked at: a file, or a directory with all that is below it; "" is all there is.
pub(crate) struct Area<'a> {
    pub(crate) name: &'a str,
    /// Parts of it that could not be looked at. What is below them is as it was.
    pub(crate) unread: &'a [String],
}

impl Area<'_> {
    fn is_unread(&self, name: &str) -> bool {
        self.unread.iter().any(|dir| is_below(name, dir))
    }
}

/// Whether the name is that of a thing in the directory, of which "" is the outermost.
pub(crate) fn is_below(name: &str, dir: &str) -> bool {
    dir.is_empty() || name.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

/// A file that is there.
#[derive(Debug)]
struct File {
    stat: Stat,
    /// Since when it has been like that.
    since: Duration,
    /// Of its content, once it was read.
    checksum: Option<String>,
}

/// A document that is there, and of which it is not known whether it is what was handed over.
#[derive(Debug)]
struct Unsettled {
    /// The file that holds it.
    file: String,
    /// When it is looked at again after it could not be read.
    retry_at: Duration,
}

/// Why a document is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacks {
    Marker,
    Content,
}

/// Which file holds a document.
enum Held {
    Nothing,
    /// It is there, and not said to be ready.
    NoMarker,
    /// It is said to be ready, and not there.
    NoContent,
    In(String),
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Stepped {
    pub(crate) changes: Vec<Change>,
    pub(crate) more: bool,
    /// Files that could not be read, and why.
    pub(crate) failed: Vec<(String, String)>,
}

/// All files of a directory, and which documents they make.
pub(crate) struct Settling {
    mode: Mode,
    settle: Duration,
    files: BTreeMap<String, File>,
    unsettled: BTreeMap<String, Unsettled>,
    /// Documents that were handed over and are not there, and since when.
    absent: BTreeMap<String, Duration>,
    lacking: BTreeMap<String, (Lacks, Micros)>,
}

impl Settling {
    pub(crate) fn new(mode: Mode, settle: Duration) -> Self {
        Settling {
            mode,
            settle,
            files: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            absent: BTreeMap::new(),
            lacking: BTreeMap::new(),
        }
    }

    /// All that was found in the area at this time. What is not among it is not there any more. Files that are left
    /// alone for their names need not be among it.
    pub(crate) fn observe(&mut self, area: &Area<'_>, found: Vec<(String, Stat)>, handed: &Handed, now: Now) {
        let names: HashSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let absent: Vec<String> = self
            .in_area(area.name)
            .filter(|name| !names.contains(name.as_str()) && !area.is_unread(name))
            .cloned()
            .collect();
        let mut touched = BTreeSet::new();
        for name in absent {
            self.files.remove(&name);
            touched.extend(self.document(&name).map(str::to_owned));
        }
        for (name, stat) in found {
            if self.files.get(&name).is_some_and(|file| file.stat == stat) {
                continue;
            }
            touched.extend(self.document(&name).map(str::to_owned));
            self.files.insert(name, File { stat, since: now.since, checksum: None });
        }
        if area.name.is_empty() {
            // What went while nobody looked.
            let gone = handed.entries().map(|(name, _)| name);
            let gone = gone.filter(|name| !self.absent.contains_key(*name) && !area.is_unread(name));
            touched.extend(gone.filter(|name| !matches!(self.held(name), Held::In(_))).cloned());
        }
        touched.into_iter().for_each(|document| self.sort(document, handed, now));
    }

    /// Something about the files of the document changed: what is it now?
    fn sort(&mut self, document: String, handed: &Handed, now: Now) {
        self.unsettled.remove(&document);
        self.absent.remove(&document);
        self.lacking.remove(&document);
        match self.held(&document) {
            Held::In(file) => {
                self.unsettled.insert(document, Unsettled { file, retry_at: now.since });
                return;
            }
            Held::NoMarker => {
                self.lacking.insert(document, (Lacks::Marker, now.at));
                return;
            }
            Held::NoContent => drop(self.lacking.insert(document.clone(), (Lacks::Content, now.at))),
            Held::Nothing => {}
        }
        if handed.get(&document).is_some() {
            self.absent.insert(document, now.since);
        }
    }

    /// Looks again at a file that could not be read.
    pub(crate) fn retry(&mut self, name: &str, now: Now) {
        if let Some(document) = self.document(name).map(str::to_owned)
            && let Some(unsettled) = self.unsettled.get_mut(&document)
        {
            unsettled.retry_at = now.since;
        }
    }

    fn in_area<'a>(&'a self, area: &str) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        if area.is_empty() {
            return Box::new(self.files.keys());
        }
        // What is below it stands between these two in the order of names, `0` coming next after `/`.
        let (from, to) = (format!("{area}/"), format!("{area}0"));
        let itself = self.files.get_key_value(area).map(|(name, _)| name);
        Box::new(itself.into_iter().chain(self.files.range(from..to).map(|(name, _)| name)))
    }

    fn document<'a>(&self, file: &'a str) -> Option<&'a str> {
        match role(file, self.mode) {
            Role::None => None,
            Role::Plain => Some(file),
            Role::Ready(of) => Some(of),
        }
    }

    /// Which file holds the document now.
    fn held(&self, document: &str) -> Held {
        let plain = self.files.get(document);
        let name = ready_of(document);
        let ready = match self.mode {
            Mode::Direct => None,
            Mode::Ready | Mode::Auto => self.files.get(&name),
        };
        match (plain, ready) {
            (None, None) => Held::Nothing,
            (Some(_), None) if self.mode == Mode::Ready => Held::NoMarker,
            (Some(_), None) => Held::In(document.to_owned()),
            (Some(_), Some(ready)) if ready.stat.blank => Held::In(document.to_owned()),
            (None, Some(ready)) if ready.stat.blank => Held::NoContent,
            (Some(plain), Some(ready))
                if !ready_holds(self.mode, plain.stat.modified, ready.stat.modified) =>
            {
                Held::In(document.to_owned())
            }
            (_, Some(_)) => Held::In(name),
        }
    }

    /// What has to be said now, at most [`BATCH_MAX`] of it. It stays to be said until [`Settling::done`].
    /// `uri` makes a URI of a name.
    pub(crate) fn step(
        &mut self,
        handed: &Handed,
        now: Now,
        reader: &mut dyn Reader,
        uri: &dyn Fn(&str) -> String,
    ) -> Result<Stepped, WatchError> {
        let mut stepped = Stepped::default();
        let mut lost = Lost::default();
        for (name, entry) in self.absent.keys().filter_map(|name| Some((name, handed.get(name)?))) {
            lost.add(name, entry);
        }
        let mut moved = HashSet::new();
        while !stepped.more {
            let due = self.due(now);
            let last = due.len() < BATCH_MAX;
            for name in due {
                if stepped.changes.len() == BATCH_MAX {
                    stepped.more = true;
                    break;
                }
                let Some(thing) = self.settled(&name, handed, now, reader, &mut stepped, uri)? else {
                    continue;
                };
                let put = Step::Put(name.clone(), thing.entry.clone());
                let (kind, steps) = match handed.get(&name) {
                    Some(entry) if entry.checksum == thing.entry.checksum => {
                        stepped.changes.push(Change { arrival: None, steps: vec![put] });
                        continue;
                    }
                    Some(_) => (ArrivalKind::Changed, vec![put]),
                    None => match lost.take(&name, &thing.entry) {
                        Some(from) => {
                            moved.insert(from.clone());
                            (ArrivalKind::Renamed { from: uri(&from) }, vec![put, Step::Gone(from)])
                        }
                        None => (ArrivalKind::Appeared, vec![put]),
                    },
                };
                stepped.changes.push(Change { arrival: Some(thing.arrival(kind, now.at)), steps });
            }
            if last {
                break;
            }
            // Those that lead to something are due again, until they are done.
            stepped.more |= !stepped.changes.is_empty();
        }
        if !stepped.more {
            self.say_gone(&moved, handed, now, &mut stepped, uri);
        }
        Ok(stepped)
    }

    /// Documents that have been what they are for long enough, at most [`BATCH_MAX`] of them.
    fn due(&self, now: Now) -> Vec<String> {
        let is_due = |unsettled: &Unsettled| {
            let file = self.files.get(&unsettled.file);
            unsettled.retry_at <= now.since
                && file.is_some_and(|file| now.since.saturating_sub(file.since) >= self.settle)
        };
        let due = self.unsettled.iter().filter(|(_, unsettled)| is_due(unsettled));
        due.map(|(name, _)| name.clone()).take(BATCH_MAX).collect()
    }

    /// What is gone for as long as a file has to be there, and is not another one by now.
    fn say_gone(
        &self,
        moved: &HashSet<String>,
        handed: &Handed,
        now: Now,
        stepped: &mut Stepped,
        uri: &dyn Fn(&str) -> String,
    ) {
        if self.absent.is_empty() {
            return;
        }
        // Sizes of files that may be what is missing, under another name.
        let new = self.unsettled.iter().filter(|(name, _)| handed.get(name).is_none());
        let sizes: HashSet<u64> =
            new.filter_map(|(_, unsettled)| Some(self.files.get(&unsettled.file)?.stat.size)).collect();
        for (name, since) in self.absent.iter().filter(|(name, _)| !moved.contains(*name)) {
            let Some(entry) = handed.get(name) else { continue };
            let may_be_another = entry.size.is_some_and(|size| size > 0 && sizes.contains(&size));
            let hold = if may_be_another { self.settle * HOLD_SETTLES } else { self.settle };
            if now.since.saturating_sub(*since) < hold {
                continue;
            }
            if stepped.changes.len() == BATCH_MAX {
                stepped.more = true;
                return;
            }
            stepped.changes.push(gone(uri(name), name, entry, now));
        }
    }

    /// The document as it is, if it is not what was handed over.
    fn settled(
        &mut self,
        name: &str,
        handed: &Handed,
        now: Now,
        reader: &mut dyn Reader,
        stepped: &mut Stepped,
        uri: &dyn Fn(&str) -> String,
    ) -> Result<Option<Thing>, WatchError> {
        let Some(unsettled) = self.unsettled.get_mut(name) else { return Ok(None) };
        let file_name = unsettled.file.clone();
        let bytes = uri(&file_name).len();
        if bytes > URI_BYTES_MAX {
            unsettled.retry_at = now.since + RETRY;
            let reason = format!("its path has {bytes} bytes, and {URI_BYTES_MAX} is the most");
            stepped.failed.push((file_name, reason));
            return Ok(None);
        }
        let Some(file) = self.files.get_mut(&file_name) else { return Ok(None) };
        let stat = file.stat;
        if handed.get(name).is_some_and(|entry| {
            (entry.size, entry.modified, entry.inode) == (Some(stat.size), Some(stat.modified), stat.inode)
        }) {
            self.unsettled.remove(name);
            return Ok(None);
        }
        let checksum = match reader.read(&file_name, &stat, file.checksum.as_deref())? {
            Read::Content(checksum) => checksum,
            Read::Changed(stat) => {
                *file = File { stat, since: now.since, checksum: None };
                self.sort(name.to_owned(), handed, now);
                return Ok(None);
            }
            Read::Gone => {
                self.files.remove(&file_name);
                self.sort(name.to_owned(), handed, now);
                return Ok(None);
            }
            Read::Failed(reason) => {
                unsettled.retry_at = now.since + RETRY;
                stepped.failed.push((file_name, reason));
                return Ok(None);
            }
        };
        // It may not be taken this time.
        file.checksum = Some(checksum.clone());
        let entry =
            Entry { size: Some(stat.size), modified: Some(stat.modified), inode: stat.inode, checksum };
        Ok(Some(Thing { uri: uri(name), location: uri(&file_name), entry }))
    }

    /// These were accepted and are remembered.
    pub(crate) fn done(&mut self, changes: &[Change]) {
        for step in changes.iter().flat_map(|change| &change.steps) {
            let (Step::Put(name, _) | Step::Gone(name)) = step;
            self.absent.remove(name);
            let unsettled = self.unsettled.remove(name);
            // It is remembered elsewhere now.
            if let Some(file) = unsettled.and_then(|unsettled| self.files.get_mut(&unsettled.file)) {
                file.checksum = None;
            }
        }
    }

    /// Files that are there.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// Documents that are not known to be what was handed over.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled.len() + self.absent.len()
    }

    /// Documents that are not ready, why, and since when.
    pub(crate) fn lacking(&self) -> &BTreeMap<String, (Lacks, Micros)> {
        &self.lacking
    }

    /// Whether the file holds a document that is not known to be what was handed over.
    pub(crate) fn is_unsettled(&self, file: &str) -> bool {
        self.document(file).is_some_and(|document| self.unsettled.contains_key(document))
    }
}
