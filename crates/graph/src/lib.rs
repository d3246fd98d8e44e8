//! How does it hang together? What documents say, kept in Parquet parts, and walks over it.
//!
//! The loop that drives this crate:
//!
//! ```
//! # use stele_graph::{Follow, Follows, GraphError, Home, Piece};
//! # use stele_model::{Conservation, Document, DocumentFormat, DocumentId, Edge, EdgeKind, Entity};
//! # use stele_model::{EntityKind, Node, Provenance};
//! # fn piece(uri: &str) -> Piece {
//! #     let id = DocumentId::of("t", uri);
//! #     let document = Document {
//! #         id, tenant: "t".into(), source_uri: uri.into(), format: DocumentFormat::Markdown,
//! #         title: uri.into(), version: None, checksum: String::new(), last_edited: None,
//! #         front_matter: vec![], language: None, sections: vec![], warnings: vec![],
//! #         conservation: Conservation::default(),
//! #     };
//! #     let entity = Entity::new("t", EntityKind::Command, "pull", "pull");
//! #     let (from, to) = (Node::Document(id), Node::Entity(entity.id));
//! #     let why = Provenance { source: from, span: 0..4, confidence: 0.9, extractor: "e".into() };
//! #     let edges = vec![Edge::new(EdgeKind::Mentions, from, to, None, why)];
//! #     let (mentions, references) = (vec![], vec![]);
//! #     Piece { document, file_id: "f".into(), entities: vec![entity], mentions, edges, references }
//! # }
//! # let dir = tempfile::tempdir().expect("a directory");
//! let home = Home::open(dir.path())?;
//! let mut writer = home.writer()?;
//! for uri in ["guide/a.md", "guide/b.md"] {
//!     writer.put(&piece(uri))?;
//! }
//! // References between documents are looked at when all of them are in.
//! for reference in writer.staged()?.references() {
//!     # let _ = reference?;
//!     // … find the target, make the edge, and `writer.say_edge(Some(document), &edge)?`
//! }
//! let follows =
//!     Follows { lake: "7f3a".into(), lake_version: 1, extractor: "rules 1".into(), ..Follows::default() };
//! assert_eq!(writer.commit(follows)?.documents, 2);
//!
//! let reader = home.reader()?;
//! let named = reader.resolve("PULL")?;
//! let around = reader.neighbors(named[0].node, 1, 10, &Follow::default())?;
//! assert_eq!(around.edges.len(), 2);
//! # Ok::<(), GraphError>(())
//! ```
//!
//! A graph follows from the lake and holds nothing that the lake does not: it can be removed and made
//! again. `graph/CURRENT.json` names the parts that are the graph; a part that it does not name never
//! happened. Readers hold the version that they opened. The files are described for other programs in
//! `docs/formats/graph.md`.
//!
//! Nothing here knows what a text means or finds anything in one: documents come with what they say as
//! [`Piece`], and whether it keeps the contract of a graph is checked by whoever found it.

mod cells;
mod counts;
mod decode;
mod describe;
mod digest;
mod directory;
mod durable;
mod encode;
mod error;
mod export;
mod home;
mod lock;
mod merge;
mod names;
mod part;
mod picture;
mod piece;
mod pointer;
mod reader;
mod rows;
mod store;
mod tables;
mod walk;
mod writer;

pub use describe::Described;
pub use digest::LogicalHash;
pub use error::GraphError;
pub use export::{ExportFormat, Exported};
pub use home::Home;
pub use merge::Merged;
pub use names::{Fit, NAMES_MAX, Named};
pub use piece::Piece;
pub use pointer::{FORMAT, Follows, Part, PartTable, Unread, Version};
pub use reader::{MENTIONS_MAX, PartFile, Reader};
pub use rows::{AnchorRow, DocumentRow, EdgeRow, EntityRow, MentionRow, ReferenceRow, Said, SectionRow};
pub use tables::Table;
pub use walk::{
    DEPTH_MAX, Direction, Follow, Followed, LimitReason, Neighborhood, PATH_DEPTH_MAX, PATHS_MAX, Path,
    Paths, ROWS_MAX, Reached, WORK_MAX,
};
pub use writer::{Applied, FAILPOINTS, Writer};
