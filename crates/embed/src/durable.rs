//! Files that appear whole or not at all, and their checksums.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use stele_model::id::to_hex;

use crate::EmbedError;
use crate::error::At;

/// How much is hashed or copied at a time: large enough for the disk, small beside the caches.
const STEP_BYTES: usize = 256 << 10;

/// Writes `path` by way of a temporary file beside it: content first, then the name, each made
/// durable, so that a crash leaves the old file or the new one.
pub(crate) fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), EmbedError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).at("create", dir)?;
    let mut file = tempfile::Builder::new().prefix(".partial-").tempfile_in(dir).at("write", path)?;
    let mut out = io::BufWriter::with_capacity(STEP_BYTES, file.as_file_mut());
    fill(&mut out).and_then(|()| out.flush()).at("write", path)?;
    drop(out);
    readable(file.as_file()).and_then(|()| file.as_file().sync_all()).at("write", path)?;
    file.persist(path).map_err(|error| error.error).at("write", path)?;
    File::open(dir).and_then(|dir| dir.sync_all()).at("write", dir)
}

/// Temporary files are for their owner alone; models may be shared with every user of the machine.
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// The SHA-256 of a file, as `sha256sum` writes it.
pub(crate) fn sha256_file(path: &Path) -> Result<String, EmbedError> {
    let mut file = File::open(path).at("read", path)?;
    let (mut hash, mut step) = (Sha256::new(), vec![0; STEP_BYTES]);
    loop {
        match file.read(&mut step) {
            Ok(0) => return Ok(to_hex(&hash.finalize())),
            Ok(length) => hash.update(&step[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).at("read", path),
        }
    }
}

/// The SHA-256 of bytes, as `sha256sum` writes it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}
