//! Reading one version of the graph.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::vec;

use foldhash::fast::RandomState;
use stele_model::{DocumentId, EntityId, Mention, SectionId};

use crate::decode::{self, Columns, Row};
use crate::digest::{self, LogicalHash};
use crate::directory::{Directory, Doc};
use crate::durable::damaged;
use crate::error::GraphError;
use crate::home::Home;
use crate::pointer::{Current, Version};
use crate::rows::{AnchorRow, DocumentRow, EdgeRow, EntityRow, MentionRow, ReferenceRow, SectionRow};
use crate::store::{Batches, OpenPart};
use crate::tables::{DOCUMENT, Table};

/// Mentions that are given at once. A thing that every page names has as many as there are pages.
pub const MENTIONS_MAX: usize = 1_000;

/// Documents whose mentions are read at once: each has one of the thing at least, and some have a
/// thousand of other things beside it.
const DOCUMENTS_AT_ONCE: usize = 64;

/// One file of a table, for whoever reads it without this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows, those of documents that are gone included.
    pub rows: u64,
    /// Documents whose rows do not count.
    pub gone: Vec<DocumentId>,
}

/// One version of the graph. Its files stay as long as it lives. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) home: PathBuf,
    pub(crate) version: Version,
    /// The part of the whole is the last, if there is one.
    pub(crate) parts: Vec<OpenPart>,
    /// Made when it is first needed.
    directory: Mutex<Option<Arc<Directory>>>,
    pub(crate) walk: Mutex<Option<Arc<crate::walk::Adjacency>>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("version", &self.shared.version.version).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a version; `None` if a part of it is gone.
    pub(crate) fn open(home: &Path, version: &Version) -> Result<Option<Self>, GraphError> {
        let mut parts = Vec::new();
        for part in version.all_parts() {
            match OpenPart::open(home, part)? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        let (home, version) = (home.to_path_buf(), version.clone());
        let shared = Shared { home, version, parts, directory: Mutex::default(), walk: Mutex::default() };
        Ok(Some(Self { shared: Arc::new(shared) }))
    }

    /// Opens a version that the writer lock keeps where it is.
    pub(crate) fn at(home: &Home, version: &Version) -> Result<Self, GraphError> {
        let gone = || damaged(&Current::path(&home.dir), "it names a part that is not there");
        Self::open(&home.dir, version)?.ok_or_else(gone)
    }

    /// Which version it is, what it follows from, and its parts.
    pub fn version(&self) -> &Version {
        &self.shared.version
    }

    /// The files of a table, in no order that means anything.
    pub fn files(&self, table: Table) -> Vec<PartFile> {
        let parts = self.shared.parts.iter().filter(|open| open.part.tables.contains_key(&table));
        let file = |open: &OpenPart| PartFile {
            path: open.path(table),
            rows: open.part.rows(table),
            gone: open.part.gone.clone(),
        };
        parts.map(file).collect()
    }

    /// Every document, in no order that means anything.
    pub fn documents(&self) -> impl Iterator<Item = Result<DocumentRow, GraphError>> + Send + use<> {
        Rows::<DocumentRow>::new(self)
    }

    /// Every section with its text; those of one document follow one another in order.
    pub fn sections(&self) -> impl Iterator<Item = Result<SectionRow, GraphError>> + Send + use<> {
        Rows::<SectionRow>::new(self)
    }

    /// The names of every section's place, without its text.
    pub fn anchors(&self) -> impl Iterator<Item = Result<AnchorRow, GraphError>> + Send + use<> {
        Rows::<AnchorRow>::new(self)
    }

    /// Every thing, as often as documents speak of it.
    pub fn entities(&self) -> impl Iterator<Item = Result<EntityRow, GraphError>> + Send + use<> {
        Rows::<EntityRow>::new(self)
    }

    /// Every mention.
    pub fn mentions(&self) -> impl Iterator<Item = Result<MentionRow, GraphError>> + Send + use<> {
        Rows::<MentionRow>::new(self)
    }

    /// Every edge.
    pub fn edges(&self) -> impl Iterator<Item = Result<EdgeRow, GraphError>> + Send + use<> {
        Rows::<EdgeRow>::new(self)
    }

    /// Every reference, whether its target is there or not.
    pub fn references(&self) -> impl Iterator<Item = Result<ReferenceRow, GraphError>> + Send + use<> {
        Rows::<ReferenceRow>::new(self)
    }

    /// One document.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn document(&self, id: DocumentId) -> Result<Option<DocumentRow>, GraphError> {
        Ok(self.of_document(id, Table::Documents)?.pop())
    }

    /// The sections of a document in order; none if there is no such document.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn sections_of(&self, id: DocumentId) -> Result<Vec<SectionRow>, GraphError> {
        self.of_document(id, Table::Sections)
    }

    /// What a document points to.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn references_of(&self, id: DocumentId) -> Result<Vec<ReferenceRow>, GraphError> {
        self.of_document(id, Table::References)
    }

    /// One section with its text.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn section(&self, id: SectionId) -> Result<Option<SectionRow>, GraphError> {
        let directory = self.directory()?;
        let Some((doc, nth)) = directory.section(id) else { return Ok(None) };
        let row = doc.rows(Table::Sections).start + nth;
        Ok(self.rows_of(doc, std::slice::from_ref(&(row..row + 1)))?.pop())
    }

    /// A thing, with what all documents say about it; where they differ, the one counts whose source
    /// comes first in the order of texts.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn entity(&self, id: EntityId) -> Result<Option<stele_model::Entity>, GraphError> {
        let directory = self.directory()?;
        let row = |(doc, nth): (&'_ Doc, usize)| {
            let row = doc.rows(Table::Entities).start + nth;
            (doc.clone(), row..row + 1)
        };
        let places: Vec<_> = directory.entity(id).map(row).collect();
        let mut said = self.rows_in::<EntityRow>(&places)?.into_iter().map(|said| said.what);
        let mut found = said.next();
        if let Some(entity) = &mut found {
            said.for_each(|more| entity.merge(more));
        }
        Ok(found)
    }

    /// Where a thing is named: documents in the order of their sources, at most [`MENTIONS_MAX`].
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn mentions_of(&self, entity: EntityId) -> Result<Vec<Mention>, GraphError> {
        let directory = self.directory()?;
        let rows = |(doc, _): (&'_ Doc, usize)| (doc.clone(), doc.rows(Table::Mentions));
        let places: Vec<_> = directory.entity(entity).map(rows).collect();
        let mut found: Vec<Mention> = Vec::new();
        for some in places.chunks(DOCUMENTS_AT_ONCE) {
            let said = self.rows_in::<MentionRow>(some)?;
            found.extend(said.into_iter().map(|said| said.what).filter(|mention| mention.entity == entity));
            if found.len() >= MENTIONS_MAX {
                found.truncate(MENTIONS_MAX);
                break;
            }
        }
        Ok(found)
    }

    /// What a section names, in the order of the text.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn mentions_in(&self, section: SectionId) -> Result<Vec<Mention>, GraphError> {
        let directory = self.directory()?;
        let Some((doc, _)) = directory.section(section) else { return Ok(Vec::new()) };
        let rows = doc.rows(Table::Mentions);
        let said = self.rows_of::<MentionRow>(doc, std::slice::from_ref(&rows))?;
        let mut found: Vec<Mention> =
            said.into_iter().map(|said| said.what).filter(|mention| mention.section == section).collect();
        found.sort_by_key(|mention| (mention.span.start, mention.span.end, mention.entity));
        Ok(found)
    }

    /// One number for all that the graph holds, whatever order and parts it came in: equal for two
    /// graphs that say the same. It reads everything.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn logical_hash(&self) -> Result<LogicalHash, GraphError> {
        let mut hash = LogicalHash::default();
        for open in &self.shared.parts {
            for table in Table::ALL {
                for batch in open.batches(table, &[], None)? {
                    let batch = open.living(table, batch?)?;
                    digest::add(&mut hash, table, &batch).map_err(|bad| open.damaged(table, &bad))?;
                }
            }
        }
        Ok(hash)
    }

    /// Compares every file with its checksum.
    ///
    /// # Errors
    ///
    /// [`GraphError::Damaged`] for the first file that is not what was written.
    pub fn verify(&self) -> Result<(), GraphError> {
        self.shared.parts.iter().try_for_each(OpenPart::verify)
    }

    /// Where each document stands, as an index into the parts.
    pub(crate) fn places(&self) -> Result<HashMap<DocumentId, usize, RandomState>, GraphError> {
        let mut places = HashMap::default();
        for (index, open) in self.shared.parts.iter().enumerate() {
            for batch in open.batches(Table::Documents, &[DOCUMENT], None)? {
                let bad = |bad: String| open.damaged(Table::Documents, &bad);
                let batch = batch?;
                let ids = Columns(&batch).text(DOCUMENT).map_err(bad)?;
                for text in ids.iter().flatten().filter(|text| !open.is_gone(text)) {
                    places.insert(DocumentId(decode::id(text).map_err(bad)?), index);
                }
            }
        }
        Ok(places)
    }

    /// Where everything stands.
    pub(crate) fn directory(&self) -> Result<Arc<Directory>, GraphError> {
        let mut made = self.shared.directory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(Arc::clone(made));
        }
        let directory = Arc::new(Directory::make(&self.shared.parts)?);
        *made = Some(Arc::clone(&directory));
        Ok(directory)
    }

    fn of_document<T: Row>(&self, id: DocumentId, table: Table) -> Result<Vec<T>, GraphError> {
        let directory = self.directory()?;
        let Some(doc) = directory.document(id) else { return Ok(Vec::new()) };
        self.rows_of(doc, std::slice::from_ref(&doc.rows(table)))
    }

    /// Rows of several documents, in the order in which these are given. Each part is opened once.
    pub(crate) fn rows_in<T: Row>(&self, places: &[(Doc, Range<usize>)]) -> Result<Vec<T>, GraphError> {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|place| (places[*place].0.part, places[*place].1.start));
        let mut found: Vec<Vec<T>> = places.iter().map(|_| Vec::new()).collect();
        for of_part in order.chunk_by(|one, two| places[*one].0.part == places[*two].0.part) {
            let Some(first) = of_part.first() else { continue };
            let ranges: Vec<_> = of_part.iter().map(|place| places[*place].1.clone()).collect();
            let open = &self.shared.parts[places[*first].0.part as usize];
            let mut rows = rows_at(open, &ranges)?.into_iter();
            for (place, range) in of_part.iter().zip(ranges) {
                found[*place].extend(rows.by_ref().take(range.len()));
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Rows of the part that a document stands in.
    fn rows_of<T: Row>(&self, doc: &Doc, rows: &[Range<usize>]) -> Result<Vec<T>, GraphError> {
        let open = &self.shared.parts[doc.part as usize];
        rows_at(open, rows)
    }
}

/// Some rows of a part, in the order of the file.
pub(crate) fn rows_at<T: Row>(open: &OpenPart, rows: &[Range<usize>]) -> Result<Vec<T>, GraphError> {
    let mut found = Vec::new();
    if rows.iter().all(|rows| rows.is_empty()) {
        return Ok(found);
    }
    for batch in open.batches(T::TABLE, T::COLUMNS, Some(rows))? {
        found.extend(T::decode(&batch?).map_err(|bad| open.damaged(T::TABLE, &bad))?);
    }
    Ok(found)
}

/// Every row of a table that counts, read as it is asked for.
struct Rows<T> {
    reader: Reader,
    next_part: usize,
    batches: Option<Batches>,
    ready: vec::IntoIter<T>,
}

impl<T> Rows<T> {
    fn new(reader: &Reader) -> Self {
        let ready = Vec::new().into_iter();
        Self { reader: reader.clone(), next_part: 0, batches: None, ready }
    }
}

impl<T: Row> Rows<T> {
    /// Decodes the next batch; false at the end.
    fn more(&mut self) -> Result<bool, GraphError> {
        loop {
            if let Some(batches) = &mut self.batches
                && let Some(batch) = batches.next()
            {
                let open = &self.reader.shared.parts[self.next_part - 1];
                let batch = open.living(T::TABLE, batch?)?;
                let rows = T::decode(&batch).map_err(|bad| open.damaged(T::TABLE, &bad))?;
                self.ready = rows.into_iter();
                return Ok(true);
            }
            let Some(open) = self.reader.shared.parts.get(self.next_part) else { return Ok(false) };
            self.batches = Some(open.batches(T::TABLE, T::COLUMNS, None)?);
            self.next_part += 1;
        }
    }
}

impl<T: Row> Iterator for Rows<T> {
    type Item = Result<T, GraphError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.ready.next() {
                return Some(Ok(row));
            }
            match self.more() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    // After an error there is nothing more to be had.
                    (self.batches, self.next_part) = (None, self.reader.shared.parts.len());
                    return Some(Err(error));
                }
            }
        }
    }
}
