//! The lake's schema version: read, compared, and raised one step at a time.
//!
//! The version is a property of the `events` table, so it changes with a commit or not at all.
//! `manifests/schema_version.json` repeats it for people and scripts.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use stele_model::Micros;

use crate::delta::{Change, DeltaLog, Home};
use crate::error::{At, LakeError};
use crate::store::sync_dir;
use crate::tables::{SCHEMA_PROPERTY, SCHEMA_VERSION, Table, lake_dir};
use crate::writer::provisional;

/// The oldest version that a migration starts from.
const OLDEST: u32 = 1;

/// The version of a loaded `events` table.
pub(crate) fn version_of(events: &DeltaLog) -> Result<u32, LakeError> {
    let text = events.property(SCHEMA_PROPERTY)?;
    let version = text.as_deref().and_then(|text| text.parse().ok());
    version.ok_or_else(|| LakeError::Delta {
        what: "read",
        path: events.dir(),
        detail: format!("it has no property {SCHEMA_PROPERTY}, so it was not made by stele"),
    })
}

/// Whether this program can read a lake of that version without changing it.
pub(crate) fn readable(lake: &Path, found: u32) -> Result<(), LakeError> {
    if found > SCHEMA_VERSION {
        return Err(LakeError::NewerSchema { path: lake.to_path_buf(), found, known: SCHEMA_VERSION });
    }
    if found < OLDEST {
        return Err(LakeError::OlderSchema { path: lake.to_path_buf(), found, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Raises the version of the lake to the current one. Each step ends in a commit to `events`, so a
/// migration that was cut off goes on where it stopped.
pub(crate) fn migrate(home: &Home, events: &mut DeltaLog, now: Micros) -> Result<(), LakeError> {
    let found = version_of(events)?;
    readable(&lake_dir(&home.data_dir), found)?;
    for from in found..SCHEMA_VERSION {
        step(home, events, from, now)?;
    }
    write_manifest(home)
}

fn step(home: &Home, events: &mut DeltaLog, from: u32, now: Micros) -> Result<(), LakeError> {
    let mut change =
        Change { property: Some((SCHEMA_PROPERTY, (from + 1).to_string())), ..Change::default() };
    if from == 1 {
        // Version 2 keeps catalogues and prunes in a table of their own.
        let notes = DeltaLog::create(home, Table::Notes, &[], &[], now)?;
        change.pins.push((Table::Notes.app_id(), notes.version()));
    }
    if (2..=4).contains(&from) {
        // Version 3 keeps where the unfinished last line of an input begins, version 4 when a document
        // was found to be gone, version 5 what an input is filed under.
        change.pins.push((Table::Files.app_id(), state_columns(home, Table::Files, events, now)?));
    }
    events.commit(change, "MIGRATE", now)?;
    Ok(())
}

/// States the columns of this program in the log of a table; returns the version to pin.
fn state_columns(home: &Home, table: Table, events: &DeltaLog, now: Micros) -> Result<u64, LakeError> {
    let mut log = DeltaLog::load(home, table, None)?;
    // Pinning a version anchors all that it holds, so what has no anchor goes first.
    if let Some(change) = provisional(home, &log, events.pin(table.app_id())?)? {
        log.commit(change, "ROLLBACK", now)?;
    }
    if !log.has_all_columns()? {
        log.commit(Change { columns: true, ..Change::default() }, "MIGRATE", now)?;
    }
    Ok(log.version())
}

/// Where the version is repeated.
pub(crate) fn manifest(data_dir: &Path) -> PathBuf {
    data_dir.join("manifests").join("schema_version.json")
}

/// The version that the manifest repeats, if it can be read.
pub(crate) fn manifest_version(data_dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(manifest(data_dir)).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    u32::try_from(value.get("lake")?.as_u64()?).ok()
}

/// Writes the manifest if it does not say the current version.
pub(crate) fn write_manifest(home: &Home) -> Result<(), LakeError> {
    if manifest_version(&home.data_dir) == Some(SCHEMA_VERSION) {
        return Ok(());
    }
    let path = manifest(&home.data_dir);
    let dir = home.data_dir.join("manifests");
    let aside = dir.join("schema_version.json.tmp");
    fs::create_dir_all(&dir).at("create", &dir)?;
    let text = format!("{{\"lake\": {SCHEMA_VERSION}}}\n");
    home.faults.hit("lake.manifest.write").at("write", &aside)?;
    let mut file = File::create(&aside).at("create", &aside)?;
    file.write_all(text.as_bytes()).at("write", &aside)?;
    file.sync_all().at("sync", &aside)?;
    home.faults.hit("lake.manifest.rename").at("rename", &path)?;
    fs::rename(&aside, &path).at("rename", &path)?;
    sync_dir(&dir).at("sync", &dir)
}
