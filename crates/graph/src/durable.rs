//! "Written" means durable: small JSON files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use stele_model::Faults;

use crate::error::{At, GraphError};

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
) -> Result<(), GraphError> {
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
pub(crate) fn get<T: Serialize + DeserializeOwned>(path: &Path, known: u32) -> Result<Option<T>, GraphError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(damaged(path, "it is not text"));
        }
        text => text.at("read", path)?,
    };
    let found: FormatOnly = serde_json::from_str(&text).map_err(|error| damaged(path, &error.to_string()))?;
    if found.format > known {
        let (path, dir) = (path.to_path_buf(), path.parent().unwrap_or(path).to_path_buf());
        return Err(GraphError::NewerFormat { path, found: found.format, known, dir });
    }
    let envelope: Envelope<T> =
        serde_json::from_str(&text).map_err(|error| damaged(path, &error.to_string()))?;
    if envelope.check != check_of(&envelope.body, path)? {
        return Err(damaged(path, "its content does not match its own checksum"));
    }
    Ok(Some(envelope.body))
}

fn check_of<T: Serialize>(body: &T, path: &Path) -> Result<String, GraphError> {
    let text = serde_json::to_vec(body).map_err(|error| damaged(path, &error.to_string()))?;
    Ok(blake3::hash(&text).to_hex()[..32].to_owned())
}

pub(crate) fn damaged(path: &Path, detail: &str) -> GraphError {
    let dir = path.parent().unwrap_or(path).to_path_buf();
    GraphError::Damaged { path: path.to_path_buf(), detail: detail.to_owned(), dir }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
