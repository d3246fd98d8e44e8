//! Whether the files of a Delta log can be read: each line one JSON object, versions without holes.
//!
//! The Delta library stops at the first damage and does not say where it is. This looks again,
//! slowly, once something has failed, and names the file and the line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{At, LakeError};

/// Checks every log file.
///
/// # Errors
///
/// The first damage, with its file and line.
pub(crate) fn check(log_dir: &Path) -> Result<(), LakeError> {
    let entries = entries(log_dir)?;
    for (version, path) in &entries {
        check_entry(path)?;
        let _ = version;
    }
    for pair in entries.windows(2) {
        if let [(before, _), (after, path)] = pair
            && before + 1 != *after
        {
            let detail = format!("version {} is missing before it", before + 1);
            return Err(LakeError::CorruptLog { path: path.clone(), line: 1, detail });
        }
    }
    Ok(())
}

/// The JSON entries of a log with their versions, in order.
pub(crate) fn entries(log_dir: &Path) -> Result<Vec<(u64, PathBuf)>, LakeError> {
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
    let damage =
        |line: usize, detail: String| LakeError::CorruptLog { path: path.to_path_buf(), line, detail };
    let bytes = fs::read(path).at("read", path)?;
    if bytes.is_empty() {
        return Err(damage(1, "the file is empty".to_owned()));
    }
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() && index > 0 {
            continue;
        }
        match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(serde_json::Value::Object(action)) if action.len() == 1 => {}
            Ok(_) => return Err(damage(index + 1, "not an object with one action".to_owned())),
            Err(error) => return Err(damage(index + 1, error.to_string())),
        }
    }
    Ok(())
}
