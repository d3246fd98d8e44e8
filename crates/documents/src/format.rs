//! Which format a document has: by content where content tells, by name where not.

use stele_model::DocumentFormat;

use crate::notion::looks_like_blocks;

/// Beginnings of pictures that Tesseract reads.
const PICTURES: [&[u8]; 7] =
    [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"GIF8", b"BM", b"RIFF"];

/// How far content is looked at for what a text is.
const HEAD: usize = 4096;

/// The format of a document; none if it is none that is known. Recordings and data are none.
pub fn recognise(source_uri: &str, bytes: &[u8]) -> Option<DocumentFormat> {
    let head = &bytes[..bytes.len().min(HEAD)];
    if head.windows(5).take(1024).any(|window| window == b"%PDF-") {
        return Some(DocumentFormat::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return archive(bytes);
    }
    // Only addresses have a query; in the name of a file these are letters like others.
    let address = source_uri.contains("://");
    let name = source_uri.split(|letter| address && matches!(letter, '?' | '#')).next().unwrap_or(source_uri);
    let name = name.to_lowercase();
    let ending = name
        .rsplit(['/', '\\'])
        .next()
        .and_then(|name| name.rsplit_once('.'))
        .map_or("", |(_, ending)| ending);
    let picture = ["png", "jpg", "jpeg", "tif", "tiff", "gif", "bmp", "webp"].contains(&ending);
    if PICTURES.iter().any(|magic| head.starts_with(magic)) && (picture || !head.starts_with(b"BM")) {
        return Some(DocumentFormat::Image);
    }
    // Two bytes a letter are text, too, behind their mark; other zeros are not.
    let marked = head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]);
    if head.contains(&0) && !marked && !matches!(ending, "md" | "markdown" | "txt" | "html" | "htm" | "csv") {
        return None;
    }
    let text = String::from_utf8_lossy(head);
    let begin = text.trim_start_matches('\u{feff}').trim_start();
    let lower = begin.get(..begin.len().min(256)).unwrap_or(begin).to_ascii_lowercase();
    match ending {
        "md" | "markdown" | "mdx" | "mkd" | "mdown" => return Some(DocumentFormat::Markdown),
        "html" | "htm" | "xhtml" => return Some(DocumentFormat::Html),
        "csv" | "tsv" => return Some(DocumentFormat::Csv),
        "eml" => return Some(DocumentFormat::Eml),
        "txt" | "text" | "rst" | "adoc" | "asciidoc" | "org" => return Some(DocumentFormat::Text),
        "json" => return looks_like_blocks(begin).then_some(DocumentFormat::NotionBlocks),
        // A page that was fetched has an id and no ending.
        _ if name.starts_with("notion://") && looks_like_blocks(begin) => {
            return Some(DocumentFormat::NotionBlocks);
        }
        _ => {}
    }
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return Some(DocumentFormat::Html);
    }
    let mail = ["received: ", "return-path: ", "delivered-to: ", "message-id: ", "mime-version: "];
    if mail.iter().any(|field| lower.starts_with(field)) {
        return Some(DocumentFormat::Eml);
    }
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    ["readme", "changelog", "contributing", "license", "licence", "notice", "authors"]
        .contains(&file)
        .then_some(DocumentFormat::Markdown)
}

/// What an archive holds, by the names in its directory, which are not packed.
fn archive(bytes: &[u8]) -> Option<DocumentFormat> {
    let has = |name: &str| memchr::memmem::find(bytes, name.as_bytes()).is_some();
    if has("word/document.xml") {
        return Some(DocumentFormat::Docx);
    }
    if has("ppt/presentation.xml") {
        return Some(DocumentFormat::Pptx);
    }
    if has("xl/workbook.xml") {
        return Some(DocumentFormat::Xlsx);
    }
    [".md", ".html", ".csv", ".zip"].iter().any(|ending| has(ending)).then_some(DocumentFormat::NotionExport)
}
