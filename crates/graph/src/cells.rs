//! A document and what it says, cell by cell in the order of the tables' columns.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stele_model::{Document, DocumentId, Edge, Entity, Mention, Node, Reference, Section};

use crate::encode::Cell;
use crate::error::GraphError;
use crate::piece::Piece;
use crate::tables::Table;

/// Takes a row of a table.
type Each<'a> = dyn FnMut(Table, &[Cell<'_>]) -> Result<(), GraphError> + 'a;

fn json<T: serde::Serialize>(value: &T) -> Result<String, GraphError> {
    serde_json::to_string(value).map_err(|error| GraphError::Invalid(error.to_string()))
}

/// A number of rows as the table of documents keeps it.
fn count(rows: usize) -> Cell<'static> {
    Cell::U32(u32::try_from(rows).unwrap_or(u32::MAX))
}

/// Hands `each` every row of a piece, table by table.
pub(crate) fn of_piece(piece: &Piece, each: &mut Each<'_>) -> Result<(), GraphError> {
    let document = &piece.document;
    of_document(piece, each)?;
    for section in &document.sections {
        of_section(document.id, section, each)?;
    }
    for entity in &piece.entities {
        each(Table::Entities, &of_entity(Some(document.id), entity, &properties(entity)))?;
    }
    for mention in &piece.mentions {
        each(Table::Mentions, &of_mention(document.id, mention))?;
    }
    for edge in &piece.edges {
        each(Table::Edges, &of_edge(Some(document.id), edge))?;
    }
    for reference in &piece.references {
        each(Table::References, &of_reference(document.id, reference))?;
    }
    Ok(())
}

fn of_document(piece: &Piece, each: &mut Each<'_>) -> Result<(), GraphError> {
    let Document { conservation, language, .. } = &piece.document;
    let document = &piece.document;
    let (front_matter, warnings) = (json(&document.front_matter)?, json(&document.warnings)?);
    each(
        Table::Documents,
        &[
            Cell::Id(document.id.0),
            Cell::Text(&document.tenant),
            Cell::Text(&document.source_uri),
            Cell::Text(document.format.name()),
            Cell::Text(&document.title),
            Cell::text(document.version.as_deref()),
            Cell::Text(&document.checksum),
            Cell::text(document.last_edited.as_deref()),
            Cell::text(language.as_ref().map(|language| language.code.as_str())),
            language.as_ref().map_or(Cell::Null, |language| Cell::F64(language.confidence)),
            Cell::Text(&front_matter),
            Cell::Text(&warnings),
            Cell::U64(conservation.characters_in),
            Cell::U64(conservation.characters_out),
            Cell::U64(conservation.characters_extra),
            Cell::U32(conservation.pages_in),
            Cell::U32(conservation.pages_out),
            Cell::U32(conservation.pages_without_text),
            Cell::Text(&piece.file_id),
            count(document.sections.len()),
            count(piece.entities.len()),
            count(piece.mentions.len()),
            count(piece.edges.len()),
            count(piece.references.len()),
        ],
    )
}

fn of_section(document: DocumentId, section: &Section, each: &mut Each<'_>) -> Result<(), GraphError> {
    each(
        Table::Sections,
        &[
            Cell::Id(section.id.0),
            Cell::Id(document.0),
            Cell::U32(section.order),
            Cell::U32(section.level.into()),
            Cell::Bool(section.heading),
            Cell::Text(&section.title),
            Cell::Text(&section.anchor),
            Cell::texts(&section.aliases),
            Cell::id(section.parent.map(|parent| parent.0)),
            Cell::texts(&section.parent_path),
            section.page.map_or(Cell::Null, Cell::U32),
            Cell::Text(&section.text),
            Cell::place(section.body),
            Cell::U32(section.tokens),
            Cell::Id(section.checksum.0),
            Cell::Texts(section.block_types().into_iter().map(|kind| kind.name()).collect()),
            Cell::U32(section.line_start),
            Cell::U32(section.line_end),
        ],
    )
}

/// Properties as one JSON object, in the order of their names; of two with one name, the first.
pub(crate) fn properties(entity: &Entity) -> String {
    let mut sorted: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &entity.properties {
        sorted.entry(name).or_insert(value);
    }
    let object: Map<String, Value> =
        sorted.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    Value::Object(object).to_string()
}

pub(crate) fn of_entity<'a>(
    by: Option<DocumentId>,
    entity: &'a Entity,
    properties: &'a str,
) -> [Cell<'a>; 8] {
    [
        Cell::Id(entity.id.0),
        Cell::id(by.map(|document| document.0)),
        Cell::Text(entity.kind.name()),
        Cell::Text(&entity.key),
        Cell::Text(&entity.name),
        Cell::texts(&entity.aliases),
        Cell::text(entity.description.as_deref()),
        Cell::Text(properties),
    ]
}

fn of_mention(document: DocumentId, mention: &Mention) -> [Cell<'_>; 7] {
    [
        Cell::Id(mention.entity.0),
        Cell::Id(mention.section.0),
        Cell::Id(document.0),
        Cell::place(mention.span.start),
        Cell::place(mention.span.end),
        Cell::F32(mention.confidence),
        Cell::Text(&mention.extractor),
    ]
}

pub(crate) fn of_edge(by: Option<DocumentId>, edge: &Edge) -> [Cell<'_>; 14] {
    let (kind, id) = (|node: &Node| Cell::Text(node.kind()), |node: &Node| Cell::Id(node.bytes()));
    let why = &edge.provenance;
    [
        Cell::Id(edge.id.0),
        Cell::id(by.map(|document| document.0)),
        Cell::Text(edge.kind.name()),
        kind(&edge.from),
        id(&edge.from),
        kind(&edge.to),
        id(&edge.to),
        edge.order.map_or(Cell::Null, Cell::U32),
        kind(&why.source),
        id(&why.source),
        Cell::place(why.span.start),
        Cell::place(why.span.end),
        Cell::F32(why.confidence),
        Cell::Text(&why.extractor),
    ]
}

fn of_reference(document: DocumentId, reference: &Reference) -> [Cell<'_>; 8] {
    [
        Cell::Id(reference.section.0),
        Cell::Id(document.0),
        Cell::place(reference.span.start),
        Cell::place(reference.span.end),
        Cell::Text(reference.kind.name()),
        Cell::Text(&reference.uri),
        Cell::Text(&reference.anchor),
        Cell::Text(&reference.title),
    ]
}
