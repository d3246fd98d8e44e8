//! Walking from node to node: what is around one, and how two hang together.
//!
//! Walks are bounded in depth, in rows and in work, and say so when a bound cut them short. The same
//! graph gives the same answer in the same order: surer edges come first, then kind, then id.

mod adjacency;
mod neighbors;
mod paths;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use foldhash::fast::RandomState;
use stele_model::{EdgeKind, Node};

pub(crate) use adjacency::Adjacency;

use crate::error::GraphError;
use crate::reader::{Reader, rows_at};
use crate::rows::EdgeRow;

/// Steps from the node in the middle. Three lead from a thing over a section and its document to every
/// other section: beyond that, everything is around everything.
pub const DEPTH_MAX: u32 = 3;

/// Edges around a node. More than a hundred nobody reads and no picture shows.
pub const ROWS_MAX: usize = 100;

/// Steps of a path: [`DEPTH_MAX`] from either end.
pub const PATH_DEPTH_MAX: u32 = 2 * DEPTH_MAX;

/// Paths between two nodes. The shortest and surest come first; a page of them says what there is.
pub const PATHS_MAX: usize = 20;

/// Edges that one walk looks at. It takes some tens of milliseconds; a node that a million edges meet
/// in must not take a second.
pub const WORK_MAX: usize = 1_000_000;

/// Which way edges are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From their beginning to their end.
    Out,
    /// From their end to their beginning.
    In,
    /// Both ways.
    #[default]
    Both,
}

/// Which edges are followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follow {
    /// Of which kinds; of every kind if none is named.
    pub kinds: Vec<EdgeKind>,
    /// Which way.
    pub direction: Direction,
}

impl Follow {
    fn kind(&self, kind: EdgeKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Which bound cut a walk short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitReason {
    /// There are more rows than were asked for.
    Rows,
    /// More edges would have had to be looked at than [`WORK_MAX`].
    Work,
}

impl LimitReason {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Work => "work",
        }
    }
}

/// A node, and how many steps away it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The node.
    pub node: Node,
    /// Steps from the node in the middle.
    pub depth: u32,
}

/// An edge that was followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// Steps from the node in the middle to its farther end.
    pub depth: u32,
    /// The edge, with who says so.
    pub edge: EdgeRow,
}

/// What is around a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighborhood {
    /// Nodes in the order in which they were reached; the first is the one in the middle.
    pub nodes: Vec<Reached>,
    /// Edges: nearer ones first, then surer ones, then by kind and id.
    pub edges: Vec<Followed>,
    /// Which bound cut it short.
    pub limit_reason: Option<LimitReason>,
}

/// One way from one node to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Its nodes, both ends included.
    pub nodes: Vec<Node>,
    /// Its edges, one less; an edge may be passed from its end to its beginning.
    pub edges: Vec<EdgeRow>,
}

/// Ways between two nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    /// Shorter ones first; those of one length in the order of their edges. None passes a node twice,
    /// and of edges between the same two nodes each takes the surest.
    pub paths: Vec<Path>,
    /// Which bound cut it short.
    pub limit_reason: Option<LimitReason>,
}

impl Reader {
    /// The edges within `depth` steps of a node, at most `rows`. A node without edges has nothing
    /// around it, and so has one that is not there.
    ///
    /// # Errors
    ///
    /// [`GraphError::Invalid`] beyond [`DEPTH_MAX`] or [`ROWS_MAX`]; otherwise what the disk says.
    pub fn neighbors(
        &self,
        node: Node,
        depth: u32,
        rows: usize,
        follow: &Follow,
    ) -> Result<Neighborhood, GraphError> {
        within("depth", depth.into(), DEPTH_MAX.into())?;
        within("number of rows", rows as u64, ROWS_MAX as u64)?;
        let adjacency = self.adjacency()?;
        let found = neighbors::find(&adjacency, node, depth, rows, follow);
        let wanted: Vec<u32> = found.edges.iter().map(|(_, edge)| *edge).collect();
        let mut edges = self.edges_at(&adjacency, &wanted)?;
        let followed = |(depth, edge): (u32, u32)| edges.remove(&edge).map(|edge| Followed { depth, edge });
        let edges = found.edges.into_iter().filter_map(followed).collect();
        Ok(Neighborhood { nodes: found.nodes, edges, limit_reason: found.limit_reason })
    }

    /// Ways of at most `depth` steps from one node to another, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Invalid`] beyond [`PATH_DEPTH_MAX`] or [`PATHS_MAX`]; otherwise what the disk says.
    pub fn paths(
        &self,
        from: Node,
        to: Node,
        depth: u32,
        limit: usize,
        follow: &Follow,
    ) -> Result<Paths, GraphError> {
        within("depth", depth.into(), PATH_DEPTH_MAX.into())?;
        within("number of paths", limit as u64, PATHS_MAX as u64)?;
        let adjacency = self.adjacency()?;
        let found = paths::find(&adjacency, from, to, depth, limit, follow);
        let mut wanted: Vec<u32> = found.paths.iter().flatten().map(|(edge, _)| *edge).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let edges = self.edges_at(&adjacency, &wanted)?;
        let path = |steps: Vec<(u32, u32)>| Path {
            nodes: [from].into_iter().chain(steps.iter().map(|(_, node)| adjacency.node(*node))).collect(),
            edges: steps.iter().filter_map(|(edge, _)| edges.get(edge).cloned()).collect(),
        };
        let paths = found.paths.into_iter().map(path).collect();
        Ok(Paths { paths, limit_reason: found.limit_reason })
    }

    /// Which node is beside which.
    pub(crate) fn adjacency(&self) -> Result<Arc<Adjacency>, GraphError> {
        let mut made = self.shared.walk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(Arc::clone(made));
        }
        let adjacency = Arc::new(Adjacency::make(self)?);
        *made = Some(Arc::clone(&adjacency));
        Ok(adjacency)
    }

    /// Edges in full, by their numbers.
    fn edges_at(
        &self,
        adjacency: &Adjacency,
        wanted: &[u32],
    ) -> Result<HashMap<u32, EdgeRow, RandomState>, GraphError> {
        let mut places: Vec<(u32, u32, u32)> =
            wanted.iter().map(|edge| (adjacency.place(*edge), *edge)).map(|((a, b), c)| (a, b, c)).collect();
        places.sort_unstable();
        let mut found = HashMap::default();
        for part in places.chunk_by(|one, two| one.0 == two.0) {
            let Some((index, ..)) = part.first() else { continue };
            let rows: Vec<_> = part.iter().map(|(_, row, _)| *row as usize..*row as usize + 1).collect();
            let edges: Vec<EdgeRow> = rows_at(&self.shared.parts[*index as usize], &rows)?;
            found.extend(part.iter().map(|(.., edge)| *edge).zip(edges));
        }
        Ok(found)
    }
}

fn within(what: &str, asked: u64, most: u64) -> Result<(), GraphError> {
    if (1..=most).contains(&asked) {
        return Ok(());
    }
    Err(GraphError::Invalid(format!("a {what} of {asked} was asked for; from 1 to {most} is possible")))
}
