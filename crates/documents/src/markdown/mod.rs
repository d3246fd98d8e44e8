//! Markdown: CommonMark with tables, front matter, and fences that somebody forgot to close.
//!
//! The text of a section is exactly its lines, so nothing can be lost between two sections; what the
//! marks mean is kept beside it, as byte ranges.

mod cut;
mod front;
mod walk;

use stele_model::document::BlockKind;
use stele_model::{Document, DocumentFormat};

use crate::decode::{decode, line_starts, warning};
use crate::measure;
use crate::outline::{Draft, Outline};
use crate::parse::Request;

/// What a Markdown text says. It never fails: every text is Markdown.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Document {
    let mut outline = Outline::default();
    let text = decode(bytes, None, &mut outline.warnings);
    let body = front_matter(&text, &mut outline);
    let drafts = drafts(&text, body, &mut outline);
    outline.drafts.extend(drafts);
    let mut document = outline.finish(request, DocumentFormat::Markdown, bytes);
    document.conservation = measure::conservation([&*text], &document.sections);
    document
}

/// Takes the front matter off, as a section of its own, and returns where the text begins.
fn front_matter(text: &str, outline: &mut Outline) -> usize {
    let Some(front) = front::split(text) else { return 0 };
    match front.entries {
        Ok(entries) => outline.front_matter = entries,
        Err(reason) => outline.warnings.push(warning("front_matter", reason, 1)),
    }
    let lines = text[..front.body].lines().count() as u32;
    let mut draft = Draft { line_start: 1, line_end: lines, ..Draft::default() };
    draft.block(BlockKind::FrontMatter, &text[..front.body]);
    outline.drafts.push(draft);
    front.body
}

/// Sections of the text from `body` on.
fn drafts(text: &str, body: usize, outline: &mut Outline) -> Vec<Draft> {
    let lines = line_starts(text);
    let first = lines.partition_point(|start| *start < body);
    let plan = cut::plan(text, &lines, first);
    for line in &plan.unclosed {
        outline.warnings.push(warning(
            "unclosed_fence",
            "a code fence is never closed; the text goes on at the next heading",
            *line as u32 + 1,
        ));
    }
    let found = walk::walk(text, &lines, &plan);
    outline.title = found.title;
    for line in found.unclosed {
        if !plan.unclosed.contains(&line) {
            let message = "a code fence is never closed";
            outline.warnings.push(warning("unclosed_fence", message, line as u32 + 1));
        }
    }
    found.drafts
}
