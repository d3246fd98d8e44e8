//! The words of office XML, taken from its text without reading elements: what conservation is
//! measured against.

/// What stands in text elements such as `<w:t>` and `<a:t>`, a line a paragraph. Text that was deleted
/// under tracking has another element; what stands in a fallback stands elsewhere too.
pub(super) fn words(xml: &str, prefix: &str) -> String {
    let mut words = String::new();
    let mut fallback = false;
    for part in xml.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else { continue };
        let name = tag.split([' ', '/', '\n', '\t']).find(|name| !name.is_empty()).unwrap_or_default();
        let closing = tag.starts_with('/');
        match name.strip_prefix(prefix) {
            Some("t") if !closing && !tag.ends_with('/') && !fallback => words.push_str(&unescaped(text)),
            Some("p" | "br" | "tab" | "cr" | "tc") => words.push('\n'),
            _ if name == "mc:Fallback" => fallback = !closing,
            _ => {}
        }
    }
    words
}

/// What stands between the tags of elements with these names, whatever their prefix.
pub(super) fn inside(xml: &str, names: &[&str]) -> String {
    let mut words = String::new();
    let mut depth = 0usize;
    for part in xml.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else { continue };
        let closing = tag.starts_with('/');
        let name = tag.split([' ', '/', '\n', '\t']).find(|name| !name.is_empty()).unwrap_or_default();
        let name = name.rsplit(':').next().unwrap_or_default();
        if names.contains(&name) && !tag.ends_with('/') {
            depth = if closing { depth.saturating_sub(1) } else { depth + 1 };
        } else if !matches!(name, "r" | "rPr") {
            words.push('\n');
        }
        if depth > 0 {
            words.push_str(&unescaped(text));
        }
    }
    words
}

fn unescaped(text: &str) -> String {
    quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), |text| text.into_owned())
}
