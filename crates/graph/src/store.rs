//! Reading parts: batches of a table, all of it or some rows, without those of documents that are gone.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use foldhash::fast::RandomState;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use sha2::{Digest, Sha256};
use stele_model::id;

use crate::decode::Columns;
use crate::durable;
use crate::encode::BATCH_ROWS_MAX;
use crate::error::{At, GraphError};
use crate::lock::ReaderShare;
use crate::pointer::Part;
use crate::tables::{DOCUMENT, Table};

/// A part that somebody reads. It is not removed while this lives.
pub(crate) struct OpenPart {
    pub(crate) part: Part,
    dir: PathBuf,
    /// Documents whose rows do not count, as columns name them.
    gone: HashSet<String, RandomState>,
    /// What was learned about files that were opened: at most one entry a table.
    known: Mutex<HashMap<Table, ArrowReaderMetadata, RandomState>>,
    _share: ReaderShare,
}

impl OpenPart {
    /// Opens a part of the graph in `home`; `None` if it is being removed or is gone.
    pub(crate) fn open(home: &Path, part: &Part) -> Result<Option<Self>, GraphError> {
        let dir = home.join(&part.dir);
        let Some(share) = ReaderShare::take(&dir)? else { return Ok(None) };
        let gone = part.gone.iter().map(ToString::to_string).collect();
        Ok(Some(Self { part: part.clone(), dir, gone, known: Mutex::default(), _share: share }))
    }

    pub(crate) fn path(&self, table: Table) -> PathBuf {
        self.dir.join(table.file())
    }

    /// An error about what stands in a table.
    pub(crate) fn damaged(&self, table: Table, detail: &str) -> GraphError {
        damaged(&self.path(table), detail)
    }

    /// Batches of some columns, or of all if none are named; of some rows, or of all. Rows of
    /// documents that are gone are among them.
    pub(crate) fn batches(
        &self,
        table: Table,
        columns: &[&str],
        rows: Option<&[Range<usize>]>,
    ) -> Result<Batches, GraphError> {
        let path = self.path(table);
        if !self.part.tables.contains_key(&table) {
            return Ok(Batches { path, from: None });
        }
        let file = File::open(&path).at("open", &path)?;
        let metadata = self.metadata(table, &file, &path)?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_batch_size(BATCH_ROWS_MAX);
        if !columns.is_empty() {
            let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        if let Some(rows) = rows {
            let all = usize::try_from(self.part.rows(table)).unwrap_or(usize::MAX);
            let selection = RowSelection::from_consecutive_ranges(rows.iter().cloned(), all);
            builder = builder.with_row_selection(selection);
        }
        let from = builder.build().map_err(|error| reading(error, &path))?;
        Ok(Batches { path, from: Some(from) })
    }

    fn metadata(&self, table: Table, file: &File, path: &Path) -> Result<ArrowReaderMetadata, GraphError> {
        let known = self.known.lock().ok().and_then(|known| known.get(&table).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let found = ArrowReaderMetadata::load(file, options).map_err(|error| reading(error, path))?;
        let (rows, told) = (found.metadata().file_metadata().num_rows(), self.part.rows(table));
        if u64::try_from(rows) != Ok(told) {
            return Err(damaged(path, &format!("it has {rows} rows, and the pointer names {told}")));
        }
        if found.schema().fields().len() != table.columns().len() {
            return Err(damaged(path, "it has other columns than this table"));
        }
        if let Ok(mut known) = self.known.lock() {
            known.insert(table, found.clone());
        }
        Ok(found)
    }

    /// The rows of a batch that count. The batch has the column of documents.
    pub(crate) fn living(&self, table: Table, batch: RecordBatch) -> Result<RecordBatch, GraphError> {
        if self.gone.is_empty() {
            return Ok(batch);
        }
        let documents = Columns(&batch).text(DOCUMENT).map_err(|bad| self.damaged(table, &bad))?;
        let counts = |row| documents.is_null(row) || !self.gone.contains(documents.value(row));
        let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(counts(row))).collect();
        filter_record_batch(&batch, &mask).at("read", &self.path(table))
    }

    /// Whether a document's rows do not count.
    pub(crate) fn is_gone(&self, document: &str) -> bool {
        self.gone.contains(document)
    }

    /// Whether each file is what was written, byte for byte.
    pub(crate) fn verify(&self) -> Result<(), GraphError> {
        for (table, told) in &self.part.tables {
            let path = self.path(*table);
            let found = sha256(&path).at("read", &path)?;
            if found != told.sha256 {
                return Err(damaged(&path, "its content does not match the checksum in the pointer"));
            }
        }
        Ok(())
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    // Large enough that the calls do not count, small enough for any machine.
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(id::to_hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn damaged(path: &Path, detail: &str) -> GraphError {
    // The graph's directory is the one that holds the part's.
    durable::damaged(path.parent().unwrap_or(path), detail).about(path)
}

/// What the library says about a file that it cannot read is said about the file.
fn reading(error: ParquetError, path: &Path) -> GraphError {
    match Err::<(), _>(error).at("read", path) {
        Err(GraphError::Parquet { detail, .. }) => damaged(path, &detail),
        Err(other) => other,
        Ok(()) => damaged(path, "it cannot be read"),
    }
}

/// Batches of one file.
#[derive(Debug)]
pub(crate) struct Batches {
    path: PathBuf,
    from: Option<ParquetRecordBatchReader>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, GraphError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.from.as_mut()?.next()?;
        Some(next.map_err(|error| reading(error.into(), &self.path)))
    }
}
