//! A commit whose last step is missing, finished where that can be proved; and parts that no commit
//! names, set aside.
//!
//! A crash just before the anchor and the loss of the newest entry of `events` leave the same files
//! behind. In both cases every row is durable, and the provisional rows of `files` say what the inputs
//! have to come to. So the parts that the same writer finished before those rows are taken for the
//! commit's, and if every input that it touched comes back with its SHA-256, the anchor is written
//! again. Otherwise nothing is guessed: the parts are moved, never removed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stele_model::Micros;

use crate::delta::DeltaLog;
use crate::error::{At, LakeError};
use crate::lake::Lake;
use crate::lock::WriterLock;
use crate::log_check;
use crate::maintain::part_files;
use crate::part::{PartInfo, PartStats, checksum_matches, place_of};
use crate::reader::PartReader;
use crate::replay::Replayer;
use crate::rows::{each_batch, read_files};
use crate::store::sync_dir;
use crate::tables::{Table, lake_dir};
use crate::writer::{Anchored, Writer};

/// Where files are moved that nobody names and somebody may miss.
pub(crate) fn lost_and_found(data_dir: &Path) -> PathBuf {
    lake_dir(data_dir).join("lost+found")
}

/// Finishes the commit that the tables beside `events` are ahead by. Returns its records, or `None`
/// where there is no such commit or it cannot be proved whole. The writer has not recovered yet.
pub(super) fn complete(writer: &mut Writer, now: Micros) -> Result<Option<u64>, LakeError> {
    let Some(parts) = missing(writer)? else { return Ok(None) };
    let rows = parts.iter().map(|part| part.rows).sum();
    let mut change = Anchored::default();
    change.events.adds = parts;
    writer.anchored(change, Vec::new(), Vec::new(), "WRITE", now)?;
    Ok(Some(rows))
}

/// The parts of `events` that the missing commit named, if they are proved to be all of them.
fn missing(writer: &Writer) -> Result<Option<Vec<PartInfo>>, LakeError> {
    let (events, files) = (writer.log(Table::Events), writer.log(Table::Files));
    let Some(pinned) = events.pin(Table::Files.app_id())? else { return Ok(None) };
    if pinned >= files.version() {
        return Ok(None);
    }
    let before: HashSet<String> = DeltaLog::load(writer.home(), Table::Files, Some(pinned))?
        .parts()?
        .into_iter()
        .map(|part| part.relative)
        .collect();
    let new: Vec<PartInfo> =
        files.parts()?.into_iter().filter(|part| !before.contains(&part.relative)).collect();
    // One commit writes one part of `files`; more is nothing that one missing anchor explains.
    let [cursors] = new.as_slice() else { return Ok(None) };
    let Some((run, last)) = place_of(&cursors.path) else { return Ok(None) };

    let named: HashSet<String> = events.parts()?.into_iter().map(|part| part.relative).collect();
    let gone = events.tombstones()?;
    let dir = events.dir();
    let mut parts = Vec::new();
    for file in part_files(&dir)? {
        let relative = file.path.strip_prefix(&dir).unwrap_or(&file.path).to_string_lossy().into_owned();
        let of_it = place_of(&file.path).is_some_and(|(of, number)| of == run && number < last);
        if of_it && !named.contains(&relative) && !gone.contains_key(&relative) {
            match describe(&file.path, relative, file.modified) {
                Ok(Some(part)) => parts.push(part),
                Ok(None) | Err(LakeError::CorruptPart { .. } | LakeError::MissingPart { .. }) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }
    parts.sort_by(|a, b| a.relative.cmp(&b.relative));
    let snapshot = writer.snapshot()?.with_events(&parts);
    let replayer = match Replayer::of_all(&snapshot) {
        Ok(replayer) => replayer,
        Err(LakeError::CorruptPart { .. } | LakeError::MissingPart { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    for row in read_files(&new)? {
        if replayer.replay(&row.entry, &mut io::sink()).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(parts))
}

/// What the log said about a finished part, read from the part. `None` if its bytes are not those
/// that were written.
fn describe(path: &Path, relative: String, modified: Micros) -> Result<Option<PartInfo>, LakeError> {
    if checksum_matches(path)? != Some(true) {
        return Ok(None);
    }
    let rows = PartReader::open(path)?.row_count();
    let mut stats = PartStats::default();
    stats.rows = rows;
    each_batch(path, None, |batch| {
        stats.observe(Table::Events, batch);
        Ok(())
    })?;
    let bytes = fs::metadata(path).at("inspect", path)?.len();
    let partitions = crate::delta::partitions_of(Table::Events, &relative);
    Ok(Some(PartInfo { path: path.to_path_buf(), relative, rows, bytes, partitions, modified, stats }))
}

/// The newest entry of the log of `events`, if nothing but that entry is damaged there.
///
/// # Errors
///
/// When the log cannot be listed.
pub fn damaged_newest_entry(lake: &Lake) -> Result<Option<PathBuf>, LakeError> {
    log_check::damaged_newest(&Table::Events.dir(lake.data_dir()).join("_delta_log"))
}

/// Moves that entry aside, and finishes its commit again if that can be proved; otherwise the lake
/// is again what it was before that commit. Returns the records of the commit that was finished.
///
/// # Errors
///
/// [`LakeError::Busy`] while somebody writes, and what the operating system refuses.
pub fn give_up_entry(lake: &Lake, entry: &Path, now: Micros) -> Result<Option<u64>, LakeError> {
    {
        let _lock = WriterLock::take(lake.data_dir())?;
        set_aside(lake.data_dir(), entry)?;
    }
    let mut writer = Writer::begin(lake, now)?;
    let completed = complete(&mut writer, now)?;
    writer.recover()?;
    Ok(completed)
}

/// Moves a file from below `lake/` to the same place below `lake/lost+found/`.
pub(super) fn set_aside(data_dir: &Path, path: &Path) -> Result<PathBuf, LakeError> {
    let place = path.strip_prefix(lake_dir(data_dir)).unwrap_or(path);
    let mut to = lost_and_found(data_dir).join(place);
    let dir = to.parent().unwrap_or(&to).to_path_buf();
    fs::create_dir_all(&dir).at("create", &dir)?;
    // What was set aside before under the same name stays too.
    let name = to.file_name().unwrap_or_default().to_os_string();
    for number in 1.. {
        if !to.exists() {
            break;
        }
        let mut next = name.clone();
        next.push(format!(".{number}"));
        to.set_file_name(next);
    }
    fs::rename(path, &to).at("move", path)?;
    for dir in dir.ancestors().take_while(|dir| *dir != data_dir).chain(path.parent()) {
        sync_dir(dir).at("sync", dir)?;
    }
    Ok(to)
}
