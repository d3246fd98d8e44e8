//! DOCX: paragraphs with styles, tables and links.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use stele_model::document::{BlockKind, Cell};
use stele_model::{Document, DocumentFormat};

use super::beside::Beside;
use super::xml::{Element, Event, Reader};
use super::{Archive, beside, count, properties, relations};
use crate::error::DocumentError;
use crate::measure;
use crate::outline::{Outline, file_stem};
use crate::parse::Request;
use crate::writer::{Run, Writer};

/// The part that holds the text.
const BODY: &str = "word/document.xml";

/// Folder of all parts that hold text.
const FOLDER: &str = "word/";

/// Parts that hold text beside it, and what the section is called that they go to.
const BESIDE: [(&str, &[&str]); 4] = [
    ("Footnotes", &["footnotes"]),
    ("Endnotes", &["endnotes"]),
    ("Comments", &["comments.xml"]),
    ("Headers and footers", &["header", "footer"]),
];

/// What a document of an office suite says.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Result<Document, DocumentError> {
    let mut archive = Archive::open(&request.source_uri, bytes)?;
    let mut outline = Outline::default();
    properties(&mut archive, &mut outline)?;
    let links =
        relations(&mut archive, BODY)?.into_iter().map(|relation| (relation.id, relation.target)).collect();
    let styles = styles(&mut archive)?;
    let numbered = numbered(&mut archive)?;
    let body = archive.text(BODY)?;
    let mut source = vec![count::words(&body, "w:")];
    let mut walker = Walker { styles, numbered, links, writer: Writer::default(), ..Walker::default() };
    walker.walk(&request.source_uri, BODY, &body)?;
    if outline.title.is_none() && !walker.writer.is_headed() {
        // What stands beside the body is no name for it.
        outline.title = Some(file_stem(&request.source_uri).to_owned());
    }
    for (title, beginnings) in BESIDE {
        // Pages that differ in nothing but their kind have the same header in several parts.
        let mut seen = Vec::new();
        for part in beside::parts(&archive, FOLDER, beginnings) {
            let text = archive.text(&part)?;
            let words = count::words(&text, "w:");
            if words.trim().is_empty() || seen.contains(&words) {
                continue;
            }
            if seen.is_empty() {
                beside::begin(title, &mut walker.writer, &mut source);
            }
            walker.walk(&request.source_uri, &part, &text)?;
            source.push(words.clone());
            seen.push(words);
        }
    }
    let mut drawn = beside::parts(&archive, "word/charts/", &["chart"]);
    drawn.extend(beside::parts(&archive, "word/diagrams/", &["data"]));
    let charts = Beside { title: "Charts and diagrams", names: &beside::WORDS, clean: str::to_owned };
    beside::write(&mut archive, &charts, &drawn, &mut walker.writer, &mut source)?;
    beside::embedded(&archive, "word/embeddings/", &mut outline);
    outline.drafts = walker.writer.finish();
    let mut document = outline.finish(request, DocumentFormat::Docx, bytes);
    document.conservation = measure::conservation(source.iter().map(String::as_str), &document.sections);
    Ok(document)
}

/// What a style makes of a paragraph.
#[derive(Debug, Clone, Copy)]
enum Style {
    Heading(u8),
    Code,
    Quote,
}

fn styles(archive: &mut Archive<'_>) -> Result<HashMap<String, Style, RandomState>, DocumentError> {
    let mut styles = HashMap::default();
    let Some(text) = archive.optional("word/styles.xml")? else { return Ok(styles) };
    let mut reader = Reader::new(archive.source_uri(), "word/styles.xml", &text);
    let mut id = String::new();
    while let Some(event) = reader.next()? {
        let Event::Open(element) = event else { continue };
        let value = element.attribute("val").unwrap_or_default();
        let style = match element.name.as_str() {
            "style" => {
                id = element.attribute("styleId").unwrap_or_default().to_owned();
                None
            }
            "name" => style(value),
            "outlineLvl" => {
                value.parse::<u8>().ok().filter(|level| *level < 6).map(|level| Style::Heading(level + 1))
            }
            _ => None,
        };
        if let Some(style) = style {
            styles.entry(id.clone()).or_insert(style);
        }
    }
    Ok(styles)
}

