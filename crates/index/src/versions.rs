//! Version directories `v-<n>`: making one, taking one back to what its pointer names, removing
//! those that nobody needs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::durable::{self, Synced, damaged};
use crate::error::{At, IndexError};
use crate::home::Home;
use crate::indexes::Wanted;
use crate::lock::{self, READERS};
use crate::pointer::{Current, Pointer, Progress, Spec};
use crate::table::{TABLE_DIR, Table};

/// Where Lance keeps its manifests, below a table.
const MANIFESTS: &str = "_versions";

/// Makes a version directory with an empty table, durable but named by nothing.
pub(crate) fn make(home: &Home, current: &Current, spec: &Spec) -> Result<(Table, Pointer), IndexError> {
    home.hit("index.version.create")?;
    let number = next(&home.dir, current)?;
    let name = format!("v-{number}");
    let dir = home.dir.join(&name);
    fs::create_dir(&dir).at("create", &dir)?;
    let readers = dir.join(READERS);
    File::create(&readers).at("create", &readers)?;
    home.hit("index.table.create")?;
    let table = Table::create(home, &dir, spec.dimension())?;
    for wanted in Wanted::of(spec) {
        if wanted.rows_min() == 0 {
            wanted.create(&table, 0)?;
        }
    }
    home.hit("index.table.sync")?;
    Synced::default().sync(&dir)?;
    durable::sync_dir(&home.dir).at("sync", &home.dir)?;
    let version = table.version()?;
    Ok((table, Pointer::empty(spec.clone(), name, version)))
}

/// Opens a table for writing, at exactly what the pointer names: what Lance committed after it never
/// happened.
pub(crate) fn recover(home: &Home, pointer: &Pointer) -> Result<Table, IndexError> {
    home.hit("index.recover")?;
    let dir = home.dir.join(&pointer.dir);
    let manifests = dir.join(TABLE_DIR).join(MANIFESTS);
    let mut removed = false;
    for entry in fs::read_dir(&manifests).at("list", &manifests)? {
        let path = entry.at("list", &manifests)?.path();
        if manifest_version(&path).is_some_and(|version| version > pointer.table_version) {
            tracing::info!(path = %path.display(), "taking back a write that no pointer names");
            fs::remove_file(&path).at("remove", &path)?;
            removed = true;
        }
    }
    if removed {
        durable::sync_dir(&manifests).at("sync", &manifests)?;
    }
    let table = Table::open(home, &dir)?;
    let found = table.version()?;
    if found != pointer.table_version {
        return Err(table.wrong(&format!(
            "the pointer names version {} of the table, and the newest one is {found}",
            pointer.table_version
        )));
    }
    Ok(table)
}

/// Lance names a manifest by its version, or by how far it is from the largest number, so that the
/// newest is listed first.
fn manifest_version(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".manifest")?;
    let number: u64 = stem.parse().ok()?;
    // 20 digits are the second way; no table has 10^19 versions.
    Some(if stem.len() == 20 { u64::MAX - number } else { number })
}

/// A half-built version that can be gone on with.
pub(crate) fn half_built(home: &Home, current: &Current, spec: &Spec) -> Result<Option<Pointer>, IndexError> {
    for (name, dir) in list(&home.dir)? {
        if current.indexes.iter().any(|pointer| pointer.dir == name) {
            continue;
        }
        if let Ok(Some(progress)) = Progress::load(&dir)
            && progress.pointer.spec == *spec
            && progress.pointer.dir == name
        {
            return Ok(Some(progress.pointer));
        }
    }
    Ok(None)
}

/// Removes the version directories that no pointer names and nobody reads. A half-built version is
/// kept if it is of `keep`, or of any spec if nobody says which.
pub(crate) fn tidy(home: &Home, current: &Current, keep: Option<&Spec>) -> Result<(), IndexError> {
    let mut kept = false;
    for (name, dir) in list(&home.dir)? {
        if current.indexes.iter().any(|pointer| pointer.dir == name) {
            // A stop between the swap and the removal of the progress file leaves it.
            let progress = Progress::path(&dir);
            if progress.exists() {
                fs::remove_file(&progress).at("remove", &progress)?;
            }
            continue;
        }
        let half_built = Progress::load(&dir).ok().flatten().filter(|progress| progress.pointer.dir == name);
        let wanted =
            half_built.is_some_and(|progress| keep.is_none_or(|spec| progress.pointer.spec == *spec));
        if wanted && !kept {
            kept = true;
            continue;
        }
        remove(home, &dir)?;
    }
    Ok(())
}

fn remove(home: &Home, dir: &Path) -> Result<(), IndexError> {
    let Some(held) = lock::unread(dir)? else {
        tracing::info!(dir = %dir.display(), "an old version is still read; the next writer looks again");
        return Ok(());
    };
    home.hit("index.version.remove")?;
    // First what makes it worth keeping, so that a stop in between leaves nothing to go on with.
    let progress = Progress::path(dir);
    if progress.exists() {
        fs::remove_file(&progress).at("remove", &progress)?;
    }
    fs::remove_dir_all(dir).at("remove", dir)?;
    drop(held);
    Ok(())
}

/// The version directories with their names, newest first.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, IndexError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).at("list", dir)? {
        let entry = entry.at("list", dir)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(number) = number_of(&name) {
            found.push((number, name, entry.path()));
        }
    }
    found.sort_by_key(|&(number, ..)| std::cmp::Reverse(number));
    Ok(found.into_iter().map(|(_, name, path)| (name, path)).collect())
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("v-")?.parse().ok()
}

fn next(dir: &Path, current: &Current) -> Result<u64, IndexError> {
    let there = list(dir)?;
    let named = current.indexes.iter().map(|pointer| pointer.dir.as_str());
    let newest = there.iter().map(|(name, _)| name.as_str()).chain(named).filter_map(number_of).max();
    newest
        .unwrap_or(0)
        .checked_add(1)
        .ok_or_else(|| damaged(&Current::path(dir), "it names a version directory beyond all numbers"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::manifest_version;

    #[test]
    fn both_ways_of_naming_a_manifest_are_read() {
        for (name, expect) in [
            ("18446744073709551612.manifest", Some(3)),
            ("7.manifest", Some(7)),
            ("d18446744073709551612.manifest", None),
            ("latest_version_hint.json", None),
        ] {
            assert_eq!(manifest_version(Path::new(name)), expect, "{name}");
        }
    }
}
