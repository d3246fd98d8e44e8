//! Where the texts of a build go: into the index that answers, or into one that is built aside.

use std::collections::HashMap;

use stele_index::{Applied, ChunkHash, Identified, Maintenance, Pointer, Rebuild, TextHash, Upsert, Writer};
use stele_model::ChunkId;

use crate::EngineError;

/// Where texts go.
pub(super) enum Target {
    Update(Box<Writer>),
    Aside(Box<Rebuild>),
}

impl Target {
    pub(super) fn pointer(&self) -> &Pointer {
        match self {
            Self::Update(writer) => writer.pointer(),
            Self::Aside(rebuild) => rebuild.pointer(),
        }
    }

    pub(super) fn hashes(&self) -> Result<HashMap<ChunkId, ChunkHash>, EngineError> {
        let mut all = HashMap::new();
        let mut each = |hashes: &[Identified]| {
            all.extend(hashes.iter().copied());
            Ok(())
        };
        match self {
            Self::Update(writer) => writer.hashes(&mut each)?,
            Self::Aside(rebuild) => rebuild.hashes(&mut each)?,
        }
        Ok(all)
    }

    pub(super) fn known_texts(
        &mut self,
        hashes: &[TextHash],
    ) -> Result<HashMap<TextHash, Vec<f32>>, EngineError> {
        Ok(match self {
            Self::Update(writer) => writer.known_texts(hashes)?,
            Self::Aside(rebuild) => rebuild.known_texts(hashes)?,
        })
    }

    pub(super) fn apply(
        &mut self,
        upserts: Vec<Upsert>,
        deletes: &[ChunkId],
    ) -> Result<Applied, EngineError> {
        Ok(match self {
            Self::Update(writer) => writer.apply(upserts, deletes, None)?,
            Self::Aside(rebuild) => rebuild.apply(upserts, deletes)?,
        })
    }

    /// Takes out what is gone, says which snapshot is followed now, and builds the indexes.
    pub(super) fn finish(
        self,
        deletes: &[ChunkId],
        version: u64,
    ) -> Result<(Pointer, Maintenance), EngineError> {
        let (writer, maintenance) = match self {
            Self::Update(mut writer) => {
                let maintenance = writer.finish(deletes, version)?;
                // What was built last is what answers.
                writer.take_over()?;
                (*writer, maintenance)
            }
            Self::Aside(mut rebuild) => {
                rebuild.apply(Vec::new(), deletes)?;
                rebuild.finish(version)?
            }
        };
        Ok((writer.pointer().clone(), maintenance))
    }
}
