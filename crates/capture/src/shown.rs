//! What is said of an address that may hold a key: in lines, in the status and in errors. The lines go into a lake, and
//! stay there.

use data_encoding::BASE64;
use stele_http::{Secret, shown_address};
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

/// Shortest text that is looked for in others: to hide `/a` wherever it stands would spoil them.
const HIDDEN_CHARS_MIN: usize = 4;

/// The address of a template for people: a path that names variables is shown with their names. Where a whole address is
/// a variable nobody knows what of it is a key, so only scheme, host and port are.
pub(crate) fn shown(template: &str, url: &Url) -> String {
    let Parts { head, path, .. } = parts(template);
    if !is_variable(head) && !is_variable(path) {
        return shown_address(url.as_str());
    }
    let mut origin = url.clone();
    origin.set_path("");
    origin.set_query(None);
    format!("{}{}", shown_address(origin.as_str()), path.trim_end_matches('/'))
}

/// What is hidden where somebody else repeats it, as a server does that knows no such path or no such user: what is
/// secret of the address, if there is one, and the secrets `sent` beside it, in every form in which they are sent. The
/// longest first: one may be a part of another.
pub(crate) fn hidden(
    template: &str,
    url: Option<&Url>,
    value: &dyn Fn(&str) -> Option<Secret>,
    sent: &[Secret],
) -> Vec<Secret> {
    let mut texts = url.map(|url| of_address(template, url, value)).unwrap_or_default();
    texts.extend(sent.iter().map(|secret| secret.reveal().to_owned()));
    let mut forms: Vec<String> = texts.iter().flat_map(|text| forms(text)).collect();
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    let mut hidden: Vec<Secret> = forms.into_iter().map(Secret::new).collect();
    hidden.retain(|secret| secret.reveal().len() >= HIDDEN_CHARS_MIN);
    hidden
}

/// What of the address is secret: what variables brought, and name, password and values of the query whoever wrote them.
fn of_address(template: &str, url: &Url, value: &dyn Fn(&str) -> Option<Secret>) -> Vec<String> {
    let Parts { head, path, rest } = parts(template);
    // A variable before the host may reach beyond it.
    let reaches = |own: &str, found: &str| is_variable(own) || (is_variable(head) && own != found);
    let (found_path, found_query) = (url.path().trim_matches('/'), url.query().unwrap_or_default());
    let brought = names(path).chain(names(rest)).filter_map(value);
    let mut texts: Vec<String> = brought.map(|secret| secret.reveal().to_owned()).collect();
    if reaches(path.trim_matches('/'), found_path) {
        texts.push(found_path.to_owned());
    }
    if reaches(rest.trim_start_matches('?'), found_query) {
        texts.push(found_query.to_owned());
    }
    let values = found_query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    texts.extend(values.filter(|value| !is_of_host(url, value)).map(str::to_owned));
    texts.extend(login(url));
    texts
}

/// The name of a host is no secret to anybody, and errors need it.
fn is_of_host(url: &Url, text: &str) -> bool {
    url.host_str().unwrap_or_default().contains(&text.to_ascii_lowercase())
}

/// Name and password of an address, alone and as `Authorization: Basic` has them: a WebSocket sends them as they stand
/// in the address, a request as they are meant.
fn login(url: &Url) -> Vec<String> {
    let (name, password) = (url.username(), url.password().unwrap_or_default());
    if name.is_empty() && password.is_empty() {
        return Vec::new();
    }
    let mut texts = vec![password.to_owned()];
    if !is_of_host(url, name) {
        texts.push(name.to_owned());
    }
    for pair in [format!("{name}:{password}"), format!("{}:{}", meant(name), meant(password))] {
        let encoded = BASE64.encode(pair.as_bytes());
        // Some repeat it without its padding.
        texts.push(encoded.trim_end_matches('=').to_owned());
        texts.push(encoded);
        if !password.is_empty() {
            texts.push(pair);
        }
    }
    texts
}

/// A text as it stands, as it is meant if that is encoded, and as addresses and forms write what is meant.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    // In a query a plus may stand for a blank.
    for decoded in [meant(text), meant(&text.replace('+', "%20"))] {
        let sent: String = byte_serialize(decoded.as_bytes()).collect();
        forms.extend([sent.replace('+', "%20"), sent, decoded]);
    }
    let small: Vec<String> = forms.iter().map(|form| small_escapes(form)).collect();
    forms.extend(small);
    forms
}

/// What a text means in which `%2F` stands for a slash.
pub(crate) fn meant(text: &str) -> String {
    // As one value of a form, in which a plus would be a blank.
    let value = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    parse(value.as_bytes()).next().map(|(_, meant)| meant.into_owned()).unwrap_or_default()
}

