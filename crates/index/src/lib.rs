//! How is it found again? Vectors and text of chunks in LanceDB.
//!
//! ```text
//! Index::open ─┬→ writer(spec)  → apply(upserts, deletes, checkpoint) → maintain
//!              ├→ rebuild(spec) → apply … → finish(checkpoint)     aside; the old one answers
//!              └→ reader()      → vector · text · terms · get · status · verify
//! ```
//!
//! An index follows from the lake and holds nothing that the lake does not: it can be removed and
//! built again. `index/CURRENT.json` names, for each embedding model, a version directory, the version
//! of the Lance table in it and the version of the lake that it follows. Readers open exactly that. A
//! Lance commit that it does not name never happened; what an update has put in is named too, and seen
//! by nobody before the update has ended. The files are described for other programs in
//! `docs/formats/index.md`, and why one table a model in `docs/decisions/0007-one-table-per-model.md`.
//!
//! Nothing here makes vectors or knows what a text means: chunks come as [`stele_model::Chunk`].

mod columns;
mod copy;
mod digest;
mod durable;
mod error;
mod files;
mod filter;
mod home;
mod indexes;
mod lock;
mod maintain;
mod pointer;
mod reader;
mod rebuild;
mod seen;
mod status;
mod table;
mod terms;
mod verify;
mod versions;
mod writer;

pub use columns::TextHash;
pub use digest::{ChunkHash, Identified, LogicalHash};
pub use error::IndexError;
pub use filter::{FILTER_VALUES_MAX, Filter, Scope};
pub use home::Index;
pub use maintain::{Maintenance, Step};
pub use pointer::{DIMENSION_MAX, Model, Pointer, SCHEMA_VERSION, Spec, Staged};
pub use reader::{HITS_MAX, Hit, QUESTION_BYTES_MAX, Reader, Row};
pub use rebuild::Rebuild;
pub use status::{Coverage, Status};
pub use verify::{PROBLEMS_NAMED_MAX, Problem, VECTOR_PRECISION, VectorDifference, Verification};
pub use writer::{Applied, FAILPOINTS, Upsert, Writer};
