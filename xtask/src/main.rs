//! `cargo xtask COMMAND`: see `cargo xtask help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal and for pipes")]

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use stele_testkit::sample::Plan;
use xtask::sample;

/// Chores around the program.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the sample protocol and the answers that belong to it.
    DemoData {
        /// Directory to write to.
        #[arg(long)]
        out: PathBuf,
        /// The same seed and size give the same bytes on every machine.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Size of all recordings together, such as 5MB or 2GB.
        #[arg(long, default_value = "5MB", value_parser = sample::parse_size)]
        size: u64,
        /// Adds damaged recordings.
        #[arg(long)]
        damage: bool,
    },
    /// Counts paths the naive way: event, path, types, nodes, records.
    Oracle {
        /// Files of JSON lines.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Each file is one JSON document.
        #[arg(long)]
        document: bool,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::DemoData { out, seed, size, damage } => {
            println!("{}", sample::demo_data(&out, &Plan { seed, bytes: size, damage })?);
        }
        Command::Oracle { files, document } => {
            let count = sample::oracle(&files, document)?;
            print!("{}", count.tsv());
            eprintln!(
                "{} records, {} refused lines, {} blank lines",
                count.records,
                count.refused.len(),
                count.blank
            );
        }
    }
    Ok(())
}
