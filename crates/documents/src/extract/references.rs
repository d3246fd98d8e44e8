//! What a document points to: links, "see also", "related", and guides that are named by their title.

use stele_model::document::BlockKind;
use stele_model::{Document, Reference, ReferenceKind, Section};

/// Pictures are shown, not pointed to.
const PICTURES: [&str; 7] = [".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico"];

/// Last words of titles that "refer to the …" may name.
const GUIDES: [&str; 5] = ["Guide", "Manual", "Reference", "Handbook", "Tutorial"];

/// Everything that the sections of `document` point to, in reading order.
pub(super) fn extract(document: &Document) -> Vec<Reference> {
    let mut references = Vec::new();
    for section in &document.sections {
        links(document, section, &mut references);
        guides(section, &mut references);
    }
    references
}

fn links(document: &Document, section: &Section, references: &mut Vec<Reference>) {
    let title = section.title.to_lowercase();
    let under = if title.starts_with("see also") {
        Some(ReferenceKind::SeeAlso)
    } else if title.starts_with("related") {
        Some(ReferenceKind::Related)
    } else {
        None
    };
    for link in &section.links {
        let target = link.target.trim();
        let path = target.split(['#', '?']).next().unwrap_or_default();
        let picture = PICTURES.iter().any(|end| path.to_ascii_lowercase().ends_with(end));
        if target.is_empty() || picture || target.starts_with("mailto:") || target.starts_with("javascript:")
        {
            continue;
        }
        // A place that would be empty is the whole body.
        let span = if link.span.start < link.span.end && link.span.end <= section.text.len() {
            link.span.clone()
        } else {
            0..section.text.len()
        };
        let kind = under.unwrap_or_else(|| {
            let line = section.text.get(..span.start).unwrap_or_default();
            let line = line.rsplit(['\n', '.']).next().unwrap_or_default().to_lowercase();
            if line.contains("see also") { ReferenceKind::SeeAlso } else { ReferenceKind::Link }
        });
        let (uri, anchor) = match target.split_once('#') {
            Some(("", anchor)) => (document.source_uri.clone(), anchor),
            Some((uri, anchor)) => (absolute(&document.source_uri, uri), anchor),
            None => (absolute(&document.source_uri, target), ""),
        };
        let (anchor, title) = (anchor.to_owned(), link.text.clone());
        references.push(Reference { section: section.id, span, kind, uri, anchor, title });
    }
}

/// "refer to the X Guide", where no link says where that is.
fn guides(section: &Section, references: &mut Vec<Reference>) {
    for block in section.blocks.iter().filter(|block| block.kind == BlockKind::Paragraph) {
        let Some(text) = section.text.get(block.span.clone()) else { continue };
        for phrase in ["refer to the ", "Refer to the ", "see the ", "See the "] {
            for (at, _) in text.match_indices(phrase) {
                let inside = text[..at].ends_with(char::is_alphanumeric);
                let begin = at + phrase.len();
                let Some(length) = titled(&text[begin..]).filter(|_| !inside) else { continue };
                let span = block.span.start + begin..block.span.start + begin + length;
                if section.links.iter().any(|link| link.span.start < span.end && span.start < link.span.end) {
                    continue;
                }
                references.push(Reference {
                    section: section.id,
                    span,
                    kind: ReferenceKind::ReferTo,
                    uri: String::new(),
                    anchor: String::new(),
                    title: text[begin..begin + length].to_owned(),
                });
            }
        }
    }
}

/// Most words of a title in a sentence.
const TITLE_WORDS_MAX: usize = 8;

/// Length of the title in capitals that `text` begins with, up to a word that ends such titles.
fn titled(text: &str) -> Option<usize> {
    let mut at = 0;
    for word in text.split_inclusive([' ', '\n']).take(TITLE_WORDS_MAX) {
        let bare = word.trim_end().trim_end_matches(['.', ',', ';', ')']);
        if !bare.starts_with(char::is_uppercase) {
            return None;
        }
        if GUIDES.contains(&bare) && at > 0 {
            return Some(at + bare.len());
        }
        at += word.len();
    }
    None
}

/// A link's target against the URI of the document that it stands in. Dots are resolved, `%20` and the
/// like are read, a query is dropped; a target with a scheme of its own stays what it is.
pub(crate) fn absolute(base: &str, target: &str) -> String {
    let target = percent_decoded(target.split('?').next().unwrap_or(target));
    let scheme = |uri: &str| {
        uri.find("://")
            .filter(|at| uri[..*at].chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)))
    };
    if scheme(&target).is_some() {
        return target;
    }
    // What is in front of the path and cannot be left by `..`.
    let root = match scheme(base) {
        Some(at) => base[at + 3..].find('/').map_or(base.len(), |slash| at + 3 + slash),
        None => 0,
    };
    let path = base[root..].split(['?', '#']).next().unwrap_or_default();
    let folder = path.rfind('/').map_or("", |at| &path[..at]);
    let rooted = root > 0 || target.starts_with('/') || path.starts_with('/');
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { parts(folder).collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let slash = if rooted { "/" } else { "" };
    format!("{}{slash}{}", &base[..root], parts.join("/"))
}

fn parts(folder: &str) -> impl Iterator<Item = &str> {
    folder.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn links_are_made_absolute() {
        let check = |base: &str, target: &str, expect: &str| assert_eq!(absolute(base, target), expect);
        check("docs/a/b.md", "c.md", "docs/a/c.md");
        check("docs/a/b.md", "../c.md", "docs/c.md");
        check("b.md", "../c.md", "../c.md");
        check("/docs/b.md", "../../c.md", "/c.md");
        check("/docs/b.md", "./x%20y.md?raw=1", "/docs/x y.md");
        check("https://example.com/a/b", "/c", "https://example.com/c");
        check("https://example.com", "c", "https://example.com/c");
        check("docs/b.md", "https://example.com/x", "https://example.com/x");
        check("a.md", "%zz", "%zz");
    }
}