/// What a style's name says.
fn style(name: &str) -> Option<Style> {
    let lower = name.to_lowercase();
    let heading = lower.strip_prefix("heading").map(str::trim).and_then(|level| level.parse::<u8>().ok());
    if let Some(level) = heading.filter(|level| (1..=9).contains(level)) {
        return Some(Style::Heading(level.min(6)));
    }
    match lower.as_str() {
        "title" => Some(Style::Heading(1)),
        _ if ["code", "preformatted", "source", "verbatim"].iter().any(|word| lower.contains(word)) => {
            Some(Style::Code)
        }
        _ if lower.contains("quote") => Some(Style::Quote),
        _ => None,
    }
}

/// Lists that are numbered, by their id.
fn numbered(archive: &mut Archive<'_>) -> Result<HashMap<String, bool, RandomState>, DocumentError> {
    let mut lists = HashMap::default();
    let Some(text) = archive.optional("word/numbering.xml")? else { return Ok(lists) };
    let mut reader = Reader::new(archive.source_uri(), "word/numbering.xml", &text);
    let mut kinds: HashMap<String, bool, RandomState> = HashMap::default();
    let (mut kind, mut list) = (String::new(), String::new());
    while let Some(event) = reader.next()? {
        let Event::Open(element) = event else { continue };
        let value = element.attribute("val").unwrap_or_default().to_owned();
        match element.name.as_str() {
            "abstractNum" => kind = element.attribute("abstractNumId").unwrap_or_default().to_owned(),
            "numFmt" => {
                kinds.entry(kind.clone()).or_insert(value != "bullet" && value != "none");
            }
            "num" => list = element.attribute("numId").unwrap_or_default().to_owned(),
            "abstractNumId" => {
                lists.insert(list.clone(), kinds.get(&value).copied().unwrap_or_default());
            }
            _ => {}
        }
    }
    Ok(lists)
}

#[derive(Default)]
struct Walker {
    styles: HashMap<String, Style, RandomState>,
    numbered: HashMap<String, bool, RandomState>,
    links: HashMap<String, String, RandomState>,
    writer: Writer,
    /// The paragraph that is being read.
    run: Run,
    style: Option<Style>,
    list: Option<bool>,
    /// Where the open link began, and where it leads.
    link: Option<(usize, String)>,
    /// Code over several paragraphs, until another one comes.
    code: String,
    in_steps: bool,
    /// Tables that are open; all but the outermost are text of a cell.
    tables: usize,
    rows: Vec<Vec<Cell>>,
    cell: Run,
    /// Depth of elements that are not read.
    skipped: usize,
    in_text: bool,
    page: u32,
}

impl Walker {
    fn walk(&mut self, source_uri: &str, part: &str, text: &str) -> Result<(), DocumentError> {
        let mut reader = Reader::new(source_uri, part, text);
        self.page = 1;
        while let Some(event) = reader.next()? {
            match event {
                Event::Open(element) if skipped(&element.name) => self.skipped += 1,
                Event::Close(name) if skipped(&name) => self.skipped = self.skipped.saturating_sub(1),
                _ if self.skipped > 0 => {}
                Event::Open(element) => self.open(&element),
                Event::Text(text) if self.in_text => self.run.text.push_str(&text),
                Event::Text(_) => {}
                Event::Close(name) => self.close(&name),
            }
        }
        self.end_code();
        self.end_list();
        Ok(())
    }

