//! Which files there are now: those that the pattern takes, but what was moved to the archive.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
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

/// Deepest directory that is entered: this only stops trees that nobody made by hand.
const DEPTH_MAX: usize = 128;

/// Files of one source, at most: the list of them is in memory, some 300 bytes each.
pub const FILES_MAX: usize = 1_000_000;

/// Links to directories that are followed, at most: each of them may lead to all of the files once more.
const LINKS_MAX: usize = 1_000;

/// Links that are named in one note.
const NAMED_MAX: usize = 10;

/// A file as it was when it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Met {
    /// From the directory on, as a text: what its state is filed under.
    pub name: String,
    /// Shared by all files of an archive.
    pub path: Arc<Path>,
    pub stamp: Stamp,
    /// When anything about it was last changed, in microseconds: nobody can set it back.
    pub changed: Micros,
    /// What it is on its file system, whatever its name.
    pub node: (u64, u64),
    /// Whether only a link leads there. Such a file stays where it is.
    pub linked: bool,
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
    /// Links that lead out of the directory, and where to.
    pub outside: Vec<(String, PathBuf)>,
    /// Links behind others that are not followed.
    pub left: Vec<String>,
}

impl Found {
    /// Which links lead out of the directory, if any do.
    pub(crate) fn outside_note(&self, root: &Path) -> Option<String> {
        let named = |(link, real): &(String, PathBuf)| format!("{link} (to {})", real.display());
        let names: Vec<String> = self.outside.iter().take(NAMED_MAX).map(named).collect();
        let (count, names) = (self.outside.len(), names.join(", "));
        let root = root.display();
        (count > 0).then(|| {
            format!("{count} links lead out of {root} and are not followed: {names}; what is there is another source")
        })
    }

    /// Which links behind others are not followed, if any are not.
    pub(crate) fn left_note(&self) -> Option<String> {
        let names: Vec<&str> = self.left.iter().take(NAMED_MAX).map(String::as_str).collect();
        let (count, names) = (self.left.len(), names.join(", "));
        (count > 0).then(|| {
            format!(
                "{count} links behind other links are not followed: {names}; they lead nowhere, or to more than the \
                 {LINKS_MAX} directories that are entered through links"
            )
        })
    }

    /// Which files stay where they are, although others are moved or deleted.
    pub(crate) fn linked_note(&self, after: After) -> Option<String> {
        let mut linked = self.files.iter().filter(|met| met.linked && after != After::Nothing).peekable();
        linked.peek()?;
        let names: Vec<&str> = linked.take(NAMED_MAX).map(|met| met.name.as_str()).collect();
        Some(format!("only links lead to these, so they are neither moved nor deleted: {}", names.join(", ")))
    }
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
    /// Directories that are never entered, and files that are never read.
    closed: Vec<PathBuf>,
}

