//! `stele mcp`: the tools for agents on standard input and output.

use stele_server::{Stop, serve_stdio};

use super::Context;
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;

/// Runs the command. Standard output is the protocol's alone, so nothing else is said there.
pub fn run(context: &Context) -> Result<Exit, Failure> {
    if context.out.json {
        return Err(Failure::usage("`stele mcp` speaks its protocol on standard output, not --json"));
    }
    let engine = context.engine()?;
    let interrupt = Interrupt::start()?;
    let stop = Stop::default();
    let asked = stop.clone();
    interrupt.also(move || asked.stop());
    serve_stdio(engine, super::answer_sql::command(), &stop).map_err(super::serve::failed)?;
    Ok(Exit::Done)
}
