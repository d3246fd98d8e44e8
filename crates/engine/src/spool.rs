//! Standard input in a file: what comes through a pipe comes once, and may be larger than memory.
//!
//! An ingest spools it under a name, because the copy is the only one until everything in it is
//! committed; then it is removed. Discovery puts it aside in a file without a name, which is gone
//! with the process, however that ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use stele_sources::Input;

use crate::EngineError;
use crate::error::At;

/// Standard input as a file, so that it can be recognised by its content and resumed like any
/// other input.
pub(crate) fn spool(input: Input, data_dir: &Path) -> Result<Input, EngineError> {
    let dir = dir(data_dir);
    fs::create_dir_all(&dir).at("create", &dir)?;
    let (mut file, path) = new_file(&dir, "stdin")?;
    let copied = io::copy(&mut io::stdin().lock(), &mut file);
    if copied.is_err() && file.metadata().is_ok_and(|meta| meta.len() == 0) {
        // Nothing came: there is nothing to keep.
        let _ = fs::remove_file(&path);
    }
    let size_on_disk = copied.at("write", &path)?;
    Ok(Input { size_on_disk, path: Some(path), ..input })
}

/// A file that nobody had before: process ids come again, and what a killed run left under one may
/// be the only copy of what was piped in.
fn new_file(dir: &Path, what: &str) -> Result<(File, PathBuf), EngineError> {
    let id = std::process::id();
    let mut number = 0_u64;
    loop {
        let path = dir.join(format!("{what}-{id}-{number}"));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            opened => return Ok((opened.at("create", &path)?, path)),
        }
    }
}

/// Below the data directory: there is the room.
fn dir(data_dir: &Path) -> PathBuf {
    data_dir.join("spool")
}

/// A copy of standard input that can be read several times, one after the other.
pub(crate) struct Aside {
    file: File,
    path: PathBuf,
}

impl Aside {
    /// Takes in all of standard input.
    pub(crate) fn of_stdin(data_dir: &Path) -> Result<Self, EngineError> {
        let dir = dir(data_dir);
        let made = [dir.as_path(), data_dir].into_iter().take_while(|dir| !dir.exists()).count();
        fs::create_dir_all(&dir).at("create", &dir)?;
        let (mut file, path) = new_file(&dir, "discover")?;
        fs::remove_file(&path).at("remove", &path)?;
        // A discovery leaves no directory behind that was not there. One that somebody else puts
        // something into meanwhile stays.
        for made in [dir.as_path(), data_dir].into_iter().take(made) {
            let _ = fs::remove_dir(made);
        }
        io::copy(&mut io::stdin().lock(), &mut file).at("write", &path)?;
        Ok(Self { file, path })
    }

    /// A reader from the beginning; those before it are done with.
    pub(crate) fn reader(&self) -> Result<File, EngineError> {
        let mut file = self.file.try_clone().at("open", &self.path)?;
        file.seek(SeekFrom::Start(0)).at("read", &self.path)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::new_file;

    #[test]
    fn what_a_killed_run_left_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(format!("stdin-{}-0", std::process::id()));
        std::fs::write(&left, "the only copy").unwrap();
        let (_, path) = new_file(dir.path(), "stdin").unwrap();
        assert_ne!(path, left);
        assert_eq!(std::fs::read_to_string(&left).unwrap(), "the only copy");
    }
}