impl Place {
    /// The place of a source, without the directories and files `own` of the program itself and what lies in them.
    ///
    /// # Errors
    /// If the pattern makes no sense, or the directory or the one file is not there or is the program's.
    pub(crate) fn of(config: &FilesConfig, own: &[PathBuf]) -> Result<Self, FilesError> {
        let matcher = matcher("file_pattern", &config.file_pattern)?;
        let metadata = std::fs::metadata(&config.path).at("open", &config.path)?;
        let path = config.path.canonicalize().at("open", &config.path)?;
        let (root, only) = match metadata.is_dir() {
            true => (path, None),
            false => (path.parent().unwrap_or(Path::new("/")).to_owned(), Some(path)),
        };
        let mut closed = Vec::new();
        for own in own.iter().filter_map(|own| own.canonicalize().ok()) {
            if only.as_deref().unwrap_or(&root).starts_with(&own) {
                let why = format!("{} belongs to the program, so it is no source", own.display());
                return Err(wrong("path", why));
            }
            closed.push(own);
        }
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
        let mut look = Look {
            place: self,
            since: config.modified_after(now)?,
            young: config
                .min_age
                .map(|age| now.saturating_sub(age.as_micros().try_into().unwrap_or(i64::MAX))),
            found: Found::default(),
            links: Vec::new(),
            followed: 0,
            firsts: Vec::new(),
            entered: HashSet::new(),
            through_links: HashSet::new(),
            named: HashSet::new(),
        };
        let start = self.only.as_deref().unwrap_or(&self.root);
        look.below(start, None)?;
        let mut is_behind = false;
        while !look.links.is_empty() {
            let mut links = std::mem::take(&mut look.links);
            links.sort_unstable();
            for link in &links {
                look.link(link, is_behind)?;
            }
            // What was met meanwhile lies behind these.
            is_behind = true;
        }
        let mut found = look.found;
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

    fn is_closed(&self, real: &Path) -> bool {
        self.closed.iter().any(|closed| real.starts_with(closed))
    }

    /// Whether a file is met under the name that it has without any link.
    fn has_own_name(&self, real: &Path) -> bool {
        let below = real.strip_prefix(&self.root).unwrap_or(real);
        (self.dots || !below.iter().any(is_hidden)) && self.takes(real)
    }

    fn name(&self, path: &Path) -> String {
        let name = uri_of(path.strip_prefix(&self.root).unwrap_or(path));
        // What begins so among the cursors is no file.
        if name.starts_with(OWN) { format!("./{name}") } else { name }
    }
}

/// A look at a place. Links are followed when everything that has a name without them is found, and those that are met
/// behind others when these are followed: what they lead to may have no other name that the pattern takes. Nothing goes
/// in circles, since none of those leads to a directory again that was entered behind the same first link.
struct Look<'p> {
    place: &'p Place,
    since: Option<Micros>,
    young: Option<Micros>,
    found: Found,
    /// Links that are to be followed.
    links: Vec<PathBuf>,
    /// Links to directories that were followed.
    followed: usize,
    /// Those of them that lie behind no other.
    firsts: Vec<PathBuf>,
    /// Directories, canonical, that were entered behind each of these.
    entered: HashSet<(Option<PathBuf>, PathBuf)>,
    /// Files, canonical, that were found behind a link.
    through_links: HashSet<PathBuf>,
    /// What was said to be refused, outside or left, by where it lies without links.
    named: HashSet<PathBuf>,
}

