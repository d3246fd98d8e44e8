//! A document and what it says, as plain data: sections with their code, tables, lists and links.
//!
//! Every place in here is a byte range of the text of one [`Section`], so that whoever shows a finding
//! can show exactly what it rests on. What a text means (commands, settings, steps) is
//! [`crate::entity`].

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::id::IdHasher;
use crate::{DocumentId, RawHash, SectionId};

/// How a document is written. It is recognised by content where content tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFormat {
    /// CommonMark with tables.
    Markdown,
    /// A web page.
    Html,
    /// Text without marks.
    Text,
    /// Values separated by commas, tabs or semicolons.
    Csv,
    /// A mail.
    Eml,
    /// A text of an office suite.
    Docx,
    /// Slides of an office suite.
    Pptx,
    /// Sheets of an office suite.
    Xlsx,
    /// Pages as they are printed.
    Pdf,
    /// A picture; what it says is read by OCR.
    Image,
    /// Blocks as the API of Notion returns them.
    NotionBlocks,
    /// An archive that Notion exported; it holds other documents.
    NotionExport,
}

impl DocumentFormat {
    /// Every format.
    pub const ALL: [Self; 12] = [
        Self::Markdown,
        Self::Html,
        Self::Text,
        Self::Csv,
        Self::Eml,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Pdf,
        Self::Image,
        Self::NotionBlocks,
        Self::NotionExport,
    ];

    /// The name in tables and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Eml => "eml",
            Self::Docx => "docx",
            Self::Pptx => "pptx",
            Self::Xlsx => "xlsx",
            Self::Pdf => "pdf",
            Self::Image => "image",
            Self::NotionBlocks => "notion_blocks",
            Self::NotionExport => "notion_export",
        }
    }

    /// Reads back what [`DocumentFormat::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What a stretch of a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Running text.
    Paragraph,
    /// A list whose order does not matter.
    List,
    /// A numbered list.
    OrderedList,
    /// Code or output.
    Code,
    /// Rows and columns.
    Table,
    /// Somebody else's words.
    Quote,
    /// Markup that was left as it is.
    Html,
    /// A line between two thoughts.
    Break,
    /// A picture.
    Image,
    /// Keys and values in front of the text.
    FrontMatter,
}

impl BlockKind {
    /// The name in tables and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paragraph => "paragraph",
            Self::List => "list",
            Self::OrderedList => "ordered_list",
            Self::Code => "code",
            Self::Table => "table",
            Self::Quote => "quote",
            Self::Html => "html",
            Self::Break => "break",
            Self::Image => "image",
            Self::FrontMatter => "front_matter",
        }
    }
}

/// One block of a section. Blocks are in reading order, and one inside another follows it: the code
/// of a list item comes after its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
}

/// A stretch of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeBlock {
    /// The language as the author names it, in lower case; empty where nobody does.
    pub language: String,
    /// The code without its fences and without the indentation of its container.
    pub text: String,
    /// Its bytes in the section's text, fences included.
    pub span: Range<usize>,
    /// Line of its first line of code in the source, counted from 1; 0 where the source has no lines.
    pub line: u32,
}

/// Rows and columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What the columns are called; empty for a table without a head.
    pub head: Vec<String>,
    /// The rows below the head.
    pub rows: Vec<Vec<Cell>>,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
}

/// One cell of a [`Table`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it says, without marks; a line break is `\n`.
    pub text: String,
    /// The pieces of code in it, in order.
    pub code: Vec<String>,
    /// Where its links lead, in order.
    pub links: Vec<String>,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
}

/// One entry of a numbered list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number within the list, counted from 1, whatever number the author wrote.
    pub number: u32,
    /// What it says on its own, without the lists and code inside it and without marks.
    pub text: String,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
}

/// A numbered list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Its entries in order.
    pub steps: Vec<Step>,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
}

/// A short piece of code within a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineCode {
    /// The code without its marks.
    pub text: String,
    /// Its bytes in the section's text, marks included.
    pub span: Range<usize>,
}

/// A link, to wherever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What is written there.
    pub text: String,
    /// Where it leads, as written.
    pub target: String,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
}

