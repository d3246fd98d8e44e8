//! One Parquet part: written, synced, named; and what the log says about it.
//!
//! A part is invisible until a commit names it. It is written under a hidden name and gets its own,
//! which holds a checksum of its bytes, when it is complete: `part-<writer>-<number>-<blake3>.parquet`.
//! A [`PartWriter`] that is dropped unfinished removes its file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use stele_model::{Faults, Micros};

use crate::error::{At, LakeError};
use crate::store::sync_dir;
use crate::tables::{NULL_PARTITION, Table};

mod encoder;
mod properties;
mod stats;
mod sticky;

use encoder::Encoder;
pub use stats::PartStats;

/// A row group ends at this many encoded bytes. A reader that wants one row decodes no more.
pub(crate) const GROUP_BYTES: usize = 16 << 20;

/// A Parquet part of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct PartInfo {
    /// Where the file is.
    pub path: PathBuf,
    /// The same, below the table's directory and with `/` between steps, as the log spells it.
    pub relative: String,
    /// Rows.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Partition columns and their values; none for tables without partitions.
    pub partitions: BTreeMap<String, Option<String>>,
    /// When the part was made.
    pub modified: Micros,
    /// What is known about its rows.
    pub stats: PartStats,
}

impl PartInfo {
    /// The value of a partition column.
    pub fn partition(&self, name: &str) -> Option<&str> {
        self.partitions.get(name)?.as_deref()
    }
}

/// How the hidden name of a part that is being written ends.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// Makes names that no other part of this writer has.
#[derive(Debug)]
pub(crate) struct PartNames {
    started: Micros,
    next: AtomicU64,
}

impl PartNames {
    pub(crate) fn new(started: Micros) -> Self {
        Self { started, next: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("part-{:016x}-{number:06}", self.started)
    }
}

/// What a part is written with: place, names, failure.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub(crate) data_dir: PathBuf,
    pub(crate) names: Arc<PartNames>,
    pub(crate) faults: Arc<dyn Faults>,
    pub(crate) now: Micros,
}

/// A part that is being written.
pub(crate) struct PartWriter {
    writer: Option<Encoder<PartFile>>,
    table: Table,
    /// The hidden file.
    path: PathBuf,
    /// The name to be, without its checksum.
    name: String,
    /// The partition directories, each with a `/` after it.
    relative: String,
    partitions: BTreeMap<String, Option<String>>,
    now: Micros,
    rows: u64,
    pub(crate) stats: PartStats,
    faults: Arc<dyn Faults>,
}

