//! Archives that nobody has to trust: how many entries, how they are named, how large they unpack.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::DocumentError;
use crate::limits::{
    ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX, ARCHIVE_RATIO_MAX, ENTRY_BYTES_MAX, RATIO_BYTES_MIN,
};

/// An open archive.
pub(crate) struct Archive<'b> {
    source_uri: String,
    zip: ZipArchive<Cursor<&'b [u8]>>,
    names: Vec<String>,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl<'b> Archive<'b> {
    /// Opens an archive and looks at the names in it; nothing is unpacked.
    pub(crate) fn open(source_uri: &str, bytes: &'b [u8]) -> Result<Self, DocumentError> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| DocumentError::damaged(source_uri, "the archive", error))?;
        if zip.len() > ARCHIVE_ENTRIES_MAX {
            let reason = format!("{} entries are more than {ARCHIVE_ENTRIES_MAX}", zip.len());
            return Err(DocumentError::refused(source_uri, "the archive", reason));
        }
        let mut names = Vec::with_capacity(zip.len());
        for name in zip.file_names() {
            let name = name.map_err(|error| DocumentError::damaged(source_uri, "the archive", error))?;
            if leaves(&name) {
                let reason = "its name leads out of the archive";
                return Err(DocumentError::refused(source_uri, &name, reason));
            }
            if !name.ends_with('/') {
                names.push(name.into_owned());
            }
        }
        names.sort();
        Ok(Self { source_uri: source_uri.to_owned(), zip, names, left: ARCHIVE_BYTES_MAX })
    }

    pub(crate) fn source_uri(&self) -> &str {
        &self.source_uri
    }

    /// Names of its files, sorted.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The bytes of a file in it.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, DocumentError> {
        let source_uri = self.source_uri.clone();
        let damaged = |reason: String| DocumentError::damaged(&source_uri, name, reason);
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::UnsupportedArchive(reason)) if reason == ZipError::PASSWORD_REQUIRED => {
                return Err(DocumentError::Locked { source_uri });
            }
            Err(error) => return Err(damaged(error.to_string())),
        };
        let packed = entry.compressed_size();
        let max = ENTRY_BYTES_MAX.min(self.left);
        let ratio = RATIO_BYTES_MIN.max(packed.saturating_mul(ARCHIVE_RATIO_MAX));
        let limit = max.min(ratio);
        // What the archive says about sizes may be a lie, so the bytes themselves are counted.
        let mut bytes = Vec::new();
        entry.take(limit + 1).read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
        if bytes.len() as u64 > limit {
            return Err(match limit == ratio && ratio < max {
                true => {
                    let reason =
                        format!("it unpacks to more than {ARCHIVE_RATIO_MAX} times its size, as a bomb does");
                    DocumentError::refused(&source_uri, name, reason)
                }
                false => DocumentError::TooLarge { source_uri, what: name.to_owned(), max },
            });
        }
        self.left -= bytes.len() as u64;
        Ok(bytes)
    }

    /// The text of a file of XML.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, DocumentError> {
        let bytes = self.bytes(name)?;
        Ok(crate::decode::decode(&bytes, None, &mut Vec::new()).into_owned())
    }

    /// The same for a file that need not be there.
    pub(crate) fn optional(&mut self, name: &str) -> Result<Option<String>, DocumentError> {
        let there = self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
        if there { self.text(name).map(Some) } else { Ok(None) }
    }
}

/// Whether a name leads out of the archive.
fn leaves(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with(['/', '\\']) || drive || name.split(['/', '\\']).any(|part| part == "..")
}
