//! How each table's columns are encoded.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::tables::Table;

/// Pages of about this many bytes: large enough for the compressor to find repetition between
/// records, small enough that a reader holds one page a column without noticing.
const PAGE_BYTES: usize = 1 << 20;

/// Dictionaries larger than this are not worth their lookups: the column is then nearly unique.
const DICTIONARY_BYTES: usize = 256 << 10;

/// Columns that hold a new value in nearly every row: a dictionary would hash them for nothing.
const UNIQUE: &[&str] = &["record_id", "raw_hash", "raw", "ts_raw", "bytes", "sha256", "body"];

/// Integers that grow slowly from row to row.
const RISING: &[&str] = &["line_no", "byte_offset", "byte_len", "ts", "seq", "tick"];

/// Columns whose smallest and largest value let a reader skip a row group.
const BOUNDED: &[&str] =
    &["ts", "ingested_at", "file_id", "line_no", "byte_offset", "byte_len", "event_type", "seq"];

/// Columns that are equal in long stretches of rows, or null in all of them.
const STICKY: &[&str] = &[
    "tenant_id",
    "ts_quality",
    "ingested_at",
    "source",
    "event_type",
    "platform",
    "session_id",
    "game_id",
    "direction",
    "file_id",
    "class",
    "schema_version",
];

/// Whether a column is encoded as runs, and if so, whether it is [`BOUNDED`].
pub(super) fn sticky(column: &str) -> Option<bool> {
    STICKY.contains(&column).then(|| BOUNDED.contains(&column))
}

pub(super) fn of(table: Table) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("stele version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::None)
        // Row groups end where the appender says so, by bytes.
        .set_max_row_group_row_count(None);
    for column in table.columns() {
        let path = || ColumnPath::from(column.name);
        if UNIQUE.contains(&column.name) {
            builder = builder.set_column_dictionary_enabled(path(), false);
        }
        if RISING.contains(&column.name) {
            builder = builder
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
        if BOUNDED.contains(&column.name) {
            builder = builder.set_column_statistics_enabled(path(), EnabledStatistics::Chunk);
        }
    }
    builder.build()
}
