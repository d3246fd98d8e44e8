//! The tables of a lake: where they lie, which columns they have, and their version.
//!
//! `docs/formats/lake.md` describes the same for people who read the lake with other programs. A
//! change here is a change of a format that was shipped: raise [`SCHEMA_VERSION`] and add a step to
//! `migrate.rs`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType as Arrow, Field, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::{DataType as Delta, PrimitiveType, StructField};

/// Version of everything that this page fixes. History: 1 had no `notes` table, 2 no
/// `files.tail_offset`, 3 no `files.gone_at` and no residue of class `document`, 4 no
/// `files.tags`.
pub const SCHEMA_VERSION: u32 = 5;

/// Table property that holds the version, on `events`.
pub const SCHEMA_PROPERTY: &str = "stele.schema_version";

/// What Delta and Hive call the directory of rows without a partition value.
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// A table of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Damaged lines, control lines, blank lines, fillers and documents.
    Quarantine,
    /// One row an input and commit: how far its reading has come.
    Files,
    /// What was said about commits: catalogues and prunes.
    Notes,
    /// The records. A commit to this table is what makes a snapshot.
    Events,
}

impl Table {
    /// Every table, in the order in which a commit writes them: the anchor is last.
    pub const ALL: [Table; 4] = [Table::Quarantine, Table::Files, Table::Notes, Table::Events];

    /// The tables whose versions a commit to `events` pins.
    pub const PINNED: [Table; 3] = [Table::Quarantine, Table::Files, Table::Notes];

    /// Its directory below `lake/`.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Quarantine => "quarantine",
            Table::Files => "files",
            Table::Notes => "notes",
            Table::Events => "events",
        }
    }

    /// The Delta application id under which `events` pins this table's version.
    pub const fn app_id(self) -> &'static str {
        match self {
            Table::Quarantine => "stele.quarantine",
            Table::Files => "stele.files",
            Table::Notes => "stele.notes",
            Table::Events => "stele.events",
        }
    }

    /// Its directory.
    pub fn dir(self, data_dir: &Path) -> PathBuf {
        lake_dir(data_dir).join(self.name())
    }

    /// Columns that are directories, not columns of the Parquet parts.
    pub const fn partitions(self) -> &'static [&'static str] {
        match self {
            Table::Events => &["doc_type", "date"],
            _ => &[],
        }
    }

    /// Every column, in order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Table::Quarantine => QUARANTINE,
            Table::Files => FILES,
            Table::Notes => NOTES,
            Table::Events => EVENTS,
        }
    }

    /// The schema of the Parquet parts: every column that is no partition.
    pub fn part_schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; 4]> = LazyLock::new(|| Table::ALL.map(build_part_schema));
        Arc::clone(&SCHEMAS[self as usize])
    }

    /// The schema in the Delta log.
    pub(crate) fn delta_schema(self) -> Vec<StructField> {
        self.columns()
            .iter()
            .map(|column| StructField::new(column.name, column.kind.delta(), column.nullable))
            .collect()
    }
}

fn build_part_schema(table: Table) -> SchemaRef {
    let fields: Vec<Field> = table
        .columns()
        .iter()
        .filter(|column| !table.partitions().contains(&column.name))
        .map(|column| Field::new(column.name, column.kind.arrow(), column.nullable))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The directory that holds the tables.
pub fn lake_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("lake")
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnKind,
    /// Whether it may be null.
    pub nullable: bool,
}

/// The types that the lake uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytes,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// 64-bit float.
    Double,
    /// Microseconds, UTC.
    Timestamp,
    /// Day.
    Date,
}

impl ColumnKind {
    fn arrow(self) -> Arrow {
        match self {
            ColumnKind::Text => Arrow::Utf8,
            ColumnKind::Bytes => Arrow::Binary,
            ColumnKind::Int => Arrow::Int32,
            ColumnKind::Long => Arrow::Int64,
            ColumnKind::Double => Arrow::Float64,
            ColumnKind::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnKind::Date => Arrow::Date32,
        }
    }

    fn delta(self) -> Delta {
        Delta::Primitive(match self {
            ColumnKind::Text => PrimitiveType::String,
            ColumnKind::Bytes => PrimitiveType::Binary,
            ColumnKind::Int => PrimitiveType::Integer,
            ColumnKind::Long => PrimitiveType::Long,
            ColumnKind::Double => PrimitiveType::Double,
            ColumnKind::Timestamp => PrimitiveType::Timestamp,
            ColumnKind::Date => PrimitiveType::Date,
        })
    }
}

const fn required(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind, nullable: false }
}

const fn optional(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind, nullable: true }
}

use ColumnKind::{Bytes, Date, Double, Int, Long, Text, Timestamp};

const EVENTS: &[Column] = &[
    required("record_id", Text),
    optional("ts", Timestamp),
    optional("ts_raw", Text),
    required("ts_quality", Text),
    required("ingested_at", Timestamp),
    required("source", Text),
    required("doc_type", Text),
    required("event_type", Text),
    required("tenant_id", Text),
    optional("platform", Text),
    optional("original_id", Text),
    optional("session_id", Text),
    optional("game_id", Text),
    optional("player_id", Text),
    optional("username", Text),
    optional("seq", Long),
    optional("direction", Text),
    optional("price", Double),
    optional("tick", Long),
    optional("cash", Double),
    optional("position_qty", Double),
    required("raw", Text),
    required("raw_hash", Text),
    required("file_id", Text),
    required("line_no", Long),
    required("byte_offset", Long),
    required("byte_len", Long),
    required("schema_version", Int),
    optional("date", Date),
];

const QUARANTINE: &[Column] = &[
    required("tenant_id", Text),
    required("file_id", Text),
    required("source", Text),
    required("class", Text),
    optional("reason", Text),
    optional("error_at", Long),
    required("line_no", Long),
    required("byte_offset", Long),
    required("byte_len", Long),
    required("bytes", Bytes),
    required("ingested_at", Timestamp),
    required("schema_version", Int),
];

const FILES: &[Column] = &[
    required("tenant_id", Text),
    required("file_id", Text),
    required("uri", Text),
    required("format", Text),
    required("compression", Text),
    optional("timezone", Text),
    required("bytes_done", Long),
    required("lines_done", Long),
    required("sha256", Text),
    required("size_on_disk", Long),
    optional("tail_offset", Long),
    required("bytes_in", Long),
    required("bytes_lake", Long),
    required("bytes_quarantine", Long),
    required("lines", Long),
    required("records", Long),
    required("quarantined", Long),
    required("control", Long),
    required("blank", Long),
    required("nodes", Long),
    required("state", Text),
    optional("gone_at", Timestamp),
    optional("tags", Text),
    required("updated_at", Timestamp),
    required("commit_no", Long),
    required("ordinal", Long),
    required("schema_version", Int),
];

const NOTES: &[Column] = &[
    required("commit_no", Long),
    required("ordinal", Long),
    required("kind", Text),
    required("body", Text),
    required("noted_at", Timestamp),
    required("schema_version", Int),
];
