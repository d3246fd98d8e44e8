//! Files that hang on tickets, messages and articles: where they are named, and what they say.
//!
//! Their addresses let in whoever has them, for a while. So they are used at once, sent no key to, and kept nowhere.
//! Nothing of a file is kept but its text: its bytes are in memory while they are read, and not many at a time.

mod download;
mod texts;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use download::{Downloads, Missing, OCR_UNAVAILABLE, Wanted};
pub use texts::{DiskTexts, Known, NoTexts, Texts};

use crate::normal::Attachment;
use crate::text::{id, safe_name, string};

/// Longest file that is read: what Freshdesk itself takes.
pub const FILE_BYTES_MAX: u64 = 20 << 20;

/// Longest text of a file that is kept, in bytes: a long book. Those of some dozens of tickets are in memory at a time.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// A file, for whoever finds out what it says.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name, fit for a file.
    pub name: &'a str,
    /// What kind of content it claims to have.
    pub content_type: Option<&'a str>,
    /// All of it.
    pub bytes: &'a [u8],
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extracted {
    /// It says this.
    Text(String),
    /// Nobody here reads such files.
    Unsupported,
    /// It is a picture of text, and nobody here reads these.
    OcrUnavailable,
    /// It is damaged, or too much of something.
    Failed(String),
}

/// Finds out what a file says. Handed in, as it takes libraries and limited processes that do not belong here.
pub trait Extract: Send + Sync {
    /// What it says. Called from several threads.
    fn extract(&self, file: &File<'_>) -> Extracted;
}

/// Reads what is text already, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainText;

impl Extract for PlainText {
    fn extract(&self, file: &File<'_>) -> Extracted {
        let kind = file.content_type.unwrap_or_default();
        if !["text/plain", "text/csv", "text/markdown"].iter().any(|known| kind.starts_with(known)) {
            return Extracted::Unsupported;
        }
        match std::str::from_utf8(file.bytes) {
            Ok(text) => Extracted::Text(text.trim_start_matches('\u{feff}').to_owned()),
            Err(_) => Extracted::Failed("it is not UTF-8".to_owned()),
        }
    }
}

/// The files that a record names, each once.
pub(crate) fn named(raw: &Value, parent_type: &'static str, parent_id: &str) -> Vec<Attachment> {
    let mut seen = BTreeSet::new();
    let all = raw.get("attachments").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|raw| one(raw, parent_type, parent_id))
        .filter(|file| seen.insert(file.id.clone()))
        .collect()
}

/// What a record says of one file.
pub(crate) fn one(raw: &Value, parent_type: &'static str, parent_id: &str) -> Option<Attachment> {
    let id = id(raw.get("id"))?;
    let name = string(raw.get("name"));
    let size = ["size", "file_size"].iter().find_map(|name| raw.get(*name)?.as_u64());
    Some(Attachment {
        safe_name: safe_name(name.as_deref().unwrap_or_default(), &format!("attachment-{id}")),
        name,
        content_type: string(raw.get("content_type")),
        size,
        parent_type,
        parent_id: parent_id.to_owned(),
        text: None,
        text_status: None,
        id,
    })
}

/// Addresses of pictures that stand in a text, of those that the help desk keeps itself: one that anybody may
/// have put there is not fetched.
pub fn inline_images(html: &str, prefixes: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find("src=") {
        rest = &rest[at + "src=".len()..];
        let Some(quote) = rest.chars().next().filter(|quote| ['"', '\''].contains(quote)) else { continue };
        let Some(end) = rest[1..].find(quote) else { break };
        let url = rest[1..=end].replace("&amp;", "&");
        rest = &rest[end + 1..];
        if prefixes.iter().any(|prefix| url.starts_with(prefix.as_str())) && !found.contains(&url) {
            found.push(url);
        }
    }
    found
}

/// Takes out of a record what lets in whoever has it: what stands behind `?` in addresses of files, and the tokens of
/// inline pictures. Says whether there was any.
pub(crate) fn unsign(raw: &mut Value) -> bool {
    match raw {
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| unsign(item) | changed),
        Value::Object(object) => object.iter_mut().fold(false, |changed, (name, item)| {
            let cut = match item {
                Value::String(url) if name.ends_with("_url") => url.find('?').map(|at| url.truncate(at)),
                _ => None,
            };
            cut.is_some() | unsign(item) | changed
        }),
        Value::String(text) => {
            const TOKEN: &str = "/inline/attachment?token=";
            let mut changed = false;
            let mut from = 0;
            while let Some(at) = text[from..].find(TOKEN) {
                let start = from + at + TOKEN.len();
                let end = text[start..]
                    .find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.~%+/=".contains(letter))
                    .map_or(text.len(), |end| start + end);
                changed |= end > start;
                text.replace_range(start..end, "");
                from = start;
            }
            changed
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{inline_images, unsign};

    #[test]
    fn pictures_of_the_desk_are_found_and_no_others() {
        let prefixes = ["https://attachment.freshdesk.com/inline/attachment?".to_owned()];
        let check = |html: &str, expect: &[&str]| assert_eq!(inline_images(html, &prefixes), expect);
        let ours = "https://attachment.freshdesk.com/inline/attachment?token=eyJ";
        check(&format!("<img src=\"{ours}&amp;x=1\" alt=\"\">"), &[&format!("{ours}&x=1")]);
        check(&format!("<img src='{ours}'><img src='{ours}'>"), &[ours]);
        check("<img src=\"http://127.0.0.1/admin\"><img src=x><img src=\"unclosed", &[]);
        check("src=", &[]);
    }

    #[test]
    fn signatures_are_taken_out_and_nothing_else() {
        let mut raw = json!({
            "n": 1.50, "url": "https://a/b?c=1", "attachments": [{ "attachment_url": "https://s3/x?sig=geheim", "id": 5 }],
            "html": "<img src=\"https://h/inline/attachment?token=geheim-._A\"> and /inline/attachment?token=geheim"
        });
        assert!(unsign(&mut raw));
        assert!(!raw.to_string().contains("geheim"), "{raw}");
        assert_eq!(raw["attachments"][0]["attachment_url"], "https://s3/x");
        assert_eq!(
            raw["html"],
            "<img src=\"https://h/inline/attachment?token=\"> and /inline/attachment?token="
        );
        assert_eq!(raw["url"], "https://a/b?c=1");
        assert!(!unsign(&mut raw));
    }
}
