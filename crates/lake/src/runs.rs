//! Rows of many parts in the order in which they stand in their inputs.
//!
//! A *run* is a stretch of consecutive rows of one part that belong to one input and rise in byte
//! offset. What an appender writes is one run an input and part, or a few; a part that another
//! program shuffled still reads right, only slower. [`Merge`] reads the runs of one input side by
//! side, opens each when its first offset comes up and closes it when it ends, so memory depends on
//! how many parts overlap and not on the size of the input.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchReader};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::error::{At, LakeError};
use crate::part::PartInfo;
use crate::reader::{PartReader, may_hold};
use crate::rows::Columns;

/// Consecutive rows of one part and one input, rising in byte offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Index of the part in the list that was searched.
    pub(crate) part: usize,
    /// The input.
    pub(crate) file_id: String,
    /// Row numbers within the part.
    pub(crate) rows: Range<u64>,
    /// Byte offset of the first row.
    pub(crate) first: u64,
}

/// Finds the runs of one part, of one input or of all.
pub(crate) fn find(parts: &[PartInfo], part_index: usize, only: Option<&str>) -> Result<Vec<Run>, LakeError> {
    let Some(part) = parts.get(part_index) else { return Ok(Vec::new()) };
    let mut runs: Vec<Run> = Vec::new();
    if only.is_some_and(|file_id| !part.stats.may_hold(file_id)) {
        return Ok(runs);
    }
    let reader = PartReader::open(&part.path)?;
    let mut last_offset = 0;
    for (group_rows, group) in reader.groups() {
        if only.is_some_and(|file_id| !may_hold(group, file_id)) {
            continue;
        }
        let mut row = group_rows.start;
        for batch in reader.rows(&part.path, &["file_id", "byte_offset"], group_rows)? {
            let batch = batch.at("read", &part.path)?;
            let columns = Columns { batch: &batch, path: &part.path };
            let (ids, offsets) = (columns.texts("file_id")?, columns.longs("byte_offset")?);
            for index in 0..batch.num_rows() {
                let (id, offset) = (ids.value(index), offsets.value(index).max(0) as u64);
                if only.is_none_or(|only| only == id) {
                    match runs.last_mut() {
                        Some(run) if run.rows.end == row && run.file_id == id && last_offset <= offset => {
                            run.rows.end += 1;
                        }
                        _ => runs.push(Run {
                            part: part_index,
                            file_id: id.to_owned(),
                            rows: row..row + 1,
                            first: offset,
                        }),
                    }
                    last_offset = offset;
                }
                row += 1;
            }
        }
    }
    Ok(runs)
}

/// Rows of one input, from many runs, in order of byte offset.
pub(crate) struct Merge<'a> {
    parts: &'a [PartInfo],
    columns: &'a [&'a str],
    /// Runs that were not opened yet, the one with the smallest offset last.
    waiting: Vec<Run>,
    open: Vec<Option<Cursor>>,
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    /// Each part's reader as long as runs of it wait, and how many do.
    readers: HashMap<usize, (Option<Rc<PartReader>>, usize)>,
}

/// Where reading of one run has come.
struct Cursor {
    run: Run,
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    batch: RecordBatch,
    row: usize,
}

impl Cursor {
    /// The offset of the current row, after fetching the batch that holds it.
    fn offset(&mut self) -> Result<Option<u64>, LakeError> {
        while self.row >= self.batch.num_rows() {
            match self.reader.next() {
                Some(batch) => self.batch = batch.at("read", &self.path)?,
                None => return Ok(None),
            }
            self.row = 0;
        }
        Ok(Some(offset_at(self.offsets()?, self.row)))
    }

    /// Rows of this batch, from the current one on, that come before `limit`; at least one.
    fn stretch(&self, limit: Option<u64>) -> Result<Range<usize>, LakeError> {
        let offsets = self.offsets()?;
        let mut end = self.row + 1;
        while end < offsets.len() && limit.is_none_or(|limit| offset_at(offsets, end) < limit) {
            end += 1;
        }
        Ok(self.row..end)
    }

    fn offsets(&self) -> Result<&Int64Array, LakeError> {
        Columns { batch: &self.batch, path: &self.path }.longs("byte_offset")
    }
}

fn offset_at(offsets: &Int64Array, row: usize) -> u64 {
    offsets.value(row).max(0) as u64
}

impl<'a> Merge<'a> {
    /// Merges runs of one input. `columns` has to hold `byte_offset`.
    pub(crate) fn new(parts: &'a [PartInfo], columns: &'a [&'a str], mut runs: Vec<Run>) -> Self {
        runs.sort_by_key(|run| Reverse((run.first, run.part, run.rows.start)));
        let mut readers: HashMap<usize, (Option<Rc<PartReader>>, usize)> = HashMap::new();
        for run in &runs {
            readers.entry(run.part).or_default().1 += 1;
        }
        Self { parts, columns, waiting: runs, open: Vec::new(), heap: BinaryHeap::new(), readers }
    }

    /// Calls `take` with stretches of rows, in order: a batch, the rows of it, and the index of the
    /// part they come from.
    pub(crate) fn each<E: From<LakeError>>(
        mut self,
        mut take: impl FnMut(&RecordBatch, Range<usize>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            self.open_due()?;
            let Some(Reverse((_, slot))) = self.heap.pop() else { return Ok(()) };
            let others = self.heap.peek().map(|Reverse((next, _))| *next);
            let limit = others.into_iter().chain(self.waiting.last().map(|run| run.first)).min();
            let Some(Some(cursor)) = self.open.get_mut(slot) else { continue };
            let rows = cursor.stretch(limit)?;
            cursor.row = rows.end;
            take(&cursor.batch, rows, cursor.run.part)?;
            match cursor.offset()? {
                Some(next) => self.heap.push(Reverse((next, slot))),
                None => self.open[slot] = None,
            }
        }
    }

    /// Opens the runs whose first row comes before every open one's next row.
    fn open_due(&mut self) -> Result<(), LakeError> {
        while let Some(run) = self.waiting.last() {
            if self.heap.peek().is_some_and(|Reverse((next, _))| *next < run.first) {
                return Ok(());
            }
            let Some(run) = self.waiting.pop() else { return Ok(()) };
            let Some(part) = self.parts.get(run.part) else { continue };
            let (kept, left) = self.readers.entry(run.part).or_default();
            let shared = match kept.take() {
                Some(reader) => reader,
                None => Rc::new(PartReader::open(&part.path)?),
            };
            *left = left.saturating_sub(1);
            if *left > 0 {
                *kept = Some(Rc::clone(&shared));
            }
            let reader = shared.rows(&part.path, self.columns, run.rows.clone())?;
            let empty = RecordBatch::new_empty(RecordBatchReader::schema(&reader));
            let mut cursor = Cursor { run, path: part.path.clone(), reader, batch: empty, row: 0 };
            if let Some(first) = cursor.offset()? {
                let slot = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
                if slot == self.open.len() {
                    self.open.push(None);
                }
                self.open[slot] = Some(cursor);
                self.heap.push(Reverse((first, slot)));
            }
        }
        Ok(())
    }
}
