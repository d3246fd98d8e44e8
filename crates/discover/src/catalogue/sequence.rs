//! The order of the records inside one file: holes in the sequence, steps backward in time, times
//! at which the clocks were changed, lines that were rejected. Counted in segments that join wherever they meet, so that the split of a
//! file into blocks leaves no trace.

use serde::{Deserialize, Serialize};
use stele_model::{ClockChange, Micros};

use crate::HOLES_MAX;
use crate::view::FileView;

/// What is known about one file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct FileFacts {
    pub(super) uri: String,
    pub(super) format: String,
    segments: Vec<Segment>,
}

/// Neighbouring lines of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Segment {
    first_line: u64,
    /// One past the last line.
    end_line: u64,
    bytes: u64,
    records: u64,
    seq: Option<Ends<i64>>,
    seq_range: Option<(i64, i64)>,
    time: Option<Ends<Micros>>,
    holes: Listed<(u64, i64, i64)>,
    steps_back: Listed<u64>,
    #[serde(default)]
    times_repeated: Listed<u64>,
    #[serde(default)]
    times_skipped: Listed<u64>,
    /// Bytes whose rows the lake has no more.
    #[serde(default)]
    bytes_removed: u64,
    rejected: Listed<(u64, u64, String)>,
    /// Bytes of the last line, if it is rejected and has no `\n`: somebody may still be writing
    /// it. A segment that begins at that very line takes its place.
    tail: Option<u64>,
}

/// The first and the last value that a segment states, with the line of the first. Unknown where
/// rows are gone: what is not known is no neighbour of anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Ends<T> {
    first: Option<T>,
    first_line: u64,
    last: Option<T>,
}

impl<T: Copy> Ends<T> {
    const UNKNOWN: Self = Self { first: None, first_line: 0, last: None };

    fn of(value: T, line: u64) -> Self {
        Self { first: Some(value), first_line: line, last: Some(value) }
    }
}

/// The first few of many, and how many there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Listed<T> {
    some: Vec<T>,
    count: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { some: Vec::new(), count: 0 }
    }
}

impl<T> Listed<T> {
    fn push(&mut self, item: T) {
        self.count += 1;
        if self.some.len() < HOLES_MAX {
            self.some.push(item);
        }
    }

    fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = HOLES_MAX - self.some.len();
        self.some.extend(other.some.into_iter().take(room));
    }
}

impl Segment {
    /// An empty segment that begins at `first_line`.
    pub(super) fn at(first_line: u64) -> Self {
        Self { first_line, end_line: first_line, ..Self::default() }
    }

    /// Takes in a record.
    #[inline]
    pub(super) fn record(
        &mut self,
        line: u64,
        seq: Option<i64>,
        time: Option<Micros>,
        change: Option<ClockChange>,
    ) {
        self.records += 1;
        if let Some(seq) = seq {
            self.link_seq(Ends::of(seq, line));
            self.widen_seq((seq, seq));
        }
        if let Some(time) = time {
            self.link_time(Ends::of(time, line));
        }
        match change {
            None => {}
            Some(ClockChange::Repeated) => self.times_repeated.push(line),
            Some(ClockChange::Skipped) => self.times_skipped.push(line),
        }
    }

    /// Passes over bytes whose rows are gone. What stood before them and what comes after are no
    /// neighbours.
    pub(super) fn pass_over(&mut self, bytes: u64) {
        self.bytes_removed += bytes;
        self.break_links();
    }

    fn break_links(&mut self) {
        self.seq.get_or_insert(Ends::UNKNOWN).last = None;
        self.time.get_or_insert(Ends::UNKNOWN).last = None;
    }

    /// Takes in a rejected line; `error_at` is a content offset.
    pub(super) fn reject(&mut self, line: u64, error_at: u64, reason: &str) {
        self.rejected.push((line, error_at, reason.to_owned()));
    }

    /// Ends the segment.
    pub(super) fn close(&mut self, lines: u64, bytes: u64, tail: Option<u64>) {
        self.end_line = self.first_line + lines;
        self.bytes = bytes;
        self.tail = tail;
    }

    /// Whether `next` goes on where this one ends.
    fn meets(&self, next: &Segment) -> bool {
        self.end_line == next.first_line || (self.tail.is_some() && self.end_line == next.first_line + 1)
    }

    /// Whether it is one unfinished line.
    fn is_tail(&self) -> bool {
        self.tail == Some(self.bytes)
    }

