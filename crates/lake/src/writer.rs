//! The one place that commits rows. (Tables are created and migrated by `migrate.rs`.)
//!
//! The other tables are committed first; that is provisional. The commit to `events` names their
//! versions and makes all of it one snapshot, or, if it does not happen, none of it. What a writer
//! that stopped in between left behind is taken back by the next one.

use std::collections::HashSet;
use std::sync::Arc;

use stele_model::{FileEntry, FileId, Micros};

use crate::appender::{AppendContext, Appender, Parts};
use crate::delta::{Change, DeltaLog, Home};
use crate::error::{At, LakeError};
use crate::lake::Lake;
use crate::lock::WriterLock;
use crate::maintain::withdraw;
use crate::migrate;
use crate::part::{PartInfo, PartNames, Workshop, sync_names, write_part};
use crate::rows::{FileRow, NoteRow, files_batch, notes_batch};
use crate::snapshot::{CATALOGUE, Snapshot};
use crate::tables::{SCHEMA_PROPERTY, SCHEMA_VERSION, Table, lake_dir};

/// Every failpoint of the lake, in about the order of a first ingest. A test stops the world at
/// each of them.
pub const FAILPOINTS: &[&str] = &[
    "lake.create",
    "lake.manifest.write",
    "lake.manifest.rename",
    "lake.recover",
    "lake.part.create",
    "lake.part.write",
    "lake.part.sync",
    "lake.part.rename",
    "lake.part.dir_sync",
    "lake.commit.begin",
    "lake.quarantine.log.write",
    "lake.quarantine.log.sync",
    "lake.quarantine.log.link",
    "lake.quarantine.log.dir_sync",
    "lake.files.log.write",
    "lake.files.log.sync",
    "lake.files.log.link",
    "lake.files.log.dir_sync",
    "lake.notes.log.write",
    "lake.notes.log.sync",
    "lake.notes.log.link",
    "lake.notes.log.dir_sync",
    "lake.commit.provisional",
    "lake.events.log.write",
    "lake.events.log.sync",
    "lake.events.log.link",
    "lake.events.log.dir_sync",
    "lake.commit.done",
    "lake.checkpoint",
    "lake.vacuum.remove",
];

/// Commits between two checkpoints. A reader replays at most this many log entries, each of a few
/// kilobytes; a checkpoint costs about as much as ten of them.
const CHECKPOINT_EVERY: u64 = 32;

/// What is said about a commit besides its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitNote {
    /// What discovery learned from the rows of this commit, in its own form.
    pub catalogue: Option<String>,
    /// Residues that this commit takes the place of: all of an input from a content offset on. That
    /// is the unfinished last line of an input that has grown.
    pub withdrawn: Vec<(FileId, u64)>,
}

/// The one writer of a lake. Dropping it gives the lock back.
pub struct Writer {
    home: Home,
    names: Arc<PartNames>,
    now: Micros,
    events: DeltaLog,
    quarantine: DeltaLog,
    files: DeltaLog,
    notes: DeltaLog,
    poisoned: bool,
    _lock: WriterLock,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("version", &self.events.version()).finish_non_exhaustive()
    }
}

/// What one anchored commit does to all tables.
#[derive(Default)]
pub(crate) struct Anchored {
    pub(crate) events: Change,
    pub(crate) quarantine: Change,
    pub(crate) files: Change,
    pub(crate) notes: Change,
}

impl Anchored {
    pub(crate) fn of(&mut self, table: Table) -> &mut Change {
        match table {
            Table::Events => &mut self.events,
            Table::Quarantine => &mut self.quarantine,
            Table::Files => &mut self.files,
            Table::Notes => &mut self.notes,
        }
    }
}

impl Writer {
    pub(crate) fn open(lake: &Lake, now: Micros) -> Result<Self, LakeError> {
        let mut writer = Self::begin(lake, now)?;
        writer.recover()?;
        Ok(writer)
    }

    /// Takes the lock and loads the tables, and leaves what is provisional as it is.
    pub(crate) fn begin(lake: &Lake, now: Micros) -> Result<Self, LakeError> {
        let home = lake.home.clone();
        let dir = lake_dir(&home.data_dir);
        home.faults.hit("lake.create").at("create", &dir)?;
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        let lock = WriterLock::take(&home.data_dir)?;
        lake.refuse_headless()?;
        let (events, [quarantine, files, notes]) =
            if lake.exists() { load(&home, now)? } else { create(&home, now)? };
        Ok(Self {
            names: Arc::new(PartNames::new(now)),
            now,
            quarantine,
            files,
            notes,
            events,
            home,
            poisoned: false,
            _lock: lock,
        })
    }

