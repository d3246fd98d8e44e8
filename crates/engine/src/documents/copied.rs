//! The graph as a database outside should hold it: one version, row by row. What a node and an edge say is
//! named as the columns of the tables in SQL are.

use std::collections::{BTreeSet, HashMap};

use stele_graph::{DocumentRow, GraphError, Reader, SectionRow};
use stele_model::{DocumentId, Entity, EntityId, Node};
use stele_sinks::{GraphEdge, GraphNode, Properties, Property, SinkError, WantedGraph};

use crate::EngineError;

/// One version of the graph, as what a database should hold.
pub(crate) struct CopiedGraph {
    pub(crate) graph: Reader,
    owner: String,
    /// Each once, with what all documents say about it.
    entities: Vec<Entity>,
    /// Records of the lake at which an edge begins or ends.
    records: BTreeSet<Node>,
}

impl CopiedGraph {
    /// `owner` is whose copy it is.
    pub(crate) fn new(graph: Reader, owner: String) -> Result<Self, EngineError> {
        let entities = merged(&graph)?;
        let mut records = BTreeSet::new();
        for row in graph.edges() {
            let edge = row?.what;
            records.extend([edge.from, edge.to].into_iter().filter(|node| matches!(node, Node::Record(_))));
        }
        Ok(Self { graph, owner, entities, records })
    }
}

/// Things as they are put together everywhere: where documents differ, the one counts whose source comes
/// first, and what follows from all of them comes last.
fn merged(graph: &Reader) -> Result<Vec<Entity>, EngineError> {
    let mut sources: HashMap<DocumentId, String> = HashMap::new();
    for row in graph.documents() {
        let row = row?;
        sources.insert(row.id, row.source);
    }
    let mut said: HashMap<EntityId, Vec<(Option<DocumentId>, Entity)>> = HashMap::new();
    for row in graph.entities() {
        let row = row?;
        said.entry(row.what.id).or_default().push((row.by, row.what));
    }
    let mut entities = Vec::with_capacity(said.len());
    for mut all in said.into_values() {
        all.sort_by_key(|(by, _)| (by.is_none(), by.and_then(|by| sources.get(&by))));
        let mut all = all.into_iter().map(|(_, entity)| entity);
        let Some(mut entity) = all.next() else { continue };
        all.for_each(|other| entity.merge(other));
        entities.push(entity);
    }
    Ok(entities)
}

impl WantedGraph for CopiedGraph {
    fn owner(&self) -> String {
        self.owner.clone()
    }

    fn nodes(&self, each: &mut dyn FnMut(GraphNode) -> Result<(), SinkError>) -> Result<(), SinkError> {
        for row in self.graph.documents() {
            each(of_document(row.map_err(unread)?))?;
        }
        for row in self.graph.sections() {
            each(of_section(row.map_err(unread)?))?;
        }
        self.entities.iter().try_for_each(|entity| each(of_entity(entity)))?;
        self.records.iter().try_for_each(|node| each(GraphNode { node: *node, properties: Vec::new() }))
    }

    fn edges(&self, each: &mut dyn FnMut(GraphEdge) -> Result<(), SinkError>) -> Result<(), SinkError> {
        for row in self.graph.edges() {
            let said = row.map_err(unread)?;
            let by = said.by.map(|by| ("document_id", Property::Text(by.to_string())));
            each(GraphEdge { edge: said.what, properties: by.into_iter().collect() })?;
        }
        Ok(())
    }
}

fn unread(error: GraphError) -> SinkError {
    SinkError::wanted(error.kind(), error)
}

fn of_document(row: DocumentRow) -> GraphNode {
    let mut properties: Properties = vec![
        ("tenant", Property::Text(row.tenant)),
        ("source", Property::Text(row.source)),
        ("format", Property::Text(row.format.name().to_owned())),
        ("title", Property::Text(row.title)),
        ("checksum", Property::Text(row.checksum)),
        ("file_id", Property::Text(row.file_id)),
    ];
    let text = |name, value: Option<String>| Some((name, Property::Text(value?)));
    properties.extend(text("version", row.version));
    properties.extend(text("last_edited", row.last_edited));
    properties.extend(text("language", row.language.map(|language| language.code)));
    GraphNode { node: Node::Document(row.id), properties }
}

fn of_section(row: SectionRow) -> GraphNode {
    let mut properties: Properties = vec![
        ("document_id", Property::Text(row.document.to_string())),
        ("section_order", Property::Number(row.order.into())),
        ("level", Property::Number(row.level.into())),
        ("heading", Property::Flag(row.heading)),
        ("title", Property::Text(row.title)),
        ("anchor", Property::Text(row.anchor)),
        ("heading_path", Property::Texts(row.heading_path)),
        ("text", Property::Text(row.text)),
        ("tokens", Property::Number(row.tokens.into())),
        ("checksum", Property::Text(row.checksum.to_string())),
        ("block_types", Property::Texts(row.block_types)),
        ("line_start", Property::Number(row.line_start.into())),
        ("line_end", Property::Number(row.line_end.into())),
    ];
    properties.extend(row.page.map(|page| ("page", Property::Number(page.into()))));
    GraphNode { node: Node::Section(row.id), properties }
}

fn of_entity(entity: &Entity) -> GraphNode {
    let mut properties: Properties = vec![
        ("kind", Property::Text(entity.kind.name().to_owned())),
        ("key", Property::Text(entity.key.clone())),
        ("name", Property::Text(entity.name.clone())),
        ("aliases", Property::Texts(entity.aliases.clone())),
    ];
    properties.extend(entity.description.clone().map(|text| ("description", Property::Text(text))));
    if !entity.properties.is_empty() {
        // One JSON object, because a property holds no names of its own.
        let object: serde_json::Map<String, serde_json::Value> =
            entity.properties.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        properties.push(("properties", Property::Text(serde_json::Value::Object(object).to_string())));
    }
    GraphNode { node: Node::Entity(entity.id), properties }
}
