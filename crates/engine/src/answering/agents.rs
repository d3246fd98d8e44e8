//! What a server needs to answer many callers about one state of things.

use stele_discover::Catalogue;
use stele_lake::Snapshot;

use crate::EngineError;
use crate::catalogue_store::CatalogueStore;
use crate::engine::Engine;

impl Engine {
    /// The catalogue of everything in `snapshot`.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub fn catalogue_of(&self, snapshot: &Snapshot) -> Result<Catalogue, EngineError> {
        CatalogueStore::of(self).load(self, snapshot)
    }

    /// A name for what the index that answers holds now: it differs whenever answers may. A list
    /// that is read in pages is compared with it.
    ///
    /// # Errors
    ///
    /// If there is no index, or it cannot be read.
    pub fn index_version(&self) -> Result<String, EngineError> {
        let reader = self.index()?.reader()?;
        let pointer = reader.pointer();
        let model = pointer.spec.model.as_ref().map_or("texts", |model| &*model.id);
        Ok(format!("{model}/{}/{}/{}", pointer.dir, pointer.table_version, pointer.logical_hash))
    }
}
