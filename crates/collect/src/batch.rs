//! Records on their way into the lake, and the cursors that go with them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::CollectError;
use crate::record::Collectable;

/// Records of a batch, at most: a second of work at the speed of a quick service, so that a crash costs little.
pub const BATCH_RECORDS: u64 = 10_000;

/// Bytes of a batch, about: what it holds is in memory until the commit.
pub const BATCH_BYTES: usize = 16 << 20;

/// How far each stream has come, in words of its collector. There may be very many, such as one for each file: they are kept
/// as texts, and a clone has them in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursors(BTreeMap<Arc<str>, Arc<Text>>);

/// A cursor as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Text(Box<str>);

impl Text {
    fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Serialize for Cursors {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl Cursors {
    /// Where this stream goes on; `None` is the beginning.
    pub fn get(&self, stream: &str) -> Option<Value> {
        self.0.get(stream).map(|text| text.value())
    }

    /// This stream goes on from here.
    pub fn set(&mut self, stream: impl Into<Arc<str>>, cursor: Value) {
        self.0.insert(stream.into(), Arc::new(Text(cursor.to_string().into())));
    }

    /// Those of other streams are no longer here.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|stream, _| keep(stream));
    }

    /// This stream begins anew. Says whether it had come anywhere.
    pub fn reset(&mut self, stream: &str) -> bool {
        self.0.remove(stream).is_some()
    }

    /// Names of streams that have come anywhere.
    pub fn streams(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|stream| &**stream)
    }

    /// Streams and where they go on, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value)> {
        self.0.iter().map(|(stream, text)| (&**stream, text.value()))
    }

    /// Whether no stream has come anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What becomes of a record that has no cursor, where others of its stream have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// It ends the stream with an error.
    #[default]
    Raise,
    /// It is kept, in every run.
    Include,
    /// It is left out.
    Exclude,
}

/// What a source holds and what is no record: it is kept aside, with the reason, where people find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Of which stream.
    pub stream: String,
    /// Where it stands, as a person would look for it, such as `events.jsonl:17`.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
    /// Its bytes.
    pub raw: Vec<u8>,
}

impl Rejected {
    /// As it is written down: with its bytes as a text if they are one, and in base64 if not.
    pub fn to_value(&self, source: &str) -> Value {
        let (name, raw) = match std::str::from_utf8(&self.raw) {
            Ok(raw) => ("raw", raw.to_owned()),
            Err(_) => ("raw_base64", STANDARD.encode(&self.raw)),
        };
        let Self { stream, place, reason, .. } = self;
        json!({ "source": source, "stream": stream, "place": place, "reason": reason, name: raw })
    }
}

/// Where the records of a batch stand, one after the other, for whoever has to name one of them. Empty where records
/// have no place but their id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// Files, with the number of the first record of each.
    files: Vec<(usize, String)>,
    /// Lines or rows.
    lines: Vec<u64>,
}

impl Places {
    /// The next record stands there.
    pub fn push(&mut self, file: &str, line: u64) {
        if self.files.last().is_none_or(|(_, last)| last != file) {
            self.files.push((self.lines.len(), file.to_owned()));
        }
        self.lines.push(line);
    }

    /// As a person would look for it, such as `orders.jsonl:17`.
    pub fn of(&self, record: usize) -> Option<String> {
        Some(format!("{}:{}", self.file_of(record)?.0, self.lines.get(record)?))
    }

    /// The file of a record, and the numbers of the records that it has here.
    pub fn file_of(&self, record: usize) -> Option<(&str, Range<usize>)> {
        let behind = self.files.partition_point(|(first, _)| *first <= record);
        let (first, name) = self.files.get(behind.checked_sub(1)?)?;
        let end = self.files.get(behind).map_or(self.lines.len(), |(next, _)| *next);
        Some((name, *first..end))
    }

    /// Forgets the records of one file, as [`Self::file_of`] gives them.
    pub fn remove(&mut self, records: Range<usize>) {
        self.files.retain(|(first, _)| *first != records.start);
        let behind = self.files.iter_mut().filter(|(first, _)| *first >= records.end);
        behind.for_each(|(first, _)| *first -= records.len());
        self.lines.drain(records);
    }
}

/// Records of one stream, and where the stream goes on when they are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Of which stream.
    pub stream: String,
    /// One record a line, each a JSON object as [`Collectable`] writes it, each ended by a line feed.
    pub lines: Vec<u8>,
    /// How many lines there are.
    pub records: u64,
    /// Where the stream goes on once these are kept; `None` leaves it where it was.
    pub cursor: Option<Value>,
    /// Where other things of the source go on then, such as files of which some records are here; `null` begins one
    /// anew.
    pub others: Vec<(String, Value)>,
    /// What was met on the way and is no record.
    pub rejected: Vec<Rejected>,
    /// Where the records stand.
    pub places: Places,
}

