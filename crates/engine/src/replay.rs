//! An ingested input, written back byte for byte.

use std::io::Write;

use stele_lake::replay::{Replayed, replay};
use stele_model::FileEntry;

use crate::EngineError;
use crate::engine::Engine;

impl Engine {
    /// Writes the content of the ingested input that `name` means to `out`, see [`Engine::input`].
    ///
    /// # Errors
    ///
    /// If no input or several have that name, its rows were pruned, or what the lake gives back does not have
    /// the recorded SHA-256.
    pub fn replay(&self, name: &str, out: &mut dyn Write) -> Result<(FileEntry, Replayed), EngineError> {
        let snapshot = self.snapshot()?;
        let entry = self.input(&snapshot, name)?;
        let replayed = replay(&snapshot, &entry, out)?;
        Ok((entry, replayed))
    }
}
