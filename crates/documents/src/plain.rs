//! Text without marks: paragraphs.

use stele_model::document::{Block, BlockKind};
use stele_model::{Document, DocumentFormat};

use crate::decode::{decode, line_starts};
use crate::measure;
use crate::outline::{Draft, Outline};
use crate::parse::Request;

/// What a text says.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Document {
    let mut outline = Outline::default();
    let text = decode(bytes, None, &mut outline.warnings);
    let lines = line_starts(&text);
    let mut draft = Draft { line_start: 1, line_end: lines.len() as u32 - 1, ..Draft::default() };
    draft.blocks = paragraphs(&text, &lines);
    draft.text = text.clone().into_owned();
    outline.drafts.push(draft);
    let mut document = outline.finish(request, DocumentFormat::Text, bytes);
    document.conservation = measure::conservation([&*text], &document.sections);
    document
}

/// Lines between blank lines.
pub(crate) fn paragraphs(text: &str, lines: &[usize]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for pair in lines.windows(2) {
        let line = text[pair[0]..pair[1]].trim_end();
        let end = pair[0] + line.len();
        match blocks.last_mut().filter(|_| open) {
            Some(last) if !line.is_empty() => last.span.end = end,
            None if !line.is_empty() => {
                blocks.push(Block { kind: BlockKind::Paragraph, span: pair[0]..end });
            }
            _ => {}
        }
        open = !line.is_empty();
    }
    blocks
}
