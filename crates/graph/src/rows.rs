//! Rows as they are asked for: what the tables keep of documents, sections and what they say.

use stele_model::document::{FrontMatterEntry, Language, Warning};
use stele_model::{
    Conservation, DocumentFormat, DocumentId, Edge, Entity, Mention, RawHash, Reference, SectionId,
};

/// What is kept of a document, apart from its sections.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// Which one.
    pub id: DocumentId,
    /// Whose it is.
    pub tenant: String,
    /// Where it is from, as given.
    pub source: String,
    /// How it is written.
    pub format: DocumentFormat,
    /// What it calls itself, or the name it has.
    pub title: String,
    /// The version that it states for itself.
    pub version: Option<String>,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub checksum: String,
    /// When it says that it was last changed, as written.
    pub last_edited: Option<String>,
    /// Its language, where there was enough text to tell.
    pub language: Option<Language>,
    /// What stands in front of its text.
    pub front_matter: Vec<FrontMatterEntry>,
    /// What somebody should know.
    pub warnings: Vec<Warning>,
    /// What went in and came out.
    pub conservation: Conservation,
    /// The input of the lake that it was read from, in the words of whoever put it in.
    pub file_id: String,
}

/// What is kept of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionRow {
    /// Which one.
    pub id: SectionId,
    /// Whose it is.
    pub document: DocumentId,
    /// Place among the sections of the document, counted from 0.
    pub order: u32,
    /// From 1 to 6.
    pub level: u8,
    /// Whether it has a heading of its own.
    pub heading: bool,
    /// The heading, or the document's title.
    pub title: String,
    /// Name of the place within the document.
    pub anchor: String,
    /// Other names of the place.
    pub aliases: Vec<String>,
    /// The section above it.
    pub parent: Option<SectionId>,
    /// Headings from the outermost down to the one above this.
    pub heading_path: Vec<String>,
    /// Page, slide or sheet, counted from 1, where the source has such.
    pub page: Option<u32>,
    /// All of it, heading included.
    pub text: String,
    /// Where the text below the heading begins in `text`, in bytes.
    pub body: usize,
    /// About how many tokens `text` has.
    pub tokens: u32,
    /// Of `text`.
    pub checksum: RawHash,
    /// Names of the kinds of its blocks, each once.
    pub block_types: Vec<String>,
    /// First line in the source, counted from 1; 0 where the source has no lines.
    pub line_start: u32,
    /// Last line in the source; 0 where the source has no lines.
    pub line_end: u32,
}

/// The names of a section's place: what references look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorRow {
    /// Which section.
    pub id: SectionId,
    /// Whose it is.
    pub document: DocumentId,
    /// Name of the place within the document.
    pub anchor: String,
    /// Other names of the place.
    pub aliases: Vec<String>,
}

impl SectionRow {
    /// Where it stands in the document from `source`: at a line, on a page, or at its anchor.
    pub fn place(&self, source: &str) -> String {
        match (self.line_start, self.page) {
            (0, Some(page)) => format!("{source}#page={page}"),
            (0, None) => format!("{source}#{}", self.anchor),
            (line, _) => format!("{source}:{line}"),
        }
    }

    /// The text below the heading.
    pub fn body_text(&self) -> &str {
        self.text.get(self.body..).unwrap_or_default()
    }
}

/// Something that a document says; or that nobody says alone, where there is no document: that is what
/// follows from all of them, or from recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct Said<T> {
    /// Who says it.
    pub by: Option<DocumentId>,
    /// What.
    pub what: T,
}

/// A thing, as one document speaks of it. [`crate::Reader::entity`] puts together what all say.
pub type EntityRow = Said<Entity>;
/// A place that names a thing.
pub type MentionRow = Said<Mention>;
/// How one node leads to another.
pub type EdgeRow = Said<Edge>;
/// What a text points to.
pub type ReferenceRow = Said<Reference>;
