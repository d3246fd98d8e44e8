//! A section with what stands around it, as far as a budget of tokens goes.

use std::ops::{Range, RangeInclusive};

use serde::Serialize;
use stele_documents::DOCUMENT_BYTES_MAX;
use stele_graph::SectionRow;
use stele_lake::Snapshot;
use stele_lake::replay::replay;
use stele_model::{ChunkMetadata, FileEntry, SectionId};

use super::chunking::{parts_of, tables_in};
use super::is_document;
use crate::EngineError;
use crate::engine::Engine;

/// Tokens that a reader can ask for at once: a few pages.
pub const CONTEXT_TOKENS_MAX: u32 = 4_000;

/// A section, and why it is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContextSection {
    /// Its id.
    pub id: String,
    /// `itself`, `next`, `before` or `above`.
    pub relation: &'static str,
    /// Headings that lead to it, its own included.
    pub headings: Vec<String>,
    /// `file:line`, as far as it is known.
    pub at: String,
    /// First and last line of the text in the source; nothing where it has none.
    pub lines: Option<RangeInclusive<u32>>,
    /// All of it; if it does not fit, the stretch that was asked for with as much of the rest as fits.
    pub text: String,
    /// Whether the text is not all of it.
    pub cut: bool,
    /// About how many tokens the whole section has.
    pub tokens: u32,
}

/// Why a context ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextLimit {
    /// What comes next does not fit into the tokens that were asked for.
    Tokens,
}

/// A section with what stands around it, in reading order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Context {
    /// The document that they are of.
    pub source: String,
    /// Its title.
    pub title: String,
    /// The sections.
    pub sections: Vec<ContextSection>,
    /// Whether the document has more.
    pub more: bool,
    /// Why there is more; nothing if there is not.
    pub limit_reason: Option<ContextLimit>,
    /// About how many tokens the texts have together.
    pub tokens: u32,
    /// The snapshot of the lake that the graph follows.
    pub lake_version: u64,
}

impl Engine {
    /// The section with this id, and as many of those that follow it, stand before it and above it as
    /// fit into `tokens`. It comes first: what is left of the budget is for the others.
    ///
    /// # Errors
    ///
    /// If there is no graph, no such section, or the graph cannot be read.
    pub fn context(&self, section: &str, tokens: u32) -> Result<Context, EngineError> {
        self.context_from(section, 0, tokens)
    }

    /// What stands around a text of the index; nothing if it is not of a document, or of one that the
    /// graph does not have any more. Of a section that does not fit, the part that the text is made of is
    /// kept.
    ///
    /// # Errors
    ///
    /// If there is no graph, or it cannot be read.
    pub fn context_of(&self, text: &ChunkMetadata, tokens: u32) -> Result<Option<Context>, EngineError> {
        let Some(section) = &text.section else { return Ok(None) };
        match self.context_from(section, text.part.unwrap_or(0), tokens) {
            Err(EngineError::UnknownName { .. }) => Ok(None),
            context => context.map(Some),
        }
    }

    fn context_from(&self, section: &str, part: u64, tokens: u32) -> Result<Context, EngineError> {
        let graph = self.graph_or_why()?;
        let unknown = || EngineError::UnknownName { asked: section.to_owned() };
        let id = SectionId::from_hex(section).ok_or_else(unknown)?;
        let own = graph.section(id)?.ok_or_else(unknown)?;
        let document = graph.document(own.document)?.ok_or_else(unknown)?;
        let all = graph.sections_of(own.document)?;
        let at = all.iter().position(|one| one.id == id).ok_or_else(unknown)?;
        let above = own.parent.and_then(|parent| all.iter().position(|one| one.id == parent));
        let mut order = vec![(at, "itself")];
        order.extend(above.map(|above| (above, "above")));
        for distance in 1..all.len() {
            order.extend((at + distance < all.len()).then(|| (at + distance, "next")));
            order.extend(at.checked_sub(distance).map(|before| (before, "before")));
        }
        let budget = tokens.clamp(1, CONTEXT_TOKENS_MAX);
        let mut left = budget;
        let mut chosen: Vec<(usize, ContextSection)> = Vec::new();
        for (place, relation) in order {
            if chosen.iter().any(|(known, _)| *known == place) {
                continue;
            }
            let Some(row) = all.get(place) else { continue };
            // What is asked for is always there; a neighbour is there as a whole or not at all.
            let stretch = match relation {
                "itself" => stretch_of(row, part, left),
                _ if row.tokens > left => break,
                _ => 0..row.text.len(),
            };
            chosen.push((place, section_of(row, relation, &document.source, stretch)));
            left = left.saturating_sub(row.tokens);
            if left == 0 {
                break;
            }
        }
        chosen.sort_by_key(|(place, _)| *place);
        let more = chosen.len() < all.len() || chosen.iter().any(|(_, section)| section.cut);
        Ok(Context {
            more,
            limit_reason: more.then_some(ContextLimit::Tokens),
            tokens: budget - left,
            source: document.source,
            title: document.title,
            sections: chosen.into_iter().map(|(_, section)| section).collect(),
            lake_version: graph.version().follows.lake_version,
        })
    }
}

impl Engine {
    /// The text of an input that is a document whose bytes are text; nothing for any other input.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub fn document_text(
        &self,
        snapshot: &Snapshot,
        entry: &FileEntry,
    ) -> Result<Option<String>, EngineError> {
        if !is_document(entry) || entry.bytes_done > DOCUMENT_BYTES_MAX {
            return Ok(None);
        }
        let mut text = Vec::with_capacity(usize::try_from(entry.bytes_done).unwrap_or(0));
        replay(snapshot, entry, &mut text)?;
        Ok(String::from_utf8(text).ok())
    }
}

/// The bytes of a section that are about `tokens`: all of it, or a part with what follows it, and what is
/// before it if there is still room.
fn stretch_of(row: &SectionRow, part: u64, tokens: u32) -> Range<usize> {
    let length = row.text.len();
    if row.tokens <= tokens {
        return 0..length;
    }
    let bytes = (length as u64 * u64::from(tokens) / u64::from(row.tokens.max(1))) as usize;
    let parts = parts_of(&row.text, row.body, &tables_in(&row.text));
    let part = usize::try_from(part).ok().and_then(|part| parts.get(part)).map_or(0, |part| part.span.start);
    // The first part follows its heading, which says what it is about.
    let start = if part <= row.body { 0 } else { part };
    let end = row.text.floor_char_boundary((start + bytes).min(length));
    let start = row.text.ceil_char_boundary(start.min(length.saturating_sub(bytes)));
    start..end.max(start)
}

fn section_of(
    row: &SectionRow,
    relation: &'static str,
    source: &str,
    stretch: Range<usize>,
) -> ContextSection {
    let newlines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count() as u32;
    let text = &row.text[stretch.clone()];
    let cut = text.len() < row.text.len();
    let first = row.line_start + newlines(&row.text[..stretch.start]);
    let last = if cut { first + newlines(text.trim_end_matches('\n')) } else { row.line_end };
    let has_lines = row.line_start > 0;
    ContextSection {
        id: row.id.to_string(),
        relation,
        headings: row.heading_path.iter().chain([&row.title]).cloned().collect(),
        at: if has_lines { format!("{source}:{first}") } else { row.place(source) },
        lines: has_lines.then_some(first..=last),
        text: text.to_owned(),
        cut,
        tokens: row.tokens,
    }
}
