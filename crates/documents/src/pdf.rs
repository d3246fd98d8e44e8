//! PDF and pictures: the text of each page, by Poppler where there is one, by Tesseract where not.

use std::time::Duration;

use stele_model::{Document, DocumentFormat};

use crate::decode::{line_starts, warning};
use crate::error::DocumentError;
use crate::limits::{OCR_DPI, OCR_PAGES_MAX, OCR_SECONDS_MAX, PAGES_MAX};
use crate::outline::{Draft, Outline, pages};
use crate::parse::Request;
use crate::tools::{Tools, use_tool};
use crate::{measure, plain};

/// What brings the programs that read PDF.
const POPPLER: &str = "poppler-utils";
/// What brings the program that reads pictures.
const TESSERACT: &str = "tesseract-ocr";

/// What a PDF says, a section a page.
pub(crate) fn parse(request: &Request, bytes: &[u8], tools: &Tools) -> Result<Document, DocumentError> {
    let uri = &request.source_uri;
    let mut outline = Outline::default();
    let ask = |bytes: &[u8]| use_tool(uri, &tools.pdfinfo, POPPLER, &["-enc", "UTF-8", "-"], bytes);
    let mut info = ask(bytes)?;
    let mut mended = None;
    if let Some(objects) = objects_there(&info.complaint) {
        let message = format!(
            "it says that it has more pages than the {objects} objects in it: pages are repeated, and that many are read"
        );
        outline.warnings.push(warning("damaged_pages", message, 0));
        let bytes = counted_anew(bytes, objects).ok_or_else(|| DocumentError::Damaged {
            source_uri: uri.clone(),
            part: "the PDF".to_owned(),
            reason: "it says that it has more pages than there are objects in it".to_owned(),
        })?;
        info = ask(&bytes)?;
        mended = Some(bytes);
    }
    // What it is, and what is read of it, differ where its count was put right.
    let (whole, bytes) = (bytes, mended.as_deref().unwrap_or(bytes));
    if info.complaint.contains("Incorrect password") {
        return Err(DocumentError::Locked { source_uri: uri.clone() });
    }
    let told = String::from_utf8_lossy(&info.output).into_owned();
    let field = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let count = field("Pages").and_then(|pages| pages.parse::<u32>().ok());
    let Some(count) = count.filter(|_| info.status.success()) else {
        let reason = info.complaint.lines().next().unwrap_or("it has no pages");
        return Err(DocumentError::damaged(uri, "the PDF", reason));
    };
    if count > PAGES_MAX {
        let (what, max) = ("the PDF, in pages,".to_owned(), u64::from(PAGES_MAX));
        return Err(DocumentError::TooLarge { source_uri: uri.clone(), what, max });
    }
    let read = use_tool(uri, &tools.pdftotext, POPPLER, &["-enc", "UTF-8", "-eol", "unix", "-", "-"], bytes)?;
    if !read.status.success() {
        return Err(DocumentError::damaged(
            uri,
            "the PDF",
            read.complaint.lines().next().unwrap_or("no text came out"),
        ));
    }
    let text = String::from_utf8_lossy(&read.output).into_owned();
    (outline.title, outline.last_edited) = (field("Title"), field("ModDate"));
    // Each page ends with a form feed.
    let mut texts: Vec<String> = text.split('\u{c}').map(str::to_owned).collect();
    if texts.last().is_some_and(|last| last.trim().is_empty()) {
        texts.pop();
    }
    if texts.len() < count as usize && !text.trim().is_empty() {
        let message = format!("only {} of {count} pages came out", texts.len());
        outline.warnings.push(warning("damaged_pages", message, 0));
    }
    let came = texts.len().min(count as usize) as u32;
    texts.resize(count as usize, String::new());
    let mut scanner = Scanner { uri, bytes, tools, took: Duration::ZERO, pages: 0, missing: false };
    let mut blank = 0;
    for (index, text) in texts.into_iter().enumerate() {
        let number = index as u32 + 1;
        let text = match text.trim().is_empty() {
            true => scanner.page(number, &mut outline),
            false => text,
        };
        blank += u32::from(text.trim().is_empty());
        outline.drafts.push(page(number, format!("Page {number}"), text));
    }
    let mut document = outline.finish(request, DocumentFormat::Pdf, whole);
    let mut conservation = measure::conservation([text.as_str()], &document.sections);
    // What OCR read was in no text before.
    conservation.characters_in += if scanner.pages > 0 { conservation.characters_extra } else { 0 };
    conservation.characters_out +=
        if scanner.pages > 0 { std::mem::take(&mut conservation.characters_extra) } else { 0 };
    conservation.pages_in = count;
    // A page is out if it came, blank or not; one that was cut off is not.
    conservation.pages_out = if text.trim().is_empty() { pages(&document.sections) } else { came };
    conservation.pages_without_text = blank;
    document.conservation = conservation;
    Ok(document)
}

/// How many objects there are, if Poppler reads no page because there are fewer than pages: it takes a page that
/// is repeated for a bomb.
fn objects_there(complaint: &str) -> Option<u32> {
    let (_, rest) = complaint.split_once("larger than number of objects (")?;
    rest.split_once(')')?.0.parse().ok().filter(|objects| *objects > 0)
}

