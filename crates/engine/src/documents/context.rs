//! A section with what stands around it, as far as a budget of tokens goes.

use std::ops::RangeInclusive;

use serde::Serialize;
use stele_graph::SectionRow;
use stele_lake::Snapshot;
use stele_lake::replay::replay;
use stele_model::{FileEntry, SectionId};

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
    /// First and last line in the source; nothing where it has none.
    pub lines: Option<RangeInclusive<u32>>,
    /// All of it, or its beginning if it does not fit.
    pub text: String,
    /// Whether the text is not all of it.
    pub cut: bool,
    /// About how many tokens the whole section has.
    pub tokens: u32,
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
    /// The snapshot of the lake that the graph follows.
    pub lake_version: u64,
}

impl Engine {
    /// The section with this id, and as many of those that follow it, stand before it and above it as
    /// fit into `tokens`.
    ///
    /// # Errors
    ///
    /// If there is no graph, no such section, or the graph cannot be read.
    pub fn context(&self, section: &str, tokens: u32) -> Result<Context, EngineError> {
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
        let mut left = tokens.clamp(1, CONTEXT_TOKENS_MAX);
        let mut chosen: Vec<(usize, ContextSection)> = Vec::new();
        for (place, relation) in order {
            if chosen.iter().any(|(known, _)| *known == place) {
                continue;
            }
            let Some(row) = all.get(place) else { continue };
            // What is asked for is always there; a neighbour is there as a whole or not at all.
            if row.tokens > left && relation != "itself" {
                break;
            }
            chosen.push((place, section_of(row, relation, &document.source, left)));
            left = left.saturating_sub(row.tokens);
            if left == 0 {
                break;
            }
        }
        chosen.sort_by_key(|(place, _)| *place);
        Ok(Context {
            more: chosen.len() < all.len() || chosen.iter().any(|(_, section)| section.cut),
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
        if !is_document(entry) {
            return Ok(None);
        }
        let mut text = Vec::with_capacity(usize::try_from(entry.bytes_done).unwrap_or(0));
        replay(snapshot, entry, &mut text)?;
        Ok(String::from_utf8(text).ok())
    }
}

fn section_of(row: &SectionRow, relation: &'static str, source: &str, tokens: u32) -> ContextSection {
    let mut end = row.text.len();
    if row.tokens > tokens {
        end = (row.text.len() as u64 * u64::from(tokens) / u64::from(row.tokens.max(1))) as usize;
        while !row.text.is_char_boundary(end) {
            end -= 1;
        }
    }
    let at = match (row.line_start, row.page) {
        (0, Some(page)) => format!("{source}#page={page}"),
        (0, None) => format!("{source}#{}", row.anchor),
        (line, _) => format!("{source}:{line}"),
    };
    ContextSection {
        id: row.id.to_string(),
        relation,
        headings: row.heading_path.iter().chain([&row.title]).cloned().collect(),
        at,
        lines: (row.line_start > 0).then_some(row.line_start..=row.line_end),
        text: row.text[..end].to_owned(),
        cut: end < row.text.len(),
        tokens: row.tokens,
    }
}
