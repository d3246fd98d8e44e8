//! Where results go: text or JSON lines on standard output, everything else on standard error.
//!
//! Texts for people pass through [`visible()`]: what recordings hold must not command a terminal. What
//! programs read (JSON, CSV, a replay) is exact.
//!
//! A reader that goes away (`stele … | head -1`) is no error: what would be written is dropped.

pub mod file;
pub mod human;
pub mod table;
mod visible;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::errors::Failure;

pub use visible::visible;

/// Standard output of one command.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// Whether results are JSON lines.
    pub json: bool,
    /// Whether only results and errors are wanted.
    pub quiet: bool,
}

impl Out {
    /// Writes text for people; nothing under `--json`.
    ///
    /// # Errors
    ///
    /// If standard output refuses for another reason than that its reader went away.
    pub fn text(&self, text: impl std::fmt::Display) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let text = text.to_string();
        write_stdout(|out| out.write_all(visible(&text).as_bytes()))
    }

    /// Writes one event as a JSON line; nothing without `--json`.
    ///
    /// # Errors
    ///
    /// As [`Out::text`].
    pub fn event(&self, name: &str, body: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let line = event_line(name, body);
        write_stdout(|out| out.write_all(line.as_bytes()))
    }

    /// A remark beside the result, on standard error; nothing when quiet or under `--json`.
    pub fn remark(&self, text: &str) {
        if !self.quiet && !self.json {
            tell(text);
        }
    }
}

/// `{"event":NAME,…the members of BODY…}` and a line end.
pub fn event_line(name: &str, body: &impl Serialize) -> String {
    let mut members = Map::new();
    members.insert("event".to_owned(), Value::from(name));
    match serde_json::to_value(body) {
        Ok(Value::Object(body)) => members.extend(body),
        Ok(other) => {
            members.insert("value".to_owned(), other);
        }
        // Plain data with text keys always has a JSON form.
        Err(error) => {
            members.insert("problem".to_owned(), Value::from(error.to_string()));
        }
    }
    format!("{}\n", Value::Object(members))
}

/// Writes what a renderer makes for people on standard output. It is held whole: pages that people read
/// are small.
///
/// # Errors
///
/// As [`write_stdout`].
pub fn write_page(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut page = Vec::new();
    closed_is_fine(write(&mut page))?;
    let page = String::from_utf8_lossy(&page);
    write_stdout(|out| out.write_all(visible(&page).as_bytes()))
}

/// Runs `write` on buffered standard output; a closed pipe counts as written.
///
/// # Errors
///
/// If standard output refuses for another reason.
pub fn write_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let result = write(&mut out).and_then(|()| out.flush());
    // What a failed write left in the buffer must not be tried again on drop.
    let _ = out.into_parts();
    closed_is_fine(result)
}

/// One system call for this much output: a pipe's usual capacity.
const BUFFER_BYTES: usize = 64 << 10;

/// Turns "the reader went away" into success.
///
/// # Errors
///
/// Every other error.
pub fn closed_is_fine(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::io("write", "standard output", &error)),
    }
}

/// Writes a line to standard error. Nobody is there to be told when that fails.
pub fn tell(text: &str) {
    let _ = writeln!(anstream::stderr(), "stele: {}", visible(text));
}

/// Writes an error or hint block to standard error, its labels in colour where that is wanted.
pub fn complain(text: &str) {
    let mut coloured = String::new();
    for line in visible(text).split_inclusive('\n') {
        let style = match line.split_once(": ").map(|(label, _)| label) {
            Some("error") => "\x1b[1;31m",
            Some("warning") => "\x1b[1;33m",
            Some("hint" | "kept") => "\x1b[1;36m",
            _ => "",
        };
        match line.split_once(':') {
            Some((label, rest)) if !style.is_empty() => {
                coloured.push_str(&format!("{style}{label}:\x1b[0m{rest}"));
            }
            _ => coloured.push_str(line),
        }
    }
    // `anstream` takes the colours out where NO_COLOR or the terminal asks for it.
    let _ = write!(anstream::stderr(), "{coloured}");
}

/// Whether a person is looking: progress bars are shown only then.
pub fn is_watched() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}
