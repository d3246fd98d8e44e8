//! Writing: documents are put in and taken out, and all of it counts at once or not at all.

use std::collections::{HashMap, HashSet};
use std::fs;

use foldhash::fast::RandomState;
use stele_model::{DocumentId, Edge, Entity};

use crate::cells;
use crate::durable;
use crate::encode::Cell;
use crate::error::{At, GraphError};
use crate::home::{Home, number_of};
use crate::lock::{self, WriterLock};
use crate::merge::{self, Merged};
use crate::part::PartWriter;
use crate::piece::Piece;
use crate::pointer::{Current, Follows, Version};
use crate::reader::Reader;
use crate::tables::Table;

/// Points between "not done" and "durable".
pub const FAILPOINTS: [&str; 11] = [
    "graph.part.create",
    "graph.part.write",
    "graph.part.sync",
    "graph.part.dir_sync",
    "graph.part.remove",
    "graph.merge",
    "graph.dir_sync",
    "graph.pointer.write",
    "graph.pointer.sync",
    "graph.pointer.rename",
    "graph.pointer.dir_sync",
];

/// Bytes at which a part ends. A part is what a merge reads and writes anew at once, and what a rule
/// about dead rows is applied to.
pub(crate) const PART_BYTES_MAX: u64 = 128 << 20;

/// What a commit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// The version that answers now.
    pub version: u64,
    /// Documents that are new.
    pub added: u64,
    /// Documents that were there before, and have been given again.
    pub replaced: u64,
    /// Documents that are gone.
    pub removed: u64,
    /// Documents that are there now.
    pub documents: u64,
    /// What was merged.
    pub merged: Merged,
}

/// The one who writes. Without a [`Writer::commit`], nothing has happened.
pub struct Writer {
    home: Home,
    _lock: WriterLock,
    current: Current,
    next: Version,
    /// Number of the next part.
    number: u64,
    /// Where each document of the version before stands, as an index into its parts.
    there: HashMap<DocumentId, usize, RandomState>,
    given: HashSet<DocumentId, RandomState>,
    open: Option<PartWriter>,
    whole: Whole,
    /// Whether a write did not finish: half of what was to be put in may be in a part.
    broken: bool,
    applied: Applied,
}

/// What becomes of what follows from all documents together.
enum Whole {
    Nothing,
    Kept,
    Said(Box<PartWriter>),
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("home", &self.home)
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn open(home: &Home, anew: bool) -> Result<Self, GraphError> {
        fs::create_dir_all(&home.dir).at("create", &home.dir)?;
        let lock = WriterLock::take(&home.dir)?;
        let current = match Current::load(&home.dir) {
            // Nothing of it is needed, and making the graph anew is the cure. What it named is not known,
            // so all parts stay until the commit: a pointer that is put back, or a newer program, finds them.
            Err(GraphError::Damaged { .. } | GraphError::NewerFormat { .. }) if anew => Current::default(),
            current => {
                let current = current?.unwrap_or_default();
                tidy(home, &current)?;
                current
            }
        };
        let mut next = current.now.clone();
        let mut there = HashMap::default();
        if anew {
            (next.parts, next.whole) = (Vec::new(), None);
        } else if !next.parts.is_empty() {
            there = Reader::at(home, &next)?.places()?;
        }
        let newest = home.parts_there()?.last().map_or(0, |(number, _)| *number);
        let named = current.now.all_parts().filter_map(|part| number_of(&part.dir)).max().unwrap_or(0);
        Ok(Self {
            home: home.clone(),
            _lock: lock,
            current,
            next,
            number: newest.max(named) + 1,
            there,
            given: HashSet::default(),
            open: None,
            whole: Whole::Nothing,
            broken: false,
            applied: Applied::default(),
        })
    }

    /// The version that this one goes on from.
    pub fn base(&self) -> &Version {
        &self.current.now
    }

    /// Whether a document is there, or was put in.
    pub fn has(&self, document: DocumentId) -> bool {
        self.given.contains(&document) || self.there.contains_key(&document)
    }

