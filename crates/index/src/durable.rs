//! "Written" means durable: small JSON files that appear whole or not at all, and the files of a
//! Lance table, which the library itself never syncs.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use stele_model::Faults;

use crate::error::{At, IndexError};

/// The failpoints of writing one small file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilePoints {
    pub(crate) write: &'static str,
    pub(crate) sync: &'static str,
    pub(crate) rename: &'static str,
    pub(crate) dir_sync: &'static str,
}

/// How the name ends under which a small file is written before it is renamed.
const ASIDE: &str = ".aside";

/// What a small file looks like: the format first, so that a newer one is told from a damaged one,
/// and a hash of the rest, so that a flipped bit is never read as a version number.
#[derive(Serialize, serde::Deserialize)]
struct Envelope<T> {
    format: u32,
    check: String,
    body: T,
}

#[derive(serde::Deserialize)]
struct FormatOnly {
    format: u32,
}

/// Replaces a small file. When it returns, the new content and its name are durable.
pub(crate) fn put<T: Serialize>(
    path: &Path,
    format: u32,
    body: &T,
    faults: &dyn Faults,
    points: FilePoints,
) -> Result<(), IndexError> {
    let envelope = Envelope { format, check: check_of(body, path)?, body };
    let mut text = serde_json::to_vec_pretty(&envelope).map_err(|error| damaged(path, &error.to_string()))?;
    text.push(b'\n');
    let dir = path.parent().unwrap_or(path);
    let mut aside = path.as_os_str().to_owned();
    aside.push(ASIDE);
    let aside = PathBuf::from(aside);
    write_aside(&aside, &text, faults, points).at("write", &aside)?;
    faults.hit(points.rename).and_then(|()| fs::rename(&aside, path)).at("rename to", path)?;
    faults.hit(points.dir_sync).and_then(|()| sync_dir(dir)).at("sync", dir)
}

fn write_aside(aside: &Path, text: &[u8], faults: &dyn Faults, points: FilePoints) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(aside)?;
    faults.hit(points.write)?;
    file.write_all(text)?;
    faults.hit(points.sync)?;
    file.sync_all()
}

/// Reads a small file back; `None` if there is none.
pub(crate) fn get<T: Serialize + DeserializeOwned>(path: &Path, known: u32) -> Result<Option<T>, IndexError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(damaged(path, "it is not text"));
        }
        text => text.at("read", path)?,
    };
    let found: FormatOnly = serde_json::from_str(&text).map_err(|error| damaged(path, &error.to_string()))?;
    if found.format > known {
        return Err(IndexError::NewerFormat { path: path.to_path_buf(), found: found.format, known });
    }
    let envelope: Envelope<T> =
        serde_json::from_str(&text).map_err(|error| damaged(path, &error.to_string()))?;
    if envelope.check != check_of(&envelope.body, path)? {
        return Err(damaged(path, "its content does not match its own checksum"));
    }
    Ok(Some(envelope.body))
}

fn check_of<T: Serialize>(body: &T, path: &Path) -> Result<String, IndexError> {
    let text = serde_json::to_vec(body).map_err(|error| damaged(path, &error.to_string()))?;
    Ok(blake3::hash(&text).to_hex()[..32].to_owned())
}

pub(crate) fn damaged(path: &Path, detail: &str) -> IndexError {
    IndexError::Damaged { path: path.to_path_buf(), detail: detail.to_owned() }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Directories below a version directory: `chunks.lance/_indices/<uuid>/…`. Deeper ones are not
/// Lance's, and following links could go round in circles.
const DEPTH_MAX: usize = 6;

/// Remembers which files of a tree are durable, so that each is synced once.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    known: HashMap<PathBuf, Stamp>,
}

/// Lance writes each file once; a name that is used again has another size or time.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<std::time::SystemTime>,
}

impl Synced {
    /// Takes what is there as durable: it is what a pointer names.
    pub(crate) fn trusting(root: &Path) -> Result<Self, IndexError> {
        let mut synced = Self::default();
        walk(root, &mut |path, stamp| {
            synced.known.insert(path, stamp);
            Ok(())
        })
        .at("list", root)?;
        Ok(synced)
    }

    /// Makes every file below `root` durable, and the names of those that are new.
    pub(crate) fn sync(&mut self, root: &Path) -> Result<(), IndexError> {
        let mut fresh = HashMap::new();
        let known = &mut self.known;
        let mut changed = Vec::new();
        walk(root, &mut |path, stamp| {
            if known.get(&path) != Some(&stamp) {
                File::open(&path)?.sync_all()?;
                changed.extend(path.parent().map(Path::to_path_buf));
            }
            fresh.insert(path, stamp);
            Ok(())
        })
        .at("sync", root)?;
        changed.sort();
        changed.dedup();
        let mut dirs: Vec<&Path> = Vec::new();
        for dir in &changed {
            // A new directory is a name in the one above it.
            dirs.extend(dir.ancestors().take_while(|dir| dir.starts_with(root)));
        }
        dirs.sort();
        dirs.dedup();
        for dir in dirs.into_iter().rev() {
            sync_dir(dir).at("sync", dir)?;
        }
        *known = fresh;
        Ok(())
    }
}

/// Bytes of all files below `root`.
pub(crate) fn bytes_below(root: &Path) -> Result<u64, IndexError> {
    let mut bytes = 0;
    walk(root, &mut |_, stamp| {
        bytes += stamp.bytes;
        Ok(())
    })
    .at("list", root)?;
    Ok(bytes)
}

fn walk(root: &Path, each: &mut dyn FnMut(PathBuf, Stamp) -> io::Result<()>) -> io::Result<()> {
    let mut pending = vec![(root.to_path_buf(), 0)];
    while let Some((dir, depth)) = pending.pop() {
        let entries = match fs::read_dir(&dir) {
            // A prune of another handle may remove a directory while it is walked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < DEPTH_MAX {
                pending.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                match entry.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    metadata => {
                        let metadata = metadata?;
                        let stamp = Stamp { bytes: metadata.len(), modified: metadata.modified().ok() };
                        each(entry.path(), stamp)?;
                    }
                }
            }
        }
    }
    Ok(())
}
