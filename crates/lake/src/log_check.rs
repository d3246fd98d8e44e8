//! Whether the files of a Delta log are what was written.
//!
//! The Delta library reads an empty log entry as a commit of nothing, passes over actions that it
//! does not know, and where it fails it does not say at which file. So each entry of ours carries a
//! checksum of its other lines in its `commitInfo`, the entries that a reader replays are compared
//! with it, and an error names file and line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{At, LakeError};

/// The member of `commitInfo` that holds the checksum.
pub(crate) const CHECKSUM: &str = "stele.checksum";

/// Digits of it that are kept: 64 bits find any accident.
const DIGITS: usize = 16;

/// The checksum of the lines after the first.
pub(crate) fn checksum(rest: &[u8]) -> String {
    blake3::hash(rest).to_hex().chars().take(DIGITS).collect()
}

/// Checks every log file.
///
/// # Errors
///
/// The first damage, with its file and line.
pub(crate) fn check(log_dir: &Path) -> Result<(), LakeError> {
    // No entry is ever removed, so the first is there.
    let first = entries(log_dir)?.into_iter().next();
    if first.as_ref().is_none_or(|(version, _)| *version != 0) {
        let path = log_dir.join(format!("{:020}.json", 0));
        return Err(LakeError::CorruptLog { path, line: None, detail: "it is missing".to_owned() });
    }
    check_from(log_dir, 0)
}

/// The newest entry, if it is damaged and those before it are not.
pub(crate) fn damaged_newest(log_dir: &Path) -> Result<Option<PathBuf>, LakeError> {
    if !log_dir.is_dir() {
        return Ok(None);
    }
    let mut entries = entries(log_dir)?;
    let Some((_, newest)) = entries.pop() else { return Ok(None) };
    let before_is_sound = !entries.is_empty() && entries.iter().all(|(_, path)| check_entry(path).is_ok());
    Ok((before_is_sound && check_entry(&newest).is_err()).then_some(newest))
}

/// Checks the entries that come after the newest checkpoint: those that a reader replays.
pub(crate) fn check_recent(log_dir: &Path) -> Result<(), LakeError> {
    let mut newest = 0;
    for entry in fs::read_dir(log_dir).at("list", log_dir)? {
        let name = entry.at("list", log_dir)?.file_name();
        let name = name.to_string_lossy();
        if let Some((version, rest)) = name.split_once('.')
            && rest.starts_with("checkpoint")
        {
            newest = newest.max(version.parse().unwrap_or_default());
        }
    }
    check_from(log_dir, newest)
}

fn check_from(log_dir: &Path, first: u64) -> Result<(), LakeError> {
    let mut entries = entries(log_dir)?;
    entries.retain(|(version, _)| *version >= first);
    for (_, path) in &entries {
        check_entry(path)?;
    }
    for pair in entries.windows(2) {
        if let [(before, _), (after, path)] = pair
            && before + 1 != *after
        {
            let detail = format!("version {} is missing before it", before + 1);
            return Err(LakeError::CorruptLog { path: path.clone(), line: Some(1), detail });
        }
    }
    Ok(())
}

/// The JSON entries of a log with their versions, in order.
fn entries(log_dir: &Path) -> Result<Vec<(u64, PathBuf)>, LakeError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(log_dir).at("list", log_dir)? {
        let path = entry.at("list", log_dir)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(version) = name.strip_suffix(".json").filter(|stem| stem.len() == 20)
            && let Ok(version) = version.parse()
        {
            found.push((version, path));
        }
    }
    found.sort();
    Ok(found)
}

fn check_entry(path: &Path) -> Result<(), LakeError> {
    let damage = |line: usize, detail: String| LakeError::CorruptLog {
        path: path.to_path_buf(),
        line: Some(line),
        detail,
    };
    let bytes = fs::read(path).at("read", path)?;
    if bytes.is_empty() {
        return Err(damage(1, "the file is empty".to_owned()));
    }
    let (mut stated, mut rest) = (None, &bytes[..]);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() && index > 0 {
            continue;
        }
        let action = match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(serde_json::Value::Object(action)) if action.len() == 1 => action,
            Ok(_) => return Err(damage(index + 1, "not an object with one action".to_owned())),
            Err(error) => return Err(damage(index + 1, error.to_string())),
        };
        if index == 0 {
            let info = action.get("commitInfo");
            stated = info.and_then(|info| info.get(CHECKSUM)?.as_str()).map(str::to_owned);
            let engine = info.and_then(|info| info.get("engineInfo")?.as_str()).unwrap_or_default();
            if stated.is_none() && engine.starts_with("stele/") {
                return Err(damage(1, "the checksum that it was written with is gone".to_owned()));
            }
            rest = bytes.get(line.len() + 1..).unwrap_or_default();
        }
    }
    if stated.is_some_and(|stated| stated != checksum(rest)) {
        return Err(damage(1, "the lines after it are not those that were written".to_owned()));
    }
    Ok(())
}
