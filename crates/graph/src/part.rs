//! Writing a part: one Parquet file for each table that has rows, durable before anything names it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use sha2::{Digest, Sha256};
use stele_model::{Faults, id};

use crate::durable;
use crate::encode::{Cell, Rows};
use crate::error::{At, GraphError};
use crate::lock::READERS;
use crate::pointer::{Part, PartTable};
use crate::tables::Table;

/// Encoded bytes of one table that wait in memory for their row group to end. With six tables it is
/// what a writer needs at most, beside the one document that it is given.
const ROW_GROUP_BYTES_MAX: usize = 8 << 20;

/// Rows of one page. What is looked up is a section or an edge, and its page is read as a whole.
const PAGE_ROWS_MAX: usize = 512;

/// Bytes of one page before compression: so much is unpacked to read one section.
const PAGE_BYTES_MAX: usize = 256 << 10;

/// A part that is being written.
pub(crate) struct PartWriter {
    dir: PathBuf,
    name: String,
    faults: Arc<dyn Faults>,
    tables: BTreeMap<Table, TableWriter>,
}

struct TableWriter {
    path: PathBuf,
    waiting: Rows,
    file: ArrowWriter<Sink>,
    rows: u64,
}

/// A file that knows its own checksum.
struct Sink {
    file: File,
    faults: Arc<dyn Faults>,
    sha256: Sha256,
    bytes: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.faults.hit("graph.part.write")?;
        let written = self.file.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PartWriter {
    /// Begins the part `p-<number>` of the graph in `home`.
    pub(crate) fn create(home: &Path, number: u64, faults: &Arc<dyn Faults>) -> Result<Self, GraphError> {
        let name = format!("p-{number}");
        let dir = home.join(&name);
        faults.hit("graph.part.create").and_then(|()| fs::create_dir(&dir)).at("create", &dir)?;
        let readers = dir.join(READERS);
        File::create(&readers).at("create", &readers)?;
        Ok(Self { dir, name, faults: Arc::clone(faults), tables: BTreeMap::new() })
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, table: Table, cells: &[Cell<'_>]) -> Result<(), GraphError> {
        let to = self.table(table)?;
        to.waiting.push(cells);
        if to.waiting.is_full() { to.drain() } else { Ok(()) }
    }

    /// Adds rows that are columns already.
    pub(crate) fn write(&mut self, table: Table, batch: &RecordBatch) -> Result<(), GraphError> {
        if batch.num_rows() == 0 { Ok(()) } else { self.table(table)?.write(batch) }
    }

    /// Bytes that were written or wait to be.
    pub(crate) fn bytes(&self) -> u64 {
        let of =
            |table: &TableWriter| table.file.bytes_written() as u64 + table.file.in_progress_size() as u64;
        self.tables.values().map(of).sum()
    }

    fn table(&mut self, table: Table) -> Result<&mut TableWriter, GraphError> {
        use std::collections::btree_map::Entry;
        match self.tables.entry(table) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(place) => {
                let path = self.dir.join(table.file());
                let file = OpenOptions::new().write(true).create_new(true).open(&path).at("create", &path)?;
                let sink = Sink { file, faults: Arc::clone(&self.faults), sha256: Sha256::new(), bytes: 0 };
                let file =
                    ArrowWriter::try_new(sink, table.schema(), Some(properties())).at("begin", &path)?;
                Ok(place.insert(TableWriter { path, waiting: Rows::new(table), file, rows: 0 }))
            }
        }
    }

    /// Ends the part. When it returns, its files and their names are durable; the name of its
    /// directory is so once the graph's directory is synced.
    pub(crate) fn finish(self) -> Result<Part, GraphError> {
        let mut tables = BTreeMap::new();
        for (table, writer) in self.tables {
            tables.insert(table, writer.finish(&*self.faults)?);
        }
        let point = "graph.part.dir_sync";
        self.faults.hit(point).and_then(|()| durable::sync_dir(&self.dir)).at("sync", &self.dir)?;
        Ok(Part { dir: self.name, tables, gone: Vec::new() })
    }
}

impl TableWriter {
    fn drain(&mut self) -> Result<(), GraphError> {
        match self.waiting.take().at("make rows for", &self.path)? {
            Some(batch) => self.write(&batch),
            None => Ok(()),
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), GraphError> {
        self.file.write(batch).at("write", &self.path)?;
        self.rows += batch.num_rows() as u64;
        if self.file.in_progress_size() >= ROW_GROUP_BYTES_MAX {
            self.file.flush().at("write", &self.path)?;
        }
        Ok(())
    }

    fn finish(mut self, faults: &dyn Faults) -> Result<PartTable, GraphError> {
        self.drain()?;
        let sink = self.file.into_inner().at("end", &self.path)?;
        faults.hit("graph.part.sync").and_then(|()| sink.file.sync_all()).at("sync", &self.path)?;
        let sha256 = id::to_hex(&sink.sha256.finalize());
        Ok(PartTable { rows: self.rows, bytes: sink.bytes, sha256 })
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("stele version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        // Ids are hashes: their smallest and largest tell a reader nothing.
        .set_statistics_enabled(EnabledStatistics::None)
        .build()
}