    /// An appender for one thread.
    pub fn appender(&self, context: AppendContext) -> Appender {
        let shop = Workshop { now: context.ingested_at, ..self.workshop() };
        Appender::new(shop, context)
    }

    /// Makes parts and entries one snapshot. When it returns, all of it is durable.
    ///
    /// # Errors
    ///
    /// When anything on the way fails. Nothing of this commit is then visible, except that a failure
    /// after the last step may leave it visible and durable all the same; the next writer finds out
    /// which. This writer refuses further commits.
    pub fn commit(
        &mut self,
        parts: Vec<Parts>,
        files: Vec<FileEntry>,
        note: &CommitNote,
    ) -> Result<Snapshot, LakeError> {
        let mut change = Anchored::default();
        for part in parts {
            change.events.adds.extend(part.events);
            change.quarantine.adds.extend(part.quarantine);
        }
        if !note.withdrawn.is_empty() {
            let parts = self.quarantine.parts()?;
            withdraw(&self.workshop(), &parts, &note.withdrawn, &mut change.quarantine)?;
        }
        let said = note.catalogue.iter().map(|catalogue| (CATALOGUE, catalogue.clone())).collect();
        self.anchored(change, files, said, "WRITE", self.now)
    }

    /// The newest snapshot, from what this writer has loaded.
    ///
    /// # Errors
    ///
    /// When the log holds something that this program does not read.
    pub fn snapshot(&self) -> Result<Snapshot, LakeError> {
        Snapshot::of(&self.home, &self.events, [&self.quarantine, &self.files, &self.notes])
    }

    pub(crate) fn workshop(&self) -> Workshop {
        Workshop {
            data_dir: self.home.data_dir.clone(),
            names: Arc::clone(&self.names),
            faults: Arc::clone(&self.home.faults),
            now: self.now,
        }
    }

