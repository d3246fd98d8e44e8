//! From bytes to documents.

use serde::{Deserialize, Serialize};
use stele_model::{Document, DocumentFormat};

use crate::error::DocumentError;
use crate::format::recognise;
use crate::isolate::Isolation;
use crate::limits::{DOCUMENT_BYTES_MAX, HTML_BYTES_TRUSTED, HTML_DEPTH_TRUSTED};
use crate::tools::Tools;
use crate::{html, mail, markdown, notion, office, pdf, plain, table};

/// Which document is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Whose it is.
    pub tenant: String,
    /// Where it is from. It is kept as it is and makes the document's id.
    pub source_uri: String,
    /// How it is written, if somebody knows better than [`crate::recognise`].
    pub format: Option<DocumentFormat>,
}

/// What was read from one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parsed {
    /// The document; the pages of an archive are one each.
    pub documents: Vec<Document>,
    /// Pages of an archive that could not be read, each under its own URI; an archive inside that could not
    /// be opened stands for all of its pages.
    pub failed: Vec<DocumentError>,
    /// Members of an archive that are no documents, such as pictures.
    pub ignored: Vec<String>,
}

/// Reads a document. What is text is read here; what has to be unpacked or laid out first goes through
/// `isolation`.
///
/// # Errors
///
/// The bytes are no document, damaged, refused, or take more than they may.
pub fn parse(request: &Request, bytes: &[u8], isolation: &dyn Isolation) -> Result<Parsed, DocumentError> {
    let format = format_of(request, bytes)?;
    let request = Request { format: Some(format), ..request.clone() };
    let trusted = match format {
        DocumentFormat::Html => bytes.len() <= HTML_BYTES_TRUSTED && html::depth(bytes) <= HTML_DEPTH_TRUSTED,
        DocumentFormat::Markdown | DocumentFormat::Text | DocumentFormat::Csv => true,
        DocumentFormat::NotionBlocks => true,
        _ => false,
    };
    // None of the formats that are read here starts a program.
    if trusted { read(&request, bytes, &Tools::default()) } else { isolation.read(&request, bytes) }
}

fn format_of(request: &Request, bytes: &[u8]) -> Result<DocumentFormat, DocumentError> {
    let source_uri = || request.source_uri.clone();
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let what = "the file".to_owned();
        return Err(DocumentError::TooLarge { source_uri: source_uri(), what, max: DOCUMENT_BYTES_MAX });
    }
    // Office files that are locked are containers of another kind.
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        let mark: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        if memchr::memmem::find(bytes, &mark).is_some() {
            return Err(DocumentError::Locked { source_uri: source_uri() });
        }
    }
    let format = request.format.or_else(|| recognise(&request.source_uri, bytes));
    format.ok_or_else(|| DocumentError::Unrecognised { source_uri: source_uri() })
}

/// Reads a document in this process.
pub(crate) fn read(request: &Request, bytes: &[u8], tools: &Tools) -> Result<Parsed, DocumentError> {
    let document = match format_of(request, bytes)? {
        DocumentFormat::Markdown => markdown::parse(request, bytes),
        DocumentFormat::Html => html::parse(request, bytes),
        DocumentFormat::Text => plain::parse(request, bytes),
        DocumentFormat::Csv => table::parse(request, bytes),
        DocumentFormat::Eml => mail::parse(request, bytes)?,
        DocumentFormat::Docx => office::parse_docx(request, bytes)?,
        DocumentFormat::Pptx => office::parse_pptx(request, bytes)?,
        DocumentFormat::Xlsx => office::parse_xlsx(request, bytes)?,
        DocumentFormat::Pdf => pdf::parse(request, bytes, tools)?,
        DocumentFormat::Image => pdf::parse_image(request, bytes, tools)?,
        DocumentFormat::NotionBlocks => notion::parse_blocks(request, bytes)?,
        DocumentFormat::NotionExport => return notion::parse_export(request, bytes, tools),
    };
    Ok(Parsed { documents: vec![document], ..Parsed::default() })
}
