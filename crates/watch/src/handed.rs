//! What was handed over before, so that it is not handed over again: one file a watcher.
//!
//! The file is JSON lines. The first says whose it is; each other one adds a thing or takes one away, and the last
//! one about a thing counts. Lines are written after the hand-over was accepted and are on the disk before the next
//! one begins. A line that is cut short, as by a crash, is left out: its thing is handed over once more, which
//! changes nothing.
//!
//! It says nothing that could not be found out again. Without it everything that is there is handed over once more;
//! only what went meanwhile is never said to be gone.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stele_model::{Faults, Micros};

use crate::WatchError;

/// The form of the file. A file of another form is not touched.
const VERSION: u32 = 1;

/// Longest line: a name of a path's length, written in escapes, and the rest.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Lines beyond twice what is remembered before the file is written anew: small files are left in peace.
const SPARE_LINES: usize = 1_024;

/// What is remembered of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Bytes.
    pub size: Option<u64>,
    /// When it was changed, by its own account.
    pub modified: Option<Micros>,
    /// The number of the file in its file system; 0 of what is no file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inode: u64,
    /// What tells its state from others.
    pub checksum: String,
}

fn is_zero(inode: &u64) -> bool {
    *inode == 0
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first.
    Watch {
        version: u32,
        kind: String,
        target: String,
    },
    Put {
        name: String,
        #[serde(flatten)]
        entry: Entry,
    },
    Gone {
        name: String,
    },
}

/// A change of what is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Put(String, Entry),
    Gone(String),
}

/// What was handed over and is not gone, in memory and on the disk.
pub(crate) struct Handed {
    path: PathBuf,
    header: Line,
    file: File,
    /// Lines in the file, and bytes of them that are known to be whole.
    lines: usize,
    bytes: u64,
    /// Whether the disk may hold something else than was written to it: a failed write or sync leaves that open for
    /// good, so the next one writes all of it to another file.
    suspect: bool,
    entries: BTreeMap<String, Entry>,
    faults: Arc<dyn Faults>,
}

impl Handed {
    /// Opens `DIR/NAME.jsonl`, or makes it. What is in it about another target is forgotten: its things are not gone,
    /// they are not watched any more.
    pub(crate) fn open(
        dir: &Path,
        name: &str,
        kind: &str,
        target: &str,
        faults: Arc<dyn Faults>,
    ) -> Result<Self, WatchError> {
        std::fs::create_dir_all(dir).map_err(|error| WatchError::io("make", dir, error))?;
        let path = dir.join(format!("{name}.jsonl"));
        let file = open_locked(&path)?;
        let header = Line::Watch { version: VERSION, kind: kind.to_owned(), target: target.to_owned() };
        let mut handed = Handed {
            path,
            header,
            file,
            lines: 0,
            bytes: 0,
            suspect: false,
            entries: BTreeMap::new(),
            faults,
        };
        handed.read(kind, target)?;
        if handed.lines == 0 {
            handed.write_anew()?;
        }
        Ok(handed)
    }

    fn read(&mut self, kind: &str, target: &str) -> Result<(), WatchError> {
        let failed = |error| WatchError::io("read", &self.path, error);
        let mut reader = BufReader::new(&self.file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = std::io::Read::take(&mut reader, LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .map_err(failed)?;
            if read == 0 || line.last() != Some(&b'\n') {
                // Cut short: what is appended next begins where it began.
                self.suspect |= read > 0;
                return Ok(());
            }
            let parsed = serde_json::from_slice::<Line>(&line);
            match (self.lines, parsed) {
                (0, Ok(Line::Watch { version: VERSION, kind: of_kind, target: of })) => {
                    if (of_kind.as_str(), of.as_str()) != (kind, target) {
                        tracing::info!(path = %self.path.display(), %of, target, "another target: it begins anew");
                        return Ok(());
                    }
                }
                (0, _) => {
                    let reason =
                        format!("its first line is not that of a watcher's file of version {VERSION}");
                    return Err(WatchError::Memory { path: self.path.clone(), reason });
                }
                (_, Ok(Line::Put { name, entry })) => {
                    self.entries.insert(name, entry);
                }
                (_, Ok(Line::Gone { name })) => {
                    self.entries.remove(&name);
                }
                (line, Ok(Line::Watch { .. }) | Err(_)) => {
                    // Its thing is handed over once more.
                    tracing::warn!(path = %self.path.display(), line, "a line cannot be read and is left out");
                    self.suspect = true;
                }
            }
            self.lines += 1;
            self.bytes += read as u64;
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// In the order of their names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Remembers these, durably. If it fails, nothing of it is remembered.
    pub(crate) fn record(&mut self, steps: &[Step]) -> Result<(), WatchError> {
        if steps.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for step in steps {
            let line = match step {
                Step::Put(name, entry) => Line::Put { name: name.clone(), entry: entry.clone() },
                Step::Gone(name) => Line::Gone { name: name.clone() },
            };
            push(&mut text, &line, &self.path)?;
        }
        if self.suspect {
            self.write_anew()?;
        }
        self.append(&text).inspect_err(|_| self.suspect = true)?;
        self.lines += steps.len();
        self.bytes += text.len() as u64;
        for step in steps {
            match step {
                Step::Put(name, entry) => drop(self.entries.insert(name.clone(), entry.clone())),
                Step::Gone(name) => drop(self.entries.remove(name)),
            }
        }
        if self.lines > 2 * self.entries.len() + SPARE_LINES {
            self.write_anew()?;
        }
        Ok(())
    }

    fn append(&mut self, text: &[u8]) -> Result<(), WatchError> {
        let mut write = || {
            self.faults.hit("watch.record")?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            self.file.write_all(text)?;
            self.faults.hit("watch.sync")?;
            self.file.sync_data()
        };
        write().map_err(|error| WatchError::io("write to", &self.path, error))
    }

    /// Writes all of it to another file, which takes the place of the first when it is whole.
    fn write_anew(&mut self) -> Result<(), WatchError> {
        let new = self.path.with_extension("jsonl.new");
        let mut text = Vec::new();
        push(&mut text, &self.header, &self.path)?;
        for (name, entry) in &self.entries {
            push(&mut text, &Line::Put { name: name.clone(), entry: entry.clone() }, &self.path)?;
        }
        let write = || {
            self.faults.hit("watch.anew")?;
            let _ = std::fs::remove_file(&new);
            let mut file = open(&new)?;
            // Locked before it has the name, so that nobody comes between.
            file.try_lock().map_err(std::io::Error::from)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            // Without this the name may still be that of the old file after a crash.
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(file)
        };
        let file = write().map_err(|error| WatchError::io("write", &self.path, error))?;
        self.file = file;
        self.lines = 1 + self.entries.len();
        self.bytes = text.len() as u64;
        self.suspect = false;
        Ok(())
    }
}

fn push(text: &mut Vec<u8>, line: &Line, path: &Path) -> Result<(), WatchError> {
    serde_json::to_writer(&mut *text, line)
        .map_err(|error| WatchError::io("write to", path, std::io::Error::other(error)))?;
    text.push(b'\n');
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn open_locked(path: &Path) -> Result<File, WatchError> {
    let failed = |error| WatchError::io("open", path, error);
    let file = open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WatchError::Taken { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
