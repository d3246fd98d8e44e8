//! Reading in a child process: the parent's side.

use std::ffi::OsString;

use stele_isolate::{IsolateError, run};
use stele_model::error::in_full;

use super::{Isolation, Limits, entry};
use crate::error::DocumentError;
use crate::parse::{Parsed, Request};
use crate::tools::Tools;

/// Reads each document in a process of its own, which calls [`crate::run_child`].
#[derive(Debug, Clone)]
pub struct ChildProcess {
    /// The program, usually this one.
    pub program: OsString,
    /// What makes it call [`crate::run_child`].
    pub arguments: Vec<OsString>,
    /// What it may use.
    pub limits: Limits,
    /// Programs that it may start in its turn.
    pub tools: Tools,
}

impl Isolation for ChildProcess {
    fn read(&self, request: &Request, bytes: &[u8]) -> Result<Parsed, DocumentError> {
        let input = entry::input(request, &self.tools, bytes);
        let arguments: Vec<_> = self.arguments.iter().map(OsString::as_os_str).collect();
        let ran = run(&self.program, &arguments, &input, &self.limits, true)
            .map_err(|error| stopped(error, &request.source_uri, &self.program.to_string_lossy()))?;
        entry::output(&ran.output).unwrap_or_else(|| {
            Err(DocumentError::Child {
                source_uri: request.source_uri.clone(),
                program: "the reader".to_owned(),
                reason: ran.how(),
            })
        })
    }
}

/// What stopped a process, as an error about a document.
pub(crate) fn stopped(error: IsolateError, source_uri: &str, program: &str) -> DocumentError {
    let source_uri = source_uri.to_owned();
    let limit = match error {
        IsolateError::Seconds { seconds_max } => format!("{seconds_max} s"),
        IsolateError::Memory { bytes_max } => format!("{} MiB of memory", bytes_max >> 20),
        IsolateError::Output { bytes_max } => format!("{} MiB of output", bytes_max >> 20),
        error => {
            let reason = in_full(&error);
            return DocumentError::Child { source_uri, program: program.to_owned(), reason };
        }
    };
    DocumentError::Limit { source_uri, limit }
}
