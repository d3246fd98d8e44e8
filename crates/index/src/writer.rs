//! The only place that changes rows and publishes them.
//!
//! Rows are committed to Lance first, then made durable, then named by the pointer. What the pointer
//! does not name never happened, and the next writer takes it back.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use stele_model::{Chunk, ChunkId};

use crate::columns::{
    ID, ROW_HASH, Row, TEXT_HASH, TextHash, VECTOR_HASH, batch_of, chunk_hashes, ids, numbers, row_hashes,
    text_hashes,
};
use crate::digest::{Identified, RowHash};
use crate::durable::{self, Synced};
use crate::error::{At, IndexError};
use crate::filter::with_ids;
use crate::home::{Home, Index};
use crate::lock::WriterLock;
use crate::pointer::{Current, Pointer, Progress, Spec};
use crate::reader::known_texts;
use crate::seen::Seen;
use crate::table::{IDS_PER_LOOKUP, Of, Table};
use crate::versions;

/// Every failpoint of the index, in about the order of a first build. A test stops the world at each
/// of them.
pub const FAILPOINTS: &[&str] = &[
    "index.create",
    "index.version.create",
    "index.table.create",
    "index.table.sync",
    "index.recover",
    "index.rows.delete",
    "index.rows.append",
    "index.rows.sync",
    "index.pointer.write",
    "index.pointer.sync",
    "index.pointer.rename",
    "index.pointer.dir_sync",
    "index.progress.write",
    "index.progress.sync",
    "index.progress.rename",
    "index.progress.dir_sync",
    "index.maintain.compact",
    "index.maintain.text",
    "index.maintain.terms",
    "index.maintain.id",
    "index.maintain.text_hash",
    "index.maintain.vector",
    "index.maintain.prune",
    "index.copy",
    "index.copy.rows",
    "index.swap",
    "index.swap.done",
    "index.version.remove",
];

/// Rows of one commit to Lance: with vectors of 384 numbers and their texts about 25 MB in memory,
/// twice while they are written.
const ROWS_PER_COMMIT: usize = 8_192;

/// A chunk with its vector, or without one in an index of texts alone.
pub type Upsert = (Chunk, Option<Vec<f32>>);

/// What a call of [`Writer::apply`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Chunks that were not there.
    pub inserted: u64,
    /// Chunks that were there with other metadata or another vector.
    pub replaced: u64,
    /// Chunks that were there just so.
    pub unchanged: u64,
    /// Chunks that were removed.
    pub deleted: u64,
    /// Chunks that were to be removed and were not there.
    pub absent: u64,
}

impl Applied {
    /// Whether the table is another one than before.
    pub fn changed(&self) -> bool {
        self.inserted + self.replaced + self.deleted > 0
    }
}

/// The one writer of an index. Dropping it gives the lock back.
pub struct Writer {
    pub(crate) home: Home,
    pub(crate) current: Current,
    pub(crate) table: Table,
    /// What this writer has made.
    pub(crate) pointer: Pointer,
    /// What readers see of it.
    pub(crate) shown: Pointer,
    /// Whether an update is under way that readers are to see as a whole.
    staged: bool,
    /// Whether the version is built aside: then its progress file is what is published.
    pub(crate) aside: bool,
    ids: Seen,
    texts: Seen,
    synced: Synced,
    poisoned: bool,
    _lock: WriterLock,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("pointer", &self.pointer).finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn open(index: &Index, spec: &Spec) -> Result<Self, IndexError> {
        let (lock, mut current) = begin(&index.home, spec)?;
        versions::tidy(&index.home, &current, None)?;
        if let Some(shown) = index.matching(&current, spec)?.cloned() {
            let pointer = shown.newest();
            let table = versions::recover(&index.home, &pointer)?;
            let staged = shown.staged.is_some();
            let writer = Self::of(&index.home, lock, current, table, pointer, false)?;
            return Ok(Self { shown: Pointer { staged: None, ..shown }, staged, ..writer });
        }
        let (table, pointer) = versions::make(&index.home, &current, spec)?;
        current.answers.get_or_insert_with(|| spec.key().to_owned());
        current.put(pointer.clone());
        current.store(&index.home.dir, &*index.home.faults)?;
        Self::of(&index.home, lock, current, table, pointer, false)
    }

