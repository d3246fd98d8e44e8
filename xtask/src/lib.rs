//! Chores around the program: checks of the tree, the sample, the referee, measurements.
//!
//! A check looks at a tree given by its root and returns what it found wrong, in words; the
//! command prints that and the tests assert that there is nothing. Nothing here is shipped.

pub mod answers;
pub mod checks;
pub mod documents;
pub mod peers;
pub mod sample;
pub mod suite;
pub mod summary;
pub mod torture;
