//! The rows of the two small tables, `files` and `notes`, to Arrow and back.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use stele_model::{FileEntry, FileId, FileState, Ledger, Micros};

use crate::error::{At, LakeError};
use crate::part::{PartInfo, open};
use crate::tables::{SCHEMA_VERSION, Table};

/// A row of `files`: an entry, and its place among all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileRow {
    pub(crate) commit_no: u64,
    pub(crate) ordinal: u64,
    pub(crate) entry: FileEntry,
}

/// A row of `notes`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NoteRow {
    pub(crate) commit_no: u64,
    pub(crate) ordinal: u64,
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) noted_at: Micros,
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn longs(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| i64::try_from(value).unwrap_or(i64::MAX))))
}

fn times(values: impl Iterator<Item = Micros>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn versions(rows: usize) -> ArrayRef {
    Arc::new(Int32Array::from_value(SCHEMA_VERSION as i32, rows))
}

/// Rows of `files` as Arrow.
pub(crate) fn files_batch(rows: &[FileRow]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let entries = || rows.iter().map(|row| &row.entry);
    let ledger = |field: fn(&Ledger) -> u64| longs(entries().map(|entry| field(&entry.ledger)));
    let ids: Vec<String> = entries().map(|entry| entry.file_id.to_string()).collect();
    let columns: Vec<ArrayRef> = vec![
        texts(entries().map(|entry| entry.tenant.as_str())),
        texts(ids.iter().map(String::as_str)),
        texts(entries().map(|entry| entry.uri.as_str())),
        texts(entries().map(|entry| entry.format.as_str())),
        texts(entries().map(|entry| entry.compression.as_str())),
        Arc::new(entries().map(|entry| entry.timezone.as_deref()).collect::<StringArray>()),
        longs(entries().map(|entry| entry.bytes_done)),
        longs(entries().map(|entry| entry.lines_done)),
        texts(entries().map(|entry| entry.sha256.as_str())),
        longs(entries().map(|entry| entry.size_on_disk)),
        Arc::new(entries().map(|entry| entry.tail_offset.map(|at| at as i64)).collect::<Int64Array>()),
        ledger(|ledger| ledger.bytes_in),
        ledger(|ledger| ledger.bytes_lake),
        ledger(|ledger| ledger.bytes_quarantine),
        ledger(|ledger| ledger.lines),
        ledger(|ledger| ledger.records),
        ledger(|ledger| ledger.quarantined),
        ledger(|ledger| ledger.control),
        ledger(|ledger| ledger.blank),
        ledger(|ledger| ledger.nodes),
        texts(entries().map(|entry| entry.state.name())),
        Arc::new(
            entries().map(|entry| entry.gone_at).collect::<TimestampMicrosecondArray>().with_timezone("UTC"),
        ),
        Arc::new(entries().map(|entry| tags_text(&entry.tags)).collect::<StringArray>()),
        times(entries().map(|entry| entry.updated_at)),
        longs(rows.iter().map(|row| row.commit_no)),
        longs(rows.iter().map(|row| row.ordinal)),
        versions(rows.len()),
    ];
    RecordBatch::try_new(Table::Files.part_schema(), columns)
}

/// Rows of `notes` as Arrow.
pub(crate) fn notes_batch(rows: &[NoteRow]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns: Vec<ArrayRef> = vec![
        longs(rows.iter().map(|row| row.commit_no)),
        longs(rows.iter().map(|row| row.ordinal)),
        texts(rows.iter().map(|row| row.kind.as_str())),
        texts(rows.iter().map(|row| row.body.as_str())),
        times(rows.iter().map(|row| row.noted_at)),
        versions(rows.len()),
    ];
    RecordBatch::try_new(Table::Notes.part_schema(), columns)
}

/// Tags as their column has them: a JSON list, which every reader knows how to take apart.
fn tags_text(tags: &[String]) -> Option<String> {
    (!tags.is_empty()).then(|| serde_json::Value::from(tags).to_string())
}

fn tags_in(text: Option<&str>) -> Option<Vec<String>> {
    text.map_or_else(|| Some(Vec::new()), |text| serde_json::from_str(text).ok())
}

/// Reads every row of `files`, oldest first.
pub(crate) fn read_files(parts: &[PartInfo]) -> Result<Vec<FileRow>, LakeError> {
    let mut rows = Vec::new();
    for part in parts {
        each_batch(&part.path, None, |batch| {
            let columns = Columns { batch, path: &part.path };
            for row in 0..batch.num_rows() {
                rows.push(file_row(&columns, row)?);
            }
            Ok(())
        })?;
    }
    rows.sort_by_key(|row| (row.commit_no, row.ordinal));
    Ok(rows)
}

fn file_row(columns: &Columns<'_>, row: usize) -> Result<FileRow, LakeError> {
    let long = |name: &str| columns.long(name, row);
    let text = |name: &str| columns.text(name, row);
    let bad = |name: &str| columns.bad(&format!("unreadable {name}"));
    Ok(FileRow {
        commit_no: long("commit_no")?,
        ordinal: long("ordinal")?,
        entry: FileEntry {
            tenant: text("tenant_id")?.to_owned(),
            file_id: FileId::from_hex(text("file_id")?).ok_or_else(|| bad("file_id"))?,
            uri: text("uri")?.to_owned(),
            format: text("format")?.to_owned(),
            compression: text("compression")?.to_owned(),
            timezone: columns.maybe_text("timezone", row)?.map(str::to_owned),
            bytes_done: long("bytes_done")?,
            lines_done: long("lines_done")?,
            sha256: text("sha256")?.to_owned(),
            size_on_disk: long("size_on_disk")?,
            tail_offset: columns.maybe_long("tail_offset", row)?,
            ledger: Ledger {
                bytes_in: long("bytes_in")?,
                bytes_lake: long("bytes_lake")?,
                bytes_quarantine: long("bytes_quarantine")?,
                lines: long("lines")?,
                records: long("records")?,
                quarantined: long("quarantined")?,
                control: long("control")?,
                blank: long("blank")?,
                nodes: long("nodes")?,
            },
            state: FileState::from_name(text("state")?).ok_or_else(|| bad("state"))?,
            gone_at: columns.maybe_time("gone_at", row)?,
            tags: tags_in(columns.optional_text("tags", row)?).ok_or_else(|| bad("tags"))?,
            updated_at: columns.time("updated_at", row)?,
        },
    })
}

/// Reads every row of `notes`, oldest first.
pub(crate) fn read_notes(parts: &[PartInfo]) -> Result<Vec<NoteRow>, LakeError> {
    let mut rows = Vec::new();
    for part in parts {
        each_batch(&part.path, None, |batch| {
            let columns = Columns { batch, path: &part.path };
            for row in 0..batch.num_rows() {
                rows.push(NoteRow {
                    commit_no: columns.long("commit_no", row)?,
                    ordinal: columns.long("ordinal", row)?,
                    kind: columns.text("kind", row)?.to_owned(),
                    body: columns.text("body", row)?.to_owned(),
                    noted_at: columns.time("noted_at", row)?,
                });
            }
            Ok(())
        })?;
    }
    rows.sort_by_key(|row| (row.commit_no, row.ordinal));
    Ok(rows)
}

/// Reads a part batch by batch, all columns or the named ones.
pub(crate) fn each_batch(
    path: &Path,
    columns: Option<&[&str]>,
    mut take: impl FnMut(&RecordBatch) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(open(path)?).at("read", path)?;
    if let Some(columns) = columns {
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    for batch in builder.build().at("read", path)? {
        take(&batch.at("read", path)?)?;
    }
    Ok(())
}

/// Typed access to the columns of a batch, with errors that name the part.
pub(crate) struct Columns<'a> {
    pub(crate) batch: &'a RecordBatch,
    pub(crate) path: &'a Path,
}

impl<'a> Columns<'a> {
    pub(crate) fn bad(&self, detail: &str) -> LakeError {
        LakeError::CorruptPart { path: self.path.to_path_buf(), detail: detail.to_owned() }
    }

    fn column(&self, name: &str) -> Result<&'a ArrayRef, LakeError> {
        self.batch.column_by_name(name).ok_or_else(|| self.bad(&format!("there is no column {name}")))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<&'a StringArray, LakeError> {
        self.column(name)?.as_string_opt().ok_or_else(|| self.bad(&format!("column {name} is not text")))
    }

    pub(crate) fn longs(&self, name: &str) -> Result<&'a Int64Array, LakeError> {
        let column = self.column(name)?.as_primitive_opt::<Int64Type>();
        column.ok_or_else(|| self.bad(&format!("column {name} is not a 64-bit integer")))
    }

    pub(crate) fn maybe_text(&self, name: &str, row: usize) -> Result<Option<&'a str>, LakeError> {
        let texts = self.texts(name)?;
        Ok(texts.is_valid(row).then(|| texts.value(row)))
    }

    /// A text that may be null, or whose column a lake of an earlier version does not have.
    fn optional_text(&self, name: &str, row: usize) -> Result<Option<&'a str>, LakeError> {
        match self.batch.column_by_name(name) {
            Some(_) => self.maybe_text(name, row),
            None => Ok(None),
        }
    }

    /// A number that may be null, or whose column a lake of an earlier version does not have.
    pub(crate) fn maybe_long(&self, name: &str, row: usize) -> Result<Option<u64>, LakeError> {
        if self.batch.column_by_name(name).is_none_or(|column| column.is_null(row)) {
            return Ok(None);
        }
        self.long(name, row).map(Some)
    }

    pub(crate) fn text(&self, name: &str, row: usize) -> Result<&'a str, LakeError> {
        self.maybe_text(name, row)?.ok_or_else(|| self.bad(&format!("column {name} is null")))
    }

    pub(crate) fn long(&self, name: &str, row: usize) -> Result<u64, LakeError> {
        u64::try_from(self.longs(name)?.value(row))
            .map_err(|_| self.bad(&format!("column {name} is negative")))
    }

    /// A time that may be null, or whose column a lake of an earlier version does not have.
    fn maybe_time(&self, name: &str, row: usize) -> Result<Option<Micros>, LakeError> {
        if self.batch.column_by_name(name).is_none_or(|column| column.is_null(row)) {
            return Ok(None);
        }
        self.time(name, row).map(Some)
    }

    fn time(&self, name: &str, row: usize) -> Result<Micros, LakeError> {
        let column = self.column(name)?.as_primitive_opt::<TimestampMicrosecondType>();
        let column = column.ok_or_else(|| self.bad(&format!("column {name} is not a time")))?;
        Ok(column.value(row))
    }
}
