//! One input of the lake, written back into nothing and compared with what was read.

use std::io::{self, Write};

use serde::Serialize;
use stele_lake::replay::Replayer;
use stele_model::FileEntry;
use stele_model::error::in_full;
use stele_model::id::from_hex;
use stele_sources::{Input, prefix_hashes};

/// One input, written back in memory and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCheck {
    /// The input.
    pub uri: String,
    /// Content bytes that its cursor stands for.
    pub bytes: u64,
    /// Content bytes that the lake gives back.
    pub replayed: u64,
    /// Whether what the lake gives back has the recorded SHA-256.
    pub exact: bool,
    /// What the source is now: `unchanged`, `grown`, `changed`, `gone`, `stream` or `unreadable`.
    pub source: &'static str,
    /// Rows that were removed on request; the rest cannot be written back whole then.
    pub pruned: u64,
    /// Rows that were lost with damaged parts and given up by a salvage.
    pub lost: u64,
    /// What is wrong, if anything.
    pub cause: Option<String>,
}

impl FileCheck {
    /// A check of `entry` that has found out nothing yet.
    pub(crate) fn of(entry: &FileEntry) -> Self {
        Self {
            uri: entry.uri.clone(),
            bytes: entry.bytes_done,
            replayed: 0,
            exact: false,
            source: source_state(entry),
            pruned: 0,
            lost: 0,
            cause: None,
        }
    }
}

/// Writes one input back into nothing; returns what that showed and the lines in it.
pub(crate) fn check_file(replayer: &Replayer, entry: &FileEntry) -> (FileCheck, u64) {
    let mut sink = LineCounter::default();
    let mut check = FileCheck::of(entry);
    match replayer.replay(entry, &mut sink) {
        Ok(replayed) => {
            check.replayed = replayed.bytes;
            check.exact = replayed.sha256 == entry.sha256;
            if !check.exact {
                check.cause =
                    Some("what the lake gives back has another SHA-256 than what was read".to_owned());
            }
        }
        Err(error) => {
            check.replayed = sink.bytes;
            check.cause = Some(in_full(&error));
        }
    }
    (check, sink.lines())
}

/// Counts lines the way a reader does: a last line without `\n` is a line.
#[derive(Default)]
struct LineCounter {
    bytes: u64,
    newlines: u64,
    last: Option<u8>,
}

impl LineCounter {
    fn lines(&self) -> u64 {
        self.newlines + u64::from(self.last.is_some_and(|byte| byte != b'\n'))
    }
}

impl Write for LineCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.newlines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.last = bytes.last().copied().or(self.last);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What has become of the source since it was read.
fn source_state(entry: &FileEntry) -> &'static str {
    if entry.uri.starts_with("stdin:") {
        return "stream";
    }
    let path = stele_sources::path_of(&entry.uri);
    let Ok(metadata) = path.metadata() else {
        return "gone";
    };
    let input = Input { uri: entry.uri.clone(), path: Some(path), size_on_disk: metadata.len() };
    let Ok(hashes) = prefix_hashes(&input, &[entry.bytes_done, u64::MAX]) else {
        return "unreadable";
    };
    match from_hex(&entry.sha256) {
        Some(known) if known == hashes[1] => "unchanged",
        Some(known) if known == hashes[0] => "grown",
        _ => "changed",
    }
}
