//! What the system says has changed, so that a directory need not be looked at over and over.
//!
//! Nothing relies on it: what it does not say is found by the next look at all of the directory.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::names::is_hidden;
use super::settle::is_below;

/// Events after which no more are asked for: as many as the system keeps by default. The others stay with the system,
/// which says so if it cannot keep them.
const EVENTS_MAX: usize = 16_384;

/// Room for events that are read at once: some hundreds with names of usual length, one with the longest.
const BUFFER_BYTES: usize = 64 << 10;

/// What changed since it was asked last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Names below the directory: of files, and of directories of which everything may have changed.
    pub names: BTreeSet<String>,
    /// Whether something may have changed that is not among them.
    pub lost: bool,
}

/// Says what changes in directories.
pub trait FileEvents: Send {
    /// From now on, changes in this directory are noticed, but not those in directories below it. `name` is its name
    /// below the directory that is watched, "" for itself. May be called again, also under another name.
    ///
    /// # Errors
    /// If the system will not. What changes there is found by looking.
    fn watch(&mut self, path: &Path, name: &str) -> io::Result<()>;

    /// What changed since it was asked last. Does not wait.
    ///
    /// # Errors
    /// If the system says nothing more at all.
    fn drain(&mut self) -> io::Result<Noticed>;
}

/// Never says anything, as on a file system that others write to.
#[derive(Debug, Default)]
pub struct NoEvents;

impl FileEvents for NoEvents {
    fn watch(&mut self, _: &Path, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn drain(&mut self) -> io::Result<Noticed> {
        Ok(Noticed::default())
    }
}

/// The events of Linux.
#[derive(Debug)]
pub struct Inotify {
    queue: OwnedFd,
    /// Names of directories by the number that events have for them.
    dirs: HashMap<i32, String>,
}

impl Inotify {
    /// A queue of its own.
    ///
    /// # Errors
    /// If the user has too many of them (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Inotify { queue, dirs: HashMap::new() })
    }

    /// What moved elsewhere is not watched any more; if it is elsewhere below the directory, it is found there.
    fn forget(&mut self, name: &str) {
        let below: Vec<i32> = self
            .dirs
            .iter()
            .filter(|(_, dir)| *dir == name || is_below(dir, name))
            .map(|(number, _)| *number)
            .collect();
        for number in below {
            self.dirs.remove(&number);
            // It may be gone already, and its number with it.
            let _ = inotify::remove_watch(&self.queue, number);
        }
    }
}

impl FileEvents for Inotify {
    fn watch(&mut self, path: &Path, name: &str) -> io::Result<()> {
        let what = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        let how = WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW | WatchFlags::EXCL_UNLINK;
        match inotify::add_watch(&self.queue, path, what | how) {
            Ok(number) => {
                self.dirs.insert(number, name.to_owned());
                Ok(())
            }
            // It went meanwhile, which its own directory says, or it cannot be read, which listing it says.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn drain(&mut self) -> io::Result<Noticed> {
        let mut noticed = Noticed::default();
        let mut moved = Vec::new();
        let mut gone = Vec::new();
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        // What was read is the system's no more, and the last of it may say that the others were lost.
        for number in 0.. {
            if number >= EVENTS_MAX && reader.is_buffer_empty() {
                break;
            }
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                noticed.lost = true;
                continue;
            }
            let Some(dir) = self.dirs.get(&event.wd()) else { continue };
            if what.contains(ReadFlags::IGNORED) {
                gone.push(event.wd());
                continue;
            }
            let Some(file_name) = event.file_name() else {
                // About the directory itself. One above it says so too, unless there is none.
                let itself = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
                noticed.lost |= dir.is_empty() && what.intersects(itself);
                continue;
            };
            let Ok(file_name) = file_name.to_str() else {
                // Looked at together with what is around it, and reported then.
                match dir.is_empty() {
                    true => noticed.lost = true,
                    false => drop(noticed.names.insert(dir.clone())),
                }
                continue;
            };
            if is_hidden(file_name) {
                continue;
            }
            let name = if dir.is_empty() { file_name.to_owned() } else { format!("{dir}/{file_name}") };
            if what.contains(ReadFlags::ISDIR) && what.contains(ReadFlags::MOVED_FROM) {
                moved.push(name.clone());
            }
            noticed.names.insert(name);
        }
        gone.iter().for_each(|number| drop(self.dirs.remove(number)));
        moved.iter().for_each(|name| self.forget(name));
        Ok(noticed)
    }
}
