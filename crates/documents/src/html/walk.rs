//! From the tree of a page to its blocks.

use html5ever::local_name;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use stele_model::document::{BlockKind, Cell};

use super::Page;
use crate::limits::DEPTH_MAX;
use crate::writer::{Run, Writer};

/// Elements that are never read.
const NEVER: [&str; 17] = [
    "script", "style", "noscript", "template", "head", "svg", "math", "iframe", "object", "canvas", "audio",
    "video", "select", "button", "dialog", "nav", "footer",
];

/// Elements that are around what a page is about, unless they are inside it.
const AROUND: [&str; 3] = ["header", "aside", "form"];

/// Elements that begin and end a block.
const BLOCKS: [&str; 30] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "form",
    "header",
    "hgroup",
    "hr",
    "legend",
    "li",
    "main",
    "menu",
    "ol",
    "p",
    "section",
    "summary",
    "ul",
    "caption",
    "tr",
    "td",
];

pub(super) fn walk(dom: &RcDom) -> Page {
    let mut walker = Walker {
        writer: Writer::default(),
        run: Run::default(),
        kind: BlockKind::Paragraph,
        ids: Vec::new(),
        h1: None,
    };
    let root = &dom.document;
    let main = find(root, &|node| name(node) == "main" || attribute(node, "role").as_deref() == Some("main"));
    let main = main
        .or_else(|| find(root, &|node| name(node) == "article"))
        .filter(|node| !text_of(node).trim().is_empty());
    let start = main.as_ref().unwrap_or(root);
    walker.node(start, main.is_some(), 0);
    walker.flush();
    let title = find(root, &|node| name(node) == "title").map(|node| squeezed(&text_of(&node)));
    let title = walker.h1.take().or(title).filter(|title| !title.is_empty());
    let edited = find(root, &|node| {
        let says = attribute(node, "property").or_else(|| attribute(node, "name")).unwrap_or_default();
        name(node) == "meta"
            && ["article:modified_time", "last-modified", "dcterms.modified"]
                .contains(&says.to_lowercase().as_str())
    });
    let edited = edited.and_then(|node| attribute(&node, "content"));
    Page { title, edited, writer: walker.writer }
}

struct Walker {
    writer: Writer,
    run: Run,
    /// What the run becomes when it ends.
    kind: BlockKind,
    /// Names of the place that is coming.
    ids: Vec<String>,
    h1: Option<String>,
}

