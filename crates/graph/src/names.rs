//! Names to nodes: what somebody typed, and which things and documents that may be.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use stele_model::{DocumentId, EntityId, EntityKind, Node, SectionId};

use crate::decode::{self, Bad, Columns};
use crate::error::GraphError;
use crate::reader::Reader;
use crate::tables::{DOCUMENT, Table};

/// Nodes that a name is resolved to. Whoever gets more has typed too little.
pub const NAMES_MAX: usize = 100;

/// Bytes of a name that are looked at: a step's whole sentence fits.
const NAME_BYTES_MAX: usize = 4 << 10;

/// How a name fits, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It is the id.
    Id,
    /// It is the key of a thing, or the source of a document.
    Key,
    /// It is the name, or the title.
    Name,
    /// It is another name.
    Alias,
    /// It is one of these but for upper and lower case.
    Folded,
    /// One of these begins with it, but for upper and lower case.
    Prefix,
}

/// A node that a name may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The node.
    pub node: Node,
    /// What kind of thing it is; nothing for a document or a section.
    pub kind: Option<EntityKind>,
    /// Its name or title.
    pub name: String,
    /// How the name fits.
    pub fit: Fit,
}

/// What is sorted by: how it fits, shorter names first, then what they say.
type Rank = (Fit, usize, String, Option<EntityKind>, Node);

impl Reader {
    /// The things and documents that a name may mean, best first, at most [`NAMES_MAX`]. Of several
    /// that fit equally well, shorter names come first, then the order of letters, kinds and ids
    /// decides.
    ///
    /// # Errors
    ///
    /// [`GraphError::Invalid`] for a name without a letter or of kilobytes; otherwise what the disk says.
    pub fn resolve(&self, name: &str) -> Result<Vec<Named>, GraphError> {
        let name = name.trim();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let what = "a name to look for has to have a letter, and not more than 4 KiB";
            return Err(GraphError::Invalid(what.to_owned()));
        }
        let mut found =
            Best { name, folded: name.to_lowercase(), best: BTreeMap::new(), ranks: BTreeSet::new() };
        self.by_id(&mut found)?;
        for open in &self.shared.parts {
            let columns = ["entity_id", DOCUMENT, "kind", "key", "name", "aliases"];
            for batch in open.batches(Table::Entities, &columns, None)? {
                let batch = open.living(Table::Entities, batch?)?;
                found.entities(&batch).map_err(|bad| open.damaged(Table::Entities, &bad))?;
            }
            for batch in open.batches(Table::Documents, &[DOCUMENT, "source", "title"], None)? {
                let batch = open.living(Table::Documents, batch?)?;
                found.documents(&batch).map_err(|bad| open.damaged(Table::Documents, &bad))?;
            }
        }
        let named = |(fit, _, name, kind, node): Rank| Named { node, kind, name, fit };
        Ok(found.ranks.into_iter().map(named).collect())
    }

    /// An id means the node that has it.
    fn by_id(&self, found: &mut Best<'_>) -> Result<(), GraphError> {
        let Ok(id) = decode::id(found.name) else { return Ok(()) };
        if let Some(entity) = self.entity(EntityId(id))? {
            found.add(Node::Entity(entity.id), Some(entity.kind), &entity.name, Fit::Id);
        }
        if let Some(document) = self.document(DocumentId(id))? {
            found.add(Node::Document(document.id), None, &document.title, Fit::Id);
        }
        if let Some(section) = self.section(SectionId(id))? {
            found.add(Node::Section(section.id), None, &section.title, Fit::Id);
        }
        Ok(())
    }
}

/// The best so far: bounded, whatever the graph holds.
struct Best<'a> {
    name: &'a str,
    folded: String,
    best: BTreeMap<Node, Rank>,
    ranks: BTreeSet<Rank>,
}

impl Best<'_> {
    fn entities(&mut self, batch: &RecordBatch) -> Result<(), Bad> {
        let all = Columns(batch);
        let (ids, kinds, keys) = (all.text("entity_id")?, all.text("kind")?, all.text("key")?);
        let (names, aliases) = (all.text("name")?, all.texts("aliases")?);
        for row in 0..batch.num_rows() {
            let mut fit = better(self.fit(keys.value(row), Fit::Key), self.fit(names.value(row), Fit::Name));
            for alias in decode::list(aliases, row)? {
                fit = better(fit, self.fit(&alias, Fit::Alias));
            }
            if let Some(fit) = fit {
                let node = Node::Entity(EntityId(decode::id(ids.value(row))?));
                self.add(node, EntityKind::from_name(kinds.value(row)), names.value(row), fit);
            }
        }
        Ok(())
    }

    fn documents(&mut self, batch: &RecordBatch) -> Result<(), Bad> {
        let all = Columns(batch);
        let (ids, sources, titles) = (all.text(DOCUMENT)?, all.text("source")?, all.text("title")?);
        for row in 0..batch.num_rows() {
            let fit = better(self.fit(sources.value(row), Fit::Key), self.fit(titles.value(row), Fit::Name));
            if let Some(fit) = fit {
                let node = Node::Document(DocumentId(decode::id(ids.value(row))?));
                self.add(node, None, titles.value(row), fit);
            }
        }
        Ok(())
    }

    fn fit(&self, known: &str, exact: Fit) -> Option<Fit> {
        if known == self.name {
            return Some(exact);
        }
        let first = |text: &str| text.chars().next().map(|letter| letter.to_lowercase().next());
        // Most names begin otherwise, and need not be folded.
        if first(known) != first(&self.folded) {
            return None;
        }
        let folded = known.to_lowercase();
        if folded == self.folded {
            return Some(Fit::Folded);
        }
        folded.starts_with(&self.folded).then_some(Fit::Prefix)
    }

    /// Adds a node, unless it is there already and fits better.
    fn add(&mut self, node: Node, kind: Option<EntityKind>, name: &str, fit: Fit) {
        let rank: Rank = (fit, name.len(), name.to_owned(), kind, node);
        if let Some(known) = self.best.get(&node) {
            if *known <= rank {
                return;
            }
            self.ranks.remove(known);
        }
        self.best.insert(node, rank.clone());
        self.ranks.insert(rank);
        if self.ranks.len() > NAMES_MAX
            && let Some((.., node)) = self.ranks.pop_last()
        {
            self.best.remove(&node);
        }
    }
}

/// The better of two; not fitting at all is worse than anything.
fn better(one: Option<Fit>, two: Option<Fit>) -> Option<Fit> {
    [one, two].into_iter().flatten().min()
}
