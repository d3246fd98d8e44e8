//! Files below `lake/` that no snapshot of interest names, removed.
//!
//! What a compaction or a prune took out of the newest snapshot stays for a while, for readers that
//! are at work and for a look back. What no commit ever named, the rest of a crash, goes by the age
//! of the file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;
use stele_model::Micros;

use crate::error::{At, LakeError};
use crate::store::sync_dir;
use crate::tables::Table;
use crate::writer::Writer;
use stele_model::civil::DAY;

/// How long files stay that the newest snapshot does not name: a week, as in other Delta writers.
pub const KEEP_DEFAULT: Micros = 7 * DAY;

/// What a vacuum would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VacuumPlan {
    /// The files, sorted.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are not named by the newest snapshot either, but are too young.
    pub kept: u64,
}

/// Finds the files that left the newest snapshot, or never were in one, more than `keep` ago.
///
/// # Errors
///
/// When a log or a directory cannot be read.
pub fn plan_vacuum(writer: &Writer, keep: Micros, now: Micros) -> Result<VacuumPlan, LakeError> {
    let snapshot = writer.snapshot()?;
    let mut plan = VacuumPlan::default();
    for table in Table::ALL {
        let dir = table.dir(&writer.home().data_dir);
        let named: HashSet<&Path> = snapshot.parts(table).iter().map(|part| part.path.as_path()).collect();
        let left = writer.log(table).tombstones()?;
        for file in part_files(&dir)?.into_iter().filter(|file| !named.contains(file.path.as_path())) {
            let relative = file.path.strip_prefix(&dir).unwrap_or(&file.path).to_string_lossy().into_owned();
            let since = left.get(&relative).copied().unwrap_or(file.modified);
            if since <= now.saturating_sub(keep) {
                plan.bytes += file.bytes;
                plan.files.push(file.path);
            } else {
                plan.kept += 1;
            }
        }
    }
    plan.files.sort();
    Ok(plan)
}

/// Removes the files of a plan. A file that is gone already is no error.
///
/// # Errors
///
/// When a file cannot be removed; those before it are gone.
pub fn vacuum(writer: &mut Writer, plan: &VacuumPlan) -> Result<u64, LakeError> {
    let snapshot = writer.snapshot()?;
    let named: HashSet<&Path> = Table::ALL
        .into_iter()
        .flat_map(|table| snapshot.parts(table))
        .map(|part| part.path.as_path())
        .collect();
    let mut removed = 0;
    let mut dirs = HashSet::new();
    for path in &plan.files {
        if named.contains(path.as_path()) {
            let text =
                format!("{} is in use: the lake has changed since the vacuum was planned", path.display());
            return Err(LakeError::Changed(text));
        }
        writer.home().faults.hit("lake.vacuum.remove").at("remove", path)?;
        if fs::exists(path).at("inspect", path)? {
            fs::remove_file(path).at("remove", path)?;
            removed += 1;
        }
        dirs.extend(path.parent().map(Path::to_path_buf));
    }
    for dir in dirs {
        // A directory that still holds something stays, and says so with an error of no interest.
        let kept = if fs::remove_dir(&dir).is_ok() { dir.parent() } else { Some(dir.as_path()) };
        if let Some(kept) = kept.filter(|kept| kept.is_dir()) {
            sync_dir(kept).at("sync", kept)?;
        }
    }
    Ok(removed)
}

/// A file that may be a part.
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) modified: Micros,
}

/// Every file of a table's directory outside its log.
pub(crate) fn part_files(dir: &Path) -> Result<Vec<FoundFile>, LakeError> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).at("list", &dir)? {
            let entry = entry.at("list", &dir)?;
            let (path, metadata) = (entry.path(), entry.metadata().at("inspect", &entry.path())?);
            if metadata.is_dir() {
                if entry.file_name() != "_delta_log" {
                    pending.push(path);
                }
                continue;
            }
            let modified =
                metadata.modified().at("inspect", &path)?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let modified = Micros::try_from(modified.as_micros()).unwrap_or(Micros::MAX);
            found.push(FoundFile { path, bytes: metadata.len(), modified });
        }
    }
    Ok(found)
}
