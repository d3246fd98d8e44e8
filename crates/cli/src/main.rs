//! How do people ask? `stele`: arguments, output, hints and exit codes over one engine.
//!
//! [`args`] is the command line as types, [`commands`] has one file a command, [`output`] and
//! [`progress`] are what people and programs see, [`errors`] is what they see when it fails. Not
//! here: anything that could be tested without a command line; that is in `stele-engine`.

mod args;
mod commands;
mod errors;
mod interrupt;
mod output;
mod progress;

use std::process::ExitCode;

/// Gives memory back soon after it is free. The system's allocator keeps what the threads of an index build have
/// used, which is most of its peak; how this one is set up stands in `.cargo/config.toml`, with the figures in
/// `docs/decisions/0016-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(commands::main(std::env::args_os()) as u8)
}
