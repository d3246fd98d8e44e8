//! How documents, sections and things hang together.

mod contract;
mod resolve;
mod structure;

pub use contract::{Graph, Place, Rule, Violation, contract};
pub use resolve::{Resolved, Targets, resolve};
pub use structure::structure;