/// `%2F` as `%2f`, which says the same.
fn small_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut small = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.char_indices().nth(2).map_or(piece.len(), |(at, _)| at);
        let (escape, rest) = piece.split_at(end);
        small.push('%');
        small.push_str(&escape.to_ascii_lowercase());
        small.push_str(rest);
    }
    small
}

/// A template as it stands in a configuration, taken apart as an address.
struct Parts<'a> {
    /// All before the path.
    head: &'a str,
    path: &'a str,
    /// Query and fragment.
    rest: &'a str,
}

fn parts(template: &str) -> Parts<'_> {
    // Without a scheme of its own all of it may be in a variable, and what follows is no path of that address.
    let Some(scheme) = template.find("://") else { return Parts { head: template, path: "", rest: "" } };
    let host = scheme + "://".len();
    let end = template[host..].find(['/', '?', '#']).map_or(template.len(), |at| host + at);
    let (head, behind) = template.split_at(end);
    let (path, rest) = behind.split_at(behind.find(['?', '#']).unwrap_or(behind.len()));
    Parts { head, path, rest }
}

fn is_variable(text: &str) -> bool {
    text.contains("${")
}

/// The variables that a text names, found as they are when it gets their values.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once("${")?;
        let (name, behind) = after.split_once('}')?;
        rest = behind;
        Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<Secret> {
        let value = match name {
            "KEY" => "geheim/geheim",
            "PASSWORD" => "geheim",
            "HOST" => "a.example",
            "PLACE" => "a.example/ws/geheim",
            "URL" => "wss://ann:geheim@a.example:8443/ws/geheim?key=geheim",
            _ => return None,
        };
        Some(Secret::new(value))
    }

    /// The address, and its URL as a capture makes it.
    fn resolved(template: &str) -> Url {
        let mut text = template.to_owned();
        for name in ["KEY", "PASSWORD", "HOST", "PLACE", "URL"] {
            text = text.replace(&format!("${{{name}}}"), value(name).unwrap().reveal());
        }
        Url::parse(&text).unwrap()
    }

    #[test]
    fn a_variable_is_shown_by_its_name_or_not_at_all() {
        let check = |template: &str, expect: &str| {
            assert_eq!(shown(template, &resolved(template)), expect, "{template}");
        };
        check("wss://a.example/feed/?key=${KEY}", "wss://a.example/feed");
        check("wss://a.example:8443/ws/${KEY}/v1?a=b#c", "wss://a.example:8443/ws/${KEY}/v1");
        check("wss://ann:${PASSWORD}@a.example/ws/${KEY}", "wss://a.example/ws/${KEY}");
        check("wss://${HOST}/ws", "wss://a.example/ws");
        check("wss://${HOST}/${KEY}", "wss://a.example/${KEY}");
        check("wss://${PLACE}", "wss://a.example");
        check("${URL}", "wss://a.example:8443");
        check("${URL}/more", "wss://a.example:8443");
    }

    #[test]
    fn what_others_repeat_is_hidden() {
        let check = |template: &str, said: &str, expect: &str| {
            let all = hidden(template, Some(&resolved(template)), &value, &[]);
            let text = all.iter().fold(said.to_owned(), |text, secret| secret.hide_in(&text));
            assert_eq!(text, expect, "{template}");
        };
        check("wss://a.example/ws/${KEY}", "cannot GET /ws/geheim/geheim", "cannot GET /***");
        check("wss://a.example/ws/${KEY}", "no geheim/geheim at a.example/ws", "no *** at a.example/ws");
        check("wss://a.example/feed?key=${KEY}", "/feed?key=geheim/geheim", "/feed?***");
        check("${URL}", "no /ws/geheim?key=geheim at a.example", "no /***?*** at a.example");
        check(
            "wss://${HOST}/feed?a=bcd",
            "a.example/feed?a=bcd has no feed",
            "a.example/feed?a=bcd has no feed",
        );
        // Name and password, as they are and as they are sent.
        check(
            "wss://ann:${PASSWORD}@a.example/feed",
            "Basic YW5uOmdlaGVpbQ== or YW5uOmdlaGVpbQ, ann:geheim, wss://ann@a.example",
            "Basic *** or ***, ***, wss://ann@a.example",
        );
        check(
            "wss://anna:p%40ss@a.example",
            "anna, p@ss, p%40ss, YW5uYTpwQHNz, YW5uYTpwJTQwc3M=",
            "***, ***, ***, ***, ***",
        );
        check("wss://example:geheim@a.example", "a.example: geheim", "a.example: ***");
        // Values that nobody put into a variable.
        check(
            "wss://a.example/feed?a=1&k=b%2Fd%20e&x+yz",
            "/feed?a=1&k=b%2Fd%20e&x+yz is b/d e, b%2fd+e, x yz",
            "/feed?a=1&k=***&*** is ***, ***, ***",
        );
    }
}
