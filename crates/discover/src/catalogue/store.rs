//! A catalogue as bytes, so that counting can go on later: JSON under zstd.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::Catalogue;

/// Version of the stored form. A reader refuses a newer one.
const STORE_VERSION: u32 = 1;

/// Fast, and within a few per cent of the best on this kind of text.
const ZSTD_LEVEL: i32 = 3;

/// Why a stored catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The bytes are not what was stored.
    #[error("the stored catalogue is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was written by a newer program.
    #[error("the stored catalogue has version {0}; this program reads up to {STORE_VERSION}")]
    Newer(u32),
}

#[derive(Serialize)]
struct StoredRef<'a> {
    version: u32,
    catalogue: &'a Catalogue,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Stored {
    catalogue: Catalogue,
}

impl Catalogue {
    /// The catalogue as bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it cannot be written down, which would be a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_vec(&StoredRef { version: STORE_VERSION, catalogue: self })
            .map_err(|error| StoreError::Damaged(Box::new(error)))?;
        let damaged = |error| StoreError::Damaged(Box::new(error));
        let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(damaged)?;
        encoder.include_checksum(true).map_err(damaged)?;
        encoder.write_all(&json).map_err(damaged)?;
        encoder.finish().map_err(damaged)
    }

    /// Reads back what [`Catalogue::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the bytes are damaged or from a newer program.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let json = zstd::decode_all(bytes).map_err(|error| StoreError::Damaged(Box::new(error)))?;
        let damaged = |error| StoreError::Damaged(Box::new(error));
        let Version { version } = serde_json::from_slice(&json).map_err(damaged)?;
        if version > STORE_VERSION {
            return Err(StoreError::Newer(version));
        }
        let Stored { mut catalogue } = serde_json::from_slice(&json).map_err(damaged)?;
        catalogue.tree.restore();
        for (index, event) in catalogue.events.iter().enumerate() {
            catalogue.state.by_name.insert(event.name.clone(), index);
        }
        catalogue.state.latest = catalogue
            .events
            .iter()
            .map(|event| catalogue.tree.node(event.root).last)
            .reduce(|a, b| if catalogue.files.ranks().earlier(a, b) { b } else { a });
        Ok(catalogue)
    }
}
