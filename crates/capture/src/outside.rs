//! Captures as another process sees them: what each does, and how it is told what to do.
//!
//! Nothing here depends on what a capture is: `status.json` says what it does, the lock says whether it runs, and the
//! control file is obeyed by whoever holds that.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::control::Command;
use crate::error::CaptureError;
use crate::status::{CaptureState, CaptureStatus};

/// Captures that are listed; whoever has more makes a name for each run and should not.
const LISTED_MAX: usize = 200;

/// Bytes of a `status.json`: a page.
const STATUS_BYTES_MAX: u64 = 64 << 10;

/// A capture, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptureSeen {
    /// Its name.
    pub name: String,
    /// Whether a process has it at the moment.
    pub is_running: bool,
    /// What it said last, every two seconds while it runs; nothing where that cannot be read.
    pub status: Option<CaptureStatus>,
    /// Whether it was told something that it has not obeyed yet.
    pub is_told: bool,
}

/// What came of telling a capture something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It reads it within a fraction of a second.
    Yes,
    /// There is no such capture.
    Unknown,
    /// No process has it.
    NotRunning,
    /// It was told something before, and has not obeyed that yet.
    Busy,
}

/// Every capture below a directory, by name.
///
/// # Errors
/// If the directory cannot be read. That there is none is no error: nothing was captured yet.
pub fn captures(dir: &Path) -> Result<Vec<CaptureSeen>, CaptureError> {
    let failed = |source| io_error("*", "list", dir, source);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // One that never ran has no lock, and is somebody else's directory.
        if let (Ok(name), true) = (entry.file_name().into_string(), entry.path().join("lock").is_file()) {
            names.push(name);
        }
    }
    names.sort();
    names.truncate(LISTED_MAX);
    Ok(names.into_iter().map(|name| seen(dir, name)).collect())
}

/// Tells a capture to do something, as the only one at a time.
///
/// # Errors
/// If the control file cannot be written.
pub fn tell(dir: &Path, name: &str, command: Command) -> Result<Told, CaptureError> {
    let is_name = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    let own = dir.join(name);
    if !is_name || !own.join("lock").is_file() {
        return Ok(Told::Unknown);
    }
    if !is_running(&own, status_of(&own).as_ref()) {
        return Ok(Told::NotRunning);
    }
    let (aside, path) = (own.join(format!("control.{}", std::process::id())), own.join("control"));
    let failed = |source| io_error(name, "write", &path, source);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&aside).map_err(failed)?;
    file.write_all(command.name().as_bytes()).map_err(failed)?;
    // A link takes nobody's place, as a name would that is given to another file.
    let linked = fs::hard_link(&aside, &path);
    let removed = fs::remove_file(&aside);
    match linked {
        Ok(()) => removed.map_err(failed).map(|()| Told::Yes),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Told::Busy),
        Err(error) => Err(failed(error)),
    }
}

fn seen(dir: &Path, name: String) -> CaptureSeen {
    let own = dir.join(&name);
    let mut status = status_of(&own);
    let is_running = is_running(&own, status.as_ref());
    if let Some(status) = status.as_mut().filter(|_| !is_running) {
        // What a process that was killed said last is not so any more.
        status.state = CaptureState::Ended;
    }
    CaptureSeen { name, is_running, status, is_told: own.join("control").exists() }
}

fn status_of(own: &Path) -> Option<CaptureStatus> {
    let path = own.join("status.json");
    if path.metadata().ok()?.len() > STATUS_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whether a process has it: it cannot be had by another then. One that said that it has ended is not asked, so that a
/// look does not stand in the way of the next run.
fn is_running(own: &Path, status: Option<&CaptureStatus>) -> bool {
    if status.is_some_and(|status| status.state == CaptureState::Ended) {
        return false;
    }
    // Shared, so that two who look do not take each other for it.
    match File::open(own.join("lock")).map(|lock| lock.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => true,
        Ok(Ok(()) | Err(TryLockError::Error(_))) | Err(_) => false,
    }
}

fn io_error(name: &str, what: &'static str, path: &Path, source: io::Error) -> CaptureError {
    let path: PathBuf = path.to_owned();
    CaptureError::Io { capture: name.to_owned(), what, path, source }
}
