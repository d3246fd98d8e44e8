//! Reading in a child process: the child's side, and what passes between the two.
//!
//! In comes one line of JSON that says what is asked for, then the bytes of the document to the end of
//! the stream. Out goes one JSON text: what was read, or why nothing was.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};

use super::{Isolation, SameProcess};
use crate::error::DocumentError;
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::parse::{Parsed, Request};
use crate::tools::Tools;

/// Longest first line. A URI in it may be long, and nothing else is.
const HEADER_BYTES_MAX: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    request: Request,
    tools: Tools,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Read(Parsed),
    Failed(DocumentError),
}

/// What the child is given.
pub(super) fn input(request: &Request, tools: &Tools, bytes: &[u8]) -> Vec<u8> {
    let header = Header { request: request.clone(), tools: tools.clone() };
    // Plain data with text for keys always becomes JSON.
    let mut input = serde_json::to_vec(&header).unwrap_or_default();
    input.push(b'\n');
    input.extend_from_slice(bytes);
    input
}

/// What the child answered; none if that is no answer.
pub(super) fn output(bytes: &[u8]) -> Option<Result<Parsed, DocumentError>> {
    match serde_json::from_slice(bytes).ok()? {
        Answer::Read(parsed) => Some(Ok(parsed)),
        Answer::Failed(error) => Some(Err(error)),
    }
}

/// What a child process does: reads a request and a document from `input`, and writes what the document
/// says to `output`. A document that cannot be read is an answer, too.
///
/// # Errors
///
/// `input` is not what [`crate::ChildProcess`] writes, or a stream breaks.
pub fn run_child(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    input.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
    let header: Header = serde_json::from_slice(&line)?;
    let mut bytes = Vec::new();
    input.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let answer = match (SameProcess { tools: header.tools }).read(&header.request, &bytes) {
        Ok(parsed) => Answer::Read(parsed),
        Err(error) => Answer::Failed(error),
    };
    drop(bytes);
    let mut buffered = io::BufWriter::new(&mut output);
    serde_json::to_writer(&mut buffered, &answer)?;
    buffered.flush()
}
