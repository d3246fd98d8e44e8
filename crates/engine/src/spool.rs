//! Standard input, kept until its records are.
//!
//! What comes through a pipe comes once. It is written to a file first, which is removed only when
//! everything in it is committed; until then it is the only copy.

use std::fs::File;
use std::io;
use std::path::Path;

use stele_sources::Input;

use crate::EngineError;
use crate::error::At;

/// Standard input as a file, so that it can be recognised by its content and resumed like any
/// other input.
pub(crate) fn spool(input: Input, data_dir: &Path) -> Result<Input, EngineError> {
    let dir = data_dir.join("spool");
    std::fs::create_dir_all(&dir).at("create", &dir)?;
    let path = dir.join(format!("stdin-{}", std::process::id()));
    let mut file = File::create(&path).at("create", &path)?;
    let size_on_disk = io::copy(&mut io::stdin().lock(), &mut file).at("write", &path)?;
    Ok(Input { size_on_disk, path: Some(path), ..input })
}
