//! A small lake to test with, and the ways to damage it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use stele_lake::{AppendContext, Appender, CommitNote, FileRef, Lake, LakeError, Parts, Snapshot, Writer};
use stele_model::{
    DocType, Envelope, EventTime, Faults, FileEntry, FileId, FileState, Ledger, NoFaults, Residue,
    ResidueClass, TimeQuality,
};

/// 2025-12-12T17:20:00Z: any fixed instant will do.
pub const NOW: i64 = 1_765_560_000_000_000;

pub fn lake_in(dir: &Path) -> Lake {
    Lake::open(dir, Arc::new(NoFaults)).unwrap()
}

pub fn context() -> AppendContext {
    AppendContext { tenant: "default".to_owned(), ingested_at: NOW }
}

/// Fails at the n-th hit of one point, and counts the hits of all.
#[derive(Default)]
pub struct FailAt {
    point: Option<(&'static str, usize)>,
    hits: Mutex<HashMap<&'static str, usize>>,
}

impl FailAt {
    pub fn nth(point: &'static str, nth: usize) -> Arc<Self> {
        Arc::new(Self { point: Some((point, nth)), hits: Mutex::default() })
    }

    pub fn never() -> Arc<Self> {
        Arc::default()
    }

    pub fn hits(&self, point: &str) -> usize {
        self.hits.lock().unwrap().get(point).copied().unwrap_or_default()
    }
}

impl Faults for FailAt {
    fn hit(&self, point: &'static str) -> io::Result<()> {
        let mut hits = self.hits.lock().unwrap();
        let count = hits.entry(point).or_default();
        *count += 1;
        match self.point {
            Some((name, nth)) if name == point && *count == nth => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    }
}

pub fn envelope<'a>(doc_type: DocType, event: &'a str, micros: Option<i64>) -> Envelope<'a> {
    Envelope {
        doc_type,
        event_type: Cow::Borrowed(event),
        time: EventTime {
            raw: micros.map(|micros| Cow::Owned(micros.to_string())),
            micros,
            quality: if micros.is_some() { TimeQuality::Utc } else { TimeQuality::Ingest },
            change: None,
        },
        platform: None,
        original_id: None,
        session_id: None,
        game_id: Some(Cow::Borrowed("g-1")),
        player_id: None,
        username: None,
        seq: None,
        direction: None,
        price: Some(1.5),
        tick: None,
        cash: None,
        position_qty: None,
        payload: None,
    }
}

/// An input: its name, its bytes and their identity.
#[derive(Debug, Clone)]
pub struct Input {
    pub uri: String,
    pub content: Vec<u8>,
    pub file_id: FileId,
}

impl Input {
    pub fn new(uri: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        let mut hash = Sha256::new();
        hash.update(uri.as_bytes());
        hash.update(&content);
        Self { uri: uri.to_owned(), file_id: FileId::of("default", &hash.finalize().into()), content }
    }

    pub fn file_ref(&self) -> FileRef {
        FileRef { file_id: self.file_id, uri: self.uri.clone() }
    }

    /// The entry after the first `done` bytes.
    pub fn entry(&self, done: usize) -> FileEntry {
        FileEntry {
            tenant: "default".to_owned(),
            file_id: self.file_id,
            uri: self.uri.clone(),
            format: "F1".to_owned(),
            compression: "none".to_owned(),
            timezone: None,
            bytes_done: done as u64,
            lines_done: self.content[..done].split_inclusive(|byte| *byte == b'\n').count() as u64,
            sha256: sha256(&self.content[..done]),
            size_on_disk: self.content.len() as u64,
            tail_offset: None,
            ledger: ledger(&self.content[..done]),
            state: if done == self.content.len() { FileState::Complete } else { FileState::Partial },
            gone_at: None,
            tags: Vec::new(),
            updated_at: NOW,
        }
    }

    /// Appends the lines of `content[from..to]`, to one appender after the other. A line that is
    /// UTF-8 and not blank is a record. Returns the number of records.
    pub fn append(&self, appenders: &mut [Appender], from: usize, to: usize) -> Result<u64, LakeError> {
        let mut records = 0;
        let mut offset = from;
        let before = self.content[..from].iter().filter(|byte| **byte == b'\n').count();
        let lines = self.content[from..to].split_inclusive(|byte| *byte == b'\n');
        let count = appenders.len();
        for (index, line) in lines.enumerate() {
            let appender = &mut appenders[index % count];
            appender.set_file(&self.file_ref());
            let line_no = (before + index + 1) as u64;
            let bytes = line.strip_suffix(b"\n").unwrap_or(line);
            match std::str::from_utf8(bytes) {
                Ok(text) if !text.trim().is_empty() => {
                    let (doc_type, micros) = kind_of(bytes);
                    appender.record(&envelope(doc_type, "tick", micros), text, line_no, offset as u64)?;
                    records += 1;
                }
                utf8 => appender.residue(&Residue {
                    class: if utf8.is_ok() { ResidueClass::Blank } else { ResidueClass::Rejected },
                    reason: Cow::Borrowed(if utf8.is_ok() { "" } else { "not UTF-8" }),
                    error_at: utf8.is_err().then_some(offset as u64),
                    bytes,
                    line_no,
                    byte_offset: offset as u64,
                })?,
            }
            offset += line.len();
        }
        Ok(records)
    }
}

/// Doc type and time of a record: lines land in different partitions, in an order that follows from
/// their bytes.
pub fn kind_of(bytes: &[u8]) -> (DocType, Option<i64>) {
    let micros = (!bytes[0].is_multiple_of(4)).then_some(NOW + i64::from(bytes[0] % 2) * 86_400_000_000);
    (DocType::ALL[bytes.len() % 3], micros)
}

/// What [`Input::append`] makes of these bytes.
fn ledger(content: &[u8]) -> Ledger {
    let mut ledger = Ledger { bytes_in: content.len() as u64, ..Ledger::default() };
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        ledger.lines += 1;
        match std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)) {
            Ok(text) if text.trim().is_empty() => ledger.blank += 1,
            Ok(_) => ledger.records += 1,
            Err(_) => {
                ledger.quarantined += 1;
                ledger.bytes_quarantine += line.len() as u64;
            }
        }
    }
    ledger.bytes_lake = ledger.bytes_in - ledger.bytes_quarantine;
    ledger
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends `content[from..to]` of an input with two appenders and commits.
pub fn ingest(writer: &mut Writer, input: &Input, from: usize, to: usize) -> Result<Snapshot, LakeError> {
    let mut appenders = vec![writer.appender(context()), writer.appender(context())];
    input.append(&mut appenders, from, to)?;
    let parts: Vec<Parts> = appenders.into_iter().map(Appender::finish).collect::<Result<_, _>>()?;
    let note = CommitNote { catalogue: Some(format!("{}:{from}..{to}", input.uri)), ..CommitNote::default() };
    writer.commit(parts, vec![input.entry(to)], &note)
}
