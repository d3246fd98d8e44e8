//! Which files there are now: those that the pattern takes, but what was moved to the archive.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use stele_collect::OWN;
use stele_model::Micros;
use stele_sources::uri_of;
use walkdir::WalkDir;

use crate::archive::Member;
use crate::config::FilesConfig;
use crate::error::{At, wrong};
use crate::{After, FilesError};

/// Deepest directory that is entered. Links that form a loop are seen at once; this only stops trees that nobody
/// made by hand.
const DEPTH_MAX: usize = 128;

/// Files of one source, at most: the list of them is in memory, some 300 bytes each.
pub const FILES_MAX: usize = 1_000_000;

/// A file as it was when it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Met {
    /// From the directory on, as a text: what its state is filed under.
    pub name: String,
    pub path: PathBuf,
    pub stamp: Stamp,
    /// When anything about it was last changed, in microseconds: nobody can set it back.
    pub changed: Micros,
    /// What it is on its file system, whatever its name.
    pub node: (u64, u64),
    /// Where it lies in the archive that `path` is; none if it is no file of an archive.
    pub member: Option<Arc<Member>>,
}

impl Met {
    /// Opens it, if it is still the file that was met. One that was written to is.
    ///
    /// # Errors
    /// If it cannot be opened, or another one has its name by now.
    pub(crate) fn open(&self) -> Result<File, FilesError> {
        let file = File::open(&self.path).at("open", &self.path)?;
        let found = file.metadata().at("look at", &self.path)?;
        // Some file systems number their files anew; there, one that was not touched is the same.
        match node(&found) == self.node || Stamp::of(&found) == self.stamp {
            true => Ok(file),
            false => Err(FilesError::Exchanged { name: self.name.clone() }),
        }
    }
}

/// What tells that a file was not touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// In bytes, as it lies there.
    pub size: u64,
    /// When it was last changed, in microseconds.
    pub mtime: Micros,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), mtime: micros(metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// What a look came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Oldest change first, so that what was rotated comes before what goes on.
    pub files: Vec<Met>,
    /// Left for the next run, because they may still be written.
    pub young: u64,
    /// Left out, because they are older than anybody asked for.
    pub old: u64,
    /// What cannot be looked at, and why.
    pub refused: Vec<(String, String)>,
}

/// Where the files of a source are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The directory, canonical.
    pub root: PathBuf,
    /// The one file, if the path names one.
    only: Option<PathBuf>,
    matcher: GlobMatcher,
    /// Whether the pattern asks for names that begin with a dot.
    dots: bool,
    /// Directories that are never entered.
    closed: Vec<PathBuf>,
}

impl Place {
    /// # Errors
    /// If the pattern makes no sense, or the directory is not there.
    pub(crate) fn of(config: &FilesConfig) -> Result<Self, FilesError> {
        let matcher = matcher("file_pattern", &config.file_pattern)?;
        let metadata = std::fs::metadata(&config.path).at("open", &config.path)?;
        let path = config.path.canonicalize().at("open", &config.path)?;
        let (root, only) = match metadata.is_dir() {
            true => (path, None),
            false => (path.parent().unwrap_or(Path::new("/")).to_owned(), Some(path)),
        };
        let mut closed = Vec::new();
        if config.after() == After::Archive {
            // Everything that is the same at any time.
            let fixed: PathBuf =
                Path::new(&config.archive_path).components().take_while(|part| !has_date(part)).collect();
            closed.push(root.join(fixed));
        }
        if let Some(failed) = failed_dir(config) {
            closed.push(root.join(failed));
        }
        let closed: Vec<PathBuf> = closed.into_iter().map(|dir| dir.canonicalize().unwrap_or(dir)).collect();
        // One that is the directory itself would close everything.
        if let Some(open) = closed.iter().find(|dir| root.starts_with(dir.as_path())) {
            return Err(wrong(
                "archive_path",
                format!(
                    "{} holds the files that are read; name a directory within, or one elsewhere",
                    open.display()
                ),
            ));
        }
        let dots = config.file_pattern.starts_with('.') || config.file_pattern.contains("/.");
        Ok(Self { root, only, matcher, dots, closed })
    }

