//! What does a document say? Bytes to sections, sections to things and references.
//!
//! The loop that drives this crate:
//!
//! ```
//! # use stele_documents::{Request, SameProcess, Targets, extract, parse, resolve, structure};
//! let isolation = SameProcess::default();
//! let mut targets = Targets::default();
//! for (uri, bytes) in [("guide/a.md", "# A\n\nSee [B](b.md)."), ("guide/b.md", "# B\n")] {
//!     let request = Request { tenant: "t".into(), source_uri: uri.into(), format: None };
//!     for document in parse(&request, bytes.as_bytes(), &isolation)?.documents {
//!         assert!(document.conservation.holds());
//!         let (outline, found) = (structure(&document), extract(&document));
//!         targets.add(&document);
//!         // Keep the document, the edges of its outline, and what was found in it; then, when
//!         // documents came or went, make edges of the references whose target is there.
//!         let edges = resolve(&found.references, &targets);
//!         # let _ = (outline, edges);
//!     }
//! }
//! # Ok::<(), stele_documents::DocumentError>(())
//! ```
//!
//! Everything is a function from bytes to plain data of [`stele_model`]. Formats that have to be
//! unpacked or laid out first are read through an [`Isolation`]: [`ChildProcess`] starts a program that
//! calls [`run_child`] and bounds its time, its memory and its answer; [`SameProcess`] does without.
//!
//! What is not here: nothing is fetched, stored, cut into chunks or embedded, and neither the
//! environment nor a configuration file is read.

mod decode;
mod error;
mod extract;
mod format;
mod graph;
mod html;
mod isolate;
mod language;
mod limits;
mod mail;
mod markdown;
mod measure;
mod notion;
mod office;
mod outline;
mod parse;
mod pdf;
mod plain;
mod table;
mod tools;
mod writer;

pub use error::DocumentError;
pub use extract::{
    Claimed, EXTRACTOR, EventFacts, Extracted, Extractor, GameFacts, PlayerFacts, RecordingFacts, Rules,
    extract, extract_recordings,
};
pub use format::recognise;
pub use graph::{Graph, Place, Resolved, Rule, Targets, Violation, contract, resolve, structure};
pub use isolate::{ChildProcess, Isolation, Limits, SameProcess, run_child};
pub use limits::DOCUMENT_BYTES_MAX;
pub use measure::conservation;
pub use outline::tokens;
pub use parse::{Parsed, Request, parse};
pub use tools::Tools;