    pub(crate) fn log(&self, table: Table) -> &DeltaLog {
        match table {
            Table::Events => &self.events,
            Table::Quarantine => &self.quarantine,
            Table::Files => &self.files,
            Table::Notes => &self.notes,
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Commits a change to all tables as one.
    pub(crate) fn anchored(
        &mut self,
        change: Anchored,
        files: Vec<FileEntry>,
        notes: Vec<(&str, String)>,
        what: &str,
        now: Micros,
    ) -> Result<Snapshot, LakeError> {
        if self.poisoned {
            return Err(LakeError::Poisoned);
        }
        self.poisoned = true;
        let snapshot = self.anchored_once(change, files, notes, what, now)?;
        self.poisoned = false;
        self.checkpoint_now_and_then();
        Ok(snapshot)
    }

    fn anchored_once(
        &mut self,
        mut change: Anchored,
        files: Vec<FileEntry>,
        notes: Vec<(&str, String)>,
        what: &str,
        now: Micros,
    ) -> Result<Snapshot, LakeError> {
        let dir = lake_dir(&self.home.data_dir);
        self.home.faults.hit("lake.commit.begin").at("commit to", &dir)?;
        let commit_no = self.events.version() + 1;
        change.files.adds.extend(self.write_files(files, commit_no)?);
        change.notes.adds.extend(self.write_notes(notes, commit_no, now)?);
        let provisional = [
            (&mut self.quarantine, change.quarantine),
            (&mut self.files, change.files),
            (&mut self.notes, change.notes),
        ];
        side_by_side(provisional, |(log, change)| {
            if change.is_empty() { Ok(()) } else { log.commit(change, what, now).map(drop) }
        })?;
        self.home.faults.hit("lake.commit.provisional").at("commit to", &dir)?;
        change.events.pins = self.pins();
        self.events.commit(change.events, what, now)?;
        self.home.faults.hit("lake.commit.done").at("commit to", &dir)?;
        self.snapshot()
    }

    fn pins(&self) -> Vec<(&'static str, u64)> {
        [&self.quarantine, &self.files, &self.notes].map(|log| (log.table.app_id(), log.version())).to_vec()
    }

    fn write_files(&self, files: Vec<FileEntry>, commit_no: u64) -> Result<Option<PartInfo>, LakeError> {
        if files.is_empty() {
            return Ok(None);
        }
        let row = |(ordinal, entry)| FileRow { commit_no, ordinal, entry };
        let rows: Vec<FileRow> = (0..).zip(files).map(row).collect();
        self.small_part(Table::Files, files_batch(&rows))
    }

    fn write_notes(
        &self,
        notes: Vec<(&str, String)>,
        commit_no: u64,
        now: Micros,
    ) -> Result<Option<PartInfo>, LakeError> {
        if notes.is_empty() {
            return Ok(None);
        }
        let row = |(ordinal, (kind, body)): (u64, (&str, String))| NoteRow {
            commit_no,
            ordinal,
            kind: kind.to_owned(),
            body,
            noted_at: now,
        };
        let rows: Vec<NoteRow> = (0..).zip(notes).map(row).collect();
        self.small_part(Table::Notes, notes_batch(&rows))
    }

    fn small_part(
        &self,
        table: Table,
        batch: Result<arrow::array::RecordBatch, arrow::error::ArrowError>,
    ) -> Result<Option<PartInfo>, LakeError> {
        let shop = self.workshop();
        let part = write_part(&shop, table, &[batch.at("encode", &table.dir(&shop.data_dir))?])?;
        sync_names(&shop, std::slice::from_ref(&part))?;
        Ok(Some(part))
    }

    /// Takes back what was committed to other tables without an anchor. Doing it twice changes
    /// nothing.
    pub(crate) fn recover(&mut self) -> Result<(), LakeError> {
        self.home.faults.hit("lake.recover").at("recover", &lake_dir(&self.home.data_dir))?;
        let now = self.now;
        for table in Table::PINNED {
            let pinned = self.events.pin(table.app_id())?;
            let home = self.home.clone();
            let log = match table {
                Table::Quarantine => &mut self.quarantine,
                Table::Files => &mut self.files,
                _ => &mut self.notes,
            };
            let Some(change) = provisional(&home, log, pinned)? else { continue };
            tracing::info!(table = table.name(), "taking back a commit that has no anchor");
            log.commit(change, "ROLLBACK", now)?;
        }
        Ok(())
    }

    /// Checkpoints are for the speed of readers: a failure is said and forgotten.
    fn checkpoint_now_and_then(&self) {
        for log in [&self.quarantine, &self.files, &self.notes, &self.events] {
            if log.version() % CHECKPOINT_EVERY != CHECKPOINT_EVERY - 1 {
                continue;
            }
            let hit = self.home.faults.hit("lake.checkpoint").at("checkpoint", &log.dir());
            if let Err(error) = hit.and_then(|()| log.checkpoint()) {
                tracing::warn!(table = log.table.name(), %error, "no checkpoint was written");
            }
        }
    }
}

/// The change that takes a table back to the version that is pinned, if it is not there.
pub(crate) fn provisional(
    home: &Home,
    log: &DeltaLog,
    pinned: Option<u64>,
) -> Result<Option<Change>, LakeError> {
    if pinned == Some(log.version()) {
        return Ok(None);
    }
    let present = log.parts()?;
    let wanted = match pinned {
        Some(version) => DeltaLog::load(home, log.table, Some(version))?.parts()?,
        None => Vec::new(),
    };
    let names =
        |parts: &[PartInfo]| -> HashSet<String> { parts.iter().map(|part| part.relative.clone()).collect() };
    let (here, there) = (names(&present), names(&wanted));
    let change = Change {
        removes: present.into_iter().filter(|part| !there.contains(&part.relative)).collect(),
        adds: wanted.into_iter().filter(|part| !here.contains(&part.relative)).collect(),
        ..Change::default()
    };
    Ok((!change.is_empty()).then_some(change))
}

/// The tables that `events` pins, in the order of [`Table::PINNED`].
type Pinned = [DeltaLog; 3];

/// Loads the tables. A migration may create some and touches `events`, so that one is first.
fn load(home: &Home, now: Micros) -> Result<(DeltaLog, Pinned), LakeError> {
    let mut events = DeltaLog::load(home, Table::Events, None)?;
    migrate::migrate(home, &mut events, now)?;
    let pinned = side_by_side(Table::PINNED, |table| DeltaLog::load(home, table, None))?;
    Ok((events, pinned))
}

/// Creates the tables, `events` last: a lake exists when that one does.
fn create(home: &Home, now: Micros) -> Result<(DeltaLog, Pinned), LakeError> {
    let pinned = side_by_side(Table::PINNED, |table| DeltaLog::create(home, table, &[], &[], now))?;
    let pins: Vec<_> = pinned.iter().map(|log| (log.table.app_id(), log.version())).collect();
    let version = [(SCHEMA_PROPERTY, SCHEMA_VERSION.to_string())];
    let events = DeltaLog::create(home, Table::Events, &pins, &version, now)?;
    migrate::write_manifest(home)?;
    Ok((events, pinned))
}

/// Does the same to the three tables that `events` pins, at the same time: each waits for the disk
/// several times, and none needs another. All have ended when it returns; of several errors the
/// first one's is given.
fn side_by_side<T: Send, R: Send>(
    things: [T; 3],
    work: impl Fn(T) -> Result<R, LakeError> + Sync,
) -> Result<[R; 3], LakeError> {
    let work = &work;
    let [first, second, third] = std::thread::scope(|scope| {
        things
            .map(|thing| scope.spawn(move || work(thing)))
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    Ok([first?, second?, third?])
}
