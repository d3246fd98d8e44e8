//! Values separated by commas, semicolons, tabs or bars: rows of one table, a few hundred a section.

use csv::{ByteRecord, ReaderBuilder};
use stele_model::document::{Block, BlockKind, Cell, Table};
use stele_model::{Document, DocumentFormat};

use crate::decode::{decode, warning};
use crate::limits::ROWS_A_SECTION;
use crate::measure;
use crate::outline::{Draft, Outline};
use crate::parse::Request;

/// What a table says. Its text is exactly its lines.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Document {
    let mut outline = Outline::default();
    let text = decode(bytes, None, &mut outline.warnings);
    let delimiter = delimiter(&text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let mut rows = Rows {
        text: &text,
        head: Vec::new(),
        rows: Vec::new(),
        begin: 0,
        line: 1,
        count: 0,
        drafts: Vec::new(),
    };
    // The text is in memory, so nothing can fail but the text, and flexible rows cannot.
    while let Ok(true) = reader.read_byte_record(&mut record) {
        let cells: Vec<String> =
            record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
        let at = record.position().map_or(0, |position| position.byte() as usize);
        let line = record.position().map_or(0, |position| position.line() as u32);
        rows.push(cells, at, line);
    }
    rows.end_section(text.len(), text.lines().count() as u32 + 1);
    if rows.count == 0 {
        outline.warnings.push(warning("empty", "there is no row in it", 0));
    }
    outline.drafts = rows.drafts;
    let mut document = outline.finish(request, DocumentFormat::Csv, bytes);
    document.conservation = measure::conservation([&*text], &document.sections);
    document
}

/// The separator that the first lines have most evenly.
fn delimiter(text: &str) -> u8 {
    let lines: Vec<&str> = text.lines().take(20).filter(|line| !line.trim().is_empty()).collect();
    let score = |separator: u8| {
        let counts = lines.iter().map(|line| line.bytes().filter(|byte| *byte == separator).count());
        counts.min().unwrap_or_default()
    };
    let best =
        [b',', b'\t', b';', b'|'].into_iter().max_by_key(|separator| (score(*separator), *separator == b','));
    best.unwrap_or(b',')
}

struct Rows<'t> {
    text: &'t str,
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// Where the section that is being filled begins.
    begin: usize,
    line: u32,
    /// Rows so far.
    count: usize,
    drafts: Vec<Draft>,
}

impl Rows<'_> {
    fn push(&mut self, cells: Vec<String>, at: usize, line: u32) {
        if self.rows.len() == ROWS_A_SECTION {
            self.end_section(at, line);
        }
        self.count += 1;
        if self.count == 1 && is_head(&cells) {
            self.head = cells;
            return;
        }
        self.rows.push(cells.into_iter().map(|text| Cell { text, ..Cell::default() }).collect());
    }

    fn end_section(&mut self, end: usize, next_line: u32) {
        let Some(text) = self.text.get(self.begin..end).filter(|text| !text.trim().is_empty()) else {
            return;
        };
        let span = 0..text.trim_end().len();
        let last = self.count - usize::from(!self.head.is_empty());
        let title = format!("rows {}–{}", (last + 1).saturating_sub(self.rows.len()), last);
        self.drafts.push(Draft {
            title: if self.drafts.is_empty() { String::new() } else { title },
            text: text.to_owned(),
            blocks: vec![Block { kind: BlockKind::Table, span: span.clone() }],
            tables: vec![Table { head: self.head.clone(), rows: std::mem::take(&mut self.rows), span }],
            line_start: self.line,
            line_end: next_line.saturating_sub(1).max(self.line),
            ..Draft::default()
        });
        (self.begin, self.line) = (end, next_line);
    }
}

/// Whether a first row names the columns: words, each another one, and no numbers.
pub(crate) fn is_head(cells: &[String]) -> bool {
    let mut names: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
    let words = names.iter().all(|name| !name.is_empty() && name.parse::<f64>().is_err());
    names.sort_unstable();
    names.dedup();
    words && names.len() == cells.len()
}