    fn open(&mut self, element: &Element) {
        let value = element.attribute("val");
        match element.name.as_str() {
            "t" => self.in_text = true,
            "tab" => self.run.text.push('\t'),
            "br" | "cr" => {
                if element.attribute("type") == Some("page") {
                    self.next_page();
                }
                self.run.push_break();
            }
            "lastRenderedPageBreak" => self.next_page(),
            "pStyle" => self.style = value.and_then(|id| self.styles.get(id).copied()),
            "outlineLvl" => {
                let level = value.and_then(|level| level.parse::<u8>().ok()).filter(|level| *level < 6);
                self.style = level.map(|level| Style::Heading(level + 1)).or(self.style);
            }
            "numId" => {
                self.list =
                    value.filter(|id| *id != "0").map(|id| self.numbered.get(id).copied().unwrap_or_default())
            }
            "hyperlink" => {
                let outside = element.attribute("id").and_then(|id| self.links.get(id).cloned());
                let inside = element.attribute("anchor").map(|anchor| format!("#{anchor}"));
                self.link = outside.or(inside).map(|target| (self.run.text.len(), target));
            }
            "tbl" => {
                if self.tables == 0 {
                    self.end_code();
                    self.end_list();
                }
                self.tables += 1;
            }
            "tr" if self.tables == 1 => self.rows.push(Vec::new()),
            _ => {}
        }
    }

    fn next_page(&mut self) {
        self.page += 1;
        self.writer.on_page(self.page);
    }

    fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "hyperlink" => {
                if let Some((begin, target)) =
                    self.link.take().filter(|(begin, _)| *begin < self.run.text.len())
                {
                    self.run.links.push((begin..self.run.text.len(), target));
                }
            }
            "p" => self.paragraph(),
            "tc" if self.tables == 1 => {
                let cell = std::mem::take(&mut self.cell).cell();
                if let Some(row) = self.rows.last_mut() {
                    row.push(cell);
                }
            }
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.end_table();
                }
            }
            _ => {}
        }
    }

    fn paragraph(&mut self) {
        let run = std::mem::take(&mut self.run);
        let (style, list) = (self.style.take(), self.list.take());
        self.link = None;
        if self.tables > 0 {
            let at = self.cell.text.len() + usize::from(!self.cell.text.is_empty());
            self.cell.push_break();
            self.cell.text.push_str(&run.text);
            self.cell
                .links
                .extend(run.links.into_iter().map(|(span, target)| (span.start + at..span.end + at, target)));
            return;
        }
        if let Some(Style::Code) = style {
            self.code.push_str(&run.text);
            self.code.push('\n');
            return;
        }
        if run.is_blank() {
            return;
        }
        self.end_code();
        if list != Some(true) || matches!(style, Some(Style::Heading(_))) {
            self.end_list();
        }
        match (style, list) {
            (Some(Style::Heading(level)), _) => self.writer.heading(level, run, Vec::new()),
            (Some(Style::Quote), _) => self.writer.block(BlockKind::Quote, run),
            (_, Some(true)) => {
                if !self.in_steps {
                    self.writer.begin_steps();
                    self.in_steps = true;
                }
                self.writer.plain_step(run);
            }
            (_, Some(false)) => self.writer.block(BlockKind::List, run),
            _ => self.writer.block(BlockKind::Paragraph, run),
        }
    }

    fn end_code(&mut self) {
        let code = std::mem::take(&mut self.code);
        self.writer.code("", &code);
    }

    fn end_list(&mut self) {
        if std::mem::take(&mut self.in_steps) {
            self.writer.end_steps();
        }
    }

    fn end_table(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        let names: Vec<String> =
            rows.first().map_or(Vec::new(), |row| row.iter().map(|cell| cell.text.clone()).collect());
        let mut head = Vec::new();
        if rows.len() > 1 && crate::table::is_head(&names) {
            head = names;
            rows.remove(0);
        }
        self.writer.table(head, rows);
    }
}

/// Elements whose text is not the document's: what was deleted, what a field is made of, and what
/// stands a second time for older programs.
fn skipped(name: &str) -> bool {
    matches!(name, "del" | "moveFrom" | "instrText" | "Fallback" | "delText")
}
