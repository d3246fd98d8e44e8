//! Rows on their way into a part, as Arrow columns.
//!
//! A column that is null in every row of a batch is never touched: real records fill about half of
//! the envelope.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::DataType;
use stele_model::id::hex;
use stele_model::{Direction, Envelope, Micros, RawHash, RecordId, Residue};

use crate::tables::{SCHEMA_VERSION, Table};
use stele_model::civil;

/// What all rows of one input have in common.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) file_id: stele_model::FileId,
    pub(super) file_hex: String,
    pub(super) uri: String,
}

/// What all rows of one appender have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) tenant: String,
    pub(super) ingested_at: Micros,
}

/// Bytes of one row besides its texts: offsets, numbers, two hexadecimal ids, the time as written.
const ROW_BYTES: usize = 200;

/// A nullable column that costs nothing until its first value.
struct Sparse<B> {
    builder: B,
    nulls_before: usize,
    any: bool,
}

impl<B> Sparse<B> {
    fn new(builder: B) -> Self {
        Self { builder, nulls_before: 0, any: false }
    }
}

/// Columns that take no memory before their first row: there may be thousands of partitions.
fn text() -> StringBuilder {
    StringBuilder::with_capacity(0, 0)
}

fn number() -> Int64Builder {
    Int64Builder::with_capacity(0)
}

fn sparse_text() -> Sparse<StringBuilder> {
    Sparse::new(text())
}

fn sparse_number() -> Sparse<Int64Builder> {
    Sparse::new(number())
}

fn sparse_double() -> Sparse<Float64Builder> {
    Sparse::new(Float64Builder::with_capacity(0))
}

macro_rules! sparse {
    ($builder:ty, $value:ty, $kind:expr) => {
        impl Sparse<$builder> {
            fn push(&mut self, value: Option<$value>) {
                match value {
                    None if !self.any => self.nulls_before += 1,
                    None => self.builder.append_null(),
                    Some(value) => {
                        if !self.any {
                            self.any = true;
                            for _ in 0..self.nulls_before {
                                self.builder.append_null();
                            }
                        }
                        self.builder.append_value(value);
                    }
                }
            }

            fn take(&mut self) -> ArrayRef {
                let nulls = std::mem::take(&mut self.nulls_before);
                if std::mem::take(&mut self.any) {
                    Arc::new(self.builder.finish())
                } else {
                    new_null_array(&$kind, nulls)
                }
            }
        }
    };
}

sparse!(StringBuilder, &str, DataType::Utf8);
sparse!(Int64Builder, i64, DataType::Int64);
sparse!(Float64Builder, f64, DataType::Float64);

fn push_hex(builder: &mut StringBuilder, id: &[u8; 16]) {
    // Hexadecimal digits are always text.
    builder.append_value(std::str::from_utf8(&hex(id)).unwrap_or_default());
}

fn utc(builder: &mut TimestampMicrosecondBuilder) -> ArrayRef {
    Arc::new(builder.finish().with_timezone("UTC"))
}

fn long(value: u64) -> i64 {
    // Offsets and lines beyond 2^63 do not exist on any disk.
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn schema_version(rows: usize) -> ArrayRef {
    let mut builder = Int32Builder::with_capacity(rows);
    for _ in 0..rows {
        builder.append_value(SCHEMA_VERSION as i32);
    }
    Arc::new(builder.finish())
}

fn ingested(rows: usize, at: Micros) -> ArrayRef {
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for _ in 0..rows {
        builder.append_value(at);
    }
    utc(&mut builder)
}

fn repeated(rows: usize, text: &str) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * text.len());
    for _ in 0..rows {
        builder.append_value(text);
    }
    Arc::new(builder.finish())
}

/// Event rows of one partition.
pub(super) struct EventRows {
    rows: usize,
    bytes: usize,
    record_id: StringBuilder,
    ts: TimestampMicrosecondBuilder,
    ts_raw: Sparse<StringBuilder>,
    ts_quality: StringBuilder,
    source: StringBuilder,
    event_type: StringBuilder,
    platform: Sparse<StringBuilder>,
    original_id: Sparse<StringBuilder>,
    session_id: Sparse<StringBuilder>,
    game_id: Sparse<StringBuilder>,
    player_id: Sparse<StringBuilder>,
    username: Sparse<StringBuilder>,
    seq: Sparse<Int64Builder>,
    direction: Sparse<StringBuilder>,
    price: Sparse<Float64Builder>,
    tick: Sparse<Int64Builder>,
    cash: Sparse<Float64Builder>,
    position_qty: Sparse<Float64Builder>,
    raw: StringBuilder,
    raw_hash: StringBuilder,
    file_id: StringBuilder,
    line_no: Int64Builder,
    byte_offset: Int64Builder,
    byte_len: Int64Builder,
}

