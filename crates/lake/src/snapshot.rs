//! The lake as one commit left it: which parts, which inputs, which notes.
//!
//! A snapshot is the version of `events` and the versions of the other tables that this version
//! pins. What those tables hold beyond is provisional and not seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use stele_model::{FileEntry, FileId, Micros};

use crate::delta::{DeltaLog, Home};
use crate::error::LakeError;
use crate::migrate;
use crate::part::PartInfo;
use crate::rows::{Columns, NoteRow, each_batch, read_files, read_notes};
use crate::tables::{SCHEMA_VERSION, Table, lake_dir};

/// The lake at one version.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) home: Home,
    version: u64,
    /// Which file its commit is, if it can be seen.
    commit: Option<CommitMark>,
    lake_id: String,
    schema_version: u32,
    events: Vec<PartInfo>,
    quarantine: Vec<PartInfo>,
    files: Vec<PartInfo>,
    notes: Vec<PartInfo>,
    /// What was read of `files` and `notes`, for whoever asks again.
    read: Arc<Read>,
}

/// Commits after that of a snapshot that are counted by the names of their files. Whoever is that far behind reads anew.
const LATER_MAX: u64 = 64;

/// Rows of `files` up to which they are kept once they were read: some 50 MB. A service asks for them with every
/// request; a lake with more of them reads them each time.
const HISTORY_KEPT_MAX: u64 = 100_000;

/// What a snapshot remembers, shared by its clones: all of them have the same parts of these tables.
#[derive(Default)]
struct Read {
    history: OnceLock<Arc<Vec<FileEntry>>>,
    pruned: OnceLock<Arc<Vec<Pruned>>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("version", &self.version).finish_non_exhaustive()
    }
}

/// One file of a log, as the file system tells it from others: a lake that was removed and made anew
/// has other files of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CommitMark {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl CommitMark {
    fn of(home: &Home, version: u64) -> Option<Self> {
        let found = std::fs::metadata(commit_path(home, version)).ok()?;
        Some(Self { inode: found.ino(), bytes: found.len(), changed: (found.ctime(), found.ctime_nsec()) })
    }
}

fn commit_path(home: &Home, version: u64) -> PathBuf {
    Table::Events.dir(&home.data_dir).join("_delta_log").join(format!("{version:020}.json"))
}

/// Sizes of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// Rows of the quarantine table, of every class.
    pub residues: u64,
    /// Parts of all tables.
    pub parts: u64,
    /// Bytes of these parts on disk.
    pub bytes_on_disk: u64,
}

/// What was removed from one input by one prune.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The input.
    pub file_id: FileId,
    /// Rows that were removed.
    pub rows: u64,
    /// What the prune was asked to remove, in words.
    pub reason: String,
    /// When.
    pub at: Micros,
    /// Content offset from which rows were removed. What lies before it belongs to other names of
    /// the input too, and stayed for them.
    #[serde(default)]
    pub from: u64,
    /// The name that was given up, if the prune was of a name as a whole. It keeps no rows from then
    /// on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Whether nobody asked for it: the rows were lost with a damaged part that was given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

impl Pruned {
    /// Whether an entry lost rows by it. One that is newer than the giving up of a name did not: where
    /// its rows were gone, they were read again.
    pub fn affects(&self, entry: &FileEntry) -> bool {
        self.rows > 0
            && self.file_id == entry.file_id
            && self.from < entry.bytes_done
            && (self.uri.is_none() || self.at >= entry.updated_at)
    }

    /// Whether it gave up the name of an entry.
    pub fn gives_up(&self, entry: &FileEntry) -> bool {
        self.file_id == entry.file_id
            && self.at >= entry.updated_at
            && self.uri.as_ref().is_some_and(|uri| *uri == entry.uri)
    }
}

/// Note kinds.
pub(crate) const CATALOGUE: &str = "catalogue";
/// A catalogue that takes the place of all before it.
pub(crate) const CATALOGUE_WHOLE: &str = "catalogue_whole";
/// A list of [`Pruned`].
pub(crate) const PRUNE: &str = "prune";

