//! What a server needs to answer many callers about one state of things.

use std::sync::PoisonError;
use std::time::SystemTime;

use crate::engine::Engine;

/// What there was when an answer was given: it is as good as a new one while this is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which lake, and its version.
    lake: (String, u64),
    /// When the index that answers, and the graph, changed.
    index: Option<SystemTime>,
    graph: Option<SystemTime>,
}

impl Engine {
    /// Whether there is an index that can be read, whatever it holds.
    pub fn has_index(&self) -> bool {
        self.index().is_ok_and(|index| index.pointer().is_ok())
    }

    /// What there is now, by the names and times of four files, so that it may be asked from a thread that must not
    /// block. `None` where that cannot be told so quickly: nothing was read yet, or another lake is in its place.
    pub fn standing(&self) -> Option<Standing> {
        // Looked at under the lock, which nobody holds for longer: whoever took a share out of it might be the last to
        // have one, and a snapshot must not end where nobody may block.
        let newest = self.kept.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = newest.as_ref()?;
        let lake = (snapshot.lake_id().to_owned(), snapshot.newest_version()?);
        Some(Standing { lake, index: self.index().ok()?.changed(), graph: self.graph_home().ok()?.changed() })
    }
}
