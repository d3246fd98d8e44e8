//! Files that appear whole or not at all, and stay.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::EngineError;
use crate::error::At;

/// Writes a whole file: aside, synced, renamed, and the directory synced.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let aside = path.with_extension("part");
    let mut file = File::create(&aside).at("create", &aside)?;
    file.write_all(bytes).at("write", &aside)?;
    file.sync_all().at("sync", &aside)?;
    fs::rename(&aside, path).at("rename", path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
}
