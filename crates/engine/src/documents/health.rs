//! The graph as the doctor looks at it: whether its files are whole, and whether it follows the lake. What
//! it should hold is compared by `verifying.rs`.

use stele_model::error::in_full;

use crate::EngineError;
use crate::doctor::{Check, CheckState};
use crate::engine::Engine;

const NAME: &str = "graph";

/// What brings it up to the lake.
const BUILD: &str = "stele graph build";

/// What cures all that can befall a graph.
const REBUILD: &str = "stele graph rebuild, which makes it anew from the lake";

impl Engine {
    /// That it cannot be read is what is looked for, and no error.
    pub(crate) fn check_graph(&self) -> Check {
        match self.graph_health() {
            Ok(check) => check,
            Err(error) => Check::new(NAME, CheckState::Failed, in_full(&error), Some(REBUILD)),
        }
    }

    fn graph_health(&self) -> Result<Check, EngineError> {
        let Ok(snapshot) = self.snapshot() else {
            return Ok(Check::new(NAME, CheckState::Ok, "there is no lake that it could follow", None));
        };
        let Some(graph) = self.graph(&snapshot)? else {
            let (state, detail) = match self.documents_in(&snapshot)?.len() {
                0 => (CheckState::Ok, "there is none, and the lake has no documents".to_owned()),
                count => (CheckState::Failed, format!("there is none, and the lake has {count} documents")),
            };
            return Ok(Check::new(NAME, state, detail, Some(BUILD)));
        };
        graph.verify()?;
        let follows = &graph.version().follows;
        let documents = graph.version().documents();
        if follows.lake_version != snapshot.version() {
            let detail = format!(
                "every file is whole; it follows version {} of the lake, which is at {}",
                follows.lake_version,
                snapshot.version()
            );
            return Ok(Check::new(NAME, CheckState::Warning, detail, Some(BUILD)));
        }
        let detail = match follows.unread.len() {
            0 => format!("{documents} documents, every file is whole"),
            unread => format!(
                "{documents} documents, every file is whole; {unread} inputs cannot be read: stele graph status"
            ),
        };
        Ok(Check::new(NAME, CheckState::Ok, detail, None))
    }
}
