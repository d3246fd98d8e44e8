//! The disk: which files are in a directory, and what is in them. Nothing here can be held up by what lies there:
//! no pipe is opened, no link is followed out of the directory, no file is read beyond what it was seen to have.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use stele_http::Cancelled;
use stele_model::id::to_hex;

use super::events::FileEvents;
use super::names::{Role, is_hidden, ready_holds, ready_of, role};
use super::settle::{Read, Reader, Stat};
use crate::{Mode, WatchError};

/// Directories inside each other at most. A path that is much longer cannot be opened either.
const DEPTH_MAX: usize = 64;

/// Longest marker: a few line ends, as `echo` writes them.
const MARKER_BYTES_MAX: u64 = 16;

/// How much of a file is read at a time: enough for the disk, and it is soon asked whether to stop.
const READ_BYTES: usize = 256 << 10;

/// Something that is left alone, and why.
pub(crate) struct Notice {
    pub(crate) name: String,
    pub(crate) cause: String,
    pub(crate) next_action: &'static str,
}

/// What is in a directory.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<(String, Stat)>,
    /// Directories that could not be looked at.
    pub(crate) unread: Vec<String>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) ignored: u64,
    /// Everything that was looked at, whatever it is.
    entries: usize,
}

impl Found {
    fn notice(&mut self, name: &str, cause: impl Into<String>, next_action: &'static str) {
        self.notices.push(Notice { name: name.to_owned(), cause: cause.into(), next_action });
    }

    /// Something that is never a document.
    fn ignore(&mut self, name: &str, cause: impl Into<String>, next_action: &'static str) {
        self.ignored += 1;
        self.notice(name, cause, next_action);
    }
}

/// A directory that is watched.
pub(crate) struct Root {
    path: PathBuf,
    /// Without links: what is not below it is elsewhere.
    real: PathBuf,
    /// Which directory it is, however it is called.
    id: (u64, u64),
    mode: Mode,
    /// Directories that are not looked into, without links.
    left_out: Vec<PathBuf>,
}

impl Root {
    /// The directory as it is now.
    pub(crate) fn open(path: &Path, mode: Mode, left_out: &[PathBuf]) -> Result<Root, WatchError> {
        let missing = |reason: String| WatchError::Missing { target: path.display().to_string(), reason };
        let real = path.canonicalize().map_err(|error| missing(error.to_string()))?;
        let metadata = real.metadata().map_err(|error| missing(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(missing("it is not a directory".to_owned()));
        }
        // One that is not there yet has nothing in it that would be looked at.
        let left_out: Vec<PathBuf> = left_out.iter().filter_map(|dir| dir.canonicalize().ok()).collect();
        if left_out.iter().any(|dir| real.starts_with(dir)) {
            return Err(missing("what is in it is the program's own".to_owned()));
        }
        Ok(Root { path: path.to_owned(), real, id: (metadata.dev(), metadata.ino()), mode, left_out })
    }

    /// Whether it is still the same directory.
    pub(crate) fn is(&self, other: &Root) -> bool {
        self.id == other.id && self.real == other.real
    }

    /// All that is in the area: a file, or a directory with all that is below it. `events` is told of each directory
    /// before that is read, so that nothing comes between.
    ///
    /// # Errors
    /// If the root itself cannot be read, or has too many things in it.
    pub(crate) fn walk(
        &self,
        area: &str,
        entries_max: usize,
        events: &mut dyn FileEvents,
        cancelled: Cancelled<'_>,
    ) -> Result<Found, WatchError> {
        let mut found = Found::default();
        let mut dirs = Vec::new();
        if area.is_empty() {
            dirs.push(String::new());
        } else {
            self.see(area, &mut found, &mut dirs);
        }
        while let Some(dir) = dirs.pop() {
            if cancelled() {
                return Err(WatchError::Cancelled);
            }
            let path = self.path.join(&dir);
            if let Err(error) = events.watch(&self.real.join(&dir), &dir) {
                let cause = format!("the system does not say what changes here: {error}");
                let next =
                    "raise fs.inotify.max_user_watches; until then it is looked at every rescan_s seconds";
                found.notice(&dir, cause, next);
            }
            match self.list(&dir, entries_max, &mut found, &mut dirs) {
                Ok(()) if found.entries > entries_max => {
                    let target = self.path.display().to_string();
                    return Err(WatchError::TooMany { target, entries_max });
                }
                Ok(()) => {}
                Err(error) if dir.is_empty() => return Err(WatchError::io("list", path, error)),
                // It went meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let next = "see to its rights; what is below it counts as it was";
                    found.notice(&dir, format!("it cannot be listed: {error}"), next);
                    found.unread.push(dir);
                }
            }
        }
        Ok(found)
    }