    pub(crate) fn of(
        home: &Home,
        lock: WriterLock,
        current: Current,
        table: Table,
        pointer: Pointer,
        aside: bool,
    ) -> Result<Self, IndexError> {
        let synced = Synced::trusting(&table.dir)?;
        let (home, shown) = (home.clone(), pointer.clone());
        Ok(Self {
            home,
            current,
            table,
            pointer,
            shown,
            staged: false,
            aside,
            ids: Seen::of(ID, |batch| Ok(ids(batch)?.into_iter().map(|id| id.0).collect())),
            texts: Seen::of(TEXT_HASH, |batch| {
                Ok(text_hashes(batch)?.into_iter().flatten().map(|hash| hash.0).collect())
            }),
            synced,
            poisoned: false,
            _lock: lock,
        })
    }

    /// What is durable.
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// Whether there is more than readers see: an update that was begun, by this writer or one before
    /// it, and has not ended.
    pub fn is_unfinished(&self) -> bool {
        self.staged
    }

    /// Says which lake the checkpoints from now on are versions of; it is published with the next.
    pub fn follow(&mut self, lake: &str) {
        self.pointer.lake = Some(lake.to_owned());
    }

    /// Puts chunks in, or in the place of those with their ids, and takes others out; then makes all
    /// of it durable at once. Doing it twice is doing it once. An id in both lists ends up in.
    ///
    /// `checkpoint` is the version of the lake that the index follows from now on; nothing means that
    /// more is to come before it does. Until then readers see what they saw before, unless there is
    /// nothing to see yet: a first build shows what it has got.
    ///
    /// # Errors
    ///
    /// [`IndexError::BadVector`] before anything is done; otherwise what the disk or the library
    /// says. Then nothing of this call is visible, except that a failure after the last step may
    /// leave it visible all the same; the next writer finds out which. This one refuses to go on.
    pub fn apply(
        &mut self,
        upserts: Vec<Upsert>,
        deletes: &[ChunkId],
        checkpoint: Option<u64>,
    ) -> Result<Applied, IndexError> {
        self.ready()?;
        for (chunk, vector) in &upserts {
            check_vector(&self.pointer.spec, chunk.id, vector.as_deref())?;
        }
        self.poisoned = true;
        let applied = self.stage(upserts, deletes)?;
        let whole = checkpoint.is_some();
        let checkpoint = checkpoint.or(self.pointer.checkpoint);
        let moved = checkpoint != self.pointer.checkpoint;
        let ended = self.staged && whole;
        self.pointer.checkpoint = checkpoint;
        self.staged = !whole && self.shown.checkpoint.is_some() && (self.staged || applied.changed());
        if applied.changed() || moved || ended {
            self.publish()?;
        }
        self.poisoned = false;
        Ok(applied)
    }

