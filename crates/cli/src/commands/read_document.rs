//! `stele read-document`: one document from standard input, what it says to standard output. It is what
//! this program calls itself as, within limits, for formats that nobody has to trust.

use std::io;

use crate::errors::{Exit, Failure};

/// The word that stands for it on the command line.
pub const ARGUMENT: &str = "read-document";

/// Runs the command.
pub fn run() -> Result<Exit, Failure> {
    let read = stele_engine::documents::run_child(io::stdin().lock(), io::stdout().lock());
    read.map_or_else(
        |error| Err(Failure::usage(format!("what to read was not understood: {error}"))),
        |()| Ok(Exit::Done),
    )
}