impl EventRows {
    pub(super) fn new() -> Self {
        Self {
            rows: 0,
            bytes: 0,
            record_id: text(),
            ts: TimestampMicrosecondBuilder::with_capacity(0),
            ts_raw: sparse_text(),
            ts_quality: text(),
            source: text(),
            event_type: text(),
            platform: sparse_text(),
            original_id: sparse_text(),
            session_id: sparse_text(),
            game_id: sparse_text(),
            player_id: sparse_text(),
            username: sparse_text(),
            seq: sparse_number(),
            direction: sparse_text(),
            price: sparse_double(),
            tick: sparse_number(),
            cash: sparse_double(),
            position_qty: sparse_double(),
            raw: text(),
            raw_hash: text(),
            file_id: text(),
            line_no: number(),
            byte_offset: number(),
            byte_len: number(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// About how much memory the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a row and says about how many bytes it adds.
    pub(super) fn push(
        &mut self,
        origin: &Origin,
        row: &Envelope<'_>,
        raw: &str,
        line_no: u64,
        offset: u64,
    ) -> usize {
        let raw_hash = RawHash::of(raw.as_bytes());
        let record_id = RecordId::of(origin.file_id, offset, raw_hash);
        push_hex(&mut self.record_id, &record_id.0);
        self.ts.append_option(row.time.utc().filter(|&ts| civil::day_of(ts).is_some()));
        self.ts_raw.push(row.time.raw.as_deref());
        self.ts_quality.append_value(row.time.quality.name());
        self.source.append_value(&origin.uri);
        self.event_type.append_value(&row.event_type);
        self.platform.push(row.platform.as_deref());
        self.original_id.push(row.original_id.as_deref());
        self.session_id.push(row.session_id.as_deref());
        self.game_id.push(row.game_id.as_deref());
        self.player_id.push(row.player_id.as_deref());
        self.username.push(row.username.as_deref());
        self.seq.push(row.seq);
        self.direction.push(row.direction.map(Direction::name));
        self.price.push(row.price);
        self.tick.push(row.tick);
        self.cash.push(row.cash);
        self.position_qty.push(row.position_qty);
        self.raw.append_value(raw);
        push_hex(&mut self.raw_hash, &raw_hash.0);
        self.file_id.append_value(&origin.file_hex);
        self.line_no.append_value(long(line_no));
        self.byte_offset.append_value(long(offset));
        self.byte_len.append_value(raw.len() as i64);
        self.rows += 1;
        let texts =
            [&row.platform, &row.original_id, &row.session_id, &row.game_id, &row.player_id, &row.username];
        let texts: usize = texts.iter().filter_map(|text| text.as_deref()).map(str::len).sum();
        let added = ROW_BYTES + origin.uri.len() + row.event_type.len() + texts + raw.len();
        self.bytes += added;
        added
    }

    /// The rows as one batch; none are left.
    pub(super) fn take(&mut self, common: &Common) -> Result<RecordBatch, arrow::error::ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.record_id.finish()),
            utc(&mut self.ts),
            self.ts_raw.take(),
            Arc::new(self.ts_quality.finish()),
            ingested(rows, common.ingested_at),
            Arc::new(self.source.finish()),
            Arc::new(self.event_type.finish()),
            repeated(rows, &common.tenant),
            self.platform.take(),
            self.original_id.take(),
            self.session_id.take(),
            self.game_id.take(),
            self.player_id.take(),
            self.username.take(),
            self.seq.take(),
            self.direction.take(),
            self.price.take(),
            self.tick.take(),
            self.cash.take(),
            self.position_qty.take(),
            Arc::new(self.raw.finish()),
            Arc::new(self.raw_hash.finish()),
            Arc::new(self.file_id.finish()),
            Arc::new(self.line_no.finish()),
            Arc::new(self.byte_offset.finish()),
            Arc::new(self.byte_len.finish()),
            schema_version(rows),
        ];
        RecordBatch::try_new(Table::Events.part_schema(), columns)
    }
}

/// Rows of the quarantine table.
pub(super) struct ResidueRows {
    rows: usize,
    bytes: usize,
    file_id: StringBuilder,
    source: StringBuilder,
    class: StringBuilder,
    reason: Sparse<StringBuilder>,
    error_at: Sparse<Int64Builder>,
    line_no: Int64Builder,
    byte_offset: Int64Builder,
    byte_len: Int64Builder,
    content: BinaryBuilder,
}

impl ResidueRows {
    pub(super) fn new() -> Self {
        Self {
            rows: 0,
            bytes: 0,
            file_id: text(),
            source: text(),
            class: text(),
            reason: sparse_text(),
            error_at: sparse_number(),
            line_no: number(),
            byte_offset: number(),
            byte_len: number(),
            content: BinaryBuilder::with_capacity(0, 0),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, origin: &Origin, residue: &Residue<'_>) {
        self.file_id.append_value(&origin.file_hex);
        self.source.append_value(&origin.uri);
        self.class.append_value(residue.class.name());
        self.reason.push(Some(residue.reason.as_ref()).filter(|reason| !reason.is_empty()));
        self.error_at.push(residue.error_at.map(long));
        self.line_no.append_value(long(residue.line_no));
        self.byte_offset.append_value(long(residue.byte_offset));
        self.byte_len.append_value(residue.bytes.len() as i64);
        self.content.append_value(residue.bytes);
        self.rows += 1;
        self.bytes += ROW_BYTES + origin.uri.len() + residue.reason.len() + residue.bytes.len();
    }

    pub(super) fn take(&mut self, common: &Common) -> Result<RecordBatch, arrow::error::ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            repeated(rows, &common.tenant),
            Arc::new(self.file_id.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.class.finish()),
            self.reason.take(),
            self.error_at.take(),
            Arc::new(self.line_no.finish()),
            Arc::new(self.byte_offset.finish()),
            Arc::new(self.byte_len.finish()),
            Arc::new(self.content.finish()),
            ingested(rows, common.ingested_at),
            schema_version(rows),
        ];
        assert!(columns.iter().all(|column| column.len() == rows));
        RecordBatch::try_new(Table::Quarantine.part_schema(), columns)
    }
}
