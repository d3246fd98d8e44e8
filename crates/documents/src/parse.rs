//! From bytes to documents.

use stele_model::{Document, DocumentFormat};

use crate::error::DocumentError;
use crate::markdown;

/// Which document is asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// Whose it is.
    pub tenant: String,
    /// Where it is from. It is kept as it is and makes the document's id.
    pub source_uri: String,
    /// How it is written, if somebody knows better than [`crate::recognise`].
    pub format: Option<DocumentFormat>,
}

/// x
pub fn parse(request: &Request, bytes: &[u8]) -> Result<Vec<Document>, DocumentError> {
    Ok(vec![markdown::parse(request, bytes)])
}
