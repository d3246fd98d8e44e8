//! Where everything stands: made from a few columns when it is first needed, kept in memory.
//!
//! All rows of one document follow one another in each table of its part, so a document is six ranges
//! of rows. A section or a thing takes 24 bytes in here.

use std::collections::HashMap;
use std::ops::Range;

use arrow::datatypes::UInt32Type;
use foldhash::fast::RandomState;
use stele_model::{DocumentId, EntityId, Node, SectionId};

use crate::decode::{self, Bad, Columns};
use crate::error::GraphError;
use crate::store::OpenPart;
use crate::tables::{DOCUMENT, Table};

/// Columns of the table of documents that say how many rows a document has in each table.
const COUNTS: [(&str, Table); 5] = [
    ("section_rows", Table::Sections),
    ("entity_rows", Table::Entities),
    ("mention_rows", Table::Mentions),
    ("edge_rows", Table::Edges),
    ("reference_rows", Table::References),
];

/// One document that counts, or the whole.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    /// Which one; nothing for what follows from the whole.
    pub(crate) id: Option<DocumentId>,
    /// Its part, by index.
    pub(crate) part: u32,
    /// Its first row and the one behind its last, for each table.
    rows: [(u32, u32); 6],
    /// Its place in the order of sources, counted from 0; the whole comes last.
    pub(crate) rank: u32,
}

impl Doc {
    pub(crate) fn rows(&self, table: Table) -> Range<usize> {
        let (start, end) = self.rows[table as usize];
        start as usize..end as usize
    }
}

/// An id, whose document it is in, and which of its rows there.
type Place = ([u8; 16], u32, u32);

/// Where everything stands.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    docs: Vec<Doc>,
    by_id: HashMap<DocumentId, u32, RandomState>,
    /// Sorted.
    sections: Vec<Place>,
    /// Sorted by id, then by the rank of the document.
    entities: Vec<Place>,
}

impl Directory {
    pub(crate) fn make(parts: &[OpenPart]) -> Result<Self, GraphError> {
        let mut made = Self::default();
        let mut sources = Vec::new();
        for (index, open) in parts.iter().enumerate() {
            let first = made.docs.len();
            made.documents_of(index, open, &mut sources)?;
            let docs = first..made.docs.len();
            places(open, &made.docs, docs.clone(), Table::Sections, "section_id", &mut made.sections)?;
            places(open, &made.docs, docs, Table::Entities, "entity_id", &mut made.entities)?;
        }
        made.rank(&sources);
        made.sections.sort_unstable();
        let docs = &made.docs;
        made.entities.sort_unstable_by_key(|(id, doc, nth)| (*id, docs[*doc as usize].rank, *nth));
        Ok(made)
    }

    pub(crate) fn document(&self, id: DocumentId) -> Option<&Doc> {
        self.by_id.get(&id).map(|doc| &self.docs[*doc as usize])
    }

    /// The document that a section is in, and which of its sections it is.
    pub(crate) fn section(&self, id: SectionId) -> Option<(&Doc, usize)> {
        let found = self.sections.partition_point(|(there, ..)| *there < id.0);
        let (there, doc, nth) = self.sections.get(found)?;
        (*there == id.0).then(|| (&self.docs[*doc as usize], *nth as usize))
    }

    /// The documents that speak of a thing, in the order of their sources, and which of their things
    /// it is.
    pub(crate) fn entity(&self, id: EntityId) -> impl Iterator<Item = (&Doc, usize)> {
        let first = self.entities.partition_point(|(there, ..)| *there < id.0);
        let of = self.entities[first..].iter().take_while(move |(there, ..)| *there == id.0);
        of.map(|(_, doc, nth)| (&self.docs[*doc as usize], *nth as usize))
    }

    /// Whether a table knows a node.
    pub(crate) fn has(&self, node: &Node) -> bool {
        match node {
            Node::Document(id) => self.by_id.contains_key(id),
            Node::Section(id) => self.section(*id).is_some(),
            Node::Entity(id) => self.entity(*id).next().is_some(),
            Node::Record(_) => false,
        }
    }

    /// Every document in the order of sources; the whole comes last.
    pub(crate) fn in_order(&self) -> Vec<&Doc> {
        let mut docs: Vec<&Doc> = self.docs.iter().collect();
        docs.sort_by_key(|doc| doc.rank);
        docs
    }

