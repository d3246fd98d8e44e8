//! From the trees of the pieces to sections: where headings are, and what stands between them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use comrak::nodes::{Node, NodeValue, Sourcepos};
use comrak::options::BrokenLinkReference;
use comrak::{Arena, Options, ResolvedReference};
use foldhash::fast::RandomState;
use stele_model::document::{Block, BlockKind, Cell, CodeBlock, InlineCode, Link, Step, Steps, Table};

use super::cut::{Piece, Plan};
use crate::outline::Draft;

/// What the trees say.
#[derive(Default)]
pub(super) struct Found {
    pub drafts: Vec<Draft>,
    /// A title that is written in HTML.
    pub title: Option<String>,
    /// Lines of fences that are never closed, counted from 0.
    pub unclosed: Vec<usize>,
}

/// Parses every piece and puts what they hold into sections.
pub(super) fn walk(text: &str, lines: &[usize], plan: &Plan) -> Found {
    let mut walker = Walker { text, lines, found: Found::default(), begin: 0 };
    let Some(first) = plan.pieces.first() else { return walker.found };
    walker.begin_section(first.lines.start);
    let elsewhere = if plan.pieces.len() > 1 { definitions(text, lines) } else { HashMap::default() };
    let elsewhere = Arc::new(elsewhere);
    for piece in &plan.pieces {
        if piece.plain {
            let span = lines[piece.lines.start]..lines[piece.lines.end];
            walker.block(BlockKind::Paragraph, span);
        } else {
            walker.piece(piece, &elsewhere);
        }
    }
    walker.end_section(lines.len() - 1);
    walker.found
}

/// Targets of link references by their label.
type Definitions = HashMap<String, String, RandomState>;

/// Link references of the whole text, for pieces that use what another one defines.
fn definitions(text: &str, lines: &[usize]) -> Definitions {
    let mut found = Definitions::default();
    for pair in lines.windows(2) {
        let line = text[pair[0]..pair[1]].trim();
        let Some((label, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]:")) else {
            continue;
        };
        let target = rest.split_whitespace().next().unwrap_or_default().trim_matches(['<', '>']);
        if !label.is_empty() && !target.is_empty() {
            found.entry(label.to_lowercase()).or_insert_with(|| target.to_owned());
        }
    }
    found
}

struct Walker<'t> {
    text: &'t str,
    lines: &'t [usize],
    found: Found,
    /// First byte of the section that is being filled.
    begin: usize,
}

impl<'t> Walker<'t> {
    fn begin_section(&mut self, line: usize) {
        self.begin = self.lines[line];
        self.found.drafts.push(Draft { line_start: line as u32 + 1, ..Draft::default() });
    }

    /// Ends the section that is being filled before `line` and gives it its text.
    fn end_section(&mut self, line: usize) {
        let text = &self.text[self.begin..self.lines[line]];
        let Some(draft) = self.found.drafts.last_mut() else { return };
        draft.text = text.to_owned();
        draft.line_end = line as u32;
        draft.body = draft.body.min(text.len());
        let length = text.len();
        let clip = |span: &mut Range<usize>| {
            span.end = span.end.min(length);
            span.start = span.start.min(span.end);
        };
        draft.blocks.iter_mut().for_each(|block| clip(&mut block.span));
        draft.code_blocks.iter_mut().for_each(|code| clip(&mut code.span));
        draft.tables.iter_mut().for_each(|table| clip(&mut table.span));
        for steps in &mut draft.steps {
            clip(&mut steps.span);
            steps.steps.iter_mut().for_each(|step| clip(&mut step.span));
        }
    }

    /// The section that is being filled. There always is one: the text before the first heading.
    fn draft(&mut self) -> Option<&mut Draft> {
        self.found.drafts.last_mut()
    }

    fn block(&mut self, kind: BlockKind, span: Range<usize>) {
        let span = span.start - self.begin..span.end - self.begin;
        if let Some(draft) = self.draft() {
            draft.blocks.push(Block { kind, span });
        }
    }