impl Look<'_> {
    /// Everything below a path; `real` is what that is, if a link leads there.
    fn below(&mut self, start: &Path, real: Option<&Path>) -> Result<(), FilesError> {
        let place = self.place;
        let mut entries = WalkDir::new(start).max_depth(DEPTH_MAX).into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(start).to_owned();
                    let gone = error.io_error().is_some_and(|io| io.kind() == ErrorKind::NotFound);
                    if path == start && real.is_none() {
                        let source = error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into());
                        return Err(FilesError::Io { what: "look into", path, source });
                    }
                    if !gone && self.is_news(&path) {
                        self.found.refused.push((place.name(&path), error.to_string()));
                    }
                    continue;
                }
            };
            let path = entry.path();
            let is_closed = match real {
                None => place.closed.iter().any(|closed| closed == path),
                Some(real) => place.is_closed(&behind(start, real, path)),
            };
            if is_closed || (entry.depth() > 0 && is_hidden(entry.file_name()) && !place.dots) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            if entry.file_type().is_symlink() {
                self.meet(entry.into_path(), real.is_some());
                continue;
            }
            if entry.file_type().is_file() {
                let real = real.map(|real| behind(start, real, path));
                let metadata = entry.metadata().map_err(std::io::Error::from);
                self.file(entry.into_path(), real, metadata)?;
            }
        }
        Ok(())
    }

    /// A link is to be followed.
    fn meet(&mut self, link: PathBuf, is_behind: bool) {
        let leads_to_dir = || std::fs::metadata(&link).is_ok_and(|to| to.is_dir());
        // Each is met once more behind every link that leads above it, so that those are kept that matter.
        if is_behind && !self.place.takes(&link) && !leads_to_dir() {
            return;
        }
        match is_behind && self.links.len() >= FILES_MAX {
            true => self.leave(&link),
            false => self.links.push(link),
        }
    }

    /// A link behind another is not followed.
    fn leave(&mut self, link: &Path) {
        if self.is_news(link) {
            self.found.left.push(self.place.name(link));
        }
    }

    /// Whether this is to be named: once, whatever links lead there.
    fn is_news(&mut self, path: &Path) -> bool {
        let dir = path.parent().and_then(|dir| dir.canonicalize().ok());
        let lies = dir.zip(path.file_name()).map_or_else(|| path.to_owned(), |(dir, name)| dir.join(name));
        self.named.insert(lies)
    }

    /// What a link leads to, if that is within the directory and has no name there that the pattern takes.
    fn link(&mut self, link: &Path, is_behind: bool) -> Result<(), FilesError> {
        let place = self.place;
        let led = link.canonicalize().and_then(|real| Ok((std::fs::metadata(&real)?, real)));
        let (metadata, real) = match led {
            Ok(led) => led,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // The system gives up behind some forty of them.
            Err(_) if is_behind => {
                self.leave(link);
                return Ok(());
            }
            Err(error) => {
                if self.is_news(link) {
                    self.found.refused.push((place.name(link), format!("the link leads nowhere: {error}")));
                }
                return Ok(());
            }
        };
        if place.is_closed(&real) || !(metadata.is_dir() || place.takes(link)) {
            return Ok(());
        }
        if !real.starts_with(&place.root) {
            if self.is_news(link) {
                self.found.outside.push((place.name(link), real));
            }
            return Ok(());
        }
        if metadata.is_file() {
            return self.file(link.to_owned(), Some(real), Ok(metadata));
        }
        if !is_behind {
            self.firsts.push(link.to_owned());
        }
        let first = self.firsts.iter().find(|first| link.starts_with(first)).cloned();
        if !metadata.is_dir() || !self.entered.insert((first, real.clone())) {
            return Ok(());
        }
        self.followed += 1;
        if self.followed > LINKS_MAX && is_behind {
            self.leave(link);
            return Ok(());
        }
        if self.followed > LINKS_MAX {
            let why = format!("it is a link to a directory, and {LINKS_MAX} of them are followed at most");
            self.found.refused.push((place.name(link), why));
            return Ok(());
        }
        self.below(link, Some(&real))
    }

    /// A file; `real` is what it is, if a link leads there.
    fn file(
        &mut self,
        path: PathBuf,
        real: Option<PathBuf>,
        metadata: std::io::Result<Metadata>,
    ) -> Result<(), FilesError> {
        let place = self.place;
        if !place.takes(&path) || real.as_deref().is_some_and(|real| place.has_own_name(real)) {
            return Ok(());
        }
        let name = place.name(&path);
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) => {
                self.found.refused.push((name, error.to_string()));
                return Ok(());
            }
        };
        let linked = real.is_some();
        // One content, however many links lead there.
        if real.is_some_and(|real| !self.through_links.insert(real)) {
            return Ok(());
        }
        let stamp = Stamp::of(&metadata);
        if self.young.is_some_and(|young| stamp.mtime > young) {
            self.found.young += 1;
        } else if self.since.is_some_and(|since| stamp.mtime < since) {
            self.found.old += 1;
        } else if self.found.files.len() >= FILES_MAX {
            let why = format!("it takes more than {FILES_MAX} files; make several sources of them");
            return Err(wrong("file_pattern", why));
        } else {
            let changed = micros(metadata.ctime(), metadata.ctime_nsec());
            let node = node(&metadata);
            self.found.files.push(Met {
                name,
                path: path.into(),
                stamp,
                changed,
                node,
                linked,
                member: None,
            });
        }
        Ok(())
    }
}

/// What a path below a link is, without the link.
fn behind(link: &Path, real: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(link).map_or_else(|_| path.to_owned(), |below| real.join(below))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
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
