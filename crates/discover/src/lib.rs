//! What shape does the data have, and have we seen all of it?

pub mod view;

/// Distinct values are counted exactly up to this many; beyond it they are estimated.
pub const DISTINCT_EXACT_MAX: usize = 256;

/// Longest sample value that is kept, in bytes of JSON text.
pub const SAMPLE_BYTES_MAX: usize = 256;

/// Most holes, backward steps and rejected lines that are listed for one file.
pub const HOLES_MAX: usize = 100;
