//! What shape does the data have, and have we seen all of it?
//!
//! A [`Catalogue`] counts every JSON value of every record by event type and path. It never
//! samples and never caps depth or width; memory grows with the number of distinct paths, and an
//! object whose keys are data becomes one path (see [`Folding`]). Catalogues of parts add up to
//! the catalogue of the whole, byte for byte, whatever the split, the order and the thread count.
//!
//! Nothing here reads files, parses text or knows what a lake is: a record arrives as a
//! [`stele_model::json::Tape`], and a finished catalogue leaves as a [`view::CatalogueView`] that
//! [`render`] turns into schemas and reports.

mod catalogue;
pub mod render;
pub mod view;

pub use catalogue::{Catalogue, FoldRule, Folding, Frame, Observed, StoreError};

/// Distinct values are counted exactly up to this many; beyond it they are estimated. The hashes
/// take 2 KB for each path that has so many values, and the estimate is then within about 6 %.
pub const DISTINCT_EXACT_MAX: usize = 256;

/// Most values whose text is kept for one path. A path with no more distinct values than this is
/// an enumeration.
pub const VALUES_MAX: usize = 32;

/// Longest sample value that is kept, in bytes of JSON text: a line of a report.
pub const SAMPLE_BYTES_MAX: usize = 256;

/// Most holes, backward steps and rejected lines that are listed for one file; all are counted.
pub const HOLES_MAX: usize = 100;