/// A heading with what stands below it, up to the next heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Follows from the document and the path of headings; not from the text.
    pub id: SectionId,
    /// From 1 to 6. A section without a heading of its own has 1.
    pub level: u8,
    /// Whether it has a heading of its own; the text before the first one has none.
    pub heading: bool,
    /// The heading without marks, or the document's title.
    pub title: String,
    /// Name of the place within the document, unique in it.
    pub anchor: String,
    /// Other names that the author gave the place.
    pub aliases: Vec<String>,
    /// Place among the sections of the document, counted from 0.
    pub order: u32,
    /// The section above it.
    pub parent: Option<SectionId>,
    /// Headings from the outermost down to the one above this.
    pub parent_path: Vec<String>,
    /// Page, slide or sheet, counted from 1, where the source has such.
    pub page: Option<u32>,
    /// All of it, heading included: where the source is text, exactly its lines.
    pub text: String,
    /// Where the text below the heading begins in `text`.
    pub body: usize,
    /// About how many tokens `text` has; an estimate that needs no model.
    pub tokens: u32,
    /// Of `text`. It tells an edited section from an untouched one and is the same under every name.
    pub checksum: RawHash,
    /// What it is made of.
    pub blocks: Vec<Block>,
    /// Its code.
    pub code_blocks: Vec<CodeBlock>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Its numbered lists.
    pub steps: Vec<Steps>,
    /// The code within its sentences, headings and cells.
    pub inline_code: Vec<InlineCode>,
    /// Its links.
    pub links: Vec<Link>,
    /// First line in the source, counted from 1; 0 where the source has no lines.
    pub line_start: u32,
    /// Last line in the source; 0 where the source has no lines.
    pub line_end: u32,
}

impl Section {
    /// Kinds of its blocks, each once, in the order in which they first appear.
    pub fn block_types(&self) -> Vec<BlockKind> {
        let mut kinds = Vec::new();
        for block in &self.blocks {
            if !kinds.contains(&block.kind) {
                kinds.push(block.kind);
            }
        }
        kinds
    }

    /// The text below the heading.
    pub fn body_text(&self) -> &str {
        self.text.get(self.body..).unwrap_or_default()
    }
}

/// What went in and what came out, counted apart from the parser where the format allows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conservation {
    /// Characters of the source that are not blank, without front matter and markup.
    pub characters_in: u64,
    /// Of these, those that are in exactly one section.
    pub characters_out: u64,
    /// Characters that sections hold beside them: text twice, or text from nowhere.
    pub characters_extra: u64,
    /// Pages, slides or sheets of the source; 0 where it has none.
    pub pages_in: u32,
    /// Of these, those that have a section.
    pub pages_out: u32,
    /// Of these, those in which no text was found, not even by OCR.
    pub pages_without_text: u32,
    /// Sections.
    pub sections: u32,
}

/// Share of the characters that has to be in exactly one section, in percent.
pub const CONSERVED_PERCENT_MIN: u64 = 98;

impl Conservation {
    /// Whether no page is gone and at most the tolerated share of characters.
    pub fn holds(&self) -> bool {
        let wanted = u128::from(self.characters_in) * u128::from(CONSERVED_PERCENT_MIN);
        u128::from(self.characters_out) * 100 >= wanted && self.pages_in == self.pages_out
    }
}

/// Something about a document that somebody should know, though it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing, for machines: `unclosed_fence`, `page_without_text` …
    pub code: String,
    /// What, in a sentence.
    pub message: String,
    /// Line in the source, or page, counted from 1; 0 where it is about the whole.
    pub place: u32,
}

/// One key of the front matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontMatterEntry {
    /// The key; keys inside keys are joined by dots.
    pub key: String,
    /// Its value, or the values of its list, as written but without quotes.
    pub values: Vec<String>,
}

/// The language that the text is written in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Language {
    /// ISO 639-3.
    pub code: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Follows from the tenant and the source URI.
    pub id: DocumentId,
    /// Whose it is.
    pub tenant: String,
    /// Where it is from, as given: case and spelling kept.
    pub source_uri: String,
    /// How it is written.
    pub format: DocumentFormat,
    /// What it calls itself, or the name it has.
    pub title: String,
    /// The version that it states for itself.
    pub version: Option<String>,
    /// SHA-256 of its bytes, in hexadecimal digits, as `sha256sum` prints it.
    pub checksum: String,
    /// When it says that it was last changed, as written.
    pub last_edited: Option<String>,
    /// What stands in front of its text.
    pub front_matter: Vec<FrontMatterEntry>,
    /// Its language, where there is enough text to tell.
    pub language: Option<Language>,
    /// All of it, in order.
    pub sections: Vec<Section>,
    /// What somebody should know.
    pub warnings: Vec<Warning>,
    /// What went in and came out.
    pub conservation: Conservation,
}

impl DocumentId {
    /// The id of the document of `tenant` that is found at `source_uri`.
    pub fn of(tenant: &str, source_uri: &str) -> Self {
        Self(IdHasher::new("document").part(tenant.as_bytes()).part(source_uri.as_bytes()).finish())
    }
}

impl SectionId {
    /// The id of a section: its document, the section above it, its heading, and how many before it
    /// have the same heading below the same one, so that what stands elsewhere changes nothing. A
    /// section without a `heading` is known by what it is instead: `text`, `front matter`.
    pub fn of(
        document: DocumentId,
        above: Option<SectionId>,
        heading: bool,
        name: &str,
        ordinal: u32,
    ) -> Self {
        let above = above.map_or(Vec::new(), |above| above.0.to_vec());
        let hasher = IdHasher::new("section").part(&document.0).part(&above).part(&[u8::from(heading)]);
        Self(hasher.part(name.as_bytes()).part(&ordinal.to_le_bytes()).finish())
    }
}
