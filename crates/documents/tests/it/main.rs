//! What the crate promises to its callers, tested through its public face.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod archives;
mod corpora;
mod extract;
mod formats;
mod isolation;
mod markdown;

use std::path::PathBuf;

use stele_documents::{DocumentError, Parsed, Request, SameProcess, parse};
use stele_model::Document;

/// The directory of documentation sets of this machine, which `STELE_DOCUMENTS` names. Without it the
/// tests over them say loudly that they tested nothing.
#[allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration and no log")]
fn corpus(test: &str, name: &str) -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("STELE_DOCUMENTS") else {
        eprintln!("SKIPPED, NOTHING TESTED: {test} needs STELE_DOCUMENTS, a directory that holds {name}");
        return None;
    };
    Some(PathBuf::from(dir).join(name))
}

/// A request for a document of this name.
fn request(uri: &str) -> Request {
    Request { tenant: "t".to_owned(), source_uri: uri.to_owned(), format: None }
}

/// The one document that these bytes are.
#[track_caller]
fn one(uri: &str, bytes: &[u8]) -> Document {
    let parsed = parsed(uri, bytes).expect("it can be read");
    assert!(parsed.failed.is_empty() && parsed.ignored.is_empty(), "{uri}");
    let mut documents = parsed.documents;
    assert_eq!(documents.len(), 1, "{uri}");
    documents.remove(0)
}

/// What is read from these bytes, in this process.
fn parsed(uri: &str, bytes: &[u8]) -> Result<Parsed, DocumentError> {
    parse(&request(uri), bytes, &SameProcess::default())
}
