//! The outputs of discovery: a finished catalogue as tables, schemas, reports and answers.
//!
//! Each module turns a [`crate::view::CatalogueView`] into one kind of document and nothing else:
//! it reads no files, counts nothing and knows no clock, so equal views give equal bytes.
//!
//! | module | document |
//! |---|---|
//! | [`tsv`] | one line a path, for machines |
//! | [`json`] | the whole view, and back |
//! | [`md`] | a short overview for people |
//! | [`schema`] | `event_schemas.json`, JSON Schema 2020-12 |
//! | [`field_index`] | `field_index.json` |
//! | [`asyncapi`] | `asyncapi.yaml`, AsyncAPI 3.0 |
//! | [`coverage`] | `coverage_report.md` and `.json` |
//! | [`dictionary`] | `dictionary.md` with the notes of people merged in |
//! | [`diff`] | `diff_report.md` and `.json` |
//! | [`explain`] | everything known about one path |
//! | [`chunks`] | short texts that can be searched |
//!
//! [`redact`] hides the values of identity-like fields before any of them is written.

use std::io;

pub mod asyncapi;
mod cell;
pub mod chunks;
pub mod coverage;
pub mod dictionary;
pub mod diff;
mod emit;
mod error;
pub mod explain;
mod facts;
pub mod field_index;
pub mod json;
pub mod md;
pub mod redact;
pub mod schema;
pub mod tsv;

pub use error::RenderError;

/// What `write` writes, as text.
pub fn to_text(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    // A Vec takes every write, so there is no error to pass on.
    let _ = write(&mut bytes);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