    fn piece(&mut self, piece: &Piece, elsewhere: &Arc<Definitions>) {
        let text = &self.text[self.lines[piece.lines.start]..self.lines[piece.lines.end]];
        let arena = Arena::new();
        let mut options = Options::default();
        options.extension.table = true;
        options.extension.strikethrough = true;
        options.extension.tasklist = true;
        options.extension.autolink = false;
        options.extension.footnotes = true;
        if !elsewhere.is_empty() {
            let elsewhere = Arc::clone(elsewhere);
            options.parse.broken_link_callback = Some(Arc::new(move |link: BrokenLinkReference<'_>| {
                let url = elsewhere.get(&link.original.to_lowercase())?.clone();
                Some(ResolvedReference { url, title: String::new() })
            }));
        }
        let root = comrak::parse_document(&arena, text, &options);
        let first = piece.lines.start;
        // Inlines of the heading that a section begins with stand before its body.
        for node in root.descendants().skip(1) {
            self.node(node, first);
        }
    }

    fn node(&mut self, node: Node<'_>, first: usize) {
        let data = node.data();
        let position = data.sourcepos;
        let Some(lines) = self.lines_of(position, first) else { return };
        match &data.value {
            NodeValue::Heading(heading) => self.heading(node, heading.level, lines),
            NodeValue::Paragraph => self.block(BlockKind::Paragraph, self.bytes_of(&lines)),
            NodeValue::BlockQuote => self.block(BlockKind::Quote, self.bytes_of(&lines)),
            NodeValue::ThematicBreak => self.block(BlockKind::Break, self.bytes_of(&lines)),
            NodeValue::HtmlBlock(html) => {
                self.block(BlockKind::Html, self.bytes_of(&lines));
                self.html(&html.literal);
            }
            NodeValue::HtmlInline(html) => self.html(html),
            NodeValue::CodeBlock(code) => {
                if code.fenced && !code.closed {
                    self.found.unclosed.push(lines.start);
                }
                let language = code.info.split_whitespace().next().unwrap_or_default();
                let span = self.bytes_of(&lines);
                self.block(BlockKind::Code, span.clone());
                let span = span.start - self.begin..span.end - self.begin;
                let block = CodeBlock {
                    language: language.trim_matches(['{', '}', '.']).to_lowercase(),
                    text: code.literal.clone(),
                    span,
                    line: lines.start as u32 + 1 + u32::from(code.fenced),
                };
                if let Some(draft) = self.draft() {
                    draft.code_blocks.push(block);
                }
            }
            NodeValue::List(list) => {
                let ordered = list.list_type == comrak::nodes::ListType::Ordered;
                let span = self.bytes_of(&lines);
                self.block(if ordered { BlockKind::OrderedList } else { BlockKind::List }, span.clone());
                if ordered {
                    self.steps(node, span, first);
                }
            }
            NodeValue::Table(_) => self.table(node, lines, first),
            NodeValue::Code(code) => {
                let Some(span) = self.inline(position, first) else { return };
                // A position that does not show the marks is wrong, and a wrong place is none.
                if self.text.get(span.clone()).is_some_and(|at| at.starts_with('`') && at.ends_with('`')) {
                    let span = span.start - self.begin..span.end - self.begin;
                    let text = code.literal.clone();
                    if let Some(draft) = self.draft() {
                        draft.inline_code.push(InlineCode { text, span });
                    }
                }
            }
            NodeValue::Link(link) | NodeValue::Image(link) => {
                let span = self.inline(position, first);
                let fallback = self.bytes_of(&lines);
                let span = span.filter(|span| self.text.get(span.clone()).is_some()).unwrap_or(fallback);
                let span = span.start.saturating_sub(self.begin)..span.end.saturating_sub(self.begin);
                let link = Link { text: plain(node), target: link.url.clone(), span };
                let image = matches!(data.value, NodeValue::Image(_));
                if image {
                    self.block(BlockKind::Image, link.span.start + self.begin..link.span.end + self.begin);
                }
                if let Some(draft) = self.draft() {
                    draft.links.push(link);
                }
            }
            _ => {}
        }
    }

    /// The lines of a node in the whole text, counted from 0; none where the parser gives none, or
    /// where they are of a section that is over.
    fn lines_of(&self, position: Sourcepos, first: usize) -> Option<Range<usize>> {
        let start = position.start.line.checked_sub(1)? + first;
        let end = (position.end.line + first).clamp(start + 1, self.lines.len() - 1);
        (start + 1 < self.lines.len() && self.lines[start] >= self.begin).then_some(start..end)
    }

    fn bytes_of(&self, lines: &Range<usize>) -> Range<usize> {
        let text = &self.text[self.lines[lines.start]..self.lines[lines.end]];
        self.lines[lines.start]..self.lines[lines.start] + text.trim_end_matches(['\n', '\r']).len()
    }

    /// The bytes of an inline in the whole text, as far as the parser's position can be believed.
    fn inline(&self, position: Sourcepos, first: usize) -> Option<Range<usize>> {
        let at = |line: usize, column: usize| Some(self.lines.get(line.checked_sub(1)? + first)? + column);
        let start = at(position.start.line, position.start.column)?.checked_sub(1)?;
        let end = at(position.end.line, position.end.column)?;
        (start >= self.begin && start < end && end <= self.text.len()).then_some(start..end)
    }

    fn heading(&mut self, node: Node<'_>, level: u8, lines: Range<usize>) {
        // Two headings cannot begin in one line; a text before the first one may be empty.
        self.end_section(lines.start);
        self.begin_section(lines.start);
        let body = self.lines[lines.end] - self.begin;
        let title = plain(node).split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(draft) = self.draft() {
            draft.level = level;
            draft.title = title;
            draft.body = body;
        }
    }

    fn steps(&mut self, list: Node<'_>, span: Range<usize>, first: usize) {
        let mut steps = Vec::new();
        for (index, item) in list.children().enumerate() {
            let mut text = String::new();
            for child in item.children() {
                if matches!(child.data().value, NodeValue::Paragraph) {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(&plain(child));
                }
            }
            let Some(lines) = self.lines_of(item.data().sourcepos, first) else { continue };
            let bytes = self.bytes_of(&lines);
            let span = bytes.start - self.begin..bytes.end - self.begin;
            steps.push(Step { number: index as u32 + 1, text, span });
        }
        let span = span.start - self.begin..span.end - self.begin;
        if let Some(draft) = self.draft() {
            draft.steps.push(Steps { steps, span });
        }
    }

    fn table(&mut self, node: Node<'_>, lines: Range<usize>, first: usize) {
        let span = self.bytes_of(&lines);
        self.block(BlockKind::Table, span.clone());
        let span = span.start - self.begin..span.end - self.begin;
        let mut table = Table { head: Vec::new(), rows: Vec::new(), span };
        for row in node.children() {
            let head = matches!(row.data().value, NodeValue::TableRow(true));
            let cells = row.children().map(|cell| self.cell(cell, first));
            match head {
                true => table.head = cells.map(|cell| cell.text).collect(),
                false => table.rows.push(cells.collect()),
            }
        }
        if let Some(draft) = self.draft() {
            draft.tables.push(table);
        }
    }

    fn cell(&self, node: Node<'_>, first: usize) -> Cell {
        let span = self.inline(node.data().sourcepos, first).unwrap_or(self.begin..self.begin);
        let span = span.start - self.begin..span.end - self.begin;
        let mut cell = Cell { text: plain(node), span, ..Cell::default() };
        for inner in node.descendants() {
            match &inner.data().value {
                NodeValue::Code(code) => cell.code.push(code.literal.clone()),
                NodeValue::Link(link) => cell.links.push(link.url.clone()),
                _ => {}
            }
        }
        cell
    }

    /// Names of places and a title that are written in HTML.
    fn html(&mut self, html: &str) {
        for key in ["name=\"", "id=\"", "name='", "id='"] {
            for (at, _) in html.match_indices(key) {
                let rest = &html[at + key.len()..];
                let name = rest.split(['"', '\'']).next().unwrap_or_default();
                let inside = html[..at].ends_with(char::is_whitespace);
                if inside
                    && !name.is_empty()
                    && let Some(draft) = self.draft()
                {
                    draft.aliases.push(name.to_owned());
                }
            }
        }
        if self.found.title.is_none()
            && let Some((_, rest)) = html.split_once("<h1").and_then(|(_, rest)| rest.split_once('>'))
        {
            let inner = rest.split("</h1").next().unwrap_or_default();
            let title = without_tags(inner);
            self.found.title = Some(title).filter(|title| !title.is_empty());
        }
    }
}

/// HTML without its tags, on one line.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    for (index, part) in html.split('<').enumerate() {
        text.push_str(if index == 0 { part } else { part.split_once('>').map_or("", |(_, after)| after) });
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a node says, without marks. A line break is `\n`, the end of a line a blank.
fn plain(node: Node<'_>) -> String {
    let mut text = String::new();
    for inner in node.descendants() {
        match &inner.data().value {
            NodeValue::Text(literal) => text.push_str(literal),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::SoftBreak => text.push(' '),
            NodeValue::LineBreak => text.push('\n'),
            NodeValue::HtmlInline(html) if html.starts_with("<br") => text.push('\n'),
            _ => {}
        }
    }
    text.trim().to_owned()
}
