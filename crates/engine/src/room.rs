//! How much room the data directory has left, and how far behind the graph is: what has to be known
//! all the time, so it costs a look at the file system and at a pointer file.

use std::path::Path;

use stele_lake::Snapshot;

use crate::EngineError;
use crate::engine::Engine;
use crate::error::At;

/// Room of the file system that holds a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Bytes of all of it.
    pub total: u64,
}

impl Room {
    /// Where `path` is, or will be.
    pub(crate) fn at(path: &Path) -> Result<Self, EngineError> {
        let path = std::path::absolute(path).at("find", path)?;
        let there = path.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
        let stat = rustix::fs::statvfs(there).map_err(std::io::Error::from).at("inspect", there)?;
        Ok(Self {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

/// How the graph stands to a snapshot of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphStanding {
    /// It follows that snapshot, or there is nothing that it could hold.
    Current,
    /// It follows an earlier one.
    Behind(u64),
    /// There is none, and the lake has that many documents.
    Missing(usize),
}

impl Engine {
    /// The room that is left. Before there is a data directory, that of the directory where it will be.
    ///
    /// # Errors
    ///
    /// If the file system cannot be asked.
    pub fn room(&self) -> Result<Room, EngineError> {
        Room::at(self.data_dir())
    }

    /// How the graph stands to `snapshot`. Commits of other tenants do not put it behind: nothing of
    /// theirs is in it.
    ///
    /// # Errors
    ///
    /// If the graph or the list of inputs cannot be read.
    pub fn graph_standing(&self, snapshot: &Snapshot) -> Result<GraphStanding, EngineError> {
        let Some(graph) = self.graph(snapshot)? else {
            let documents = self.documents_in(snapshot)?.len();
            return Ok(if documents == 0 {
                GraphStanding::Current
            } else {
                GraphStanding::Missing(documents)
            });
        };
        let follows = graph.version().follows.lake_version;
        let behind = follows != snapshot.version() && self.pending_since(snapshot, follows) != Some(0);
        Ok(if behind { GraphStanding::Behind(follows) } else { GraphStanding::Current })
    }
}
