//! The pointer file `CURRENT.json`: which version of which table answers for which model.
//!
//! A Lance commit that no pointer names never happened. The file is described for other programs in
//! `docs/formats/index.md`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stele_model::{CHUNK_POLICY, Faults};

use crate::digest::LogicalHash;
use crate::durable::{self, FilePoints};
use crate::error::IndexError;

/// Format of `CURRENT.json` and `PROGRESS.json`.
pub(crate) const FORMAT: u32 = 2;

/// Version of the tables' columns and of how texts are cut into words. An index of another version
/// is built anew: that costs time and nothing else.
pub const SCHEMA_VERSION: u32 = 3;

/// The largest dimension of a vector. The largest models in use have 4,096; beyond that it is a
/// mistake that would ask for gigabytes.
pub const DIMENSION_MAX: u32 = 8_192;

const CURRENT: &str = "CURRENT.json";
const PROGRESS: &str = "PROGRESS.json";

const CURRENT_POINTS: FilePoints = FilePoints {
    write: "index.pointer.write",
    sync: "index.pointer.sync",
    rename: "index.pointer.rename",
    dir_sync: "index.pointer.dir_sync",
};

const PROGRESS_POINTS: FilePoints = FilePoints {
    write: "index.progress.write",
    sync: "index.progress.sync",
    rename: "index.progress.rename",
    dir_sync: "index.progress.dir_sync",
};

/// What made the vectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Model {
    /// Its name with its version. Vectors of two names are never compared.
    pub id: String,
    /// Numbers of one vector.
    pub dimension: u32,
    /// Whether near means alike. A test double's vectors are there for the machinery alone.
    pub semantic: bool,
}

/// How an index is made. Two indexes of one spec hold comparable rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spec {
    /// What made the vectors; nothing, if it is an index of texts alone.
    pub model: Option<Model>,
    /// The rules by which texts are made.
    pub chunk_policy: u32,
    /// The version of the tables.
    pub schema: u32,
}

impl Spec {
    /// An index that this program writes, with this model or of texts alone.
    pub fn new(model: Option<Model>) -> Self {
        Self { model, chunk_policy: CHUNK_POLICY, schema: SCHEMA_VERSION }
    }

    /// The name under which it stands beside others.
    pub fn key(&self) -> &str {
        self.model.as_ref().map_or("text", |model| &model.id)
    }

    /// In words, for messages.
    pub(crate) fn in_words(&self) -> String {
        let model = match &self.model {
            Some(model) => format!("model {} ({} dimensions)", model.id, model.dimension),
            None => "no model (texts alone)".to_owned(),
        };
        format!("{model}, chunk policy {}, table schema {}", self.chunk_policy, self.schema)
    }

    pub(crate) fn dimension(&self) -> Option<u32> {
        self.model.as_ref().map(|model| model.dimension)
    }

    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let Some(model) = &self.model else { return Ok(()) };
        if model.id.is_empty() || model.id == "text" {
            return Err(IndexError::Invalid("a model needs a name other than `text`".to_owned()));
        }
        if model.dimension == 0 || model.dimension > DIMENSION_MAX {
            return Err(IndexError::Invalid(format!(
                "model {} has {} dimensions; between 1 and {DIMENSION_MAX} are possible",
                model.id, model.dimension
            )));
        }
        Ok(())
    }
}

/// One table at one version, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// How it was made.
    pub spec: Spec,
    /// The version directory, `v-<n>`.
    pub dir: String,
    /// The version of the Lance table.
    pub table_version: u64,
    /// The version before it that readers may still hold.
    pub table_version_before: Option<u64>,
    /// The version of the lake that it follows. Nothing, as long as a first build has not ended.
    pub checkpoint: Option<u64>,
    /// Which lake that is, by its own id: another one has versions of the same numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lake: Option<String>,
    /// Chunks.
    pub rows: u64,
    /// The logical hash of the chunks.
    pub logical_hash: LogicalHash,
    /// Rows when the vector index was last trained.
    pub trained_rows: Option<u64>,
    /// How far an update has got that no reader sees yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<Staged>,
}

/// A later version of the same table: durable, gone on with by the next writer, and seen by no reader
/// before the update is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// The version of the Lance table.
    pub table_version: u64,
    /// Chunks.
    pub rows: u64,
    /// The logical hash of the chunks.
    pub logical_hash: LogicalHash,
    /// Rows when the vector index was last trained.
    pub trained_rows: Option<u64>,
}

impl Pointer {
    /// A table without rows.
    pub(crate) fn empty(spec: Spec, dir: String, table_version: u64) -> Self {
        Self {
            spec,
            dir,
            table_version,
            table_version_before: None,
            checkpoint: None,
            lake: None,
            rows: 0,
            logical_hash: LogicalHash::default(),
            trained_rows: None,
            staged: None,
        }
    }

    /// What a writer goes on with.
    pub(crate) fn newest(&self) -> Self {
        let mut newest = self.clone();
        if let Some(Staged { table_version, rows, logical_hash, trained_rows }) = newest.staged.take() {
            newest = Self { table_version, rows, logical_hash, trained_rows, ..newest };
        }
        newest
    }

    /// The same for readers, with how far `ahead` has got.
    pub(crate) fn with_staged(&self, ahead: &Self) -> Self {
        let Self { table_version, rows, logical_hash, trained_rows, .. } = *ahead;
        Self { staged: Some(Staged { table_version, rows, logical_hash, trained_rows }), ..self.clone() }
    }
}

/// All of `CURRENT.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Current {
    /// The key of the spec that answers when nobody names one.
    pub(crate) answers: Option<String>,
    /// One entry a model, by key.
    pub(crate) indexes: Vec<Pointer>,
}

impl Current {
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(CURRENT)
    }

    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, IndexError> {
        durable::get(&Self::path(dir), FORMAT)
    }

    pub(crate) fn store(&self, dir: &Path, faults: &dyn Faults) -> Result<(), IndexError> {
        durable::put(&Self::path(dir), FORMAT, self, faults, CURRENT_POINTS)
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Pointer> {
        self.indexes.iter().find(|pointer| pointer.spec.key() == key)
    }

    /// Puts a pointer in the place of the one with its key.
    pub(crate) fn put(&mut self, pointer: Pointer) {
        match self.indexes.iter_mut().find(|old| old.spec.key() == pointer.spec.key()) {
            Some(old) => *old = pointer,
            None => self.indexes.push(pointer),
        }
        self.indexes.sort_by(|one, two| one.spec.key().cmp(two.spec.key()));
    }

    /// What there is, for messages.
    pub(crate) fn in_words(&self) -> String {
        let words: Vec<String> = self.indexes.iter().map(|pointer| pointer.spec.in_words()).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join("; ") }
    }
}

/// How far a version that is built aside has got: `PROGRESS.json` in its directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What is durable in it.
    pub(crate) pointer: Pointer,
}

impl Progress {
    pub(crate) fn path(version_dir: &Path) -> PathBuf {
        version_dir.join(PROGRESS)
    }

    pub(crate) fn load(version_dir: &Path) -> Result<Option<Self>, IndexError> {
        durable::get(&Self::path(version_dir), FORMAT)
    }

    pub(crate) fn store(&self, version_dir: &Path, faults: &dyn Faults) -> Result<(), IndexError> {
        durable::put(&Self::path(version_dir), FORMAT, self, faults, PROGRESS_POINTS)
    }
}
