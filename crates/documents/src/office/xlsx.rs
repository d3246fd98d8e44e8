//! XLSX: one section for every few hundred rows of each sheet.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{DataRef, Reader, Xlsx, XlsxError};
use stele_model::civil::civil;
use stele_model::document::Cell;
use stele_model::{Document, DocumentFormat};

use super::beside::Beside;
use super::{Archive, beside, properties};
use crate::decode::warning;
use crate::error::DocumentError;
use crate::limits::{CELLS_MAX, ROWS_A_SECTION};
use crate::measure;
use crate::outline::{Outline, pages};
use crate::parse::Request;
use crate::table::is_head;
use crate::writer::{Run, Writer};

/// What stands beside the cells, and in which parts: a folder, and how names in it begin.
const BESIDE: [(Beside<'_>, &[(&str, &str)]); 3] = [
    (
        Beside { title: "Comments", names: &beside::WORDS, clean: str::to_owned },
        &[("xl/", "comments"), ("xl/comments/", ""), ("xl/threadedComments/", "")],
    ),
    (
        Beside {
            title: "Headers and footers",
            names: &["oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter"],
            clean: without_codes,
        },
        &[("xl/worksheets/", "")],
    ),
    (
        Beside { title: "Charts and drawings", names: &beside::WORDS, clean: str::to_owned },
        &[("xl/charts/", "chart"), ("xl/diagrams/", "data"), ("xl/drawings/", "drawing")],
    ),
];

/// A header without what says where its words stand and how they look: `&L`, `&"Arial,Bold"`, `&12`, `&P`.
fn without_codes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, code)) = rest.split_once('&') {
        plain.push_str(before);
        let mut letters = code.chars();
        rest = match letters.next() {
            Some('&') => {
                plain.push('&');
                letters.as_str()
            }
            Some('"') => letters.as_str().split_once('"').map_or("", |(_, rest)| rest),
            Some('K') => code.get("K000000".len()..).unwrap_or_default(),
            Some('0'..='9') => code.trim_start_matches(|digit: char| digit.is_ascii_digit()),
            Some('L' | 'C' | 'R') => {
                plain.push('\n');
                letters.as_str()
            }
            Some(_) => letters.as_str(),
            None => "",
        };
    }
    plain + rest
}

/// What a workbook says.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Result<Document, DocumentError> {
    let mut archive = Archive::open(&request.source_uri, bytes)?;
    let mut outline = Outline::default();
    properties(&mut archive, &mut outline)?;
    // The reader behind unpacks on its own; what it will unpack is counted before.
    let parts = archive.names().to_vec();
    for name in parts.iter().filter(|name| name.ends_with(".xml") || name.ends_with(".rels")) {
        let text = archive.text(name)?;
        if text.contains("<!DOCTYPE") || text.contains("<!ENTITY") {
            let reason = "it declares entities of its own, as a bomb does";
            return Err(DocumentError::refused(&request.source_uri, name, reason));
        }
    }
    let damaged = |part: &str, error: XlsxError| match error {
        XlsxError::Password => DocumentError::Locked { source_uri: request.source_uri.clone() },
        error => DocumentError::damaged(&request.source_uri, part, error),
    };
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error| damaged("the workbook", error))?;
    let mut writer = Writer::default();
    let mut source: Vec<String> = Vec::new();
    let (mut cells, mut blank) = (0, 0);
    let names = book.sheet_names();
    for (index, name) in names.iter().enumerate() {
        let number = index as u32 + 1;
        writer.page(number, name.clone());
        source.push(name.clone());
        let rows = match rows(&mut book, name, &mut cells) {
            Ok(rows) => rows,
            // A sheet of charts has no cells.
            Err(XlsxError::WorksheetNotFound(_)) => Rows::new(),
            Err(error) => return Err(damaged(name, error)),
        };
        if cells > CELLS_MAX {
            let max = CELLS_MAX as u64;
            let what = format!("the sheet {name}, in cells,");
            return Err(DocumentError::TooLarge { source_uri: request.source_uri.clone(), what, max });
        }
        if rows.is_empty() {
            blank += 1;
            outline.warnings.push(warning(
                "page_without_text",
                format!("the sheet {name} has no cells"),
                number,
            ));
        }
        source.extend(rows.values().flat_map(|row| row.values().cloned()));
        write(name, rows, &mut writer);
    }
    for (beside, folders) in &BESIDE {
        let within = folders.iter().flat_map(|(folder, name)| beside::parts(&archive, folder, &[name]));
        let parts: Vec<String> = within.collect();
        beside::write(&mut archive, beside, &parts, &mut writer, &mut source)?;
    }
    beside::embedded(&archive, "xl/embeddings/", &mut outline);
    outline.drafts = writer.finish();
    let mut document = outline.finish(request, DocumentFormat::Xlsx, bytes);
    let mut conservation = measure::conservation(source.iter().map(String::as_str), &document.sections);
    conservation.pages_in = names.len() as u32;
    conservation.pages_out = pages(&document.sections);
    conservation.pages_without_text = blank;
    document.conservation = conservation;
    Ok(document)
}

