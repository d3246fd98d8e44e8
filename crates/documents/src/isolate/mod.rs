//! Documents that nobody has to trust are read in a process of their own, which may run out of time,
//! memory or room without taking anything with it.

mod child;
mod entry;

pub use child::ChildProcess;
pub(crate) use child::stopped;
pub use entry::run_child;
pub use stele_isolate::Limits;

use crate::error::DocumentError;
use crate::parse::{Parsed, Request, read};
use crate::tools::Tools;

/// Reads documents that nobody has to trust. [`crate::parse`] calls it for formats that are unpacked
/// or laid out before they are text, and keeps the others to itself.
pub trait Isolation {
    /// Reads the document with these bytes.
    ///
    /// # Errors
    ///
    /// The document cannot be read, or takes more than it may.
    fn read(&self, request: &Request, bytes: &[u8]) -> Result<Parsed, DocumentError>;
}

/// No isolation: what a child process does inside, and what tests do.
#[derive(Debug, Clone, Default)]
pub struct SameProcess {
    /// Programs that read what this crate does not read itself.
    pub tools: Tools,
}

impl Isolation for SameProcess {
    fn read(&self, request: &Request, bytes: &[u8]) -> Result<Parsed, DocumentError> {
        read(request, bytes, &self.tools)
    }
}
