//! What do we know for certain? The lake: Delta tables of Parquet that hold every byte that was read.
//!
//! ```text
//! Lake::open → writer(now) ─┬→ appender (one a thread) → Parts ─┐
//!                           └→ commit(parts, file entries, note) ┴→ Snapshot
//! Lake::open_existing → snapshot() → parts, files, notes, scan, replay
//! ```
//!
//! Only this crate writes below `lake/`. It knows nothing of formats, frames or schemas: rows come
//! as [`stele_model::Envelope`] and [`stele_model::Residue`]. The tables are described for other
//! programs in `docs/formats/lake.md`.

mod appender;
mod delta;
pub mod doctor;
mod documents;
mod error;
pub mod export;
mod lake;
mod lock;
mod log_check;
pub mod maintain;
mod migrate;
mod part;
pub mod pieces;
mod reader;
pub mod replay;
mod rows;
mod runs;
pub mod scan;
mod snapshot;
pub mod sql;
mod store;
mod tables;
mod writer;

pub use appender::{AppendContext, Appender, FileRef, Parts};
pub use error::LakeError;
pub use lake::Lake;
pub use part::PartInfo;
pub use snapshot::{Pruned, Snapshot, Totals};
pub use tables::{SCHEMA_PROPERTY, SCHEMA_VERSION, Table};
pub use writer::{CommitNote, FAILPOINTS, Writer};
