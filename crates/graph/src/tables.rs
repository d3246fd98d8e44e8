//! The tables of the graph and their columns: names that other programs rely on, as
//! `docs/formats/graph.md` describes them.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Documents.
    Documents,
    /// Their sections with their texts.
    Sections,
    /// Things, as one document speaks of them.
    Entities,
    /// Places that name a thing.
    Mentions,
    /// How one node leads to another.
    Edges,
    /// What texts point to, found or not.
    References,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Texts,
    U32,
    U64,
    Bool,
    F32,
    F64,
}

/// A column: its name, what it holds, and whether it may hold nothing.
pub(crate) type Column = (&'static str, Kind, bool);

/// The column that every table has.
pub(crate) const DOCUMENT: &str = "document_id";

const DOCUMENTS: &[Column] = &[
    (DOCUMENT, Kind::Text, false),
    ("tenant", Kind::Text, false),
    ("source", Kind::Text, false),
    ("format", Kind::Text, false),
    ("title", Kind::Text, false),
    ("version", Kind::Text, true),
    ("checksum", Kind::Text, false),
    ("last_edited", Kind::Text, true),
    ("language", Kind::Text, true),
    ("language_confidence", Kind::F64, true),
    ("front_matter", Kind::Text, false),
    ("warnings", Kind::Text, false),
    ("characters_in", Kind::U64, false),
    ("characters_out", Kind::U64, false),
    ("characters_extra", Kind::U64, false),
    ("pages_in", Kind::U32, false),
    ("pages_out", Kind::U32, false),
    ("pages_without_text", Kind::U32, false),
    ("file_id", Kind::Text, false),
    ("section_rows", Kind::U32, false),
    ("entity_rows", Kind::U32, false),
    ("mention_rows", Kind::U32, false),
    ("edge_rows", Kind::U32, false),
    ("reference_rows", Kind::U32, false),
];

const SECTIONS: &[Column] = &[
    ("section_id", Kind::Text, false),
    (DOCUMENT, Kind::Text, false),
    ("section_order", Kind::U32, false),
    ("level", Kind::U32, false),
    ("heading", Kind::Bool, false),
    ("title", Kind::Text, false),
    ("anchor", Kind::Text, false),
    ("aliases", Kind::Texts, false),
    ("parent_id", Kind::Text, true),
    ("heading_path", Kind::Texts, false),
    ("page", Kind::U32, true),
    ("text", Kind::Text, false),
    ("body", Kind::U64, false),
    ("tokens", Kind::U32, false),
    ("checksum", Kind::Text, false),
    ("block_types", Kind::Texts, false),
    ("line_start", Kind::U32, false),
    ("line_end", Kind::U32, false),
];

const ENTITIES: &[Column] = &[
    ("entity_id", Kind::Text, false),
    (DOCUMENT, Kind::Text, true),
    ("kind", Kind::Text, false),
    ("key", Kind::Text, false),
    ("name", Kind::Text, false),
    ("aliases", Kind::Texts, false),
    ("description", Kind::Text, true),
    ("properties", Kind::Text, false),
];

const MENTIONS: &[Column] = &[
    ("entity_id", Kind::Text, false),
    ("section_id", Kind::Text, false),
    (DOCUMENT, Kind::Text, false),
    ("span_start", Kind::U64, false),
    ("span_end", Kind::U64, false),
    ("confidence", Kind::F32, false),
    ("extractor", Kind::Text, false),
];

const EDGES: &[Column] = &[
    ("edge_id", Kind::Text, false),
    (DOCUMENT, Kind::Text, true),
    ("kind", Kind::Text, false),
    ("from_kind", Kind::Text, false),
    ("from_id", Kind::Text, false),
    ("to_kind", Kind::Text, false),
    ("to_id", Kind::Text, false),
    ("edge_order", Kind::U32, true),
    ("source_kind", Kind::Text, false),
    ("source_id", Kind::Text, false),
    ("span_start", Kind::U64, false),
    ("span_end", Kind::U64, false),
    ("confidence", Kind::F32, false),
    ("extractor", Kind::Text, false),
];

const REFERENCES: &[Column] = &[
    ("section_id", Kind::Text, false),
    (DOCUMENT, Kind::Text, false),
    ("span_start", Kind::U64, false),
    ("span_end", Kind::U64, false),
    ("kind", Kind::Text, false),
    ("uri", Kind::Text, false),
    ("anchor", Kind::Text, false),
    ("title", Kind::Text, false),
];

static SCHEMAS: LazyLock<[SchemaRef; 6]> = LazyLock::new(|| Table::ALL.map(|table| Arc::new(schema(table))));

impl Table {
    /// Every table.
    pub const ALL: [Self; 6] =
        [Self::Documents, Self::Sections, Self::Entities, Self::Mentions, Self::Edges, Self::References];

    /// The name; its files are called so, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Sections => "sections",
            Self::Entities => "entities",
            Self::Mentions => "mentions",
            Self::Edges => "edges",
            Self::References => "references",
        }
    }

    /// The columns, for whoever needs the table before it has a row.
    pub fn schema(self) -> SchemaRef {
        Arc::clone(&SCHEMAS[self as usize])
    }

    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Documents => DOCUMENTS,
            Self::Sections => SECTIONS,
            Self::Entities => ENTITIES,
            Self::Mentions => MENTIONS,
            Self::Edges => EDGES,
            Self::References => REFERENCES,
        }
    }

    /// The name of its file in a part.
    pub fn file(self) -> String {
        format!("{}.parquet", self.name())
    }
}

fn schema(table: Table) -> Schema {
    let field = |&(name, kind, nullable): &Column| Field::new(name, kind.data_type(), nullable);
    Schema::new(table.columns().iter().map(field).collect::<Vec<_>>())
}

impl Kind {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::List(item()),
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::Bool => DataType::Boolean,
            Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
        }
    }
}

/// What the lists of [`Kind::Texts`] hold.
pub(crate) fn item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, false))
}