    /// Makes this the index that answers when nobody names a model, as the end of a rebuild does.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn take_over(&mut self) -> Result<(), IndexError> {
        self.change_current(|current, key| current.answers = Some(key.to_owned()))
    }

    /// Lets go of what was made with another model. The next writer removes its directory, as soon
    /// as nobody reads it.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn forget(&mut self, other: &str) -> Result<(), IndexError> {
        if other == self.pointer.spec.key() {
            return Err(IndexError::Invalid(format!("{other} is what this writer writes")));
        }
        self.change_current(|current, key| {
            current.indexes.retain(|pointer| pointer.spec.key() != other);
            if current.answers.as_deref() == Some(other) {
                current.answers = Some(key.to_owned());
            }
        })
    }

    fn change_current(&mut self, change: impl FnOnce(&mut Current, &str)) -> Result<(), IndexError> {
        self.ready()?;
        let mut current = self.current.clone();
        change(&mut current, self.pointer.spec.key());
        if current == self.current {
            return Ok(());
        }
        self.poisoned = true;
        current.store(&self.home.dir, &*self.home.faults)?;
        self.current = current;
        self.poisoned = false;
        Ok(())
    }

    /// Hands over the ids of all chunks, a thousand at a time, in no order, each with what tells its
    /// content apart. `each` must not come back to the index.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, and what `each` says.
    pub fn hashes(
        &self,
        each: &mut dyn FnMut(&[Identified]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.table.scan(&[ID, ROW_HASH], None, &mut |batch| each(&chunk_hashes(&batch).of(&self.table)?))
    }

    /// The vectors of texts that some chunk here has, so that nobody embeds them again.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn known_texts(&mut self, hashes: &[TextHash]) -> Result<HashMap<TextHash, Vec<f32>>, IndexError> {
        let candidates = self.texts.among(&self.table, hashes, |hash| hash.0)?;
        known_texts(&self.table, self.pointer.spec.model.is_some(), &candidates)
    }

    pub(crate) fn ready(&self) -> Result<(), IndexError> {
        if self.poisoned { Err(IndexError::Poisoned) } else { Ok(()) }
    }

    pub(crate) fn poison(&mut self, poisoned: bool) {
        self.poisoned = poisoned;
    }

    fn stage(&mut self, upserts: Vec<Upsert>, deletes: &[ChunkId]) -> Result<Applied, IndexError> {
        let mut applied = Applied::default();
        let mut last = HashMap::with_capacity(upserts.len());
        for (at, (chunk, _)) in upserts.iter().enumerate() {
            last.insert(chunk.id, at);
        }
        self.remove(deletes, &last, &mut applied)?;
        let mut rows = Vec::new();
        for (at, (chunk, vector)) in upserts.into_iter().enumerate() {
            // Of several with one id the last one counts.
            if last.get(&chunk.id) != Some(&at) {
                continue;
            }
            rows.push(Row::new(chunk, vector));
            if rows.len() == ROWS_PER_COMMIT {
                self.put(std::mem::take(&mut rows), &mut applied)?;
            }
        }
        self.put(rows, &mut applied)?;
        Ok(applied)
    }

    fn remove(
        &mut self,
        deletes: &[ChunkId],
        upserts: &HashMap<ChunkId, usize>,
        applied: &mut Applied,
    ) -> Result<(), IndexError> {
        let asked: HashSet<ChunkId> =
            deletes.iter().copied().filter(|id| !upserts.contains_key(id)).collect();
        let mut asked: Vec<ChunkId> = asked.into_iter().collect();
        asked.sort();
        let there = self.find(&asked)?;
        applied.absent += (asked.len() - there.len()) as u64;
        applied.deleted += there.len() as u64;
        self.take_out(&there)
    }

    fn put(&mut self, mut rows: Vec<Row>, applied: &mut Applied) -> Result<(), IndexError> {
        let ids: Vec<ChunkId> = rows.iter().map(|row| row.chunk.id).collect();
        let mut there = self.find(&ids)?;
        let before = rows.len();
        rows.retain(|row| {
            let same = there
                .get(&row.chunk.id)
                .is_some_and(|old| old.row_hash == row.row_hash && old.vector_hash == row.vector_hash);
            if same {
                there.remove(&row.chunk.id);
            }
            !same
        });
        applied.unchanged += (before - rows.len()) as u64;
        applied.replaced += there.len() as u64;
        applied.inserted += (rows.len() - there.len()) as u64;
        self.take_out(&there)?;
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch_of(&rows, self.pointer.spec.dimension()).at("add rows to", &self.table.dir)?;
        self.home.hit("index.rows.append")?;
        self.table.append(batch)?;
        for row in &rows {
            self.pointer.logical_hash.add(&row.row_hash);
            self.ids.add(row.chunk.id.0);
            self.texts.add(TextHash::of(&row.chunk.text).0);
        }
        self.pointer.rows += rows.len() as u64;
        Ok(())
    }

    fn take_out(&mut self, rows: &HashMap<ChunkId, Old>) -> Result<(), IndexError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut ids: Vec<ChunkId> = rows.keys().copied().collect();
        ids.sort();
        self.home.hit("index.rows.delete")?;
        let gone = self.table.delete(&ids)?;
        if gone != ids.len() as u64 {
            return Err(self.table.wrong(&format!("{} ids stand in {gone} rows", ids.len())));
        }
        for old in rows.values() {
            self.pointer.logical_hash.remove(&old.row_hash);
        }
        self.pointer.rows = self.pointer.rows.saturating_sub(gone);
        Ok(())
    }

    /// What the table holds of these ids.
    fn find(&mut self, asked: &[ChunkId]) -> Result<HashMap<ChunkId, Old>, IndexError> {
        let candidates = self.ids.among(&self.table, asked, |id| id.0)?;
        let mut found = HashMap::new();
        for some in candidates.chunks(IDS_PER_LOOKUP) {
            self.table.scan(&[ID, ROW_HASH, VECTOR_HASH], Some(with_ids(some)), &mut |batch| {
                let hashes = row_hashes(&batch).of(&self.table)?;
                let vectors = numbers(&batch, VECTOR_HASH).of(&self.table)?;
                let ids = ids(&batch).of(&self.table)?;
                for ((id, row_hash), vector_hash) in ids.into_iter().zip(hashes).zip(vectors.iter()) {
                    found.insert(id, Old { row_hash, vector_hash });
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Goes on with another version of the same rows, and names it.
    pub(crate) fn replace_by(
        &mut self,
        table: Table,
        pointer: Pointer,
        synced: Synced,
    ) -> Result<(), IndexError> {
        self.poisoned = true;
        self.table = table;
        self.shown = pointer.clone();
        self.pointer = pointer;
        self.synced = synced;
        self.publish()?;
        self.poisoned = false;
        Ok(())
    }

    /// Makes what Lance holds durable and names it.
    pub(crate) fn publish(&mut self) -> Result<(), IndexError> {
        self.home.hit("index.rows.sync")?;
        self.synced.sync(&self.table.dir)?;
        self.pointer.table_version = self.table.version()?;
        if self.aside {
            self.shown = self.pointer.clone();
            return Progress { pointer: self.pointer.clone() }.store(&self.table.dir, &*self.home.faults);
        }
        if self.staged {
            self.current.put(self.shown.with_staged(&self.pointer));
            return self.current.store(&self.home.dir, &*self.home.faults);
        }
        if self.pointer.table_version != self.shown.table_version {
            self.pointer.table_version_before = Some(self.shown.table_version);
        }
        self.current.put(self.pointer.clone());
        self.current.store(&self.home.dir, &*self.home.faults)?;
        self.shown = self.pointer.clone();
        Ok(())
    }
}

/// What is there under an id.
struct Old {
    row_hash: RowHash,
    vector_hash: Option<u64>,
}

/// Takes the lock and reads the pointer.
pub(crate) fn begin(home: &Home, spec: &Spec) -> Result<(WriterLock, Current), IndexError> {
    let lock = lock(home, spec)?;
    Ok((lock, Current::load(&home.dir)?.unwrap_or_default()))
}

/// The same where all is made anew: a pointer that nobody here can read names nothing that answers,
/// and must not stand in the way of its cure.
pub(crate) fn begin_anew(home: &Home, spec: &Spec) -> Result<(WriterLock, Current), IndexError> {
    let lock = lock(home, spec)?;
    match Current::load(&home.dir) {
        Err(error @ (IndexError::Damaged { .. } | IndexError::NewerFormat { .. })) => {
            // What it named is not known, so every version stays until the next writer: a pointer that is put
            // back, or a newer program, finds its own.
            tracing::warn!(why = %error, "the index is built as if there were none");
            Ok((lock, Current::default()))
        }
        current => {
            let current = current?.unwrap_or_default();
            versions::tidy(home, &current, Some(spec))?;
            Ok((lock, current))
        }
    }
}

fn lock(home: &Home, spec: &Spec) -> Result<WriterLock, IndexError> {
    spec.check()?;
    home.hit("index.create")?;
    let dir: &PathBuf = &home.dir;
    if !dir.is_dir() {
        std::fs::create_dir_all(dir).at("create", dir)?;
        let above = dir.parent().unwrap_or(dir);
        durable::sync_dir(above).at("sync", above)?;
    }
    WriterLock::take(dir)
}

fn check_vector(spec: &Spec, id: ChunkId, vector: Option<&[f32]>) -> Result<(), IndexError> {
    let wrong = |why: String| Err(IndexError::BadVector { id, why });
    match (&spec.model, vector) {
        (None, None) => Ok(()),
        (None, Some(_)) => wrong("has no place: the index holds texts alone".to_owned()),
        (Some(model), None) => wrong(format!("is missing: the index holds vectors of {}", model.id)),
        (Some(model), Some(vector)) if vector.len() != model.dimension as usize => wrong(format!(
            "has {} dimensions, and those of {} have {}",
            vector.len(),
            model.id,
            model.dimension
        )),
        (Some(_), Some(vector)) if vector.iter().any(|number| !number.is_finite()) => {
            wrong("holds a number that is none".to_owned())
        }
        (Some(_), Some(vector)) if vector.iter().all(|number| *number == 0.0) => {
            wrong("points nowhere: all its numbers are zero".to_owned())
        }
        (Some(_), Some(_)) => Ok(()),
    }
}