impl Snapshot {
    pub(crate) fn load(home: &Home, version: Option<u64>) -> Result<Self, LakeError> {
        let events = DeltaLog::load(home, Table::Events, version)?;
        let schema_version = migrate::version_of(&events)?;
        migrate::readable(&lake_dir(&home.data_dir), schema_version)?;
        let pinned = |table: Table| -> Result<Vec<PartInfo>, LakeError> {
            match events.pin(table.app_id())? {
                Some(version) => match DeltaLog::load(home, table, Some(version)) {
                    // Nobody but a lake without events is no lake.
                    Err(LakeError::NoLake { path }) => Err(LakeError::CorruptLog {
                        path: path.join("_delta_log"),
                        line: None,
                        detail: format!("it is missing, although the lake names its version {version}"),
                    }),
                    log => log?.parts(),
                },
                None => Ok(Vec::new()),
            }
        };
        Ok(Self {
            home: home.clone(),
            version: events.version(),
            commit: CommitMark::of(home, events.version()),
            lake_id: events.id()?,
            schema_version,
            quarantine: pinned(Table::Quarantine)?,
            files: pinned(Table::Files)?,
            notes: pinned(Table::Notes)?,
            read: Arc::default(),
            events: events.parts()?,
        })
    }

    /// From tables that are loaded already at the versions that `events` pins.
    pub(crate) fn of(home: &Home, events: &DeltaLog, others: [&DeltaLog; 3]) -> Result<Self, LakeError> {
        let [quarantine, files, notes] = others;
        Ok(Self {
            home: home.clone(),
            version: events.version(),
            commit: CommitMark::of(home, events.version()),
            lake_id: events.id()?,
            schema_version: SCHEMA_VERSION,
            events: events.parts()?,
            quarantine: quarantine.parts()?,
            files: files.parts()?,
            notes: notes.parts()?,
            read: Arc::default(),
        })
    }

    /// The same with parts of `events` that it does not name.
    pub(crate) fn with_events(mut self, more: &[PartInfo]) -> Self {
        self.events.extend_from_slice(more);
        self.commit = None;
        self
    }

    /// The same without some parts of `events` and `quarantine`, by their relative paths.
    pub(crate) fn without(&self, gone: &HashSet<&str>) -> Self {
        let mut rest = Self { commit: None, ..self.clone() };
        rest.events.retain(|part| !gone.contains(part.relative.as_str()));
        rest.quarantine.retain(|part| !gone.contains(part.relative.as_str()));
        rest
    }

    /// Its number: the version of the `events` table.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether nothing was committed since it was read. Asks for two files of the log and reads none,
    /// so that whoever answers many questions need not read the log for each.
    pub fn is_newest(&self) -> bool {
        self.newest_version() == Some(self.version)
    }

    /// The version that the lake is at by now, by the names of files alone. Nothing if its log is not the one that this
    /// was read from, or has gone on too far to be counted so.
    pub fn newest_version(&self) -> Option<u64> {
        let is_same = self.commit.is_some() && self.commit == CommitMark::of(&self.home, self.version);
        let is_there = |version: &u64| commit_path(&self.home, *version).exists();
        let later = (1..=LATER_MAX).map(|later| self.version + later).take_while(is_there).count() as u64;
        (is_same && later < LATER_MAX).then_some(self.version + later)
    }

    /// What tells this lake from any other, also from one that was made anew in its place.
    pub fn lake_id(&self) -> &str {
        &self.lake_id
    }

    /// The schema version of the lake.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// The parts that hold records.
    pub fn event_parts(&self) -> &[PartInfo] {
        &self.events
    }

    /// The parts that hold everything else of the inputs.
    pub fn quarantine_parts(&self) -> &[PartInfo] {
        &self.quarantine
    }

    /// The parts of a table.
    pub fn parts(&self, table: Table) -> &[PartInfo] {
        match table {
            Table::Events => &self.events,
            Table::Quarantine => &self.quarantine,
            Table::Files => &self.files,
            Table::Notes => &self.notes,
        }
    }

    /// Counts and sizes, from the log alone.
    pub fn totals(&self) -> Totals {
        let rows = |table: Table| self.parts(table).iter().map(|part| part.rows).sum();
        let all = || Table::ALL.into_iter().flat_map(|table| self.parts(table));
        Totals {
            records: rows(Table::Events),
            residues: rows(Table::Quarantine),
            parts: all().count() as u64,
            bytes_on_disk: all().map(|part| part.bytes).sum(),
        }
    }

    /// The newest entry of every input, by tenant and URI.
    ///
    /// # Errors
    ///
    /// When a part of `files` cannot be read.
    pub fn files(&self) -> Result<Vec<FileEntry>, LakeError> {
        let mut newest = BTreeMap::new();
        let history = self.shared_history()?;
        for entry in history.iter() {
            newest.insert((&entry.tenant, &entry.uri), entry);
        }
        Ok(newest.into_values().cloned().collect())
    }

