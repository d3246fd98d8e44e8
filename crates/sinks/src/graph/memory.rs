//! A graph that should be in a database, in memory.

use std::collections::BTreeMap;

use stele_model::{EdgeId, Node};

use super::{GraphEdge, GraphNode, WantedGraph};
use crate::SinkError;

/// Nodes and edges that should be in a database, in memory.
#[derive(Debug, Clone)]
pub struct WantedNodes {
    owner: String,
    nodes: BTreeMap<Node, GraphNode>,
    edges: BTreeMap<EdgeId, GraphEdge>,
}

impl WantedNodes {
    /// None yet.
    pub fn new(owner: impl Into<String>) -> Self {
        WantedNodes { owner: owner.into(), nodes: BTreeMap::new(), edges: BTreeMap::new() }
    }

    /// One more, or another in the place of the one with its id.
    pub fn put(&mut self, node: GraphNode) {
        self.nodes.insert(node.node, node);
    }

    /// One less, with its edges.
    pub fn take(&mut self, node: Node) {
        self.nodes.remove(&node);
        self.edges.retain(|_, one| one.edge.from != node && one.edge.to != node);
    }

    /// One more, or another in the place of the one with its id. Its ends have to be there.
    pub fn join(&mut self, edge: GraphEdge) {
        self.edges.insert(edge.edge.id, edge);
    }

    /// How many nodes and how many edges there are.
    pub fn counts(&self) -> (u64, u64) {
        (self.nodes.len() as u64, self.edges.len() as u64)
    }
}

impl WantedGraph for WantedNodes {
    fn owner(&self) -> String {
        self.owner.clone()
    }

    fn nodes(&self, each: &mut dyn FnMut(GraphNode) -> Result<(), SinkError>) -> Result<(), SinkError> {
        self.nodes.values().cloned().try_for_each(each)
    }

    fn edges(&self, each: &mut dyn FnMut(GraphEdge) -> Result<(), SinkError>) -> Result<(), SinkError> {
        self.edges.values().cloned().try_for_each(each)
    }
}