/// Cells by row and column. A cell in the last corner of a sheet costs as much as any other.
type Rows = BTreeMap<u32, BTreeMap<u32, String>>;

fn rows(book: &mut Xlsx<Cursor<&[u8]>>, name: &str, count: &mut usize) -> Result<Rows, XlsxError> {
    let mut rows = Rows::new();
    let mut reader = book.worksheet_cells_reader(name)?;
    while let Some(cell) = reader.next_cell()? {
        let (row, column) = cell.get_position();
        let text = text(cell.get_value());
        if text.is_empty() {
            continue;
        }
        *count += 1;
        if *count > CELLS_MAX {
            break;
        }
        rows.entry(row).or_default().insert(column, text);
    }
    Ok(rows)
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(time) => date(time.as_f64()),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// A day of a workbook, counted from the end of 1899, with the time of the day where there is one.
fn date(days: f64) -> String {
    /// Days from the beginning of the count to 1970.
    const TO_1970: i64 = 25_569;
    const DAY: f64 = 86_400.0;
    let seconds = (days * DAY).round() as i64 - TO_1970 * DAY as i64;
    let (day, second) = (seconds.div_euclid(DAY as i64), seconds.rem_euclid(DAY as i64));
    let (year, month, date) = civil(day);
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    match (days < 1.0, second) {
        (true, _) => clock,
        (false, 0) => format!("{year:04}-{month:02}-{date:02}"),
        (false, _) => format!("{year:04}-{month:02}-{date:02} {clock}"),
    }
}

/// Sections of one sheet: the first is the sheet's own, the others say which rows they hold.
fn write(name: &str, rows: Rows, writer: &mut Writer) {
    let first = rows.values().flat_map(|row| row.keys()).min().copied().unwrap_or_default();
    let dense = |row: BTreeMap<u32, String>| -> Vec<Cell> {
        let mut cells = Vec::new();
        for (column, text) in row {
            // Columns that are empty keep their place, as far as a table can be read with them.
            const GAP_MAX: usize = 64;
            let at = (column - first) as usize;
            if at > cells.len() && at - cells.len() <= GAP_MAX {
                cells.resize(at, Cell::default());
            }
            cells.push(Cell { text, ..Cell::default() });
        }
        cells
    };
    writer.heading(1, Run::plain(name), Vec::new());
    let mut rows: Vec<(u32, Vec<Cell>)> =
        rows.into_iter().map(|(row, cells)| (row + 1, dense(cells))).collect();
    let names: Vec<String> =
        rows.first().map_or(Vec::new(), |(_, row)| row.iter().map(|cell| cell.text.clone()).collect());
    let head = if rows.len() > 1 && is_head(&names) { names } else { Vec::new() };
    if !head.is_empty() {
        rows.remove(0);
    }
    for (index, part) in rows.chunks(ROWS_A_SECTION).enumerate() {
        let cells: Vec<Vec<Cell>> = part.iter().map(|(_, row)| row.clone()).collect();
        if index > 0 {
            let (from, to) = (part[0].0, part[part.len() - 1].0);
            writer.heading(2, Run::plain(format!("Rows {from}–{to}")), Vec::new());
        }
        // The head is written once, so that nothing is said twice.
        writer.table(if index == 0 { head.clone() } else { Vec::new() }, cells);
    }
}

#[cfg(test)]
mod tests {
    use super::{date, without_codes};

    #[test]
    fn headers_are_their_words() {
        for (text, expect) in [
            ("&LQuarter &P of &N&C&\"Arial,Bold\"&12R&&D&RDraft", "\nQuarter  of \nR&D\nDraft"),
            ("&KFF0000Red &", "Red "),
            ("&\"open", ""),
            ("&K1", ""),
            ("none", "none"),
        ] {
            assert_eq!(without_codes(text), expect);
        }
    }

    #[test]
    fn days_are_dates() {
        assert_eq!([45_658.0, 45_658.5, 0.25].map(date), ["2025-01-01", "2025-01-01 12:00:00", "06:00:00"]);
    }
}
