//! `stele completions` and `stele man`: what packagers install beside the binary.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::Context;
use crate::args::Cli;
use crate::errors::{Exit, Failure};
use crate::output::write_stdout;

/// Writes completions to standard output.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "stele", &mut text);
    write_stdout(|out| out.write_all(&text))?;
    Ok(Exit::Done)
}

/// Writes the manual pages.
pub fn man(context: &Context, dir: Option<&Path>) -> Result<Exit, Failure> {
    let Some(dir) = dir else {
        write_stdout(|mut out| Man::new(Cli::command()).render(&mut out))?;
        return Ok(Exit::Done);
    };
    fs::create_dir_all(dir).map_err(|error| Failure::io("create", dir, &error))?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(|error| Failure::io("write to", dir, &error))?;
    context.out.remark(&format!("manual pages are in {}", dir.display()));
    Ok(Exit::Done)
}
