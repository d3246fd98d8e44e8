//! The words of the project: what a record, an identifier, a cursor and a ledger are.
//!
//! Every other crate speaks in these types and none of them is needed to understand this one.
//! There is no I/O here, no clock, no thread and no async: [`json`] turns one text into a flat
//! [`json::Tape`], [`path`] names a place inside it, and the rest is plain data.

pub mod chunk;
pub mod civil;
pub mod claim;
pub mod document;
pub mod entity;
pub mod error;
pub mod fault;
pub mod id;
pub mod input;
pub mod json;
pub mod ledger;
pub mod path;
pub mod record;
pub mod time;

pub use chunk::{CHUNK_POLICY, Chunk, ChunkKind, ChunkMetadata};
pub use claim::{Claim, Claims, Relation};
pub use document::{Conservation, Document, DocumentFormat, Section};
pub use entity::{Edge, EdgeKind, Entity, EntityKind, Mention, Node, Provenance, Reference, ReferenceKind};
pub use error::ErrorKind;
pub use fault::{Faults, NoFaults};
pub use id::{ChunkId, DocumentId, EdgeId, EntityId, FileId, RawHash, RecordId, SectionId};
pub use input::{FileEntry, FileState, Residue, ResidueClass};
pub use ledger::Ledger;
pub use record::{ClockChange, Direction, DocType, Envelope, EventTime, TimeQuality};
pub use time::{Clock, Micros};
