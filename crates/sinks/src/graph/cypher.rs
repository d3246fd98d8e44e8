//! What a database is asked, and how nodes and edges look in it.
//!
//! Names that stand in a question are ours, from closed lists; everything else goes beside it as a parameter.

use stele_model::EdgeKind;
use stele_model::id::{IdHasher, to_hex};

use super::{GRAPH_SCHEMA, GraphEdge, GraphNode, Properties, Property, label};
use crate::bolt::Value;

/// The names under which the mark stands on every node and edge of ours: which one it is, whose, and what
/// it says. They are no words that others have a use for.
const ID: &str = "stele_id";
const OWNER: &str = "stele_owner";
const HASH: &str = "stele_hash";

/// Who wrote a node, with a line for each; nothing for a node of others.
pub(super) fn owners(label: &str) -> String {
    format!("MATCH (n:{label}) WHERE n.{OWNER} IS NOT NULL RETURN DISTINCT n.{OWNER}")
}

/// Makes an id the way to its node, and lets no two have one.
pub(super) fn constraint(label: &str) -> String {
    let name = label.to_lowercase();
    format!("CREATE CONSTRAINT stele_{name} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{ID} IS UNIQUE")
}

/// Every node of an owner: its id and hash.
pub(super) fn list_nodes(label: &str) -> String {
    format!("MATCH (n:{label}) WHERE n.{OWNER} = $owner AND n.{ID} IS NOT NULL RETURN n.{ID}, n.{HASH}")
}

/// Every edge of an owner: its id and hash, and the labels and the id of the node that it leaves, and of the
/// one that it leads to.
pub(super) fn list_edges() -> String {
    format!(
        "MATCH (a)-[r]->(b) WHERE r.{OWNER} = $owner AND r.{ID} IS NOT NULL \
         RETURN r.{ID}, r.{HASH}, labels(a), a.{ID}, labels(b), b.{ID}"
    )
}

/// Writes nodes, over what has their ids.
pub(super) fn write_nodes(label: &str) -> String {
    format!("UNWIND $rows AS row MERGE (n:{label} {{{ID}: row.id}}) SET n = row.properties")
}

/// Whether the server knows subqueries that name what they take, as Neo4j does since 5.23.
pub(super) const APART: &str = "UNWIND [1] AS row CALL (row) { RETURN row AS one } RETURN one";

/// Writes edges, over what has their ids. One whose ends are not there is left out.
///
/// Each row stands `apart`, in a subquery of its own, where that can be said. Some servers look up the ends
/// of many rows ahead, and take it for the work of somebody else when a row before has changed one of them.
pub(super) fn write_edges(kind: EdgeKind, from: &str, to: &str, apart: bool) -> String {
    let kind = kind.name();
    let write = format!(
        "MATCH (a:{from} {{{ID}: row.from}}) MATCH (b:{to} {{{ID}: row.to}}) \
         MERGE (a)-[r:{kind} {{{ID}: row.id}}]->(b) SET r = row.properties"
    );
    match apart {
        true => format!("UNWIND $rows AS row CALL (row) {{ {write} }}"),
        false => format!("UNWIND $rows AS row {write}"),
    }
}

/// Removes nodes with all of their edges.
pub(super) fn remove_nodes(label: &str) -> String {
    format!("UNWIND $rows AS row MATCH (n:{label} {{{ID}: row.id}}) WHERE n.{OWNER} = $owner DETACH DELETE n")
}

/// Removes edges between nodes of these labels; of any node, where an end has none of ours.
pub(super) fn remove_edges(ends: Option<[&str; 2]>) -> String {
    let edge = format!("[r {{{ID}: row.id}}]");
    let find = match ends {
        // Both ends first: one of them may have a million edges.
        Some([from, to]) => format!(
            "MATCH (a:{from} {{{ID}: row.from}}) MATCH (b:{to} {{{ID}: row.to}}) MATCH (a)-{edge}->(b)"
        ),
        None => format!("MATCH ()-{edge}->()"),
    };
    format!("UNWIND $rows AS row {find} WHERE r.{OWNER} = $owner DELETE r")
}

/// Removes some nodes with their edges, whoever of us wrote them, and says how many.
pub(super) fn clear(label: &str) -> String {
    format!(
        "MATCH (n:{label}) WHERE n.{OWNER} IS NOT NULL WITH n LIMIT $most DETACH DELETE n RETURN count(*)"
    )
}

/// A node or an edge as it is written: its row, and the hash of all that it says.
pub(super) struct Row {
    pub(super) id: [u8; 16],
    pub(super) hash: [u8; 16],
    entries: Vec<(&'static str, Value)>,
    properties: Vec<(String, Value)>,
}

impl Row {
    pub(super) fn of_node(node: &GraphNode) -> Row {
        Row::new(node.node.bytes(), label(&node.node), &node.properties, Vec::new())
    }

    pub(super) fn of_edge(said: &GraphEdge) -> Row {
        let (edge, why) = (&said.edge, &said.edge.provenance);
        let place = |place: usize| Property::Number(i64::try_from(place).unwrap_or(i64::MAX));
        let hex = |bytes: [u8; 16]| to_hex(&bytes);
        let mut properties: Properties = vec![
            ("confidence", Property::Real(decimal(why.confidence))),
            ("source_kind", Property::Text(why.source.kind().to_owned())),
            ("source_id", Property::Text(hex(why.source.bytes()))),
            ("span_start", place(why.span.start)),
            ("span_end", place(why.span.end)),
            ("extractor", Property::Text(why.extractor.clone())),
        ];
        properties.extend(edge.order.map(|order| ("edge_order", Property::Number(order.into()))));
        properties.extend(said.properties.iter().cloned());
        let ends =
            vec![("from", Value::text(hex(edge.from.bytes()))), ("to", Value::text(hex(edge.to.bytes())))];
        Row::new(edge.id.0, edge.kind.name(), &properties, ends)
    }

    fn new(id: [u8; 16], kind: &str, properties: &Properties, entries: Vec<(&'static str, Value)>) -> Row {
        // A database has no use for a list of nothing, and some have no type for it.
        let said = properties.iter().filter(|(_, value)| *value != Property::Texts(Vec::new()));
        let properties: Vec<(String, Value)> =
            said.map(|(name, value)| ((*name).to_owned(), value.value())).collect();
        let mut bytes = Vec::new();
        Value::Map(properties.clone()).write(&mut bytes);
        let hasher = IdHasher::new("graph row").part(&GRAPH_SCHEMA.to_le_bytes());
        let hash = hasher.part(kind.as_bytes()).part(&bytes).finish();
        Row { id, hash, entries, properties }
    }

    /// As a parameter.
    pub(super) fn value(self, owner: &str) -> Value {
        let id = Value::text(to_hex(&self.id));
        let mut properties = self.properties;
        properties.push((ID.to_owned(), id.clone()));
        properties.push((OWNER.to_owned(), Value::text(owner)));
        properties.push((HASH.to_owned(), Value::text(to_hex(&self.hash))));
        let mut entries: Vec<(String, Value)> =
            self.entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        entries.push(("id".to_owned(), id));
        entries.push(("properties".to_owned(), Value::Map(properties)));
        Value::Map(entries)
    }
}

/// The number that people wrote: 0.9, and not 0.8999999761581421.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
