//! The pointer file `CURRENT.json`: which parts are the graph.
//!
//! A part that no pointer names never happened. The file is described for other programs in
//! `docs/formats/graph.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stele_model::{DocumentId, Faults};

use crate::durable::{self, FilePoints};
use crate::error::GraphError;
use crate::tables::Table;

/// Format of `CURRENT.json` and of the parts that it names. A graph of another format is made anew:
/// that costs time and nothing else.
pub const FORMAT: u32 = 1;

const CURRENT: &str = "CURRENT.json";

const POINTS: FilePoints = FilePoints {
    write: "graph.pointer.write",
    sync: "graph.pointer.sync",
    rename: "graph.pointer.rename",
    dir_sync: "graph.pointer.dir_sync",
};

/// What a graph follows from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// Which lake, by its own id: another one has versions of the same numbers.
    pub lake: String,
    /// The version of the lake.
    pub lake_version: u64,
    /// The version of the rules by which things were found, in the caller's words.
    pub extractor: String,
    /// References whose target is not there; nothing where that was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<u64>,
    /// Inputs, and pages of archives, that could not be read in their present state. What they said before
    /// still counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// An input, or a page of an archive, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its name.
    pub source: String,
    /// Which content of it, in the caller's words.
    pub file_id: String,
    /// Why.
    pub reason: String,
    /// Whether it may be read another time, as when a program was missing.
    #[serde(default)]
    pub again: bool,
}

/// One file of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTable {
    /// Rows, those of documents that are gone included.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

/// Files that were written together: for each document in them, all of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its directory, `p-<n>`.
    pub dir: String,
    /// Its files. A table without rows has none.
    pub tables: BTreeMap<Table, PartTable>,
    /// Documents in it that were replaced or removed since, sorted: their rows do not count.
    pub gone: Vec<DocumentId>,
}

impl Part {
    /// Rows of a table, those of documents that are gone included.
    pub fn rows(&self, table: Table) -> u64 {
        self.tables.get(&table).map_or(0, |file| file.rows)
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.tables.values().map(|file| file.bytes).sum()
    }
}

/// One state of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counts the states, from 1 on.
    pub version: u64,
    /// What it follows from.
    pub follows: Follows,
    /// What documents say.
    pub parts: Vec<Part>,
    /// What only all of them together say: references that found their target, and what is known
    /// about recordings. It is made anew with each update.
    pub whole: Option<Part>,
}

impl Version {
    /// Documents that count.
    pub fn documents(&self) -> u64 {
        self.parts.iter().map(|part| part.rows(Table::Documents) - part.gone.len() as u64).sum()
    }

    /// Every part, that of the whole last.
    pub(crate) fn all_parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().chain(&self.whole)
    }
}

/// All of `CURRENT.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Current {
    /// What answers.
    pub(crate) now: Version,
    /// The parts of the version before it, which somebody may just be about to open.
    pub(crate) before: Vec<String>,
}

impl Current {
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(CURRENT)
    }

    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, GraphError> {
        durable::get(&Self::path(dir), FORMAT)
    }

    pub(crate) fn store(&self, dir: &Path, faults: &dyn Faults) -> Result<(), GraphError> {
        durable::put(&Self::path(dir), FORMAT, self, faults, POINTS)
    }

    /// Whether it names a part.
    pub(crate) fn names(&self, part: &str) -> bool {
        self.now.all_parts().any(|named| named.dir == part) || self.before.iter().any(|named| named == part)
    }
}
