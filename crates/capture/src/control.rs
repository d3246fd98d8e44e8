//! How a capture is told what to do: by a handle inside the program, by a file from outside.
//!
//! The file is `control` in the directory of the capture. It holds one command a line: `pause`, `resume`, `rotate` or
//! `stop`. Whoever writes it makes it under another name and renames it, so that it is never read half written. The
//! capture obeys, says so in `status.json`, and takes the file away: when it is gone, it was obeyed. A word that is no
//! command is recorded as `control_refused` and changes nothing.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::queue::Item;
use crate::shared::Shared;
use crate::status::{CaptureStatus, Ended};

/// Longest file that is read: a few words are meant.
const FILE_BYTES_MAX: u64 = 4096;

/// What a capture can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Listens no more until it is resumed; the connection is ended, and the time is recorded as a gap.
    Pause,
    /// Listens again.
    Resume,
    /// Completes the segment that grows.
    Rotate,
    /// Ends, when all that was received is durable.
    Stop,
}

impl Command {
    /// Its name in the control file.
    pub fn name(self) -> &'static str {
        match self {
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Rotate => "rotate",
            Command::Stop => "stop",
        }
    }

    /// By its name in the control file.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "pause" => Some(Command::Pause),
            "resume" => Some(Command::Resume),
            "rotate" => Some(Command::Rotate),
            "stop" => Some(Command::Stop),
            _ => None,
        }
    }
}

/// A handle on a capture that runs, or will.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Control { shared }
    }

    /// Tells the capture to do something. It does so within a fraction of a second.
    pub fn tell(&self, command: Command) {
        match command {
            Command::Pause => self.shared.pause(true),
            Command::Resume => self.shared.pause(false),
            Command::Stop => self.shared.stop(Ended::Stopped),
            // A queue that has no room for it has not ended a segment for want of a disk either.
            Command::Rotate => drop(self.shared.queue.push(Item::Rotate, Duration::ZERO)),
        }
    }

    /// What it does at the moment.
    pub fn status(&self) -> CaptureStatus {
        self.shared.status()
    }
}

/// What the control file says, word by word; `None` if there is none.
pub(crate) fn read(path: &Path) -> std::io::Result<Option<Vec<Result<Command, String>>>> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(FILE_BYTES_MAX).read_to_end(&mut text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    let words = text.lines().map(str::trim).filter(|word| !word.is_empty() && !word.starts_with('#'));
    Ok(Some(words.map(|word| Command::from_name(word).ok_or_else(|| word.to_owned())).collect()))
}