impl PartWriter {
    pub(crate) fn create(
        shop: &Workshop,
        table: Table,
        values: &[Option<String>],
    ) -> Result<Self, LakeError> {
        let mut relative = String::new();
        let mut partitions = BTreeMap::new();
        for (&name, value) in table.partitions().iter().zip(values) {
            relative.push_str(&format!("{name}={}/", value.as_deref().unwrap_or(NULL_PARTITION)));
            partitions.insert(name.to_owned(), value.clone());
        }
        let dir = table.dir(&shop.data_dir).join(&relative);
        shop.faults.hit("lake.part.create").at("create", &dir)?;
        fs::create_dir_all(&dir).at("create", &dir)?;
        // A crashed run under the same clock may have left the name behind.
        let (name, path, file) = loop {
            let name = shop.names.next();
            let path = dir.join(format!(".{name}{UNFINISHED}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => break (name, path.clone(), other.at("create", &path)?),
            }
        };
        let file = PartFile { file, hash: blake3::Hasher::new(), faults: Arc::clone(&shop.faults) };
        let writer = Encoder::new(file, table).at("write", &path)?;
        Ok(Self {
            writer: Some(writer),
            table,
            path,
            name,
            relative,
            partitions,
            now: shop.now,
            rows: 0,
            stats: PartStats::default(),
            faults: Arc::clone(&shop.faults),
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.rows += batch.num_rows() as u64;
        self.stats.observe(self.table, batch);
        match &mut self.writer {
            Some(writer) => writer.write(batch).at("write", &self.path),
            None => Ok(()),
        }
    }

    /// Encoded bytes that are held in memory.
    pub(crate) fn memory(&self) -> usize {
        self.writer.as_ref().map_or(0, Encoder::memory)
    }

    /// Bytes in the file and in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.writer.as_ref().map_or(0, |writer| writer.bytes_written() + writer.memory())
    }

    /// Writes out what is held in memory as one row group.
    pub(crate) fn flush(&mut self) -> Result<(), LakeError> {
        match &mut self.writer {
            Some(writer) => writer.flush().at("write", &self.path),
            None => Ok(()),
        }
    }

    /// Ends the file and makes its bytes durable. Its name becomes durable with [`sync_names`].
    pub(crate) fn finish(mut self) -> Result<PartInfo, LakeError> {
        let Some(mut writer) = self.writer.take() else {
            return Err(LakeError::Invalid("a part was finished twice".to_owned()));
        };
        let finished = self.end(&mut writer);
        if finished.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        finished
    }

    fn end(&mut self, writer: &mut Encoder<PartFile>) -> Result<PartInfo, LakeError> {
        writer.finish().at("write", &self.path)?;
        self.faults.hit("lake.part.sync").at("sync", &self.path)?;
        let PartFile { file, hash, .. } = writer.inner();
        file.sync_all().at("sync", &self.path)?;
        let bytes = file.metadata().at("inspect", &self.path)?.len();
        let name = format!("{}-{}.parquet", self.name, checksum(hash));
        let path = self.path.with_file_name(&name);
        self.faults.hit("lake.part.rename").at("rename", &path)?;
        fs::rename(&self.path, &path).at("rename", &path)?;
        self.stats.rows = self.rows;
        Ok(PartInfo {
            path,
            relative: format!("{}{name}", self.relative),
            rows: self.rows,
            bytes,
            partitions: std::mem::take(&mut self.partitions),
            modified: self.now,
            stats: std::mem::take(&mut self.stats),
        })
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the names of finished parts durable, and those of the directories that lead to them.
pub(crate) fn sync_names(shop: &Workshop, parts: &[PartInfo]) -> Result<(), LakeError> {
    let lake = crate::tables::lake_dir(&shop.data_dir);
    let mut dirs = BTreeSet::new();
    for part in parts {
        dirs.extend(part.path.ancestors().skip(1).take_while(|dir| *dir != lake));
    }
    for dir in dirs {
        shop.faults.hit("lake.part.dir_sync").at("sync", dir)?;
        sync_dir(dir).at("sync", dir)?;
    }
    Ok(())
}

/// Writes one part from batches.
pub(crate) fn write_part(
    shop: &Workshop,
    table: Table,
    batches: &[RecordBatch],
) -> Result<PartInfo, LakeError> {
    let mut writer = PartWriter::create(shop, table, &[])?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

/// Opens a part for reading; one that is gone is an error of its own.
pub(crate) fn open(path: &Path) -> Result<File, LakeError> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LakeError::MissingPart { path: path.to_path_buf() })
        }
        other => other.at("open", path),
    }
}

/// The digits of a checksum that a name holds: 64 bits find any accident.
const CHECKSUM_DIGITS: usize = 16;

fn checksum(hash: &blake3::Hasher) -> String {
    hash.finalize().to_hex().chars().take(CHECKSUM_DIGITS).collect()
}

/// Whether a part's bytes are those that were written, if its name tells: names that other programs
/// give do not.
pub(crate) fn checksum_matches(path: &Path) -> Result<Option<bool>, LakeError> {
    let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".parquet"));
    let Some(stated) = stem.filter(|stem| stem.starts_with("part-")).and_then(|stem| stem.rsplit('-').next())
    else {
        return Ok(None);
    };
    if stated.len() != CHECKSUM_DIGITS || !stated.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let mut hash = blake3::Hasher::new();
    hash.update_reader(open(path)?).at("read", path)?;
    Ok(Some(checksum(&hash) == stated))
}

/// Which writer made a part and as its how manieth, if the name tells.
pub(crate) fn place_of(path: &Path) -> Option<(&str, u64)> {
    let mut steps = path.file_name()?.to_str()?.strip_suffix(".parquet")?.split('-');
    let (prefix, writer, number) = (steps.next()?, steps.next()?, steps.next()?);
    let known = prefix == "part" && steps.next()?.len() == CHECKSUM_DIGITS;
    number.parse().ok().filter(|_| known).map(|number| (writer, number))
}

/// The file under a Parquet writer, with a failpoint before each write.
struct PartFile {
    file: File,
    hash: blake3::Hasher,
    faults: Arc<dyn Faults>,
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.faults.hit("lake.part.write")?;
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