    /// The newest entry of every content under every name, oldest first. Unlike [`Snapshot::files`]
    /// it has two entries for a name that held one content before and holds another now.
    ///
    /// # Errors
    ///
    /// When a part of `files` cannot be read.
    pub fn contents(&self) -> Result<Vec<FileEntry>, LakeError> {
        let mut newest = HashMap::new();
        for (index, entry) in self.history()?.into_iter().enumerate() {
            newest.insert((entry.tenant.clone(), entry.uri.clone(), entry.file_id), (index, entry));
        }
        let mut entries: Vec<(usize, FileEntry)> = newest.into_values().collect();
        entries.sort_by_key(|(index, _)| *index);
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// What was known about the inputs at each commit that touched them, oldest first.
    ///
    /// # Errors
    ///
    /// When a part of `files` cannot be read.
    pub fn history(&self) -> Result<Vec<FileEntry>, LakeError> {
        self.shared_history().map(Arc::unwrap_or_clone)
    }

    /// The same for whoever only looks at it: it is read once for a snapshot, and not copied.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::history`].
    pub fn shared_history(&self) -> Result<Arc<Vec<FileEntry>>, LakeError> {
        if let Some(history) = self.read.history.get() {
            return Ok(Arc::clone(history));
        }
        let history = Arc::new(read_files(&self.files)?.into_iter().map(|row| row.entry).collect());
        if self.files.iter().map(|part| part.rows).sum::<u64>() > HISTORY_KEPT_MAX {
            return Ok(history);
        }
        Ok(Arc::clone(self.read.history.get_or_init(|| history)))
    }

    /// The catalogues that describe this snapshot, in commit order: merged they are the whole.
    ///
    /// # Errors
    ///
    /// When a part of `notes` cannot be read.
    pub fn catalogues(&self) -> Result<Vec<String>, LakeError> {
        Ok(self.all_catalogues()?.pop().unwrap_or_default())
    }

    /// As [`Snapshot::catalogues`], after those that described earlier snapshots before a prune
    /// replaced them.
    ///
    /// # Errors
    ///
    /// When a part of `notes` cannot be read.
    pub fn all_catalogues(&self) -> Result<Vec<Vec<String>>, LakeError> {
        let mut current = Vec::new();
        let mut all = Vec::new();
        for row in self.note_rows()? {
            match row.kind.as_str() {
                CATALOGUE_WHOLE => all.push(std::mem::replace(&mut current, vec![row.body])),
                CATALOGUE => current.push(row.body),
                _ => {}
            }
        }
        all.push(current);
        Ok(all)
    }

    /// Everything that was pruned, oldest first.
    ///
    /// # Errors
    ///
    /// When a part of `notes` cannot be read.
    pub fn pruned(&self) -> Result<Vec<Pruned>, LakeError> {
        if let Some(pruned) = self.read.pruned.get() {
            return Ok(pruned.to_vec());
        }
        let mut all = Vec::new();
        for row in self.note_rows()?.into_iter().filter(|row| row.kind == PRUNE) {
            let list: Vec<Pruned> =
                serde_json::from_str(&row.body).map_err(|error| LakeError::CorruptPart {
                    path: Table::Notes.dir(&self.home.data_dir),
                    detail: format!("the prune note of commit {}: {error}", row.commit_no),
                })?;
            all.extend(list);
        }
        // Each prune has at most an entry an input, so the bound of those is good for them.
        if (all.len() as u64) <= HISTORY_KEPT_MAX {
            self.read.pruned.get_or_init(|| Arc::new(all.clone()));
        }
        Ok(all)
    }

    /// The inputs that have a row in the lake, whatever it is.
    ///
    /// # Errors
    ///
    /// When a part cannot be read.
    pub fn inputs_with_rows(&self) -> Result<HashSet<FileId>, LakeError> {
        let mut inputs: HashSet<FileId> = HashSet::new();
        let mut last = String::new();
        for part in self.events.iter().chain(&self.quarantine) {
            each_batch(&part.path, Some(&["file_id"]), |batch| {
                let ids = Columns { batch, path: &part.path }.texts("file_id")?;
                for id in ids.iter().flatten() {
                    // Rows of one input stand together.
                    if *id != *last {
                        inputs.extend(FileId::from_hex(id));
                        id.clone_into(&mut last);
                    }
                }
                Ok(())
            })?;
        }
        Ok(inputs)
    }

    fn note_rows(&self) -> Result<Vec<NoteRow>, LakeError> {
        read_notes(&self.notes)
    }
}