    /// Every file that is to be read, or would be if it were new.
    pub(crate) fn look(&self, config: &FilesConfig, now: Micros) -> Result<Found, FilesError> {
        let mut found = Found::default();
        let since = config.modified_after(now)?;
        let young =
            config.min_age.map(|age| now.saturating_sub(age.as_micros().try_into().unwrap_or(i64::MAX)));
        let start = self.only.as_deref().unwrap_or(&self.root);
        let mut entries = WalkDir::new(start).follow_links(true).max_depth(DEPTH_MAX).into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(start).to_owned();
                    let gone = error.io_error().is_some_and(|io| io.kind() == std::io::ErrorKind::NotFound);
                    if path == start {
                        let source =
                            error.into_io_error().unwrap_or_else(|| std::io::ErrorKind::Other.into());
                        return Err(FilesError::Io { what: "look into", path, source });
                    }
                    if !gone && error.loop_ancestor().is_none() {
                        found.refused.push((self.name(&path), error.to_string()));
                    }
                    continue;
                }
            };
            let hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
            let closed = self.closed.iter().any(|closed| closed == entry.path())
                || (entry.path_is_symlink() && self.leads_to_closed(entry.path()));
            if closed || (hidden && !self.dots) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            if !entry.file_type().is_file() || !self.takes(entry.path()) {
                continue;
            }
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) => {
                    found.refused.push((self.name(entry.path()), error.to_string()));
                    continue;
                }
            };
            let stamp = Stamp::of(&metadata);
            if young.is_some_and(|young| stamp.mtime > young) {
                found.young += 1;
            } else if since.is_some_and(|since| stamp.mtime < since) {
                found.old += 1;
            } else if found.files.len() >= FILES_MAX {
                let why = format!("it takes more than {FILES_MAX} files; make several sources of them");
                return Err(wrong("file_pattern", why));
            } else {
                let changed = micros(metadata.ctime(), metadata.ctime_nsec());
                let name = self.name(entry.path());
                let node = node(&metadata);
                found.files.push(Met { name, path: entry.into_path(), stamp, changed, node, member: None });
            }
        }
        found.files.sort_by(|a, b| (a.stamp.mtime, &a.name).cmp(&(b.stamp.mtime, &b.name)));
        Ok(found)
    }

    /// Where files are moved to whose rows are kept, at this time.
    pub(crate) fn archive(&self, config: &FilesConfig, now: Micros) -> Result<Option<PathBuf>, FilesError> {
        Ok(match config.after() {
            After::Archive => Some(self.root.join(config.archive_dir(now)?)),
            _ => None,
        })
    }

    /// Where files are moved to that cannot be read.
    pub(crate) fn failed(&self, config: &FilesConfig) -> Option<PathBuf> {
        failed_dir(config).map(|dir| self.root.join(dir))
    }

    /// Both of them.
    pub(crate) fn targets(&self, config: &FilesConfig, now: Micros) -> Result<Vec<PathBuf>, FilesError> {
        Ok(self.archive(config, now)?.into_iter().chain(self.failed(config)).collect())
    }

    fn takes(&self, path: &Path) -> bool {
        self.only.is_some() || self.matcher.is_match(path.strip_prefix(&self.root).unwrap_or(path))
    }

    fn leads_to_closed(&self, link: &Path) -> bool {
        link.canonicalize().is_ok_and(|path| self.closed.iter().any(|closed| path.starts_with(closed)))
    }

    fn name(&self, path: &Path) -> String {
        let name = uri_of(path.strip_prefix(&self.root).unwrap_or(path));
        // What begins so among the cursors is no file.
        if name.starts_with(OWN) { format!("./{name}") } else { name }
    }
}

fn node(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// What a pattern takes.
///
/// # Errors
/// If it makes no sense.
pub(crate) fn matcher(setting: &'static str, pattern: &str) -> Result<GlobMatcher, FilesError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).empty_alternates(true).build();
    Ok(glob.map_err(|error| wrong(setting, error.kind().to_string()))?.compile_matcher())
}

fn micros(seconds: i64, nanoseconds: i64) -> Micros {
    seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1_000)
}

/// Where files are moved to that cannot be read, if any are.
fn failed_dir(config: &FilesConfig) -> Option<&str> {
    let moves = config.after() != After::Nothing;
    config.failed_path.as_deref().or_else(|| moves.then_some("failed"))
}

fn has_date(part: &std::path::Component<'_>) -> bool {
    part.as_os_str().as_encoded_bytes().contains(&b'%')
}