    /// All that is in the directory itself, up to one entry beyond those that there may be.
    fn list(
        &self,
        dir: &str,
        entries_max: usize,
        found: &mut Found,
        dirs: &mut Vec<String>,
    ) -> io::Result<()> {
        for entry in std::fs::read_dir(self.path.join(dir))? {
            found.entries += 1;
            if found.entries > entries_max {
                break;
            }
            let file_name = entry?.file_name();
            let Some(file_name) = file_name.to_str() else {
                let name = join(dir, &file_name.to_string_lossy());
                found.ignore(&name, "its name is not UTF-8, and cannot be part of a URI", "rename it");
                continue;
            };
            self.see(&join(dir, file_name), found, dirs);
        }
        Ok(())
    }

    /// One thing of this name, which may be gone by now.
    fn see(&self, name: &str, found: &mut Found, dirs: &mut Vec<String>) {
        let file_name = name.rsplit('/').next().unwrap_or(name);
        if is_hidden(file_name) || self.left_out.iter().any(|dir| self.real.join(name).starts_with(dir)) {
            found.ignored += 1;
            return;
        }
        let path = self.path.join(name);
        let metadata = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => match self.behind(&path) {
                Ok(metadata) => metadata,
                Err(cause) => return found.ignore(name, cause, "copy it into the directory if it is wanted"),
            },
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                found.unread.push(name.to_owned());
                return found.notice(name, format!("it cannot be looked at: {error}"), "see to its rights");
            }
        };
        if metadata.is_dir() {
            if name.split('/').count() > DEPTH_MAX {
                return found.ignore(
                    name,
                    format!("it is more than {DEPTH_MAX} directories deep"),
                    "move it up",
                );
            }
            return dirs.push(name.to_owned());
        }
        if !metadata.is_file() {
            return found.ignore(name, "it is a pipe, a socket or a device", "move it elsewhere");
        }
        if role(name, self.mode) == Role::None {
            found.ignored += 1;
            return;
        }
        found.files.push((name.to_owned(), self.stat(name, &path, &metadata)));
    }

    /// What a link leads to: a file below the root, and nothing else.
    fn behind(&self, link: &Path) -> Result<Metadata, String> {
        let real =
            link.canonicalize().map_err(|error| format!("it is a link that leads nowhere: {error}"))?;
        if !real.starts_with(&self.real) {
            return Err("it is a link that leads out of the directory".to_owned());
        }
        let metadata = real.metadata().map_err(|error| error.to_string())?;
        match metadata.is_file() {
            true => Ok(metadata),
            false => Err("it is a link to something that is no file".to_owned()),
        }
    }

    fn stat(&self, name: &str, path: &Path, metadata: &Metadata) -> Stat {
        let size = metadata.len();
        let marker = matches!(role(name, self.mode), Role::Ready(_)) && size <= MARKER_BYTES_MAX;
        // One that cannot be read is found out when it is read as a document.
        let blank = marker && (size == 0 || is_blank(path).unwrap_or(false));
        Stat { blank, ..Stat::of(metadata) }
    }

    /// Reads files of it.
    pub(crate) fn reader<'a>(&'a self, cancelled: Cancelled<'a>) -> impl Reader + 'a {
        Disk { root: self, cancelled, buffer: vec![0; READ_BYTES] }
    }
}

