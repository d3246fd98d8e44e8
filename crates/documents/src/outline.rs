//! Headings and what stands below them, on their way to a document. Every parser fills one of these,
//! and here alone identifiers, anchors and paths are made, so that they are the same whatever a
//! document is written in.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use foldhash::fast::RandomState;
use sha2::{Digest, Sha256};
use stele_model::document::{
    Block, BlockKind, Cell, CodeBlock, FrontMatterEntry, InlineCode, Link, Steps, Table, Warning,
};
use stele_model::id::to_hex;
use stele_model::{Conservation, Document, DocumentFormat, DocumentId, RawHash, Section, SectionId};

use crate::language;
use crate::parse::Request;

/// A section before it knows its name and place.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// From 1 to 6; 0 for one without a heading.
    pub level: u8,
    pub title: String,
    pub aliases: Vec<String>,
    pub page: Option<u32>,
    pub text: String,
    pub body: usize,
    pub blocks: Vec<Block>,
    pub code_blocks: Vec<CodeBlock>,
    pub tables: Vec<Table>,
    pub steps: Vec<Steps>,
    pub inline_code: Vec<InlineCode>,
    pub links: Vec<Link>,
    pub line_start: u32,
    pub line_end: u32,
}

impl Draft {
    /// A section whose heading is its first line.
    pub(crate) fn titled(level: u8, title: &str) -> Self {
        let text = format!("{title}\n");
        Self { level, title: title.to_owned(), body: text.len(), text, ..Self::default() }
    }

    /// Adds a block after a blank line and says where its text is.
    pub(crate) fn block(&mut self, kind: BlockKind, text: &str) -> Range<usize> {
        if !self.text.is_empty() {
            if !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            self.text.push('\n');
        }
        let span = self.text.len()..self.text.len() + text.len();
        self.text.push_str(text);
        self.blocks.push(Block { kind, span: span.clone() });
        span
    }

    /// Adds a block of code.
    pub(crate) fn code(&mut self, language: &str, text: &str) {
        let span = self.block(BlockKind::Code, text);
        let language = language.to_lowercase();
        self.code_blocks.push(CodeBlock { language, text: text.to_owned(), span, line: 0 });
    }

    /// Adds a table, a line a row and a tab between two cells. The spans of the cells are set here.
    pub(crate) fn table(&mut self, head: Vec<String>, mut rows: Vec<Vec<Cell>>) {
        let mut text = String::new();
        if !head.is_empty() {
            text.push_str(&head.join("\t"));
            text.push('\n');
        }
        for row in &mut rows {
            for (index, cell) in row.iter_mut().enumerate() {
                if index > 0 {
                    text.push('\t');
                }
                cell.span = text.len()..text.len() + cell.text.len();
                // A line of text is a row, so a line break within a cell is a blank here.
                text.extend(cell.text.chars().map(|c| if c == '\n' { ' ' } else { c }));
            }
            text.push('\n');
        }
        let span = self.block(BlockKind::Table, text.trim_end_matches('\n'));
        for cell in rows.iter_mut().flatten() {
            cell.span = cell.span.start + span.start..cell.span.end + span.start;
        }
        self.tables.push(Table { head, rows, span });
    }

    fn is_blank(&self) -> bool {
        self.level == 0 && self.page.is_none() && self.text.trim().is_empty()
    }

    /// What a section without a heading is known by, so that front matter that comes or goes leaves
    /// the text behind it what it was.
    fn family(&self) -> &'static str {
        match self.blocks.first() {
            Some(block) if block.kind == BlockKind::FrontMatter => "front matter",
            _ => "text",
        }
    }
}

/// What a parser found out about a document.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// What it calls itself.
    pub title: Option<String>,
    pub version: Option<String>,
    pub last_edited: Option<String>,
    pub front_matter: Vec<FrontMatterEntry>,
    pub drafts: Vec<Draft>,
    pub warnings: Vec<Warning>,
}

impl Outline {
    /// The document, but for its conservation.
    pub(crate) fn finish(self, request: &Request, format: DocumentFormat, bytes: &[u8]) -> Document {
        let id = DocumentId::of(&request.tenant, &request.source_uri);
        let front = |keys: &[&str]| {
            let entry = self.front_matter.iter().find(|entry| keys.contains(&entry.key.as_str()))?;
            entry.values.first().filter(|value| !value.trim().is_empty()).cloned()
        };
        let heading = self.drafts.iter().find(|draft| draft.level == 1);
        let heading = heading.or_else(|| self.drafts.iter().find(|draft| draft.level > 0));
        let title = front(&["title"])
            .or(self.title)
            .or_else(|| heading.map(|draft| draft.title.clone()))
            .filter(|title| !title.trim().is_empty())
            .unwrap_or_else(|| file_stem(&request.source_uri).to_owned());
        let version = self.version.or_else(|| front(&["version"]));
        let edited = front(&["last_edited", "last_modified", "lastmod", "updated", "date"]);
        let sections = sections(id, &title, self.drafts);
        Document {
            id,
            tenant: request.tenant.clone(),
            source_uri: request.source_uri.clone(),
            format,
            title,
            version,
            checksum: to_hex(&Sha256::digest(bytes)),
            last_edited: self.last_edited.or(edited),
            front_matter: self.front_matter,
            language: language::detect(&sections),
            sections,
            warnings: self.warnings,
            conservation: Conservation::default(),
        }
    }
}