/// The same bytes with every count of pages at most `most`; nothing if no count can be found. A count that is
/// packed with other objects cannot.
fn counted_anew(bytes: &[u8], most: u32) -> Option<Vec<u8>> {
    const COUNT: &[u8] = b"/Count";
    let mut anew = bytes.to_vec();
    let mut found = false;
    for at in memchr::memmem::find_iter(bytes, COUNT) {
        let rest = &bytes[at + COUNT.len()..];
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let digits = rest[blanks..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number =
            std::str::from_utf8(&rest[blanks..blanks + digits]).ok().and_then(|n| n.parse::<u64>().ok());
        if number.is_some_and(|number| number > u64::from(most)) {
            // As long as before, so that everything behind it stays where the file says that it is.
            let start = at + COUNT.len() + blanks;
            anew[start..start + digits].copy_from_slice(format!("{most:<digits$}").as_bytes());
            found = true;
        }
    }
    found.then_some(anew)
}

/// One page, in paragraphs.
fn page(number: u32, title: String, text: String) -> Draft {
    let lines = line_starts(&text);
    Draft { page: Some(number), title, blocks: plain::paragraphs(&text, &lines), text, ..Draft::default() }
}

/// Reads pages that have no text.
struct Scanner<'a> {
    uri: &'a str,
    bytes: &'a [u8],
    tools: &'a Tools,
    took: Duration,
    pages: u32,
    missing: bool,
}

impl Scanner<'_> {
    /// What OCR reads on a page; a page on which it reads nothing is a finding.
    fn page(&mut self, number: u32, outline: &mut Outline) -> String {
        let mut find = |reason: &str| {
            let message = format!("page {number} has no text{reason}");
            outline.warnings.push(warning("page_without_text", message, number));
            String::new()
        };
        let Some(tesseract) = self.tools.tesseract.as_deref().filter(|_| !self.missing) else {
            return find(", and there is no OCR");
        };
        if self.pages >= OCR_PAGES_MAX || self.took >= Duration::from_secs(OCR_SECONDS_MAX) {
            return find("; OCR reads no more pages of one document");
        }
        self.pages += 1;
        let (page, dpi) = (number.to_string(), OCR_DPI.to_string());
        let drawn = use_tool(
            self.uri,
            &self.tools.pdftoppm,
            POPPLER,
            &["-r", &dpi, "-f", &page, "-l", &page, "-gray", "-singlefile", "-png", "-"],
            self.bytes,
        );
        let read = drawn.and_then(|drawn| {
            self.took += drawn.took;
            picture(self.uri, tesseract, &self.tools.languages, &drawn.output)
        });
        match read {
            Ok((text, took)) => {
                self.took += took;
                if text.trim().is_empty() { find(", not even for OCR") } else { text }
            }
            Err(error) => {
                self.missing = matches!(error, DocumentError::ToolMissing { .. });
                let why = error.to_string();
                // Whose warning it is, is known.
                let why = why.strip_prefix(self.uri).map_or(&*why, |rest| rest.trim_start_matches(": "));
                find(&format!(", and OCR failed: {why}"))
            }
        }
    }
}

/// What Tesseract reads in a picture, and how long that takes.
fn picture(
    uri: &str,
    tesseract: &std::path::Path,
    languages: &str,
    bytes: &[u8],
) -> Result<(String, Duration), DocumentError> {
    let ran = use_tool(uri, tesseract, TESSERACT, &["stdin", "stdout", "-l", languages], bytes)?;
    if !ran.status.success() {
        return Err(DocumentError::damaged(
            uri,
            "the picture",
            ran.complaint.lines().next().unwrap_or("nothing came out"),
        ));
    }
    let text = String::from_utf8_lossy(&ran.output).trim_end_matches('\u{c}').to_owned();
    Ok((text, ran.took))
}

/// What a picture says.
pub(crate) fn parse_image(request: &Request, bytes: &[u8], tools: &Tools) -> Result<Document, DocumentError> {
    let mut outline = Outline::default();
    let uri = &request.source_uri;
    let read = match &tools.tesseract {
        Some(tesseract) => picture(uri, tesseract, &tools.languages, bytes).map(|(text, _)| text),
        None => Ok(String::new()),
    };
    let text = match read {
        Ok(text) => text,
        Err(DocumentError::ToolMissing { .. }) => String::new(),
        Err(error) => return Err(error),
    };
    let blank = text.trim().is_empty();
    if blank {
        let message = "no text was found in the picture, or there is no OCR";
        outline.warnings.push(warning("page_without_text", message, 1));
    }
    outline.drafts.push(page(1, String::new(), text.clone()));
    let mut document = outline.finish(request, DocumentFormat::Image, bytes);
    let mut conservation = measure::conservation([text.as_str()], &document.sections);
    (conservation.pages_in, conservation.pages_out, conservation.pages_without_text) =
        (1, 1, u32::from(blank));
    document.conservation = conservation;
    Ok(document)
}
