//! Addresses as people may see them, and who can read what is sent there.

use std::net::IpAddr;

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

/// Whether what is sent to an address can be read on its way: that is so over `http://`, but to this machine.
#[must_use]
pub fn is_exposed(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    url.scheme() == "http" && !is_here
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
    use super::{is_exposed, shown_address, without_passwords};

    #[test]
    fn what_goes_to_this_machine_is_read_by_nobody_else() {
        for (url, expect) in [
            ("http://api.example/v1", true),
            ("http://10.0.0.1:8080", true),
            ("http://127.0.0.1.example", true),
            ("http://localhost.example", true),
            ("https://api.example/v1", false),
            ("http://127.0.0.1:8080/v1", false),
            ("http://[::1]:8080", false),
            ("http://LOCALHOST", false),
        ] {
            assert_eq!(is_exposed(url), expect, "{url}");
        }
    }

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
