//! Files that appear whole or not at all, and stay.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::EngineError;
use crate::error::At;

/// Makes a directory below `root`, so that it stays.
pub(crate) fn make_dir_durably(root: &Path, dir: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(dir).at("create", dir)?;
    // Those above may have been made by one who was killed before it synced them.
    dir.ancestors().skip(1).take_while(|above| above.starts_with(root)).try_for_each(sync_dir)
}

fn sync_dir(dir: &Path) -> Result<(), EngineError> {
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
}

/// Writes a whole file: aside, synced, renamed, and the directory synced.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let aside = path.with_extension("part");
    let mut file = File::create(&aside).at("create", &aside)?;
    file.write_all(bytes).at("write", &aside)?;
    file.sync_all().at("sync", &aside)?;
    fs::rename(&aside, path).at("rename", path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}
