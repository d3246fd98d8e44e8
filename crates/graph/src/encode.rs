//! Rows to columns: cells are put in one by one, and come out as batches of a bounded size.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float32Builder, Float64Builder, ListBuilder, RecordBatch, StringBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow::error::ArrowError;
use stele_model::id;

use crate::tables::{Kind, Table, item};

/// Rows of one batch: the library works well on a thousand at a time.
pub(crate) const BATCH_ROWS_MAX: usize = 1024;

/// Bytes of texts of one batch. A thousand sections of a large page would be hundreds of megabytes.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// What stands in one row of one column.
#[derive(Debug, Clone)]
pub(crate) enum Cell<'a> {
    Null,
    Text(&'a str),
    Id([u8; 16]),
    Texts(Vec<&'a str>),
    U32(u32),
    U64(u64),
    Bool(bool),
    F32(f32),
    F64(f64),
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    pub(crate) fn id(id: Option<[u8; 16]>) -> Self {
        id.map_or(Self::Null, Self::Id)
    }

    pub(crate) fn texts(texts: &'a [String]) -> Self {
        Self::Texts(texts.iter().map(String::as_str).collect())
    }

    pub(crate) fn place(place: usize) -> Self {
        Self::U64(place as u64)
    }
}

enum Builder {
    Text(StringBuilder),
    Texts(ListBuilder<StringBuilder>),
    U32(UInt32Builder),
    U64(UInt64Builder),
    Bool(BooleanBuilder),
    F32(Float32Builder),
    F64(Float64Builder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Texts => Self::Texts(ListBuilder::new(StringBuilder::new()).with_field(item())),
            Kind::U32 => Self::U32(UInt32Builder::new()),
            Kind::U64 => Self::U64(UInt64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::F32 => Self::F32(Float32Builder::new()),
            Kind::F64 => Self::F64(Float64Builder::new()),
        }
    }

    /// Adds a cell; says how many bytes of text it brought. A cell of another kind is nothing.
    fn push(&mut self, cell: &Cell<'_>) -> usize {
        match (self, cell) {
            (Self::Text(to), Cell::Text(text)) => {
                to.append_value(text);
                return text.len();
            }
            (Self::Text(to), Cell::Id(id)) => {
                let digits = id::hex(id);
                to.append_value(str::from_utf8(&digits).unwrap_or_default());
                return digits.len();
            }
            (Self::Texts(to), Cell::Texts(texts)) => {
                texts.iter().for_each(|text| to.values().append_value(text));
                to.append(true);
                return texts.iter().map(|text| text.len()).sum();
            }
            (Self::U32(to), Cell::U32(value)) => to.append_value(*value),
            (Self::U64(to), Cell::U64(value)) => to.append_value(*value),
            (Self::Bool(to), Cell::Bool(value)) => to.append_value(*value),
            (Self::F32(to), Cell::F32(value)) => to.append_value(*value),
            (Self::F64(to), Cell::F64(value)) => to.append_value(*value),
            (Self::Text(to), _) => to.append_null(),
            (Self::Texts(to), _) => to.append(false),
            (Self::U32(to), _) => to.append_null(),
            (Self::U64(to), _) => to.append_null(),
            (Self::Bool(to), _) => to.append_null(),
            (Self::F32(to), _) => to.append_null(),
            (Self::F64(to), _) => to.append_null(),
        }
        0
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(from) => Arc::new(from.finish()),
            Self::Texts(from) => Arc::new(from.finish()),
            Self::U32(from) => Arc::new(from.finish()),
            Self::U64(from) => Arc::new(from.finish()),
            Self::Bool(from) => Arc::new(from.finish()),
            Self::F32(from) => Arc::new(from.finish()),
            Self::F64(from) => Arc::new(from.finish()),
        }
    }
}

/// Rows of one table that are not a batch yet.
pub(crate) struct Rows {
    table: Table,
    columns: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

impl Rows {
    pub(crate) fn new(table: Table) -> Self {
        let columns = table.columns().iter().map(|(_, kind, _)| Builder::new(*kind)).collect();
        Self { table, columns, rows: 0, bytes: 0 }
    }

    /// Adds a row, its cells in the order of the columns.
    pub(crate) fn push(&mut self, cells: &[Cell<'_>]) {
        debug_assert_eq!(cells.len(), self.columns.len());
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.push(cell);
        }
        self.rows += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// Takes the rows out; `None` if there are none.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        (self.rows, self.bytes) = (0, 0);
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.table.schema(), columns).map(Some)
    }
}
