//! A directory, a source of its files, and a sink that keeps what it takes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use stele_collect::{
    Batch, Checked, CollectError, Collected, Collector, Cursors, Means, Outcome, Sieve, Sifted, Sink, Source,
    SourceKind, SourcesConfig, StreamInfo,
};
use stele_files::{FileCollector, FilesConfig, KEYS};
use stele_http::Still;
use stele_model::time::FixedClock;
use tempfile::TempDir;

/// What time it is: 2026-11-28T12:00:00Z.
pub const NOW: i64 = 1_795_867_200_000_000;

/// Keeps batches, as a sink does that writes them down.
#[derive(Default)]
pub struct Kept {
    pub cursors: Cursors,
    pub lines: Vec<String>,
    pub rejected: Vec<String>,
    pub batches: u64,
    pub records: u64,
    /// Keeps no lines, for runs that are large.
    pub counts_only: bool,
    /// Fails at this batch.
    pub fails_at: Option<u64>,
    /// Is told to stop at this batch, and does not take it.
    pub stops_at: Option<u64>,
    /// Records of a batch, if not as many as usual.
    pub batch_records: Option<u64>,
}

impl Sink for Kept {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(self.cursors.clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        self.batches += 1;
        if self.fails_at == Some(self.batches) {
            return Err(CollectError::Sink("the disk is full".into()));
        }
        if self.stops_at == Some(self.batches) {
            return Err(CollectError::Cancelled);
        }
        let lines = std::str::from_utf8(&batch.lines).unwrap();
        assert_eq!(lines.lines().count() as u64, batch.records);
        self.records += batch.records;
        if !self.counts_only {
            self.lines.extend(lines.lines().map(str::to_owned));
        }
        for rejected in &batch.rejected {
            let raw = String::from_utf8_lossy(&rejected.raw);
            self.rejected.push(format!("{}: {}: {raw}", rejected.place, rejected.reason));
        }
        for (name, cursor) in batch.others {
            match serde_json::from_str(&cursor.to_string()).unwrap() {
                Value::Null => drop(self.cursors.reset(&name)),
                cursor => self.cursors.set(name, cursor),
            }
        }
        Ok(())
    }

    fn batch_records(&self) -> u64 {
        self.batch_records.unwrap_or(stele_collect::BATCH_RECORDS)
    }
}

pub struct Rig {
    pub dir: TempDir,
    pub kept: Kept,
    pub settings: Value,
    pub sifted: Sifted,
    /// Of the last run.
    pub notes: Vec<String>,
    pub now: i64,
    /// Somebody asks for the stop at this look.
    pub cancelled_at: Option<u64>,
    /// What somebody else does at this look.
    pub at_look: Option<(u64, Box<dyn Fn() + Sync>)>,
}

/// How a run ended: each stream with its outcome.
pub type Told = Result<Vec<(String, String)>, CollectError>;

impl Rig {
    pub fn new(settings: Value) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        Rig {
            dir,
            kept: Kept::default(),
            settings,
            sifted: Sifted::default(),
            notes: Vec::new(),
            now: NOW,
            cancelled_at: None,
            at_look: None,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("in").join(name)
    }

    /// Writes a file that was changed an hour and so many seconds before now.
    pub fn write_at(&self, name: &str, bytes: impl AsRef<[u8]>, ago_s: u64) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        touch(&path, ago_s);
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.write_at(name, bytes, 0);
    }

    pub fn append(&self, name: &str, bytes: &str) {
        let mut file = File::options().append(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_bytes()).unwrap();
    }

    /// Which files there are, with those of the archive and those that failed.
    pub fn files(&self) -> Vec<String> {
        let root = self.dir.path().join("in");
        let mut found = Vec::new();
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => dirs.push(path),
                    false => found.push(path.strip_prefix(&root).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }

    fn source(&self) -> Source {
        let mut entry = self.settings.as_object().unwrap().clone();
        entry.insert("source_id".to_owned(), json!("orders"));
        entry.insert("source_type".to_owned(), json!("file"));
        entry.entry("path").or_insert_with(|| json!(self.dir.path().join("in")));
        let keys = [(SourceKind::File, KEYS)];
        let config = SourcesConfig::of(vec![Value::Object(entry)], Map::new(), &keys, &|_| None).unwrap();
        assert_eq!((config.problems.as_slice(), config.warnings.as_slice()), (&[][..], &[][..]));
        config.sources[0].clone()
    }

    pub fn collector(&self) -> Result<FileCollector, CollectError> {
        let config: FilesConfig = self.source().settings(&|_| None)?.read()?;
        FileCollector::new("orders", None, config, self.dir.path().join("scratch"))
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut FileCollector, &Means<'_>) -> Result<T, CollectError>,
    ) -> Result<T, CollectError> {
        let clock = FixedClock(self.now);
        let pace = Arc::new(Still::default());
        let looks = AtomicU64::new(0);
        let cancelled = || {
            let look = looks.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some((_, act)) = self.at_look.as_ref().filter(|(at, _)| *at == look) {
                act();
            }
            self.cancelled_at == Some(look)
        };
        let means = Means {
            clock: &clock,
            pace,
            cancelled: &cancelled,
            progress: &|_, _| (),
            fetching: stele_collect::Stopwatch::default(),
            watch: &(),
        };
        work(&mut self.collector()?, &means)
    }

    pub fn collect_into(&self, sink: &mut dyn Sink) -> Result<Collected, CollectError> {
        let from = sink.cursors()?;
        self.with(|collector, means| collector.collect(&from, sink, means))
    }

    /// One run, as the program does it.
    pub fn run(&mut self) -> Told {
        let mut kept = std::mem::take(&mut self.kept);
        let mut sieve = Sieve::of(&self.source(), &mut kept)?;
        let collected = self.collect_into(&mut sieve);
        self.sifted = sieve.sifted().clone();
        self.kept = kept;
        let collected = collected?;
        self.notes = collected.notes;
        let mut told = Vec::new();
        for stream in collected.streams {
            told.push((
                stream.stream,
                match stream.outcome {
                    Outcome::Ok => "ok".to_owned(),
                    Outcome::Failed { reason } => reason,
                    Outcome::Unavailable { reason } => format!("unavailable: {reason}"),
                },
            ));
            told.extend(stream.unavailable);
        }
        Ok(told)
    }

    /// A run that goes well: the data of what it handed over, in order.
    pub fn good(&mut self) -> Vec<String> {
        let told = self.run().unwrap();
        assert_eq!(told, [("orders".to_owned(), "ok".to_owned())]);
        self.taken()
    }

    /// The data of what was handed over since the last time.
    pub fn taken(&mut self) -> Vec<String> {
        let data = |line: String| {
            let at = line.find("\"data\":").unwrap() + 7;
            line[at..line.len() - 1].to_owned()
        };
        std::mem::take(&mut self.kept.lines).into_iter().map(data).collect()
    }

    pub fn check(&self) -> Result<Checked, CollectError> {
        self.with(|collector, means| collector.check(means))
    }

    pub fn discover(&self) -> Result<Vec<StreamInfo>, CollectError> {
        self.with(|collector, means| collector.discover(means))
    }
}

/// Makes a file look as if it was changed an hour and so many seconds before now.
pub fn touch(path: &Path, ago_s: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(NOW as u64) - Duration::from_secs(3600 + ago_s);
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

pub fn gz(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn bz2(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// An archive of these files, in this order.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub fn zst(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 0).unwrap()
}
