//! The files of a capture: `<epoch>-<n>.jsonl`, with `.part` behind it until one is complete.
//!
//! A segment is complete when all of it is durable under its final name; then it never changes. What a killed process
//! left is completed by the next run, up to the last line that is whole.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stele_model::Micros;

use crate::CaptureError;
use crate::disk::{Disk, DiskFile, sync_parent};
use crate::line::{SYSTEM, micros};

/// Segments of one directory that are looked at when a run begins: those that nobody took. More is a sign that
/// nobody will.
const SEGMENTS_MAX: usize = 100_000;

/// A complete segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// The run that wrote it.
    pub epoch: u64,
    /// Its number in that run, from 1.
    pub number: u64,
    /// Its lines.
    pub lines: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Whether an earlier run wrote it: it was killed, or nobody took the segment.
    pub found: bool,
}

/// What the lines of a segment say about where its run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    pub at: Option<Micros>,
    pub number: Option<i64>,
    /// Whether the run ended as it should.
    pub stopped: bool,
}

/// What an earlier run left.
pub(crate) struct Left {
    /// Complete now, in their order.
    pub segments: Vec<Segment>,
    pub reached: Reached,
    /// Segments that had to be completed, with the bytes behind their last whole line.
    pub completed: Vec<(String, u64)>,
    pub epoch_max: u64,
}

/// The segment that grows.
struct Open {
    part: PathBuf,
    file: Box<dyn DiskFile>,
    number: u64,
    since: Duration,
    lines: u64,
    bytes: u64,
    synced_lines: u64,
    synced_bytes: u64,
}

/// Writes the segments of one run.
pub(crate) struct Segments {
    dir: PathBuf,
    epoch: u64,
    next: u64,
    open: Option<Open>,
    disk: Arc<dyn Disk>,
}

impl Segments {
    pub fn new(dir: &Path, epoch: u64, disk: Arc<dyn Disk>) -> Self {
        Segments { dir: dir.to_owned(), epoch, next: 1, open: None, disk }
    }

    /// Appends whole lines; not durable yet.
    pub fn append(&mut self, bytes: &[u8], lines: u64, now: Duration) -> io::Result<()> {
        if self.open.is_none() {
            let number = self.next;
            let part = self.dir.join(format!("{:06}-{number:06}.jsonl.part", self.epoch));
            // A number that was used once is never used again, whatever becomes of its file: it may be there
            // although making it failed.
            self.next += 1;
            let file = self.disk.create(&part)?;
            let (lines, bytes) = (0, 0);
            self.open =
                Some(Open { part, file, number, since: now, lines, bytes, synced_lines: 0, synced_bytes: 0 });
        }
        if let Some(open) = &mut self.open {
            open.file.append(bytes)?;
            open.lines += lines;
            open.bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Makes durable what was appended.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(open) = &mut self.open {
            open.file.sync()?;
            open.synced_lines = open.lines;
            open.synced_bytes = open.bytes;
        }
        Ok(())
    }

    /// Bytes of the segment that grows, and since when it does.
    pub fn size(&self) -> Option<(u64, Duration)> {
        self.open.as_ref().map(|open| (open.bytes, open.since))
    }

    /// Completes the segment that grows. All of it has to be durable.
    pub fn finish(&mut self) -> io::Result<Option<Segment>> {
        let Some(open) = &self.open else { return Ok(None) };
        let path = open.part.with_extension("");
        // Once more after a rename whose end is not known: the name may be right already.
        if open.part.exists() || !path.exists() {
            self.disk.rename(&open.part, &path)?;
        } else {
            sync_parent(&path)?;
        }
        let (lines, bytes) = (open.synced_lines, open.synced_bytes);
        let segment = Segment { path, epoch: self.epoch, number: open.number, lines, bytes, found: false };
        self.open = None;
        Ok(Some(segment))
    }

    /// After a write or a sync that failed: ends the segment where it is durable for certain. What is behind that has
    /// to be appended anew. Where the disk does not even allow this, the file stays as it is and the next run
    /// completes it; lines may be in two segments then, with the same `seq`.
    pub fn abandon(&mut self) -> Option<Segment> {
        let mut open = self.open.take()?;
        if open.synced_lines == 0 {
            let _ = open.file.cut(0);
            drop(open.file);
            let _ = std::fs::remove_file(&open.part);
            return None;
        }
        if let Err(error) = open.file.cut(open.synced_bytes) {
            tracing::warn!(path = %open.part.display(), %error, "a segment cannot be cut; the next run completes it");
            return None;
        }
        (open.lines, open.bytes) = (open.synced_lines, open.synced_bytes);
        self.open = Some(open);
        let finished = self.finish();
        self.open = None;
        finished.ok().flatten()
    }
}

/// Completes what a killed process left, and finds what nobody took.
pub(crate) fn pick_up(capture: &str, dir: &Path) -> Result<Left, CaptureError> {
    let failed = |what, path: &Path| {
        let (capture, path) = (capture.to_owned(), path.to_owned());
        move |source| CaptureError::Io { capture, what, path, source }
    };
    let mut names: Vec<(u64, u64, bool)> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed("list", dir))? {
        let name = entry.map_err(failed("list", dir))?.file_name();
        names.extend(name.to_str().and_then(parse));
        if names.len() > SEGMENTS_MAX {
            let reason = format!("it holds more than {SEGMENTS_MAX} segments that nobody took");
            return Err(CaptureError::State { path: dir.to_owned(), reason });
        }
    }
    names.sort_unstable();
    let epoch_max = names.iter().map(|(epoch, ..)| *epoch).max().unwrap_or(0);
    let mut left =
        Left { segments: Vec::new(), reached: Reached::default(), completed: Vec::new(), epoch_max };
    for (epoch, number, part) in names {
        let path = dir.join(format!("{epoch:06}-{number:06}.jsonl"));
        let from = if part { path.with_extension("jsonl.part") } else { path.clone() };
        let (reached, lines, whole, all) = read(&from).map_err(failed("read", &from))?;
        if part {
            complete(&from, &path, whole, all).map_err(failed("complete", &from))?;
            left.completed.push((format!("{epoch:06}-{number:06}"), all - whole));
        }
        if reached.at.is_some() {
            left.reached = Reached { number: reached.number.or(left.reached.number), ..reached };
        }
        if lines > 0 {
            left.segments.push(Segment { path, epoch, number, lines, bytes: whole, found: true });
        }
    }
    Ok(left)
}

