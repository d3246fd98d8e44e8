//! What does a document say?

mod decode;
mod error;
mod language;
mod limits;
mod markdown;
mod measure;
mod outline;
mod parse;

pub use error::DocumentError;
pub use parse::{Request, parse};
