//! What files that hang on tickets say, by the parsers that read documents.

use std::sync::Arc;

use stele_documents::{DocumentError, Isolation, Request, parse, recognise};
use stele_helpdesk::{Extract, Extracted, File};
use stele_model::error::in_full;

use crate::engine::Engine;

/// Reads attachments as documents are read: untrusted formats in a process of their own.
pub(super) struct Documents {
    tenant: String,
    isolation: Arc<dyn Isolation + Send + Sync>,
}

impl Documents {
    pub(super) fn of(engine: &Engine) -> Self {
        Self { tenant: engine.settings().tenant.clone(), isolation: engine.shared_reader() }
    }
}

impl Extract for Documents {
    fn extract(&self, file: &File<'_>) -> Extracted {
        if recognise(file.name, file.bytes).is_none() {
            return Extracted::Unsupported;
        }
        let request = Request { tenant: self.tenant.clone(), source_uri: file.name.to_owned(), format: None };
        match parse(&request, file.bytes, self.isolation.as_ref()) {
            Ok(parsed) => {
                let sections = parsed.documents.iter().flat_map(|document| &document.sections);
                let texts: Vec<&str> = sections.map(|section| section.text.trim()).collect();
                Extracted::Text(texts.join("\n\n"))
            }
            Err(DocumentError::Unrecognised { .. }) => Extracted::Unsupported,
            Err(DocumentError::ToolMissing { program, .. }) if program.contains("tesseract") => {
                Extracted::OcrUnavailable
            }
            Err(error) => Extracted::Failed(in_full(&error)),
        }
    }
}
