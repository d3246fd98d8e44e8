//! Answers that were paid for, kept: one small file each, found by what was asked.
//!
//! An answer follows from the text and the model, and could be asked for again; but that costs. So it is written
//! aside, synced and renamed, and nothing here removes one: a text that goes and comes back is known.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stele_model::id::{IdHasher, to_hex};

use crate::AnnotateError;
use crate::prompt::{Passage, shown};

/// Answers that are kept. A million sections are a library; their files are a few gigabytes.
pub(crate) const ANSWERS_MAX: u64 = 1_000_000;

/// Longest file that can be an answer: claims and summaries are bounded, and take a fraction of it.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// An answer as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer<T> {
    /// What was said; nothing where the model said something else than it was asked for.
    #[serde(alias = "claims")]
    pub(crate) said: T,
    /// Why the answer says nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unusable: Option<String>,
}

/// A directory of answers.
#[derive(Debug)]
pub(crate) struct Kept {
    dir: PathBuf,
    count: AtomicU64,
}

impl Kept {
    /// The answers in `dir`, which is made with the first of them.
    pub(crate) fn open(dir: &Path) -> Result<Self, AnnotateError> {
        let mut count = 0;
        for shelf in listed(dir)? {
            count += listed(&shelf)?.len() as u64;
        }
        Ok(Self { dir: dir.to_path_buf(), count: AtomicU64::new(count) })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= ANSWERS_MAX
    }

    /// What a question is known by: who is asked what, word for word.
    pub(crate) fn key(id: &str, passage: &Passage<'_>) -> String {
        let hasher = IdHasher::new("annotation").part(id.as_bytes()).part(passage.headings.as_bytes());
        to_hex(&hasher.part(shown(passage.text).as_bytes()).finish())
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.join(&key[..2]).join(format!("{key}.json"))
    }

    /// The answer to a question, if there is one that can be read.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<Answer<T>> {
        let path = self.path(key);
        fs::metadata(&path).ok().filter(|found| found.len() <= FILE_BYTES_MAX)?;
        let answer = serde_json::from_slice(&fs::read(&path).ok()?);
        // It is asked for again, and written over.
        answer
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a kept answer is damaged"))
            .ok()
    }

    /// Keeps an answer.
    pub(crate) fn put<T: Serialize>(&self, key: &str, answer: &Answer<T>) -> Result<(), AnnotateError> {
        let path = self.path(key);
        let is_new = !path.exists();
        let shelf = path.parent().unwrap_or(&self.dir);
        let failed = |verb, path: &Path| {
            let path = path.display().to_string();
            move |source: io::Error| AnnotateError::File { verb, path, source }
        };
        fs::create_dir_all(shelf).map_err(failed("create", shelf))?;
        // Each thread has a question of its own, so the name aside is nobody else's.
        let aside = path.with_extension("part");
        let bytes = serde_json::to_vec(answer).map_err(io::Error::other).map_err(failed("write", &path))?;
        let written = File::create(&aside).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        written.map_err(failed("write", &aside))?;
        fs::rename(&aside, &path).map_err(failed("rename", &aside))?;
        File::open(shelf).and_then(|dir| dir.sync_all()).map_err(failed("sync", shelf))?;
        self.count.fetch_add(u64::from(is_new), Ordering::Relaxed);
        Ok(())
    }
}

/// What is in a directory; nothing if it is not there, or is none.
fn listed(dir: &Path) -> Result<Vec<PathBuf>, AnnotateError> {
    let failed = |source| AnnotateError::File { verb: "list", path: dir.display().to_string(), source };
    match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        entries => entries.map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
    }
}