/// `000003-000017.jsonl`, with or without `.part`.
fn parse(name: &str) -> Option<(u64, u64, bool)> {
    let (stem, part) = match name.strip_suffix(".jsonl.part") {
        Some(stem) => (stem, true),
        None => (name.strip_suffix(".jsonl")?, false),
    };
    let (epoch, number) = stem.split_once('-')?;
    Some((epoch.parse().ok()?, number.parse().ok()?, part))
}

/// What a line says that matters here.
#[derive(Deserialize)]
pub(crate) struct Seen<'a> {
    #[serde(borrow)]
    ts: Cow<'a, str>,
    /// When it was received, where `ts` is the time of its sender.
    #[serde(borrow)]
    received_at: Option<Cow<'a, str>>,
    number: Option<i64>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    doc_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Seen<'a> {
    pub fn of(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// When it was received.
    pub fn at(&self) -> Option<Micros> {
        micros(self.received_at.as_deref().unwrap_or(&self.ts))
    }

    /// The number up to which the feed is known: that of a message, also of one that was not kept.
    pub fn number(&self) -> Option<i64> {
        #[derive(Deserialize)]
        struct Dropped {
            dropped: u64,
            before_number: i64,
        }
        let of_gap = || {
            let dropped: Dropped =
                serde_json::from_str(self.data.filter(|_| self.is_system("gap"))?.get()).ok()?;
            (dropped.dropped > 0).then_some(dropped.before_number - 1)
        };
        self.number.or_else(of_gap)
    }

    fn is_system(&self, event: &str) -> bool {
        self.doc_type.as_deref() == Some(SYSTEM) && self.event.as_deref() == Some(event)
    }
}

/// Where its run came to; how many lines are whole, how many bytes they have, and how many there are in all.
fn read(path: &Path) -> io::Result<(Reached, u64, u64, u64)> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let (mut reached, mut lines, mut whole) = (Reached::default(), 0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        // After a power cut a file may be as long as it was and hold zeros.
        if line.last() != Some(&b'\n') || serde_json::from_slice::<IgnoredAny>(line).is_err() {
            break;
        }
        if let Some(seen) = Seen::of(line) {
            reached.at = seen.at().or(reached.at);
            reached.number = seen.number().or(reached.number);
            reached.stopped = seen.is_system("capture_stopped");
        }
        lines += 1;
        whole += line.len() as u64;
    }
    Ok((reached, lines, whole, bytes.len() as u64))
}

/// Gives a part its final name, without what is behind its last whole line. If that is more than a line that was cut
/// short, it is damage and somebody may want to see it.
fn complete(part: &Path, path: &Path, whole: u64, all: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(part)?;
    if all > whole {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let tail = bytes.get(usize::try_from(whole).unwrap_or(usize::MAX)..).unwrap_or_default();
        if tail.contains(&b'\n') || tail.contains(&0) {
            let mut damaged = File::create(path.with_extension("damaged"))?;
            damaged.write_all(tail)?;
            damaged.sync_all()?;
        }
        file.set_len(whole)?;
    }
    file.sync_all()?;
    if whole == 0 {
        std::fs::remove_file(part)?;
    } else {
        std::fs::rename(part, path)?;
    }
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_line_says_that_the_feed_had_come() {
        let check = |rest: &str, expect: Option<i64>| {
            let line = format!(r#"{{"capture":"feed","ts":"2025-01-02T03:04:05Z",{rest}}}"#);
            assert_eq!(Seen::of(line.as_bytes()).and_then(|seen| seen.number()), expect, "{line}");
        };
        check(r#""number":7,"raw":"42[\"a\"]""#, Some(7));
        check(r#""event":"an \"odd\" one","data":{"dropped":1,"before_number":9}"#, None);
        let gap = r#""doc_type":"system_event","event":"gap","data""#;
        check(&format!(r#"{gap}:{{"dropped":1,"before_number":9}}"#), Some(8));
        // What is behind a silence is only known when it comes.
        check(&format!(r#"{gap}:{{"before_number":9}}"#), None);
    }

    #[test]
    fn the_time_is_when_it_was_received() {
        let line = br#"{"ts":"1999-01-01T00:00:00Z","received_at":"1970-01-01T00:00:01Z","data":1}"#;
        assert_eq!(Seen::of(line).and_then(|seen| seen.at()), Some(1_000_000));
    }
}
