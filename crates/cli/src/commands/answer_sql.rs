//! `stele answer-sql`: queries from standard input, a line each, the answers to standard output. It is
//! what this program calls itself as, within limits, for queries that agents write.

use std::io;

use stele_server::SqlCommand;

use super::this_program;
use crate::errors::{Exit, Failure};

/// The word that stands for it on the command line.
const ARGUMENT: &str = "answer-sql";

/// Runs the command.
pub fn run() -> Result<Exit, Failure> {
    let answered = stele_server::answer_sql(io::stdin().lock(), io::stdout());
    answered.map_err(|error| Failure::io("answer on", "standard output", &error))?;
    Ok(Exit::Done)
}

/// How a server calls it.
pub fn command() -> SqlCommand {
    SqlCommand { program: this_program(), arguments: vec![ARGUMENT.into()] }
}
