//! What does a document say?

mod decode;
mod error;
mod extract;
mod graph;
mod language;
mod limits;
mod markdown;
mod measure;
mod outline;
mod parse;

pub use error::DocumentError;
pub use extract::{EXTRACTOR, Extracted, extract};
pub use graph::{Graph, Place, Resolved, Rule, Targets, Violation, contract, resolve, structure};
pub use parse::{Request, parse};
