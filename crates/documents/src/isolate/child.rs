//! Reading in a child process: the parent's side.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;

use super::{Isolation, Limits, Ran, Stop, entry, run};
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
            .map_err(|stop| stop.of(&request.source_uri, &self.program.to_string_lossy(), &self.limits))?;
        entry::output(&ran.output).unwrap_or_else(|| Err(ran.failed(&request.source_uri, "the reader")))
    }
}

impl Stop {
    /// As an error about a document.
    pub(crate) fn of(self, source_uri: &str, program: &str, limits: &Limits) -> DocumentError {
        let source_uri = source_uri.to_owned();
        let limit = match self {
            Stop::Seconds => format!("{} s", limits.seconds_max),
            Stop::Memory => format!("{} MiB of memory", limits.memory_bytes_max >> 20),
            Stop::Output => format!("{} MiB of output", limits.output_bytes_max >> 20),
            Stop::Io(error) => {
                return DocumentError::Child {
                    source_uri,
                    program: program.to_owned(),
                    reason: error.to_string(),
                };
            }
        };
        DocumentError::Limit { source_uri, limit }
    }
}

impl Ran {
    /// A program ended without having said what is wrong with the document.
    pub(crate) fn failed(&self, source_uri: &str, program: &str) -> DocumentError {
        let how = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("it ended with {code}"),
            (None, Some(signal)) => format!("signal {signal} ended it"),
            (None, None) => "it ended".to_owned(),
        };
        let said = self.complaint.lines().next().unwrap_or_default();
        let reason = if said.is_empty() { how } else { format!("{how}: {said}") };
        DocumentError::Child { source_uri: source_uri.to_owned(), program: program.to_owned(), reason }
    }
}
