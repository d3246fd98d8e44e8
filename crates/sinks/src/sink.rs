//! The promise that every vector store keeps, and the plain data around it.

use std::fmt;

use serde_json::{Map, Value};
use stele_model::{Chunk, ChunkId};

use crate::{Cancelled, SinkError};

/// Ids in a page at most: an answer of a quarter of a megabyte, and two hundred requests for a million.
pub const PAGE_IDS_MAX: usize = 5000;

/// Version of what a point looks like in a store. A collection of another version is made anew.
pub const SCHEMA: u64 = 1;

/// A collection of points outside of this program. Two implementations speak HTTP, one keeps everything
/// in memory.
///
/// The loop that calls it, with what is wanted on the other side ([`crate::sync`]):
///
/// ```text
/// found = sink.look()                  is there a collection, whose is it, what fits into it?
/// sink.make() or sink.mark()           only if it is not there, or is nobody's      (crate::prepare)
/// while page.next: page = sink.page()  which points does it hold?
/// sink.upsert(points)                  those that are missing, batch by batch
/// sink.delete(ids)                     those that are too much, batch by batch
/// sink.page() … sink.count()           what does it hold now?                       (crate::Parity)
/// ```
///
/// Each of them may be called twice with the same outcome, because the answer to the first call may be
/// lost. When one comes back, readers of the store see what it did. None of them asks whose the collection
/// is: that is for [`crate::prepare`], which everybody who writes has to call first.
///
/// # Errors
/// All of them: [`SinkError::Service`] if the store could not be asked, after as many tries as its
/// configuration says; [`SinkError::Refused`] and [`SinkError::BadAnswer`] if trying again does not help;
/// [`SinkError::Missing`] if there is no collection; [`SinkError::Cancelled`].
pub trait Sink: Send + Sync {
    /// Which it is, for people: `Qdrant collection texts at http://127.0.0.1:6333`.
    fn shown(&self) -> &str;

    /// What is there, if there is a collection.
    fn look(&self, cancelled: Cancelled<'_>) -> Result<Option<Found>, SinkError>;

    /// Makes the collection, empty and marked, for vectors that are compared by their cosine. If somebody
    /// else made it meanwhile it is left as it is, so look again.
    fn make(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError>;

    /// Marks the collection as one of ours, and leaves other people's marks on it.
    fn mark(&self, stamp: &Stamp, cancelled: Cancelled<'_>) -> Result<(), SinkError>;

    /// Removes the collection with all of its points. None there is as good.
    fn remove(&self, cancelled: Cancelled<'_>) -> Result<(), SinkError>;

    /// Some ids: at most [`PAGE_IDS_MAX`], from the beginning or from where a page said that the next
    /// begins. Every point that is there all the time is on one of the pages.
    fn page(&self, from: Option<&str>, cancelled: Cancelled<'_>) -> Result<Page, SinkError>;

    /// Writes points, over what has their ids. At most [`crate::BATCH_POINTS_MAX`]; they are sent in as
    /// many requests as the store's limits ask for.
    fn upsert(&self, points: &[Point], cancelled: Cancelled<'_>) -> Result<(), SinkError>;

    /// Removes points; those that are not there are as good as removed. At most [`crate::BATCH_IDS_MAX`].
    fn delete(&self, ids: &[PointId], cancelled: Cancelled<'_>) -> Result<(), SinkError>;

    /// How many points there are, exactly.
    fn count(&self, cancelled: Cancelled<'_>) -> Result<u64, SinkError>;
}

/// What is copied: a text with its metadata, and its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The public contract, `{"id", "text", "metadata"}`. Its id is the point's.
    pub chunk: Chunk,
    /// As many finite numbers as the stamp says.
    pub vector: Vec<f32>,
}

/// What a point is called in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointId {
    /// One that a chunk may have.
    Chunk(ChunkId),
    /// One that no chunk has: somebody else put it there. As the store writes it.
    Foreign(String),
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PointId::Chunk(id) => fmt::Display::fmt(id, f),
            PointId::Foreign(id) => f.write_str(id),
        }
    }
}

/// Some of the ids of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In the store's order.
    pub ids: Vec<PointId>,
    /// Where the next page begins, in words that only the store understands. `None`: this is the last.
    pub next: Option<String>,
}

/// A collection that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The mark on it, if it has one of ours.
    pub stamp: Option<Stamp>,
    /// Numbers in a vector, as far as the store knows before it holds one.
    pub dimension: Option<usize>,
    /// How vectors are compared, in lower case; it has to be `cosine`.
    pub space: String,
    /// Points in it.
    pub points: u64,
}

/// The mark on a collection: whose it is and what is in it. It stands in the collection's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The id of the lake that it is a copy of; opaque.
    pub owner: String,
    /// The model that the vectors are of, such as `local/all-MiniLM-L6-v2/int8`.
    pub model: String,
    /// Numbers in a vector.
    pub dimension: usize,
    /// [`SCHEMA`] of the program that made it.
    pub schema: u64,
}

/// The names under which the parts of a stamp stand in a collection's metadata.
const OWNER: &str = "stele_owner";
const MODEL: &str = "stele_model";
const DIMENSION: &str = "stele_dimension";
const VERSION: &str = "stele_schema";

impl Stamp {
    /// A stamp of this program.
    pub fn new(owner: impl Into<String>, model: impl Into<String>, dimension: usize) -> Self {
        Stamp { owner: owner.into(), model: model.into(), dimension, schema: SCHEMA }
    }

    /// Puts it into a collection's metadata, beside what is there.
    pub(crate) fn put_into(&self, metadata: &mut Map<String, Value>) {
        metadata.insert(OWNER.to_owned(), self.owner.as_str().into());
        metadata.insert(MODEL.to_owned(), self.model.as_str().into());
        metadata.insert(DIMENSION.to_owned(), (self.dimension as u64).into());
        metadata.insert(VERSION.to_owned(), self.schema.into());
    }

    /// Reads it back. An owner alone is a stamp; what is missing beside it fits nothing.
    pub(crate) fn read_from(metadata: &Map<String, Value>) -> Option<Self> {
        let number = |name| metadata.get(name).and_then(Value::as_u64).unwrap_or_default();
        let word = |name| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Stamp {
            owner: word(OWNER)?,
            model: word(MODEL).unwrap_or_default(),
            dimension: usize::try_from(number(DIMENSION)).unwrap_or_default(),
            schema: number(VERSION),
        })
    }
}
