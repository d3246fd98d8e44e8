//! Columns to rows: the way back from what `cells` and `encode` write.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, UInt32Type, UInt64Type};
use stele_model::document::Language;
use stele_model::{
    Conservation, DocumentFormat, DocumentId, Edge, EdgeId, EdgeKind, Entity, EntityId, EntityKind, Mention,
    Node, Provenance, RawHash, RecordId, Reference, ReferenceKind, SectionId,
};

use crate::rows::{AnchorRow, DocumentRow, EdgeRow, EntityRow, MentionRow, ReferenceRow, Said, SectionRow};
use crate::tables::{DOCUMENT, Table};

/// Why a batch is not what was written; for a message about the file that it is from.
pub(crate) type Bad = String;

/// A row of a table.
pub(crate) trait Row: Sized {
    const TABLE: Table;

    /// The columns that it is made of; none names all of them.
    const COLUMNS: &'static [&'static str] = &[];

    /// All rows of a batch that has these columns, and says which document each is of.
    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad>;
}

/// The columns of one batch.
pub(crate) struct Columns<'b>(pub(crate) &'b RecordBatch);

impl<'b> Columns<'b> {
    fn find(&self, name: &str) -> Result<&'b ArrayRef, Bad> {
        self.0.column_by_name(name).ok_or_else(|| format!("it has no column {name}"))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'b StringArray, Bad> {
        self.find(name)?.as_string_opt().ok_or_else(|| format!("its column {name} is not text"))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<&'b ListArray, Bad> {
        self.find(name)?.as_list_opt().ok_or_else(|| format!("its column {name} is not a list"))
    }

    fn flag(&self, name: &str) -> Result<&'b BooleanArray, Bad> {
        self.find(name)?.as_boolean_opt().ok_or_else(|| format!("its column {name} is not true or false"))
    }

    pub(crate) fn number<T: ArrowPrimitiveType>(&self, name: &str) -> Result<&'b PrimitiveArray<T>, Bad> {
        let column = self.find(name)?;
        column.as_primitive_opt().ok_or_else(|| format!("its column {name} does not hold {}", T::DATA_TYPE))
    }
}

/// A text that may be missing.
pub(crate) fn some(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn owned(column: &StringArray, row: usize) -> Option<String> {
    some(column, row).map(str::to_owned)
}

pub(crate) fn list(column: &ListArray, row: usize) -> Result<Vec<String>, Bad> {
    let values = column.value(row);
    let texts = values.as_string_opt::<i32>().ok_or("a list does not hold texts")?;
    Ok(texts.iter().flatten().map(str::to_owned).collect())
}

/// The bytes of an id. Read often, so without the detours of the standard library.
pub(crate) fn id(text: &str) -> Result<[u8; 16], Bad> {
    let wrong = || format!("{text:?} is not an id");
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return Err(wrong());
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(wrong()),
    };
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Ok(bytes)
}

fn by(column: &StringArray, row: usize) -> Result<Option<DocumentId>, Bad> {
    some(column, row).map(|text| id(text).map(DocumentId)).transpose()
}

/// The node of this kind and id, as tables name them.
pub(crate) fn node(kind: &str, text: &str) -> Result<Node, Bad> {
    let bytes = id(text)?;
    match kind {
        "document" => Ok(Node::Document(DocumentId(bytes))),
        "section" => Ok(Node::Section(SectionId(bytes))),
        "entity" => Ok(Node::Entity(EntityId(bytes))),
        "record" => Ok(Node::Record(RecordId(bytes))),
        other => Err(format!("{other:?} is no kind of node")),
    }
}

