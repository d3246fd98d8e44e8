//! Small readings of what help desks say: times, text out of HTML, names fit for files.

use jiff::Timestamp;
use serde_json::Value;

/// Longest name of a file, in bytes: file systems allow 255, and an id goes in front.
const NAME_BYTES_MAX: usize = 200;

/// A text that is there and says something else than nothing.
pub(crate) fn string(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

/// A value as it is; `null` if it is not there.
pub(crate) fn as_said(value: Option<&Value>) -> Value {
    value.cloned().unwrap_or(Value::Null)
}

/// A number or a text as the text of an id.
pub(crate) fn id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// A code that is a number, or a number in quotes.
pub(crate) fn code(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// An instant with whatever offset it is written.
pub fn instant(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}

/// The same instant in UTC; a text that is no instant stays what it is.
pub(crate) fn utc(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    Some(instant(text).map_or_else(|| text.to_owned(), |instant| instant.to_string()))
}

/// A word for machines from a label for people: `Waiting on Customer` becomes `waiting_on_customer`.
pub(crate) fn slug(label: &str) -> Option<String> {
    let mut slug = String::with_capacity(label.len());
    for letter in label.chars().flat_map(char::to_lowercase) {
        match letter.is_alphanumeric() {
            true => slug.push(letter),
            false if !slug.is_empty() && !slug.ends_with('_') => slug.push('_'),
            false => {}
        }
    }
    let slug = slug.trim_end_matches('_');
    (!slug.is_empty()).then(|| slug.to_owned())
}

/// What a page of HTML says. Mails are no documents: tags go, blocks become lines, the common entities become letters.
/// Used only where the help desk does not send the text beside the HTML.
pub fn of_html(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            let entity = rest.find(';').filter(|end| *end <= 10).map(|end| &rest[1..end]);
            match entity.and_then(letter) {
                Some(letter) => {
                    text.push(letter);
                    rest = &rest[entity.map_or(1, str::len) + 2..];
                }
                None => {
                    text.push('&');
                    rest = &rest[1..];
                }
            }
            continue;
        }
        let name: String =
            rest[1..].trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let comment = rest.starts_with("<!--");
        // A sign that begins no tag is a sign.
        if name.is_empty() && !comment && !rest.starts_with("<!") {
            text.push('<');
            rest = &rest[1..];
            continue;
        }
        let name = name.to_ascii_lowercase();
        let hidden = ["script", "style"].contains(&name.as_str()) && !rest.starts_with("</");
        let end = match (comment, hidden) {
            (true, _) => rest.find("-->").map(|at| at + 3),
            (_, true) => {
                let close = format!("</{name}");
                let lower = rest.to_ascii_lowercase();
                lower.find(&close).and_then(|at| lower[at..].find('>').map(|end| at + end + 1))
            }
            _ => rest.find('>').map(|at| at + 1),
        };
        rest = end.map_or("", |end| &rest[end..]);
        if ["br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "table", "ul", "ol"]
            .contains(&name.as_str())
        {
            text.push('\n');
        }
    }
    text.push_str(rest);
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn letter(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// A name that is fit for a file on every system: the last part of a path, without what ends or hides names, at most
/// 200 bytes. `fallback` if nothing is left.
pub fn safe_name(name: &str, fallback: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let allowed = |letter: &char| !letter.is_control() && !r#"<>:"|?*"#.contains(*letter);
    let clean: String = last.chars().filter(allowed).collect();
    let clean = clean.trim_matches(['.', ' ']);
    let (stem, ending) = match clean.rfind('.') {
        // The ending says what it is, so it stays when the name is cut.
        Some(at) if clean.len() - at <= 12 => clean.split_at(at),
        _ => (clean, ""),
    };
    let mut stem = stem.to_owned();
    while stem.len() + ending.len() > NAME_BYTES_MAX {
        stem.pop();
    }
    match stem.is_empty() {
        true => fallback.to_owned(),
        false => stem + ending,
    }
}

#[cfg(test)]
mod tests {
    use super::{of_html, safe_name, slug};

    #[test]
    fn html_becomes_text() {
        let check = |html: &str, expect: &str| assert_eq!(of_html(html), expect);
        check("<div>a <b>b</b><br>c &amp; d</div>", "a b\nc & d");
        check("1 < 2 && 3 &gt; 2 &#x41;&#66; &unknown;", "1 < 2 && 3 > 2 AB &unknown;");
        check("<style>p { a: b }</style>x<!-- <p>no</p> -->y", "xy");
        check("<p unfinished", "");
        check("ends with &", "ends with &");
        check("ends with <", "ends with <");
        check("é<p>ü", "é\nü");
    }

    #[test]
    fn names_are_fit_for_files() {
        let check = |name: &str, expect: &str| assert_eq!(safe_name(name, "file"), expect);
        check("../x", "x");
        check("a/b", "b");
        check("..\\..\\c.txt", "c.txt");
        check("nul\0l.txt", "null.txt");
        check("..", "file");
        check("", "file");
        check(" .hidden", "hidden");
        assert_eq!(safe_name(&format!("{}.pdf", "ä".repeat(300)), "file").len(), 200);
        assert!(safe_name(&"x".repeat(300), "file").len() <= 200);
    }

    #[test]
    fn labels_become_words() {
        let check = |label: &str, expect: Option<&str>| assert_eq!(slug(label).as_deref(), expect);
        check("Waiting on Customer", Some("waiting_on_customer"));
        check(" -- ", None);
        check("대기 중", Some("대기_중"));
    }
}