/// Where records go. In the program that is the lake.
pub trait Sink {
    /// The cursors of this source, as of the last batch that was taken.
    ///
    /// # Errors
    /// If they cannot be read.
    fn cursors(&self) -> Result<Cursors, CollectError>;

    /// Keeps records and cursor, both or neither; when it comes back they are durable.
    ///
    /// # Errors
    /// If they cannot be kept; then nothing of the batch is.
    fn take(&mut self, batch: Batch) -> Result<(), CollectError>;

    /// Records of a batch at most. Fewer for one who looks at the first ones only.
    fn batch_records(&self) -> u64 {
        BATCH_RECORDS
    }

    /// Whether what is taken is kept. If not, nothing may be changed where it comes from.
    fn keeps(&self) -> bool {
        true
    }
}

/// Makes batches of one stream: gathers records until a bound is reached, and then hands them over.
#[derive(Debug)]
pub struct Batcher {
    stream: String,
    lines: Vec<u8>,
    records: u64,
    rejected: Vec<Rejected>,
    cursor: Option<Value>,
}

impl Batcher {
    /// For a stream of which nothing is gathered yet.
    pub fn new(stream: impl Into<String>) -> Self {
        Self { stream: stream.into(), lines: Vec::new(), records: 0, rejected: Vec::new(), cursor: None }
    }

    /// Gathers a record. Follow it by [`Self::reached`] when everything up to some point was gathered.
    ///
    /// # Errors
    /// If the record is no JSON object.
    pub fn push(&mut self, record: &Collectable<'_>) -> Result<(), CollectError> {
        record.write(&mut self.lines)?;
        self.records += 1;
        Ok(())
    }

    /// Gathers a record that `write` appends as [`Collectable::write`] would, line feed and all: for whoever has
    /// no value of its own for each record.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.lines);
        self.records += 1;
    }

    /// Sets aside what is no record that can be kept; it goes with the records beside it.
    pub fn reject(&mut self, rejected: Rejected) {
        self.rejected.push(rejected);
    }

    /// Whether what was gathered has become a batch of this sink, for whoever makes no cursor for each record.
    pub fn is_full(&self, sink: &dyn Sink) -> bool {
        let aside: usize = self.rejected.iter().map(|rejected| rejected.raw.len()).sum();
        let records = self.records + self.rejected.len() as u64;
        records >= sink.batch_records() || self.lines.len() + aside >= BATCH_BYTES
    }

    /// Everything before `cursor` was gathered: hands over what there is if that has become a batch.
    ///
    /// # Errors
    /// If the sink does not keep it.
    pub fn reached(&mut self, cursor: Value, sink: &mut dyn Sink) -> Result<(), CollectError> {
        self.cursor = Some(cursor);
        self.flush_if_full(sink)
    }

    /// Hands over what there is if that has become a batch, and leaves the cursor where it was: for records that come in no order.
    ///
    /// # Errors
    /// If the sink does not keep it.
    pub fn flush_if_full(&mut self, sink: &mut dyn Sink) -> Result<(), CollectError> {
        if self.is_full(sink) {
            self.flush(sink)?;
        }
        Ok(())
    }

    /// Hands over what there is, whatever its size; nothing if there is no record and no cursor.
    ///
    /// # Errors
    /// If the sink does not keep it.
    pub fn flush(&mut self, sink: &mut dyn Sink) -> Result<(), CollectError> {
        let (lines, records) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.records));
        let (rejected, cursor) = (std::mem::take(&mut self.rejected), self.cursor.take());
        if records == 0 && rejected.is_empty() && cursor.is_none() {
            return Ok(());
        }
        let stream = self.stream.clone();
        sink.take(Batch { stream, lines, records, rejected, cursor, ..Batch::default() })
    }
}

/// The first records of a source, for somebody who looks at them. Nothing is kept.
#[derive(Debug)]
pub struct Preview {
    limit: u64,
    /// The lines, as they would go into the lake.
    pub lines: Vec<String>,
}

impl Preview {
    /// Of so many records, 1 at least.
    pub fn new(limit: u64) -> Self {
        Self { limit: limit.max(1), lines: Vec::new() }
    }
}

impl Sink for Preview {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(Cursors::default())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        let text = String::from_utf8_lossy(&batch.lines);
        let left = usize::try_from(self.limit).unwrap_or(usize::MAX).saturating_sub(self.lines.len());
        self.lines.extend(text.lines().take(left).map(str::to_owned));
        match self.lines.len() as u64 >= self.limit {
            true => Err(CollectError::Enough),
            false => Ok(()),
        }
    }

    fn batch_records(&self) -> u64 {
        self.limit.min(BATCH_RECORDS)
    }

    fn keeps(&self) -> bool {
        false
    }
}