    /// Puts a document in, in the place of what there was of it.
    ///
    /// # Errors
    ///
    /// [`GraphError::Invalid`] if it was put in already; otherwise what the disk says.
    pub fn put(&mut self, piece: &Piece) -> Result<(), GraphError> {
        self.check()?;
        let id = piece.document.id;
        if !self.given.insert(id) {
            let source = &piece.document.source_uri;
            return Err(GraphError::Invalid(format!(
                "{source} (document {id}) is given twice in one update"
            )));
        }
        if self.forget(id) {
            self.applied.replaced += 1;
        } else {
            self.applied.added += 1;
        }
        self.broken = true;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.home.part(&mut self.number)?,
        };
        cells::of_piece(piece, &mut |table, cells| open.push(table, cells))?;
        if open.bytes() >= PART_BYTES_MAX {
            self.next.parts.push(open.finish()?);
        } else {
            self.open = Some(open);
        }
        self.broken = false;
        Ok(())
    }

    /// Takes a document out; says whether it was there. One that is put in stays, whichever came first.
    pub fn remove(&mut self, document: DocumentId) -> bool {
        let was_there = self.forget(document);
        self.applied.removed += u64::from(was_there);
        was_there
    }

    /// What there will be after a commit, apart from what follows from the whole: for whoever has to
    /// look at all documents to say that.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn staged(&mut self) -> Result<Reader, GraphError> {
        self.check()?;
        self.end_part()?;
        Reader::at(&self.home, &Version { whole: None, ..self.next.clone() })
    }

    /// Says an edge that follows from the whole: of a reference that found its target, with the
    /// document that refers, or of recordings.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn say_edge(&mut self, by: Option<DocumentId>, edge: &Edge) -> Result<(), GraphError> {
        self.say(Table::Edges, &cells::of_edge(by, edge))
    }

    /// Says a thing that no document names: of recordings.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn say_entity(&mut self, entity: &Entity) -> Result<(), GraphError> {
        let properties = cells::properties(entity);
        self.say(Table::Entities, &cells::of_entity(None, entity, &properties))
    }

    /// Leaves what follows from the whole as it is. Without this and without saying anything of it,
    /// nothing is left of it.
    pub fn keep_whole(&mut self) {
        self.whole = Whole::Kept;
    }

    /// Makes all of it count. When it returns, it is durable and answers; when it fails, what was
    /// before answers.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn commit(mut self, follows: Follows) -> Result<Applied, GraphError> {
        self.check()?;
        self.end_part()?;
        self.next.whole = match std::mem::replace(&mut self.whole, Whole::Nothing) {
            Whole::Nothing => None,
            Whole::Kept => self.current.now.whole.clone(),
            Whole::Said(part) => Some(part.finish()?),
        };
        let merged = merge::merge(&self.home, &mut self.next, &mut self.number)?;
        self.next.version = self.current.now.version + 1;
        self.next.follows = follows;
        let dir = &self.home.dir;
        self.home.faults.hit("graph.dir_sync").and_then(|()| durable::sync_dir(dir)).at("sync", dir)?;
        let before = self.current.now.all_parts().map(|part| part.dir.clone());
        let before = before.filter(|name| self.next.all_parts().all(|part| part.dir != *name)).collect();
        let current = Current { now: self.next, before };
        current.store(dir, &*self.home.faults)?;
        // What cannot be removed now is removed by the next writer: the commit has happened.
        if let Err(error) = tidy(&self.home, &current) {
            tracing::warn!(error = &error as &dyn std::error::Error, "an old part of the graph stays");
        }
        let (version, documents) = (current.now.version, current.now.documents());
        Ok(Applied { version, documents, merged, ..self.applied })
    }

    /// Takes the rows of a document of the version before out; says whether there were any.
    fn forget(&mut self, document: DocumentId) -> bool {
        let Some(part) = self.there.remove(&document) else { return false };
        let gone = &mut self.next.parts[part].gone;
        if let Err(place) = gone.binary_search(&document) {
            gone.insert(place, document);
        }
        true
    }

    fn check(&self) -> Result<(), GraphError> {
        if self.broken { Err(GraphError::Poisoned) } else { Ok(()) }
    }

    fn end_part(&mut self) -> Result<(), GraphError> {
        if let Some(part) = self.open.take() {
            self.broken = true;
            self.next.parts.push(part.finish()?);
            self.broken = false;
        }
        Ok(())
    }

    fn say(&mut self, table: Table, cells: &[Cell<'_>]) -> Result<(), GraphError> {
        self.check()?;
        self.broken = true;
        let mut part = match std::mem::replace(&mut self.whole, Whole::Nothing) {
            Whole::Said(part) => part,
            Whole::Nothing | Whole::Kept => Box::new(self.home.part(&mut self.number)?),
        };
        part.push(table, cells)?;
        self.whole = Whole::Said(part);
        self.broken = false;
        Ok(())
    }
}

/// Removes parts that no pointer names and nobody reads.
fn tidy(home: &Home, current: &Current) -> Result<(), GraphError> {
    for (_, name) in home.parts_there()? {
        if current.names(&name) {
            continue;
        }
        let dir = home.dir.join(&name);
        let Some(held) = lock::unread(&dir)? else {
            tracing::info!(dir = %dir.display(), "an old part is still read; the next writer looks again");
            continue;
        };
        home.faults.hit("graph.part.remove").and_then(|()| fs::remove_dir_all(&dir)).at("remove", &dir)?;
        drop(held);
    }
    Ok(())
}

impl Home {
    /// Begins the next part.
    pub(crate) fn part(&self, number: &mut u64) -> Result<PartWriter, GraphError> {
        let part = PartWriter::create(&self.dir, *number, &self.faults)?;
        *number += 1;
        Ok(part)
    }
}