/// One heading on the way from the root to the current place.
struct Above {
    level: u8,
    id: SectionId,
    title: String,
}

fn sections(document: DocumentId, title: &str, drafts: Vec<Draft>) -> Vec<Section> {
    let mut above: Vec<Above> = Vec::new();
    let mut seen: HashMap<(bool, Option<SectionId>, String), u32, RandomState> = HashMap::default();
    let mut anchors = Anchors::default();
    let mut sections = Vec::with_capacity(drafts.len());
    for draft in drafts.into_iter().filter(|draft| !draft.is_blank()) {
        let heading = draft.level > 0;
        while heading && above.last().is_some_and(|last| last.level >= draft.level) {
            above.pop();
        }
        let parent = heading.then(|| above.last().map(|last| last.id)).flatten();
        let path: Vec<&str> = above.iter().map(|above| above.title.as_str()).collect();
        let name = if heading { draft.title.clone() } else { draft.family().to_owned() };
        let count = seen.entry((heading, parent, name.clone())).or_default();
        let id = SectionId::of(document, parent, heading, &name, *count);
        *count += 1;
        let own_title =
            if draft.title.is_empty() && !heading { title.to_owned() } else { draft.title.clone() };
        sections.push(Section {
            id,
            level: draft.level.clamp(1, 6),
            heading,
            anchor: anchors.unique(&slug(&own_title)),
            title: own_title,
            aliases: draft.aliases,
            order: sections.len() as u32,
            parent,
            parent_path: path.into_iter().filter(|_| heading).map(str::to_owned).collect(),
            page: draft.page,
            tokens: tokens(&draft.text),
            checksum: RawHash::of(draft.text.as_bytes()),
            text: draft.text,
            body: draft.body,
            blocks: draft.blocks,
            code_blocks: draft.code_blocks,
            tables: draft.tables,
            steps: draft.steps,
            inline_code: draft.inline_code,
            links: draft.links,
            line_start: draft.line_start,
            line_end: draft.line_end,
        });
        if heading {
            above.push(Above { level: draft.level, id, title: draft.title });
        }
    }
    sections
}

/// Anchors that were given.
#[derive(Default)]
struct Anchors {
    given: HashSet<String, RandomState>,
    next: HashMap<String, u32, RandomState>,
}

impl Anchors {
    /// `slug`, or the first of `slug-1`, `slug-2` … that is free.
    fn unique(&mut self, slug: &str) -> String {
        if self.given.insert(slug.to_owned()) {
            return slug.to_owned();
        }
        let next = self.next.entry(slug.to_owned()).or_insert(1);
        loop {
            let anchor = format!("{slug}-{next}");
            *next += 1;
            if self.given.insert(anchor.clone()) {
                return anchor;
            }
        }
    }
}

/// A heading as the fragment of a link names it: lower case, blanks as hyphens, no punctuation.
pub(crate) fn slug(title: &str) -> String {
    let mut slug = String::with_capacity(title.len());
    for c in title.trim().chars() {
        if c.is_whitespace() {
            slug.push('-');
        } else if c.is_alphanumeric() || c == '-' || c == '_' {
            slug.extend(c.to_lowercase());
        }
    }
    if slug.is_empty() { "section".to_owned() } else { slug }
}

/// About how many tokens a text has: a word counts one for every six letters begun, everything else
/// but blanks counts one. Within a fifth of word pieces on English prose, above it on code.
pub fn tokens(text: &str) -> u32 {
    const LETTERS_A_TOKEN: u32 = 6;
    let (mut tokens, mut run) = (0u32, 0u32);
    for c in text.chars() {
        if c.is_alphanumeric() && (c as u32) < 0x2e80 {
            if run.is_multiple_of(LETTERS_A_TOKEN) {
                tokens = tokens.saturating_add(1);
            }
            run += 1;
        } else {
            run = 0;
            tokens = tokens.saturating_add(u32::from(!c.is_whitespace()));
        }
    }
    tokens
}

/// How many pages have a section.
pub(crate) fn pages(sections: &[Section]) -> u32 {
    let pages: HashSet<u32, RandomState> = sections.iter().filter_map(|section| section.page).collect();
    pages.len() as u32
}

/// The name of a file without its folders, query and ending.
pub(crate) fn file_stem(uri: &str) -> &str {
    let address = uri.contains("://");
    let path = uri.split(|letter| address && matches!(letter, '?' | '#')).next().unwrap_or(uri);
    let path = path.trim_end_matches('/');
    let name = path.rsplit(['/', '\\', '!']).next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}
