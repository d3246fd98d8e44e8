//! Web pages: what the page is about, without what is around it on every page.

mod count;
mod walk;

use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::RcDom;
use stele_model::{Document, DocumentFormat};

use crate::decode::decode;
use crate::measure;
use crate::outline::Outline;
use crate::parse::Request;
use crate::writer::Writer;

/// What an HTML text says. It never fails: every text is HTML.
pub(crate) fn parse(request: &Request, bytes: &[u8]) -> Document {
    let mut outline = Outline::default();
    let text = decode(bytes, declared(bytes).as_deref(), &mut outline.warnings);
    let page = page(&text);
    outline.title = page.title;
    outline.last_edited = page.edited;
    outline.drafts = page.writer.finish();
    let counted = count::text(&text);
    let mut document = outline.finish(request, DocumentFormat::Html, bytes);
    document.conservation = measure::conservation([counted.as_str()], &document.sections);
    document
}

/// A page that was read.
pub(crate) struct Page {
    pub title: Option<String>,
    pub edited: Option<String>,
    pub writer: Writer,
}

/// Reads a page that is a text already.
pub(crate) fn page(text: &str) -> Page {
    let dom = html5ever::parse_document(RcDom::default(), Default::default()).one(text);
    walk::walk(&dom)
}

/// The encoding that a page states in its first bytes.
fn declared(bytes: &[u8]) -> Option<String> {
    /// Browsers look as far.
    const HEAD: usize = 1024;
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).to_ascii_lowercase();
    let rest = head.split_once("charset=")?.1.trim_start_matches(['"', '\'']);
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// About how deep elements are nested at most, told without making a tree: tags that begin, less tags
/// that end. Elements that never end count, so it is rather too much than too little.
pub(crate) fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0_usize);
    for at in memchr::memchr_iter(b'<', bytes) {
        match bytes.get(at + 1) {
            Some(b'/') => now = now.saturating_sub(1),
            Some(letter) if letter.is_ascii_alphabetic() => {
                let name =
                    bytes[at + 1..].split(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
                if !VOID.iter().any(|void| name.eq_ignore_ascii_case(void)) {
                    now += 1;
                    most = most.max(now);
                }
            }
            _ => {}
        }
    }
    most
}

/// Elements that have no end.
const VOID: [&[u8]; 8] = [b"br", b"hr", b"img", b"input", b"link", b"meta", b"wbr", b"source"];
