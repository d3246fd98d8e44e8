//! What can be proved about the rows of a damaged part of `events`.
//!
//! Each column is read by itself and in short windows, so that damage in one costs nothing of the
//! others and little of its own. Text, hash, identifier, input and offset bear witness to each other:
//! the identifier follows from the other four.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use stele_model::{FileEntry, FileState, RawHash, RecordId};

use crate::error::LakeError;
use crate::part::PartInfo;
use crate::pieces::PieceIndex;
use crate::reader::PartReader;

/// Rows that are read at a time: where a window cannot be decoded, no more than these are lost.
const WINDOW_ROWS: u64 = 256;

/// A row whose text could be read, and whose place is known.
pub(super) struct Row<'a> {
    /// The input, as the commit that brought the row knew it.
    pub(super) input: &'a FileEntry,
    pub(super) raw: &'a str,
    pub(super) offset: u64,
    /// The line that the part states; it is only believed where nothing else tells.
    stated_line: Option<u64>,
    /// Whether only the SHA-256 of the input can prove it.
    doubtful: bool,
}

/// A row that is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    offset: u64,
    bytes: u64,
    newlines: u64,
    hash: RawHash,
    stated_line: Option<u64>,
    doubtful: bool,
    /// Its line, counted from the pieces before it.
    pub(super) line_no: u64,
}

/// The rows that are kept, by input and in order of their offsets.
#[derive(Default)]
pub(super) struct Evidence {
    kept: BTreeMap<String, Vec<Kept>>,
    /// Rows of each input in the damaged parts, kept or not.
    pub(super) seen: BTreeMap<String, u64>,
}

impl Evidence {
    /// Takes in the rows of a part.
    pub(super) fn gather(
        &mut self,
        part: &PartInfo,
        inputs: &HashMap<String, Vec<FileEntry>>,
    ) -> Result<(), LakeError> {
        each_window(part, |window| {
            if let Some(ids) = &window.file_id {
                for id in ids.iter().flatten().filter(|id| inputs.contains_key(*id)) {
                    *self.seen.entry(id.to_owned()).or_default() += 1;
                }
            }
            window.rows(part, inputs, &mut |row| {
                self.kept.entry(row.input.file_id.to_string()).or_default().push(Kept {
                    offset: row.offset,
                    bytes: row.raw.len() as u64,
                    newlines: row.raw.bytes().filter(|byte| *byte == b'\n').count() as u64,
                    hash: RawHash::of(row.raw.as_bytes()),
                    stated_line: row.stated_line,
                    doubtful: row.doubtful,
                    line_no: 0,
                });
                Ok(())
            })
        })
    }

    /// Finds out on which line each row begins, from the pieces that are sound and from one another.
    pub(super) fn number_lines(&mut self, sound: &PieceIndex) -> Result<(), LakeError> {
        for (id, rows) in &mut self.kept {
            // A row that is proved goes before one at the same place that is not.
            rows.sort_by_key(|row| (row.offset, row.doubtful));
            rows.dedup_by_key(|row| row.offset);
            let Some(input) = stele_model::FileId::from_hex(id) else { continue };
            let mut walk = Walk { end: 0, line: 1 };
            let mut rest = rows.iter_mut().peekable();
            sound.each(input, |piece| {
                while let Some(row) = rest.next_if(|row| row.offset < piece.byte_offset) {
                    walk.pass(row);
                }
                let newlines = piece.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                walk = Walk {
                    end: piece.byte_offset + piece.bytes.len() as u64,
                    line: piece.line_no + newlines,
                };
                Ok::<(), LakeError>(())
            })?;
            rest.for_each(|row| walk.pass(row));
        }
        Ok(())
    }

    /// Inputs with rows that only their SHA-256 can prove.
    pub(super) fn doubtful(&self) -> Vec<String> {
        let some = self.kept.iter().filter(|(_, rows)| rows.iter().any(|row| row.doubtful));
        some.map(|(id, _)| id.clone()).collect()
    }

    /// Gives up the doubtful rows of these inputs.
    pub(super) fn leave_out(&mut self, unproved: &HashSet<String>) {
        for (_, rows) in self.kept.iter_mut().filter(|(id, _)| unproved.contains(*id)) {
            rows.retain(|row| !row.doubtful);
        }
    }

    /// What is known about a row, if it is kept.
    pub(super) fn find(&self, row: &Row<'_>) -> Option<Kept> {
        let rows = self.kept.get(&row.input.file_id.to_string())?;
        let kept = rows[rows.binary_search_by_key(&row.offset, |kept| kept.offset).ok()?];
        let same = kept.doubtful == row.doubtful && kept.hash == RawHash::of(row.raw.as_bytes());
        same.then_some(kept)
    }
}

/// How far an input has been walked: the next content offset, and the line that it is on.
struct Walk {
    end: u64,
    line: u64,
}

