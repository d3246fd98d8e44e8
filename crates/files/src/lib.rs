//! What rows are in these files? JSON, separated values and Parquet, packed or not, as batches.
//!
//! ```no_run
//! # use stele_collect::{Collector, CollectError, Cursors, Means, Sink};
//! # use stele_files::{FileCollector, FilesConfig};
//! # fn run(lake: &mut dyn Sink, means: &Means<'_>) -> Result<(), CollectError> {
//! let config = FilesConfig {
//!     file_pattern: "**/orders_*.{csv,jsonl}{,.gz,.zst}".to_owned(),
//!     key: vec!["id".to_owned()],
//!     ..FilesConfig::of("/srv/exports")
//! };
//! let mut orders = FileCollector::new("orders", None, config, "/srv/stele/tmp".into())?;
//! orders.collect(&lake.cursors()?, lake, means)?;
//! # Ok(())
//! # }
//! ```
//!
//! A row becomes one record; a file has a cursor of its own, by its name, that says how far it was read and what tells it
//! from others. So a file that grows gives what is new, one that was renamed or packed gives nothing, and a run that was
//! killed goes on behind its last batch. What is compared is content, unpacked: see `state.rs`.
//!
//! | a file holds | a row is |
//! |---|---|
//! | JSON: a list | an element, as it is spelled |
//! | JSON: values one after the other | a value |
//! | JSON lines | a line; one that is no JSON is kept aside with file and line |
//! | separated values | an object of texts; `csv.types` makes numbers (as they are spelled), booleans and JSON of them, `csv.nulls` nulls |
//! | Parquet | an object; see below |
//! | text (only if `format` says so) | `{"line": …}` |
//!
//! Of Parquet, integers and decimals have all of their digits, floating-point numbers are the shortest text that is the
//! same number (`"NaN"`, `"Infinity"` and `"-Infinity"` are texts), dates and times are `"2024-02-29"`, `"12:00:00.5"`, `"2024-02-29T12:00:00"`, with
//! a `Z` if they are moments, bytes are `{"$bytes":"…"}` in base64, lists are lists, structs and maps with texts as keys are objects.
//!
//! When its rows are durable, and not before, a file is left where it is, moved to an archive or deleted. One of which not
//! every byte is kept is put where those are that failed.
//!
//! A file of a zip archive is a file like any other, by the name `archive.zip!name`; what becomes of files becomes of the archive.
//! Content is unpacked by `stele_sources::Content`, which knows gzip, bzip2 and zstd by their first bytes. Its blocks and pieces
//! are not used: they account for every byte of a recording, and a row of a CSV or of Parquet is no stretch of bytes.
//!
//! What is not here: nothing is written but what is moved, no clock is read, and no order is promised between files
//! beside that of their last changes.

mod after;
mod archive;
mod collector;
mod config;
mod error;
mod feed;
mod find;
mod gathered;
mod identify;
mod label;
mod rows;
mod run;
mod spool;
mod state;

pub use collector::FileCollector;
pub use config::{After, CsvConfig, CsvType, FilesConfig, Format, KEYS, Packing};
pub use error::FilesError;
pub use feed::ROW_BYTES_MAX;
pub use find::FILES_MAX;