    /// Every thing once, in the order of ids.
    pub(crate) fn entity_ids(&self) -> impl Iterator<Item = EntityId> {
        let different = self.entities.chunk_by(|one, two| one.0 == two.0);
        different.filter_map(|same| same.first()).map(|(id, ..)| EntityId(*id))
    }

    /// Adds the documents of a part that count; the rows of the others lie between theirs.
    fn documents_of(
        &mut self,
        part: usize,
        open: &OpenPart,
        sources: &mut Vec<String>,
    ) -> Result<(), GraphError> {
        let part = small(part).map_err(|bad| open.damaged(Table::Documents, &bad))?;
        let mut next = [0_u32; 6];
        let columns: Vec<&str> =
            [DOCUMENT, "source"].into_iter().chain(COUNTS.iter().map(|(name, _)| *name)).collect();
        for batch in open.batches(Table::Documents, &columns, None)? {
            let batch = batch?;
            let mut add = || -> Result<(), Bad> {
                let all = Columns(&batch);
                let (ids, from) = (all.text(DOCUMENT)?, all.text("source")?);
                let mut counts = Vec::new();
                for (name, table) in COUNTS {
                    counts.push((all.number::<UInt32Type>(name)?, table));
                }
                for row in 0..batch.num_rows() {
                    let mut rows = [(0, 0); 6];
                    rows[Table::Documents as usize] = take(&mut next[Table::Documents as usize], 1)?;
                    for (count, table) in &counts {
                        rows[*table as usize] = take(&mut next[*table as usize], count.value(row))?;
                    }
                    if open.is_gone(ids.value(row)) {
                        continue;
                    }
                    let id = DocumentId(decode::id(ids.value(row))?);
                    self.by_id.insert(id, small(self.docs.len())?);
                    self.docs.push(Doc { id: Some(id), part, rows, rank: 0 });
                    sources.push(from.value(row).to_owned());
                }
                Ok(())
            };
            add().map_err(|bad| open.damaged(Table::Documents, &bad))?;
        }
        if !open.part.tables.contains_key(&Table::Documents) {
            let end = |table| small(usize::try_from(open.part.rows(table)).unwrap_or(usize::MAX));
            let rows = Table::ALL.map(|table| end(table).map(|end| (0, end)));
            let mut whole = [(0, 0); 6];
            for (to, from) in whole.iter_mut().zip(rows) {
                *to = from.map_err(|bad| open.damaged(Table::Edges, &bad))?;
            }
            self.docs.push(Doc { id: None, part, rows: whole, rank: 0 });
            sources.push(String::new());
        }
        Ok(())
    }

    fn rank(&mut self, sources: &[String]) {
        let mut order: Vec<usize> = (0..self.docs.len()).collect();
        order.sort_by_key(|doc| (self.docs[*doc].id.is_none(), &sources[*doc], self.docs[*doc].id));
        for (rank, doc) in order.into_iter().enumerate() {
            self.docs[doc].rank = u32::try_from(rank).unwrap_or(u32::MAX);
        }
    }
}

/// The next `count` rows.
fn take(next: &mut u32, count: u32) -> Result<(u32, u32), Bad> {
    let start = *next;
    *next = start.checked_add(count).ok_or("it has more rows than a part can have")?;
    Ok((start, *next))
}

fn small(number: usize) -> Result<u32, Bad> {
    u32::try_from(number).map_err(|_| "it has more rows than can be counted".to_owned())
}

/// The ids of a table, each with its document.
fn places(
    open: &OpenPart,
    docs: &[Doc],
    of: Range<usize>,
    table: Table,
    column: &str,
    found: &mut Vec<Place>,
) -> Result<(), GraphError> {
    let mut row = 0;
    let mut doc = of.start;
    for batch in open.batches(table, &[column], None)? {
        let batch = batch?;
        let mut add = || -> Result<(), Bad> {
            for text in Columns(&batch).text(column)?.iter().flatten() {
                while doc < of.end && docs[doc].rows(table).end <= row {
                    doc += 1;
                }
                if doc < of.end && docs[doc].rows(table).contains(&row) {
                    let nth = row - docs[doc].rows(table).start;
                    found.push((decode::id(text)?, small(doc)?, small(nth)?));
                }
                row += 1;
            }
            Ok(())
        };
        add().map_err(|bad| open.damaged(table, &bad))?;
    }
    Ok(())
}