fn span(start: u64, end: u64) -> Range<usize> {
    let place = |place| usize::try_from(place).unwrap_or(usize::MAX);
    place(start)..place(end)
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Bad> {
    serde_json::from_str(text).map_err(|error| format!("a cell is not the JSON it should be: {error}"))
}

fn known<T>(name: &str, found: Option<T>) -> Result<T, Bad> {
    found.ok_or_else(|| format!("{name:?} is not a kind that this program knows"))
}

impl Row for DocumentRow {
    const TABLE: Table = Table::Documents;

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let [ids, tenant, source, format, title, version, checksum, edited, code, front, warnings, file] = [
            DOCUMENT,
            "tenant",
            "source",
            "format",
            "title",
            "version",
            "checksum",
            "last_edited",
            "language",
            "front_matter",
            "warnings",
            "file_id",
        ]
        .map(|name| all.text(name));
        let (ids, tenant, source, format, title) = (ids?, tenant?, source?, format?, title?);
        let (version, checksum, edited, code) = (version?, checksum?, edited?, code?);
        let (front, warnings, file) = (front?, warnings?, file?);
        let confidence = all.number::<Float64Type>("language_confidence")?;
        let characters_in = all.number::<UInt64Type>("characters_in")?;
        let characters_out = all.number::<UInt64Type>("characters_out")?;
        let characters_extra = all.number::<UInt64Type>("characters_extra")?;
        let pages_in = all.number::<UInt32Type>("pages_in")?;
        let pages_out = all.number::<UInt32Type>("pages_out")?;
        let without = all.number::<UInt32Type>("pages_without_text")?;
        let sections = all.number::<UInt32Type>("section_rows")?;
        let row = |row: usize| {
            Ok(Self {
                id: DocumentId(id(ids.value(row))?),
                tenant: tenant.value(row).to_owned(),
                source: source.value(row).to_owned(),
                format: known(format.value(row), DocumentFormat::from_name(format.value(row)))?,
                title: title.value(row).to_owned(),
                version: owned(version, row),
                checksum: checksum.value(row).to_owned(),
                last_edited: owned(edited, row),
                language: owned(code, row).map(|code| Language { code, confidence: confidence.value(row) }),
                front_matter: parsed(front.value(row))?,
                warnings: parsed(warnings.value(row))?,
                conservation: Conservation {
                    characters_in: characters_in.value(row),
                    characters_out: characters_out.value(row),
                    characters_extra: characters_extra.value(row),
                    pages_in: pages_in.value(row),
                    pages_out: pages_out.value(row),
                    pages_without_text: without.value(row),
                    sections: sections.value(row),
                },
                file_id: file.value(row).to_owned(),
            })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

impl Row for AnchorRow {
    const TABLE: Table = Table::Sections;

    // The texts are by far the most of the table.
    const COLUMNS: &'static [&'static str] = &["section_id", DOCUMENT, "anchor", "aliases"];

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let (ids, documents) = (all.text("section_id")?, all.text(DOCUMENT)?);
        let (anchors, aliases) = (all.text("anchor")?, all.texts("aliases")?);
        let row = |row: usize| {
            Ok(Self {
                id: SectionId(id(ids.value(row))?),
                document: DocumentId(id(documents.value(row))?),
                anchor: anchors.value(row).to_owned(),
                aliases: list(aliases, row)?,
            })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

impl Row for SectionRow {
    const TABLE: Table = Table::Sections;

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let (ids, documents, titles) = (all.text("section_id")?, all.text(DOCUMENT)?, all.text("title")?);
        let (orders, levels) =
            (all.number::<UInt32Type>("section_order")?, all.number::<UInt32Type>("level")?);
        let (headings, anchors, aliases) = (all.flag("heading")?, all.text("anchor")?, all.texts("aliases")?);
        let (parents, paths) = (all.text("parent_id")?, all.texts("heading_path")?);
        let (pages, texts) = (all.number::<UInt32Type>("page")?, all.text("text")?);
        let (bodies, tokens) = (all.number::<UInt64Type>("body")?, all.number::<UInt32Type>("tokens")?);
        let (checksums, blocks) = (all.text("checksum")?, all.texts("block_types")?);
        let (starts, ends) = (all.number::<UInt32Type>("line_start")?, all.number::<UInt32Type>("line_end")?);
        let row = |row: usize| {
            Ok(Self {
                id: SectionId(id(ids.value(row))?),
                document: DocumentId(id(documents.value(row))?),
                order: orders.value(row),
                level: u8::try_from(levels.value(row)).map_err(|error| error.to_string())?,
                heading: headings.value(row),
                title: titles.value(row).to_owned(),
                anchor: anchors.value(row).to_owned(),
                aliases: list(aliases, row)?,
                parent: some(parents, row).map(|text| id(text).map(SectionId)).transpose()?,
                heading_path: list(paths, row)?,
                page: pages.is_valid(row).then(|| pages.value(row)),
                text: texts.value(row).to_owned(),
                body: usize::try_from(bodies.value(row)).map_err(|error| error.to_string())?,
                tokens: tokens.value(row),
                checksum: RawHash(id(checksums.value(row))?),
                block_types: list(blocks, row)?,
                line_start: starts.value(row),
                line_end: ends.value(row),
            })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

impl Row for EntityRow {
    const TABLE: Table = Table::Entities;

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let (ids, documents, kinds) = (all.text("entity_id")?, all.text(DOCUMENT)?, all.text("kind")?);
        let (keys, names, aliases) = (all.text("key")?, all.text("name")?, all.texts("aliases")?);
        let (descriptions, properties) = (all.text("description")?, all.text("properties")?);
        let row = |row: usize| {
            let stated: serde_json::Map<String, serde_json::Value> = parsed(properties.value(row))?;
            let value = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let what = Entity {
                id: EntityId(id(ids.value(row))?),
                kind: known(kinds.value(row), EntityKind::from_name(kinds.value(row)))?,
                key: keys.value(row).to_owned(),
                name: names.value(row).to_owned(),
                aliases: list(aliases, row)?,
                description: owned(descriptions, row),
                properties: stated.into_iter().map(|(name, stated)| (name, value(stated))).collect(),
            };
            Ok(Said { by: by(documents, row)?, what })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

impl Row for MentionRow {
    const TABLE: Table = Table::Mentions;

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let (ids, sections, documents) =
            (all.text("entity_id")?, all.text("section_id")?, all.text(DOCUMENT)?);
        let (starts, ends) = (all.number::<UInt64Type>("span_start")?, all.number::<UInt64Type>("span_end")?);
        let (sure, extractors) = (all.number::<Float32Type>("confidence")?, all.text("extractor")?);
        let row = |row: usize| {
            let what = Mention {
                entity: EntityId(id(ids.value(row))?),
                section: SectionId(id(sections.value(row))?),
                span: span(starts.value(row), ends.value(row)),
                confidence: sure.value(row),
                extractor: extractors.value(row).to_owned(),
            };
            Ok(Said { by: by(documents, row)?, what })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

impl Row for EdgeRow {
    const TABLE: Table = Table::Edges;

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let (ids, documents, kinds) = (all.text("edge_id")?, all.text(DOCUMENT)?, all.text("kind")?);
        let (from_kinds, from_ids) = (all.text("from_kind")?, all.text("from_id")?);
        let (to_kinds, to_ids) = (all.text("to_kind")?, all.text("to_id")?);
        let orders = all.number::<UInt32Type>("edge_order")?;
        let (source_kinds, source_ids) = (all.text("source_kind")?, all.text("source_id")?);
        let (starts, ends) = (all.number::<UInt64Type>("span_start")?, all.number::<UInt64Type>("span_end")?);
        let (sure, extractors) = (all.number::<Float32Type>("confidence")?, all.text("extractor")?);
        let row = |row: usize| {
            let what = Edge {
                id: EdgeId(id(ids.value(row))?),
                kind: known(kinds.value(row), EdgeKind::from_name(kinds.value(row)))?,
                from: node(from_kinds.value(row), from_ids.value(row))?,
                to: node(to_kinds.value(row), to_ids.value(row))?,
                order: orders.is_valid(row).then(|| orders.value(row)),
                provenance: Provenance {
                    source: node(source_kinds.value(row), source_ids.value(row))?,
                    span: span(starts.value(row), ends.value(row)),
                    confidence: sure.value(row),
                    extractor: extractors.value(row).to_owned(),
                },
            };
            Ok(Said { by: by(documents, row)?, what })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

impl Row for ReferenceRow {
    const TABLE: Table = Table::References;

    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, Bad> {
        let all = Columns(batch);
        let (sections, documents, kinds) = (all.text("section_id")?, all.text(DOCUMENT)?, all.text("kind")?);
        let (starts, ends) = (all.number::<UInt64Type>("span_start")?, all.number::<UInt64Type>("span_end")?);
        let (uris, anchors, titles) = (all.text("uri")?, all.text("anchor")?, all.text("title")?);
        let row = |row: usize| {
            let what = Reference {
                section: SectionId(id(sections.value(row))?),
                span: span(starts.value(row), ends.value(row)),
                kind: known(kinds.value(row), reference_kind(kinds.value(row)))?,
                uri: uris.value(row).to_owned(),
                anchor: anchors.value(row).to_owned(),
                title: titles.value(row).to_owned(),
            };
            Ok(Said { by: by(documents, row)?, what })
        };
        (0..batch.num_rows()).map(row).collect()
    }
}

fn reference_kind(name: &str) -> Option<ReferenceKind> {
    use ReferenceKind::{Link, ReferTo, Related, SeeAlso};
    [Link, SeeAlso, Related, ReferTo].into_iter().find(|kind| kind.name() == name)
}
