//! The words of a page, taken from its bytes without a tree: what conservation is measured against. It
//! knows tags, comments and the commonest entities, and is right for pages that are well-formed.

/// Elements whose words are not part of what the page is about, wherever they are.
const NEVER: [&str; 16] = [
    "script", "style", "noscript", "template", "head", "svg", "math", "iframe", "object", "canvas", "audio",
    "video", "select", "button", "nav", "footer",
];

/// Elements that stand within a line.
const INLINE: [&str; 33] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
    "img", "time", "label", "input",
];

/// Elements that never close.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// Entities that pages really use.
const ENTITIES: [(&str, &str); 24] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", "\u{a0}"),
    ("copy", "©"),
    ("reg", "®"),
    ("mdash", "—"),
    ("ndash", "–"),
    ("hellip", "…"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("bull", "•"),
    ("middot", "·"),
    ("rarr", "→"),
    ("larr", "←"),
    ("times", "×"),
    ("deg", "°"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("para", "¶"),
];

/// The words of the main part of a page.
pub(super) fn text(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let main = ["<main", "role=\"main\"", "<article"].iter().find_map(|mark| lower.find(mark));
    let counted = main.map(|at| words(html, &lower, Some(at))).filter(|text| !text.trim().is_empty());
    counted.unwrap_or_else(|| words(html, &lower, None))
}

/// The words of the element that has the mark at `main`, or of everything.
fn words(html: &str, lower: &str, main: Option<usize>) -> String {
    let inside = main.is_some();
    let begin = main.and_then(|at| lower[..at + 1].rfind('<')).unwrap_or(0);
    let outer = if inside { tag_name(&lower[begin + 1..]) } else { "" };
    let mut text = String::new();
    // The element that is not read, and how many of its kind are open.
    let mut unread: Option<(&str, usize)> = None;
    // How many of the outer kind are open.
    let mut open = 0usize;
    let mut at = begin;
    while let Some(next) = lower[at..].find('<').map(|found| at + found) {
        if unread.is_none() {
            push_text(&html[at..next], &mut text);
        }
        let rest = &lower[next + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            at = comment.find("-->").map_or(html.len(), |end| next + 4 + end + 3);
            continue;
        }
        let (closing, name) = match rest.strip_prefix('/') {
            Some(rest) => (true, tag_name(rest)),
            None => (false, tag_name(rest)),
        };
        if name.is_empty() && !rest.starts_with(['!', '?', '/']) {
            if unread.is_none() {
                text.push('<');
            }
            at = next + 1;
            continue;
        }
        let end = tag_end(rest).map_or(html.len(), |end| next + 1 + end);
        let attributes = &lower[next..end];
        let single = attributes.ends_with("/>") || VOID.contains(&name);
        if name == outer && inside && !single {
            open = if closing { open.saturating_sub(1) } else { open + 1 };
            if open == 0 {
                return text;
            }
        }
        match &mut unread {
            Some((kind, depth)) if *kind == name && !single => {
                *depth = if closing { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    unread = None;
                }
            }
            Some(_) => {}
            None => {
                if !INLINE.contains(&name) {
                    text.push('\n');
                }
                let around = !inside && ["header", "aside", "form"].contains(&name);
                if !closing && !single && (NEVER.contains(&name) || around || hidden(attributes)) {
                    unread = Some((name, 1));
                }
            }
        }
        at = end;
        if !closing && ["script", "style"].contains(&name) {
            at = lower[at..].find(&format!("</{name}")).map_or(html.len(), |found| at + found);
        }
    }
    if unread.is_none() {
        push_text(&html[at..], &mut text);
    }
    text
}

/// Whether a tag says that nobody sees its element, or that it is on every page.
fn hidden(tag: &str) -> bool {
    let marks = [
        " hidden>",
        " hidden ",
        " hidden=",
        "aria-hidden=\"true\"",
        "role=\"navigation\"",
        "role=\"banner\"",
    ];
    let more = ["role=\"contentinfo\"", "role=\"search\""];
    marks.iter().chain(&more).any(|mark| tag.contains(mark))
}

fn tag_name(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    if rest.starts_with(|c: char| c.is_ascii_alphabetic()) { &rest[..end] } else { "" }
}

/// Where a tag ends; a `>` within quotes does not end it.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn push_text(raw: &str, text: &mut String) {
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let (found, length) = entity(after);
        match found {
            Some(found) => text.push_str(&found),
            None => text.push('&'),
        }
        rest = &after[length..];
    }
    text.push_str(rest);
}

fn entity(after: &str) -> (Option<String>, usize) {
    let Some(end) = after.bytes().take(12).position(|byte| byte == b';') else { return (None, 0) };
    let name = &after[..end];
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    });
    let found = match number {
        Some(number) => char::from_u32(number).map(String::from),
        None => ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()),
    };
    let length = if found.is_some() { end + 1 } else { 0 };
    (found, length)
}
