//! What is shown nowhere: keys in every form in which they are sent, and what of an address may be one.

use std::cmp::Reverse;

use stele_http::{Secret, without_passwords};
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

/// Shortest secret that is looked for in texts. Less would spoil every text.
const HIDDEN_CHARS_MIN: usize = 4;

/// Everything that is hidden.
#[derive(Default)]
pub(crate) struct Hidden {
    /// In every form, longest first: one may be part of another.
    secrets: Vec<Secret>,
}

impl Hidden {
    pub(crate) fn of(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut hidden = Self::default();
        secrets.into_iter().for_each(|secret| hidden.add(&secret));
        hidden
    }

    /// This is a secret, too.
    pub(crate) fn add(&mut self, secret: &Secret) {
        for form in forms(secret.reveal()).into_iter().map(Secret::new) {
            if form.reveal().len() >= HIDDEN_CHARS_MIN && !self.secrets.contains(&form) {
                self.secrets.push(form);
            }
        }
        self.secrets.sort_by_key(|secret| Reverse(secret.reveal().len()));
    }

    /// A text without any of it.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(without_passwords(text), |text, secret| secret.hide_in(&text))
    }
}

/// What may not be shown of a value of the configuration. What stands in an address is taken apart, as a service repeats any
/// part of it in words of its own. The name of a host is no secret to anybody.
pub(crate) fn unshown(value: &Secret, base: &Url, addresses: &[&str]) -> Vec<Secret> {
    let text = value.reveal();
    let host = base.host_str().unwrap_or_default();
    let is_host = |part: &str| {
        let part = part.to_ascii_lowercase();
        host.contains(&part) || part.split(':').next() == Some(host)
    };
    if is_host(text) {
        return Vec::new();
    }
    let whole = text.split_once("://").map(|(_, rest)| rest);
    if whole.is_none() && !addresses.iter().any(|address| address.contains(text)) {
        return vec![value.clone()];
    }
    let (front, behind) = match whole {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", text),
    };
    let who = front.rsplit_once('@').map_or("", |(who, _)| who);
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    let values = query.split(['&', '#']).map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let parts = who.splitn(2, ':').chain(path.split(['/', '#'])).chain(values);
    parts.chain([behind]).filter(|part| !part.is_empty() && !is_host(part)).map(Secret::new).collect()
}

/// A text as it is, as addresses and forms write it, and as it is meant if it is written so already.
fn forms(text: &str) -> Vec<String> {
    let sent: String = byte_serialize(text.as_bytes()).collect();
    let mut forms = vec![text.to_owned(), sent.replace('+', "%20"), sent];
    if let Ok(mut url) = Url::parse("http://x") {
        url.set_path(text);
        url.set_query(Some(text));
        forms.push(url.path().trim_start_matches('/').to_owned());
        forms.push(url.query().unwrap_or_default().to_owned());
    }
    if text.contains('%') {
        // As one value of a form, in which a plus would be a blank.
        let value = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
        forms.extend(parse(value.as_bytes()).next().map(|(_, value)| value.into_owned()));
    }
    let small: Vec<String> =
        forms.iter().filter(|form| form.contains('%')).map(|form| small_escapes(form)).collect();
    forms.extend(small);
    forms
}

/// `%2F` as `%2f`, which says the same.
fn small_escapes(text: &str) -> String {
    let mut left = 0;
    let small = |letter: char| match (letter, left) {
        ('%', _) => {
            left = 2;
            letter
        }
        (_, 0) => letter,
        _ => {
            left -= 1;
            letter.to_ascii_lowercase()
        }
    };
    text.chars().map(small).collect()
}

#[cfg(test)]
mod tests {
    use stele_http::Secret;
    use url::Url;

    use super::{Hidden, unshown};

    #[test]
    fn secrets_are_hidden_in_every_form() {
        let hidden = Hidden::of([Secret::new("a/b c&d"), Secret::new("p%2Fq+r"), Secret::new("abc")]);
        let check = |text: &str, expect: &str| assert_eq!(hidden.hide(text), expect);
        check("a/b c&d.", "***.");
        check("k=a%2Fb+c%26d.", "k=***.");
        check("k=a%2fb%20c%26d.", "k=***.");
        check("/a/b%20c&d.", "/***.");
        check("p%2Fq+r, p%2fq+r, p/q+r", "***, ***, ***");
        // Too short to be looked for.
        check("abc", "abc");
    }

    #[test]
    fn addresses_are_taken_apart() {
        let base = Url::parse("https://hooks.example:8080/x").unwrap();
        let check = |value: &str, address: &str, expect: &[&str]| {
            let found = unshown(&Secret::new(value), &base, &[address]);
            assert_eq!(found.iter().map(Secret::reveal).collect::<Vec<_>>(), expect, "{value}");
        };
        let whole = "https://ann:pass:word@Hooks.Example:8080/T0/key==?a=b=c&d1#z9";
        let behind = "/T0/key==?a=b=c&d1#z9";
        check(whole, whole, &["ann", "pass:word", "T0", "key==", "b=c", "d1", "z9", behind]);
        check("https://Hooks.Example", "https://Hooks.Example", &[]);
        check("hooks", "https://hooks.example", &[]);
        check("Hooks.Example/k1", "https://Hooks.Example/k1", &["k1", "Hooks.Example/k1"]);
        check("k1/q2", "https://hooks.example/k1/q2", &["k1", "q2", "k1/q2"]);
        // What stands in none is one thing.
        check("k1/q2", "https://hooks.example", &["k1/q2"]);
    }
}
