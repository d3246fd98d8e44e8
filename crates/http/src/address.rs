//! Addresses as people may see them.

use reqwest::Url;

/// What is shown of an address that cannot be understood: any part of it may be a password.
const NOT_AN_ADDRESS: &str = "(not an address)";

/// The address of a service as it may be shown, logged and printed: without what stands in front of `@`
/// and behind `?`, both of which may be secrets. The only way in which an address becomes a text.
#[must_use]
pub fn shown_address(url: &str) -> String {
    Url::parse(url)
        .ok()
        .filter(|url| url.host_str().is_some())
        .map_or_else(|| NOT_AN_ADDRESS.to_owned(), |url| shown(&url))
}

/// The same, of one that was understood.
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let path = url.path().trim_end_matches('/');
    format!("{}://{}{port}{path}", url.scheme(), url.host_str().unwrap_or_default())
}

/// A text that was written by somebody else, without the names and passwords of the addresses in it.
#[must_use]
pub fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + "://".len());
        shown.push_str(before);
        // A password may hold an `@` of its own, so the last one before the address ends is looked for.
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                shown.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::{shown_address, without_passwords};

    #[test]
    fn addresses_are_shown_without_secrets() {
        let check = |url: &str, expect: &str| assert_eq!(shown_address(url), expect);
        check("http://127.0.0.1:6333", "http://127.0.0.1:6333");
        check("https://ann:geheim@host:1/base/?key=geheim#geheim", "https://host:1/base");
        check("http://geheim@host", "http://host");
        check("geheim@host", "(not an address)");
        check("mailto:geheim@host", "(not an address)");
        check("", "(not an address)");
    }

    #[test]
    fn texts_lose_passwords() {
        let check = |text: &str, expect: &str| assert_eq!(without_passwords(text), expect);
        check("url = \"http://ann:geheim@host/a\"", "url = \"http://***@host/a\"");
        check("ftp://g@h@host, https://host/@x, a@b", "ftp://***@host, https://host/@x, a@b");
        check("1 | url = http://ann:geheim@", "1 | url = http://***@");
        check("ends with ://", "ends with ://");
    }
}