impl Walker {
    /// Ends the current block.
    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        if matches!(self.kind, BlockKind::OrderedList) {
            self.writer.step_text(&run.text);
        }
        self.writer.block(self.kind, run);
    }

    fn children(&mut self, node: &Handle, inside: bool, depth: usize) {
        for child in node.children.borrow().iter() {
            self.node(child, inside, depth + 1);
        }
    }

    fn node(&mut self, node: &Handle, inside: bool, depth: usize) {
        if depth > DEPTH_MAX {
            // What is nested deeper than anybody writes is kept as text.
            self.run.push_flowing(&text_of(node));
            return;
        }
        match &node.data {
            NodeData::Text { contents } => self.run.push_flowing(&contents.borrow()),
            NodeData::Element { .. } => self.element(node, inside, depth),
            NodeData::Document => self.children(node, inside, depth),
            _ => {}
        }
    }

    fn element(&mut self, node: &Handle, inside: bool, depth: usize) {
        let name = name(node);
        if NEVER.contains(&name) || (!inside && AROUND.contains(&name)) || hidden(node) {
            return;
        }
        if let Some(id) = attribute(node, "id").or_else(|| attribute(node, "name").filter(|_| name == "a")) {
            self.ids.push(id);
            // Only what stands right before a heading names it.
            let extra = self.ids.len().saturating_sub(3);
            self.ids.drain(..extra);
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(node, name, inside, depth),
            "pre" => self.pre(node),
            "table" => self.table(node, inside, depth),
            "br" => self.run.push_break(),
            "hr" => self.flush(),
            "code" | "kbd" | "samp" | "tt" => {
                let begin = self.run.text.len();
                self.children(node, inside, depth);
                let begin = begin + blank_at(&self.run.text, begin);
                if begin < self.run.text.len() {
                    self.run.code.push(begin..self.run.text.len());
                }
            }
            "a" => {
                let begin = self.run.text.len();
                self.children(node, inside, depth);
                let begin = begin + blank_at(&self.run.text, begin);
                // A block inside a link ends the run, and with it what could be shown.
                if let Some(target) = attribute(node, "href").filter(|_| begin < self.run.text.len()) {
                    self.run.links.push((begin..self.run.text.len(), target));
                }
            }
            "ol" => self.list(node, inside, depth, true),
            "ul" | "menu" | "dl" => self.list(node, inside, depth, false),
            "li" => {
                self.flush();
                let counts = matches!(self.kind, BlockKind::OrderedList);
                if counts {
                    self.writer.begin_step();
                }
                self.children(node, inside, depth);
                self.flush();
                if counts {
                    self.writer.end_step();
                }
            }
            "blockquote" => {
                self.flush();
                let outer = std::mem::replace(&mut self.kind, BlockKind::Quote);
                self.children(node, inside, depth);
                self.flush();
                self.kind = outer;
            }
            _ if BLOCKS.contains(&name) => {
                self.flush();
                self.children(node, inside, depth);
                self.flush();
            }
            _ => self.children(node, inside, depth),
        }
    }

    fn list(&mut self, node: &Handle, inside: bool, depth: usize, ordered: bool) {
        self.flush();
        let kind = if ordered { BlockKind::OrderedList } else { BlockKind::List };
        let outer = std::mem::replace(&mut self.kind, kind);
        if ordered {
            self.writer.begin_steps();
        }
        self.children(node, inside, depth);
        self.flush();
        if ordered {
            self.writer.end_steps();
        }
        self.kind = outer;
    }

    fn heading(&mut self, node: &Handle, name: &str, inside: bool, depth: usize) {
        self.flush();
        self.children(node, inside, depth);
        let mut run = std::mem::take(&mut self.run);
        // The sign that shows a link to the place is no part of its name.
        let bare = run.text.trim_end().trim_end_matches(['¶', '§', '#', '\u{f0c1}']).trim_end().len();
        run.text.truncate(bare);
        run.links.retain(|(span, target)| span.end <= bare && !target.starts_with('#'));
        run.code.retain(|span| span.end <= bare);
        let level = name[1..].parse().unwrap_or(6);
        if level == 1 && self.h1.is_none() {
            self.h1 = Some(squeezed(&run.text)).filter(|title| !title.is_empty());
        }
        self.kind = BlockKind::Paragraph;
        self.writer.heading(level, run, std::mem::take(&mut self.ids));
    }

    fn pre(&mut self, node: &Handle) {
        self.flush();
        let classes = |node: &Handle| attribute(node, "class").unwrap_or_default();
        let mut all = classes(node);
        if let Some(code) = find(node, &|node| name(node) == "code") {
            all = format!("{all} {}", classes(&code));
        }
        if let Some(parent) = node.parent.take() {
            let above = parent.upgrade();
            node.parent.set(Some(parent));
            all = format!("{all} {}", above.map_or(String::new(), |above| classes(&above)));
        }
        let prefixes = ["language-", "lang-", "highlight-source-", "highlight-", "brush:"];
        let language = all.split_whitespace().find_map(|class| {
            prefixes.iter().find_map(|prefix| class.strip_prefix(prefix)).filter(|rest| !rest.is_empty())
        });
        self.writer.code(language.unwrap_or_default(), &text_of(node));
    }

    fn table(&mut self, node: &Handle, inside: bool, depth: usize) {
        self.flush();
        let mut rows = Vec::new();
        collect_rows(node, &mut rows, 0);
        let mut head = Vec::new();
        let mut body: Vec<Vec<Cell>> = Vec::new();
        for row in rows {
            let cells: Vec<Handle> = row
                .children
                .borrow()
                .iter()
                .filter(|cell| ["td", "th"].contains(&name(cell)))
                .cloned()
                .collect();
            let all_heads = !cells.is_empty() && cells.iter().all(|cell| name(cell) == "th");
            let texts: Vec<Cell> = cells.iter().map(|cell| self.cell(cell, inside, depth)).collect();
            if all_heads && head.is_empty() && body.is_empty() {
                head = texts.into_iter().map(|cell| cell.text).collect();
            } else {
                body.push(texts);
            }
        }
        let caption = find(node, &|node| name(node) == "caption").map(|node| squeezed(&text_of(&node)));
        self.writer.block(BlockKind::Paragraph, Run::plain(caption.unwrap_or_default()));
        self.writer.table(head, body);
    }

    /// What a cell says, on its own: blocks inside it are lines.
    fn cell(&mut self, node: &Handle, inside: bool, depth: usize) -> Cell {
        let mut inner = Walker {
            writer: Writer::default(),
            run: Run::default(),
            kind: BlockKind::Paragraph,
            ids: Vec::new(),
            h1: None,
        };
        inner.children(node, inside, depth);
        inner.flush();
        let mut run = Run::default();
        for draft in inner.writer.finish() {
            if !run.text.is_empty() && !draft.text.is_empty() {
                run.text.push('\n');
            }
            let at = run.text.len();
            run.text.push_str(draft.text.trim_end());
            run.code
                .extend(draft.inline_code.into_iter().map(|code| code.span.start + at..code.span.end + at));
            run.links.extend(
                draft.links.into_iter().map(|link| (link.span.start + at..link.span.end + at, link.target)),
            );
        }
        run.cell()
    }
}

