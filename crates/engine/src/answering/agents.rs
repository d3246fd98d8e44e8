//! What a server needs to answer many callers about one state of things.

use crate::EngineError;
use crate::engine::Engine;

impl Engine {
    /// A name for what the index that answers holds now: it differs whenever answers may. A list
    /// that is read in pages is compared with it.
    ///
    /// # Errors
    ///
    /// If there is no index, or it cannot be read.
    pub fn index_version(&self) -> Result<String, EngineError> {
        let pointer = self.index()?.pointer()?;
        let model = pointer.spec.model.as_ref().map_or("texts", |model| &*model.id);
        Ok(format!("{model}/{}/{}/{}", pointer.dir, pointer.table_version, pointer.logical_hash))
    }
}