    /// Takes the unfinished last line back.
    fn drop_tail(&mut self) {
        if let Some(bytes) = self.tail.take() {
            self.end_line -= 1;
            self.bytes -= bytes;
            self.rejected.count -= 1;
            self.rejected.some.truncate(self.rejected.count as usize);
        }
    }

    fn link_seq(&mut self, next: Ends<i64>) {
        match &mut self.seq {
            None => self.seq = Some(next),
            Some(ends) => {
                // A smaller number is a new session, not a hole.
                if let (Some(last), Some(first)) = (ends.last, next.first)
                    && first.saturating_sub(last) > 1
                {
                    self.holes.push((next.first_line, last, first));
                }
                ends.last = next.last;
            }
        }
    }

    fn widen_seq(&mut self, (low, high): (i64, i64)) {
        let (old_low, old_high) = self.seq_range.unwrap_or((low, high));
        self.seq_range = Some((old_low.min(low), old_high.max(high)));
    }

    fn link_time(&mut self, next: Ends<Micros>) {
        match &mut self.time {
            None => self.time = Some(next),
            Some(ends) => {
                if let (Some(last), Some(first)) = (ends.last, next.first)
                    && first < last
                {
                    self.steps_back.push(next.first_line);
                }
                ends.last = next.last;
            }
        }
    }

    /// Appends the segment that begins where this one ends.
    fn join(&mut self, next: Segment) {
        if self.end_line == next.first_line + 1 {
            self.drop_tail();
        }
        if let Some(seq) = next.seq {
            self.link_seq(seq);
        }
        if let Some(range) = next.seq_range {
            self.widen_seq(range);
        }
        if let Some(time) = next.time {
            self.link_time(time);
        }
        self.holes.append(next.holes);
        self.steps_back.append(next.steps_back);
        self.times_repeated.append(next.times_repeated);
        self.times_skipped.append(next.times_skipped);
        self.bytes_removed += next.bytes_removed;
        self.rejected.append(next.rejected);
        self.end_line = next.end_line;
        self.bytes += next.bytes;
        self.records += next.records;
        self.tail = next.tail;
    }
}

impl FileFacts {
    pub(super) fn new(uri: &str, format: &str) -> Self {
        Self { uri: uri.to_owned(), format: format.to_owned(), segments: Vec::new() }
    }

    /// Adds a segment and joins it with its neighbours.
    pub(super) fn add(&mut self, segment: Segment) {
        if segment.first_line == segment.end_line && segment.bytes == 0 {
            return;
        }
        let place = self.segments.partition_point(|known| known.first_line < segment.first_line);
        // An unfinished line and nothing else: whichever knows more of that line stays.
        if let Some(known) = self.segments.get(place).filter(|known| known.first_line == segment.first_line) {
            if segment.is_tail() && segment.bytes <= known.bytes {
                return;
            }
            if known.is_tail() {
                self.segments.remove(place);
            }
        }
        self.segments.insert(place, segment);
        if place + 1 < self.segments.len() {
            self.join_at(place);
        }
        if place > 0 {
            self.join_at(place - 1);
        }
    }

    fn join_at(&mut self, place: usize) {
        if self.segments[place].meets(&self.segments[place + 1]) {
            let next = self.segments.remove(place + 1);
            self.segments[place].join(next);
        }
    }

    pub(super) fn merge(&mut self, other: FileFacts) {
        other.segments.into_iter().for_each(|segment| self.add(segment));
    }

    pub(super) fn view(&self) -> FileView {
        let mut segments = self.segments.iter().cloned();
        let mut whole = segments.next().unwrap_or_default();
        let mut lines = whole.end_line - whole.first_line;
        for segment in segments {
            lines += segment.end_line - segment.first_line;
            // Lines that another name or another content of this one accounts for.
            if segment.first_line.abs_diff(whole.end_line) > 1 {
                whole.break_links();
            }
            let end_line = whole.end_line.max(segment.end_line);
            whole.join(segment);
            whole.end_line = end_line;
        }
        FileView {
            uri: self.uri.clone(),
            format: self.format.clone(),
            bytes: whole.bytes,
            lines,
            records: whole.records,
            seq_range: whole.seq_range,
            holes: whole.holes.some,
            hole_count: whole.holes.count,
            steps_back: whole.steps_back.some,
            step_back_count: whole.steps_back.count,
            times_repeated: whole.times_repeated.some,
            times_repeated_count: whole.times_repeated.count,
            times_skipped: whole.times_skipped.some,
            times_skipped_count: whole.times_skipped.count,
            bytes_removed: whole.bytes_removed,
            rejected: whole.rejected.some,
            rejected_count: whole.rejected.count,
            growing: whole.tail.is_some(),
        }
    }
}
