//! Sections of documents that are not text themselves: what a reader of them would see, written down
//! block by block. Nothing is added to the words, so what comes out can be compared with what went in.

use std::ops::Range;

use stele_model::document::{BlockKind, Cell, InlineCode, Link, Step, Steps};

use crate::outline::Draft;

/// A run of text with the code and the links in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub text: String,
    /// Pieces of code, in order.
    pub code: Vec<Range<usize>>,
    /// Links and where they lead, in order.
    pub links: Vec<(Range<usize>, String)>,
}

impl Run {
    /// A run without code and links.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Adds text in which any blanks count as one, as in HTML.
    pub(crate) fn push_flowing(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_whitespace() || c == '\u{a0}' {
                self.text.push(c);
            } else if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
        }
    }

    /// Adds a line break.
    pub(crate) fn push_break(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// As the cell of a table.
    pub(crate) fn cell(self) -> Cell {
        let of = |span: &Range<usize>| self.text.get(span.clone()).unwrap_or_default().trim().to_owned();
        Cell {
            code: self.code.iter().map(of).filter(|code| !code.is_empty()).collect(),
            links: self.links.iter().map(|(_, target)| target.clone()).collect(),
            text: self.text.trim().to_owned(),
            span: 0..0,
        }
    }
}

/// Writes sections one after the other.
#[derive(Debug)]
pub(crate) struct Writer {
    drafts: Vec<Draft>,
    page: Option<u32>,
    /// Numbered lists that are open, outermost first: where each began, and its steps.
    lists: Vec<(usize, Vec<Step>)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { drafts: vec![Draft::default()], page: None, lists: Vec::new() }
    }
}

impl Writer {
    /// Everything that was written.
    pub(crate) fn finish(mut self) -> Vec<Draft> {
        self.end_lists();
        self.drafts
    }

    fn draft(&mut self) -> &mut Draft {
        if self.drafts.is_empty() {
            self.drafts.push(Draft { page: self.page, ..Draft::default() });
        }
        let last = self.drafts.len() - 1;
        &mut self.drafts[last]
    }

    /// Begins a page, slide or sheet, which gets a section of its own even if nothing is on it.
    pub(crate) fn page(&mut self, number: u32, title: String) {
        self.end_lists();
        self.page = Some(number);
        self.drafts.push(Draft { page: Some(number), title, ..Draft::default() });
    }

    /// What follows is on this page; no section begins.
    pub(crate) fn on_page(&mut self, number: u32) {
        self.page = Some(number);
    }

    /// Whether there was a heading so far.
    pub(crate) fn is_headed(&self) -> bool {
        self.drafts.iter().any(|draft| draft.level > 0)
    }

    /// What follows is on no page.
    pub(crate) fn off_pages(&mut self) {
        self.page = None;
    }

    /// Begins a section. On a page on which nothing is yet, the heading is the page's own.
    pub(crate) fn heading(&mut self, level: u8, run: Run, aliases: Vec<String>) {
        let title = run.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if title.is_empty() {
            return;
        }
        self.end_lists();
        let page = self.page;
        let fresh = self
            .drafts
            .last()
            .is_some_and(|last| last.page.is_some() && last.level == 0 && last.text.is_empty());
        if fresh {
            self.drafts.pop();
        }
        let mut draft = Draft::titled(level.clamp(1, 6), &title);
        draft.page = page;
        draft.aliases = aliases;
        // A heading is squeezed, so the places of its code and links are found again in its text.
        for (span, target) in run.links {
            let text =
                run.text.get(span).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            let at = title.find(&text).map_or(0..title.len(), |at| at..at + text.len());
            draft.links.push(Link { text, target, span: at });
        }
        for span in run.code {
            let text = run.text.get(span).unwrap_or_default().trim().to_owned();
            if let Some(at) = title.find(&text).filter(|_| !text.is_empty()) {
                let span = at..at + text.len();
                draft.inline_code.push(InlineCode { text, span });
            }
        }
        self.drafts.push(draft);
    }

