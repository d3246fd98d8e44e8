//! Documents: which inputs are some, and what becomes of them once their bytes are in the lake.
//!
//! ```text
//! input ─► lake (its bytes, as they are) ─► parse ─► sections, things, references ─► graph   (derived)
//! ```
//!
//! The lake knows nothing of what a document says. What it says follows from its bytes, is kept in the
//! graph, and can be removed and made again.

pub(crate) mod annotating;
pub(crate) mod chunking;
mod chunks;
mod context;
mod copied;
mod graph;
mod health;
mod inputs;
mod parsing;
mod reading;
mod recordings;
mod structure;
mod tags;
mod unread;
mod verifying;
mod walking;
mod whole;

pub use context::{CONTEXT_TOKENS_MAX, Context, ContextLimit, ContextSection};
pub(crate) use copied::CopiedGraph;
pub use reading::GraphSummary;
pub use stele_annotate::Summary as Annotated;
pub use stele_documents::run_child;
pub(crate) use structure::Around;
pub(crate) use tags::settled;
pub use tags::{TAG_BYTES_MAX, TAGS_MAX, tags_in};
pub use verifying::{GraphStatus, GraphVerification};
pub use walking::{EdgeView, MentionView, NeighborsView, NodeView, PathView, PathsView, ThingView};

use stele_documents::recognise as format_of;
use stele_model::{DocumentFormat, FileEntry};
use stele_sources::{Recognised, WholeFormats};

/// Inputs that are kept as a whole.
pub(crate) const WHOLE: WholeFormats = WholeFormats { names: &NAMES, recognise };

const NAMES: [&str; DocumentFormat::ALL.len()] = {
    let mut names = [""; DocumentFormat::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = DocumentFormat::ALL[at].name();
        at += 1;
    }
    names
};

/// Office files by their names, where the beginning of the archive does not tell.
const OFFICE: [(&str, DocumentFormat); 3] =
    [(".docx", DocumentFormat::Docx), (".pptx", DocumentFormat::Pptx), (".xlsx", DocumentFormat::Xlsx)];

fn recognise(uri: &str, head: &[u8]) -> Option<Recognised> {
    let named = || {
        let name = uri.to_lowercase();
        let office = OFFICE.into_iter().find(|(ending, _)| name.ends_with(ending));
        office.filter(|_| head.starts_with(b"PK\x03\x04")).map(|(_, format)| format)
    };
    let format = format_of(uri, head).or_else(named)?;
    let by_content = match format {
        DocumentFormat::Markdown
        | DocumentFormat::Html
        | DocumentFormat::Text
        | DocumentFormat::Csv
        | DocumentFormat::Eml => false,
        DocumentFormat::Docx
        | DocumentFormat::Pptx
        | DocumentFormat::Xlsx
        | DocumentFormat::Pdf
        | DocumentFormat::Image
        | DocumentFormat::NotionBlocks
        | DocumentFormat::NotionExport => true,
    };
    Some(Recognised { name: format.name(), by_content })
}

/// Whether an input is a document.
pub(crate) fn is_document(entry: &FileEntry) -> bool {
    DocumentFormat::from_name(&entry.format).is_some()
}