impl Stat {
    fn of(metadata: &Metadata) -> Stat {
        let modified = metadata.mtime().saturating_mul(1_000_000) + metadata.mtime_nsec() / 1_000;
        Stat { size: metadata.len(), modified, inode: metadata.ino(), blank: false }
    }
}

/// The file that holds a document which a spool directory of this mode has handed over: the one of its name, or
/// `NAME.ready`, as it is now. One that is not there is sought under its own name.
pub fn content_of(document: &Path, mode: Mode) -> PathBuf {
    let itself = document.to_path_buf();
    let Some(name) = document.to_str().filter(|_| mode != Mode::Direct) else { return itself };
    let ready = PathBuf::from(ready_of(name));
    let stat = |path: &Path| path.metadata().ok().filter(Metadata::is_file).map(|meta| Stat::of(&meta));
    let Some(found) = stat(&ready) else { return itself };
    if found.size == 0 || (found.size <= MARKER_BYTES_MAX && is_blank(&ready).unwrap_or(false)) {
        return itself;
    }
    match stat(document) {
        Some(plain) if !ready_holds(mode, plain.modified, found.modified) => itself,
        _ => ready,
    }
}

/// Whether there is nothing in it but white space, as far as a marker goes.
fn is_blank(path: &Path) -> io::Result<bool> {
    let mut text = Vec::new();
    open(path)?.take(MARKER_BYTES_MAX + 1).read_to_end(&mut text)?;
    Ok(text.iter().all(u8::is_ascii_whitespace))
}

fn join(dir: &str, file_name: &str) -> String {
    if dir.is_empty() { file_name.to_owned() } else { format!("{dir}/{file_name}") }
}

/// A file, and nothing else: what became a pipe meanwhile does not wait for its other end, and what became a link is
/// not followed.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags as i32).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no file any more")),
    }
}

/// Reads what lies below a root.
struct Disk<'a> {
    root: &'a Root,
    cancelled: Cancelled<'a>,
    buffer: Vec<u8>,
}

impl Disk<'_> {
    fn try_read(&mut self, name: &str, seen: &Stat, known: Option<&str>) -> io::Result<Option<Read>> {
        let path = self.root.path.join(name);
        // Of a directory above it that became a link meanwhile, too.
        let real = path.canonicalize()?;
        if !real.starts_with(&self.root.real) {
            return Ok(Some(Read::Failed("it is a link that leads out of the directory".to_owned())));
        }
        let mut file = open(&real)?;
        let now = |file: &File| Ok::<_, io::Error>(self.root.stat(name, &real, &file.metadata()?));
        let stat = now(&file)?;
        if stat != *seen {
            return Ok(Some(Read::Changed(stat)));
        }
        if let Some(known) = known {
            return Ok(Some(Read::Content(known.to_owned())));
        }
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        loop {
            if (self.cancelled)() {
                return Ok(None);
            }
            let read = file.read(&mut self.buffer)?;
            hash.update(&self.buffer[..read]);
            bytes += read as u64;
            // It grows as it is read: whoever writes may be faster, and it would never end.
            if read == 0 || bytes > seen.size {
                break;
            }
        }
        let stat = now(&file)?;
        if stat != *seen || bytes != seen.size {
            return Ok(Some(Read::Changed(stat)));
        }
        Ok(Some(Read::Content(format!("sha256:{}", to_hex(&hash.finalize())))))
    }
}

impl Reader for Disk<'_> {
    fn read(&mut self, name: &str, seen: &Stat, known: Option<&str>) -> Result<Read, WatchError> {
        match self.try_read(name, seen, known) {
            Ok(Some(read)) => Ok(read),
            Ok(None) => Err(WatchError::Cancelled),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Read::Gone),
            Err(error) => Ok(Read::Failed(error.to_string())),
        }
    }
}