    /// Adds a block of running text, if there is any in it.
    pub(crate) fn block(&mut self, kind: BlockKind, run: Run) {
        if run.is_blank() {
            return;
        }
        let draft = self.draft();
        let text = run.text.trim_end();
        let at = draft.block(kind, text).start;
        let place = |span: Range<usize>| span.start.min(text.len()) + at..span.end.min(text.len()) + at;
        for span in run.code {
            let code = text.get(span.start..span.end.min(text.len())).unwrap_or_default().trim().to_owned();
            if !code.is_empty() {
                draft.inline_code.push(InlineCode { text: code, span: place(span) });
            }
        }
        for (span, target) in run.links {
            let words = text.get(span.start..span.end.min(text.len())).unwrap_or_default().trim().to_owned();
            draft.links.push(Link { text: words, target, span: place(span) });
        }
    }

    /// Adds a block of code.
    pub(crate) fn code(&mut self, language: &str, text: &str) {
        if !text.trim().is_empty() {
            self.draft().code(language, text.trim_matches('\n'));
        }
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, head: Vec<String>, rows: Vec<Vec<Cell>>) {
        if head.iter().all(|text| text.is_empty()) && rows.iter().flatten().all(|cell| cell.text.is_empty()) {
            return;
        }
        let draft = self.draft();
        draft.table(head, rows);
        let Some(table) = draft.tables.last() else { return };
        let cells = table.rows.iter().flatten();
        let links = cells.flat_map(|cell| cell.links.iter().map(move |target| (cell, target)));
        let links = links.map(|(cell, target)| Link {
            text: cell.text.clone(),
            target: target.clone(),
            span: cell.span.clone(),
        });
        let links: Vec<Link> = links.collect();
        draft.links.extend(links);
    }

    /// Opens a numbered list.
    pub(crate) fn begin_steps(&mut self) {
        let at = self.draft().text.len();
        self.lists.push((at, Vec::new()));
    }

    /// Notes where an entry of the innermost numbered list begins.
    pub(crate) fn begin_step(&mut self) {
        let at = self.draft().text.len();
        if let Some((_, steps)) = self.lists.last_mut() {
            let number = steps.len() as u32 + 1;
            steps.push(Step { number, text: String::new(), span: at..at });
        }
    }

    /// What the current entry says on its own.
    pub(crate) fn step_text(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        if let Some(step) = self.lists.last_mut().and_then(|(_, steps)| steps.last_mut()) {
            if !step.text.is_empty() {
                step.text.push('\n');
            }
            step.text.push_str(text.trim());
        }
    }

    /// Notes where the current entry ends.
    pub(crate) fn end_step(&mut self) {
        let end = self.draft().text.len();
        if let Some(step) = self.lists.last_mut().and_then(|(_, steps)| steps.last_mut()) {
            step.span.end = end;
        }
    }

    /// An entry of the innermost numbered list that is one run of text and nothing else.
    pub(crate) fn plain_step(&mut self, run: Run) {
        self.begin_step();
        self.step_text(&run.text);
        self.block(BlockKind::OrderedList, run);
        self.end_step();
    }

    /// Closes the innermost numbered list.
    pub(crate) fn end_steps(&mut self) {
        let Some((begin, mut steps)) = self.lists.pop() else { return };
        let draft = self.draft();
        let text = &draft.text;
        // The blank line between two blocks belongs to neither.
        let trim = |span: Range<usize>| {
            let inner = text.get(span.clone()).unwrap_or_default();
            let start = span.start + (inner.len() - inner.trim_start().len());
            start..start + inner.trim().len()
        };
        steps.iter_mut().for_each(|step| step.span = trim(step.span.clone()));
        steps.retain(|step| !step.span.is_empty());
        let span = trim(begin.min(text.len())..text.len());
        if !steps.is_empty() {
            draft.steps.push(Steps { steps, span });
            draft.steps.sort_by_key(|list| list.span.start);
        }
    }

    /// A section ends all lists: a list does not reach over a heading.
    fn end_lists(&mut self) {
        while !self.lists.is_empty() {
            self.end_step();
            self.end_steps();
        }
    }
}
