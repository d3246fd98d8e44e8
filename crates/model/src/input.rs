//! What is kept of an input beside its records, so that it can be written back byte for byte.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{FileId, Ledger, Micros};

/// How far the reading of an input has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Part of it is in the lake; the cursor says how far.
    Partial,
    /// All of it is in the lake or in quarantine.
    Complete,
    /// Its bytes were in the lake already, under another name.
    Duplicate,
}

impl FileState {
    /// The name in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            FileState::Partial => "partial",
            FileState::Complete => "complete",
            FileState::Duplicate => "duplicate",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [FileState::Partial, FileState::Complete, FileState::Duplicate]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// One input and its cursor: what the `files` table holds. It is committed together with the
/// records that it accounts for. Offsets and sizes count *content* bytes, after decompression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Whose data it is. Names and contents of different tenants have nothing to do with each other.
    #[serde(rename = "tenant_id")]
    pub tenant: String,
    /// Identity by content.
    pub file_id: FileId,
    /// Where it was read from: an absolute path, or `stdin:NAME`.
    pub uri: String,
    /// Format or profile that read it, such as `F1` or `har`.
    pub format: String,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// Declared time zone, if any.
    pub timezone: Option<String>,
    /// Content bytes that are accounted for; the cursor.
    pub bytes_done: u64,
    /// Lines that are accounted for.
    pub lines_done: u64,
    /// SHA-256 of the first `bytes_done` content bytes, hexadecimal.
    pub sha256: String,
    /// Size of the file as it lies on disk, before decompression.
    pub size_on_disk: u64,
    /// Where the last line begins, if it is rejected and has no `\n`: somebody may still be
    /// writing it, so reading goes on there when the input has grown.
    pub tail_offset: Option<u64>,
    /// Totals over `bytes_done`.
    pub ledger: Ledger,
    /// How far the reading has come.
    pub state: FileState,
    /// When its name was found to hold nothing any more, for a document: what it said is kept, and is
    /// no longer what is known. A recording stays true when its file is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Micros>,
    /// What somebody filed it under when it was ingested: in lower case, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When this entry was made.
    pub updated_at: Micros,
}

/// Why bytes of an input are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidueClass {
    /// A damaged line: this is what "quarantine" means to a user.
    Rejected,
    /// A comment line that the format defines, such as `# Session: {…}`.
    Control,
    /// A line of nothing but white space.
    Blank,
    /// Bytes between the records of a JSON document: brackets, commas, a byte order mark.
    Filler,
    /// Bytes of a document that people wrote for people: kept as they are, and read as a whole.
    Document,
}

impl ResidueClass {
    /// The name in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            ResidueClass::Rejected => "rejected",
            ResidueClass::Control => "control",
            ResidueClass::Blank => "blank",
            ResidueClass::Filler => "filler",
            ResidueClass::Document => "document",
        }
    }

    /// The class with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            ResidueClass::Rejected,
            ResidueClass::Control,
            ResidueClass::Blank,
            ResidueClass::Filler,
            ResidueClass::Document,
        ]
        .into_iter()
        .find(|class| class.name() == name)
    }
}

/// Bytes of an input that are not a record, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Residue<'a> {
    /// Why they are not a record.
    pub class: ResidueClass,
    /// For a rejected line what is wrong, in words; otherwise empty.
    pub reason: Cow<'a, str>,
    /// Content offset of the byte where reading stopped, for a rejected line.
    pub error_at: Option<u64>,
    /// The bytes, without the `\n` that ends a line.
    pub bytes: &'a [u8],
    /// Line of the first byte, counted from 1.
    pub line_no: u64,
    /// Content offset of the first byte.
    pub byte_offset: u64,
}