impl Walk {
    fn pass(&mut self, row: &mut Kept) {
        row.line_no = match row.offset.checked_sub(self.end) {
            Some(gap @ (0 | 1)) => self.line + gap,
            // After a hole nothing tells but the part itself.
            _ => row.stated_line.filter(|line| *line >= self.line).unwrap_or(self.line),
        };
        *self = Self { end: row.offset + row.bytes, line: row.line_no + row.newlines };
    }
}

/// Hands every row to `take` whose text can be read and whose place is known.
pub(super) fn evidence<'a>(
    part: &PartInfo,
    inputs: &'a HashMap<String, Vec<FileEntry>>,
    take: &mut dyn FnMut(Row<'_>) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    each_window(part, |window| window.rows(part, inputs, take))
}

/// Some rows; a column that could not be decoded is `None`.
struct Window {
    raw: Option<StringArray>,
    raw_hash: Option<StringArray>,
    record_id: Option<StringArray>,
    file_id: Option<StringArray>,
    offset: Option<Int64Array>,
    line_no: Option<Int64Array>,
}

fn each_window(
    part: &PartInfo,
    mut take: impl FnMut(&Window) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let Ok(reader) = PartReader::open(&part.path) else { return Ok(()) };
    let groups: Vec<Range<u64>> = reader.groups().map(|(rows, _)| rows).collect();
    for group in groups {
        let mut start = group.start;
        while start < group.end {
            let rows = start..group.end.min(start + WINDOW_ROWS);
            start = rows.end;
            let column = |name: &str| column(&reader, part, name, rows.clone());
            let texts = |name: &str| column(name)?.as_string_opt::<i32>().cloned();
            let longs = |name: &str| column(name)?.as_primitive_opt::<Int64Type>().cloned();
            take(&Window {
                raw: texts("raw"),
                raw_hash: texts("raw_hash"),
                record_id: texts("record_id"),
                file_id: texts("file_id"),
                offset: longs("byte_offset"),
                line_no: longs("line_no"),
            })?;
        }
    }
    Ok(())
}

/// All of these rows of a column, or nothing.
fn column(reader: &PartReader, part: &PartInfo, name: &str, rows: Range<u64>) -> Option<ArrayRef> {
    let count = rows.end - rows.start;
    let batches = reader.rows(&part.path, &[name], rows).ok()?;
    let columns: Vec<ArrayRef> =
        batches.map(|batch| batch.ok()?.column_by_name(name).cloned()).collect::<Option<_>>()?;
    let columns: Vec<&dyn Array> = columns.iter().map(|column| &**column).collect();
    let column = arrow::compute::concat(&columns).ok()?;
    (column.len() as u64 == count && column.null_count() == 0).then_some(column)
}

impl Window {
    fn rows(
        &self,
        part: &PartInfo,
        inputs: &HashMap<String, Vec<FileEntry>>,
        take: &mut dyn FnMut(Row<'_>) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let (Some(raw), Some(offsets)) = (&self.raw, &self.offset) else { return Ok(()) };
        let mut last: Option<&Vec<FileEntry>> = None;
        for index in 0..raw.len() {
            let raw = raw.value(index);
            let Ok(offset) = u64::try_from(offsets.value(index)) else { continue };
            let hash = RawHash::of(raw.as_bytes());
            let stated_id = self.record_id.as_ref().map(|ids| ids.value(index));
            let follows = |entries: &&Vec<FileEntry>| {
                let id = entries.first().map(|entry| RecordId::of(entry.file_id, offset, hash).to_string());
                id.as_deref() == stated_id
            };
            let stated = self.file_id.as_ref().and_then(|ids| inputs.get(ids.value(index)));
            let proved = stated.filter(follows).or_else(|| last.filter(follows)).or_else(|| {
                // The column that names the input is damaged; the identifier tells which it was.
                let may = inputs.iter().filter(|(id, _)| part.stats.may_hold(id));
                stated_id.and_then(|_| may.map(|(_, entries)| entries).find(follows))
            });
            let same_hash =
                self.raw_hash.as_ref().is_some_and(|hashes| hashes.value(index) == hash.to_string());
            let Some(entries) = proved.or(stated) else { continue };
            last = proved.or(last);
            let end = offset + raw.len() as u64;
            let brought = |entry: &&FileEntry| entry.state != FileState::Duplicate && end <= entry.bytes_done;
            let Some(input) = entries.iter().find(brought) else { continue };
            let stated_line = self.line_no.as_ref().and_then(|lines| u64::try_from(lines.value(index)).ok());
            // Without identifiers to contradict it, a text with its hash stands where it says.
            let doubtful = proved.is_none() && !(same_hash && stated_id.is_none());
            take(Row { input, raw, offset, stated_line, doubtful })?;
        }
        Ok(())
    }
}