/// Rows of a table, but not those of a table inside a cell.
fn collect_rows(node: &Handle, rows: &mut Vec<Handle>, depth: usize) {
    for child in node.children.borrow().iter() {
        match name(child) {
            "tr" => rows.push(child.clone()),
            "thead" | "tbody" | "tfoot" if depth < 2 => collect_rows(child, rows, depth + 1),
            _ => {}
        }
    }
}

/// 1 if the run has the blank between two words at `at`, which belongs to neither.
fn blank_at(text: &str, at: usize) -> usize {
    usize::from(text.get(at..).is_some_and(|rest| rest.starts_with(' ')))
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn name(node: &Handle) -> &str {
    match &node.data {
        NodeData::Element { name, .. } => &name.local,
        _ => "",
    }
}

fn attribute(node: &Handle, wanted: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    let attributes = attrs.borrow();
    let found = attributes.iter().find(|attribute| &*attribute.name.local == wanted)?;
    Some(found.value.to_string())
}

fn hidden(node: &Handle) -> bool {
    let NodeData::Element { attrs, .. } = &node.data else { return false };
    attrs.borrow().iter().any(|attribute| match attribute.name.local {
        local_name!("hidden") => true,
        local_name!("aria-hidden") => &*attribute.value == "true",
        local_name!("role") => ["navigation", "banner", "contentinfo", "search"].contains(&&*attribute.value),
        _ => false,
    })
}

/// The first node below `root`, in reading order, for which `wanted` holds. Without recursion, because
/// trees may be deep.
fn find(root: &Handle, wanted: &dyn Fn(&Handle) -> bool) -> Option<Handle> {
    let mut stack = vec![root.clone()];
    while let Some(node) = stack.pop() {
        if wanted(&node) {
            return Some(node);
        }
        stack.extend(node.children.borrow().iter().rev().cloned());
    }
    None
}

/// All text below a node, as it is written; what begins a block begins a line.
fn text_of(root: &Handle) -> String {
    let mut text = String::new();
    let mut stack = vec![root.clone()];
    while let Some(node) = stack.pop() {
        match &node.data {
            NodeData::Text { contents } => text.push_str(&contents.borrow()),
            NodeData::Element { .. } if ["script", "style"].contains(&name(&node)) => {}
            NodeData::Element { .. } if name(&node) == "br" => text.push('\n'),
            NodeData::Element { .. } if ["div", "p", "li", "tr"].contains(&name(&node)) => {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                stack.extend(node.children.borrow().iter().rev().cloned());
            }
            _ => stack.extend(node.children.borrow().iter().rev().cloned()),
        }
    }
    text
}
