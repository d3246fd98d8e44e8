//! What can go wrong in the index, said so that a reader knows which object and what to try.
//!
//! One enum for the crate. [`IndexError::kind`] is for programs, the text is for people.

use std::io;
use std::path::{Path, PathBuf};

use stele_model::{ChunkId, ErrorKind};

/// An error of the index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no index in the directory.
    #[error("no index at {}: build it with `stele index build`", path.display())]
    NoIndex {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process writes to the index.
    #[error("another process{} is writing to the index at {}: wait for it to end", of(*pid), path.display())]
    Busy {
        /// Its process id, if it could be read.
        pid: Option<u32>,
        /// The lock file.
        path: PathBuf,
    },
    /// The index was written by a newer program.
    #[error("{} has format {found}; this program knows formats up to {known}: use a newer stele, or build the index anew with `stele index rebuild`", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// A file of the index does not hold what was written to it.
    #[error("{} is damaged: {detail}. Nothing is lost, the index follows from the lake: `stele index rebuild` makes it anew", path.display())]
    Damaged {
        /// The file or table.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// No index was built with this model.
    #[error("the index at {} holds nothing for {asked}; it holds {there}. Build it with `stele index build`, or ask with the model that is there", path.display())]
    NoModel {
        /// The index's directory.
        path: PathBuf,
        /// What was asked for.
        asked: String,
        /// What is there.
        there: String,
    },
    /// An index was built with this model, but not in the way that is asked for.
    #[error("the index at {} was made with {there}, and {asked} was asked for: vectors and texts of the two do not compare. Run `stele index rebuild`; the old one answers until the new one is whole", path.display())]
    Mismatch {
        /// The index's directory.
        path: PathBuf,
        /// What was asked for.
        asked: String,
        /// What is there.
        there: String,
    },
    /// A vector that cannot be compared with the others.
    #[error("the vector of chunk {id} {why}")]
    BadVector {
        /// Whose vector it is.
        id: ChunkId,
        /// What is wrong with it.
        why: String,
    },
    /// The argument of a call makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The snapshot that a reader holds was pruned.
    #[error(
        "the version of the index that this reader holds was replaced and pruned meanwhile: open a new reader"
    )]
    Stale,
    /// A write did not finish, so this writer does not know what the disk holds.
    #[error(
        "a write to the index did not finish; open a new writer, which takes back what is not whole, before going on"
    )]
    Poisoned,
    /// The Lance library refused.
    #[error("cannot {what} the table at {}: {detail}{}", path.display(), lance_advice(*no_room))]
    Lance {
        /// What was tried.
        what: &'static str,
        /// The version directory.
        path: PathBuf,
        /// What the library said.
        detail: String,
        /// Whether there was no room left on the disk.
        no_room: bool,
    },
}

impl IndexError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Stale | Self::Poisoned => ErrorKind::Retry,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    ErrorKind::Retry
                }
                _ => ErrorKind::Fix,
            },
            Self::NoIndex { .. }
            | Self::NewerFormat { .. }
            | Self::Damaged { .. }
            | Self::NoModel { .. }
            | Self::Mismatch { .. }
            | Self::BadVector { .. }
            | Self::Invalid(_)
            | Self::Lance { no_room: true, .. } => ErrorKind::Fix,
            Self::Lance { .. } => ErrorKind::Report,
        }
    }

    /// Whether the file system had no room left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => no_room(source),
            Self::Lance { no_room, .. } => *no_room,
            _ => false,
        }
    }
}

fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn lance_advice(no_room: bool) -> &'static str {
    if no_room {
        ". The index answers as before: free some space and run the same command again"
    } else {
        ". `stele index verify` says whether the index is damaged; `stele index rebuild` makes it anew from \
         the lake"
    }
}

fn of(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// Adds what was tried, and where, to a result.
pub(crate) trait At<T> {
    /// The same result with its place.
    fn at(self, what: &'static str, path: &Path) -> Result<T, IndexError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, IndexError> {
        self.map_err(|source| IndexError::Io { what, path: path.to_path_buf(), source })
    }
}

impl<T> At<T> for Result<T, IndexError> {
    fn at(self, _: &'static str, _: &Path) -> Result<T, IndexError> {
        self
    }
}

impl<T> At<T> for Result<T, lancedb::Error> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, IndexError> {
        self.map_err(|error| lance(&error, what, path))
    }
}

impl<T> At<T> for Result<T, arrow::error::ArrowError> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, IndexError> {
        self.map_err(|error| lance(&error, what, path))
    }
}

/// The operating system's own words are looked for in the causes: the library hands them on boxed.
fn lance(error: &(dyn std::error::Error + 'static), what: &'static str, path: &Path) -> IndexError {
    let mut cause = Some(error);
    let mut full = false;
    while let Some(error) = cause {
        full |= error.downcast_ref::<io::Error>().is_some_and(no_room);
        cause = error.source();
    }
    let detail = said(&stele_model::error::in_full(error), path);
    let no_room = full || detail.contains("No space left");
    IndexError::Lance { what, path: path.to_path_buf(), detail, no_room }
}

/// What the library said, for people: once, with whole paths, and without the places in its own code.
fn said(words: &str, path: &Path) -> String {
    let mut text = without_places(words);
    text = text.replacen("lance error: ", "", 1);
    // A cause is often told by the error that it caused, too.
    let told_twice = |text: &str| {
        text.match_indices(": ").map(|(at, _)| at).find(|at| text[..*at].ends_with(&text[at + 2..]))
    };
    while let Some(at) = told_twice(&text) {
        text.truncate(at);
    }
    let whole = path.to_string_lossy();
    match whole.strip_prefix('/') {
        Some(bare) if !bare.is_empty() => text.replace(&*whole, bare).replace(bare, &whole),
        _ => text,
    }
}

/// Takes out `, /…/src/file.rs:12:34`: where in the library it was noticed.
fn without_places(words: &str) -> String {
    let is_place = |word: &str| {
        word.rsplit_once(".rs:")
            .is_some_and(|(_, numbers)| numbers.split(':').all(|number| number.parse::<u32>().is_ok()))
    };
    let mut kept = String::with_capacity(words.len());
    for part in words.split_inclusive(", ") {
        // The place ends at the next cause, which begins with `: `, or at the end.
        let (place, rest) =
            part.split_once(": ").map_or((part, ""), |(place, _)| (place, &part[place.len()..]));
        if is_place(place.trim_end_matches([',', ' ', '.'])) {
            kept.truncate(kept.trim_end_matches(", ").len());
            kept.push_str(rest);
        } else {
            kept.push_str(part);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::said;

    #[test]
    fn what_the_library_says_is_said_once_and_without_its_own_places() {
        for (words, expect) in [
            (
                "lance error: Not found: data/i/v-1/x.lance, /r/lance-io-14.0.2/src/local.rs:273:40: Not found: \
                 data/i/v-1/x.lance, /r/lance-io-14.0.2/src/local.rs:273:40",
                "Not found: /data/i/v-1/x.lance",
            ),
            ("Not found: /data/i/v-1/x", "Not found: /data/i/v-1/x"),
            ("bad magic, wanted LANC, found x.rs: y", "bad magic, wanted LANC, found x.rs: y"),
            ("LanceError(IO): short, rust/file.rs:1:2", "LanceError(IO): short"),
        ] {
            assert_eq!(said(words, Path::new("/data/i/v-1")), expect);
        }
    }
}
