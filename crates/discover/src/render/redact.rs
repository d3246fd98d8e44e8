//! Hides the values of identity-like fields, before anything is rendered.
//!
//! A path is identity-like if one of its names is: alone (`email`, `name`, `id`), by its last word
//! (`billingAddress`, `api_token`), or by a word for a person with the word `id`, `name`, `key` or
//! `code` (`playerId`, `owner_name`). What is below such a name is hidden too (`name.first`).
//! Elsewhere, a value that looks like a mail address or an IP address is hidden by itself. Keys of
//! folded maps are data, often of a person, and are always hidden.
//!
//! Counts, types, lengths and places stay: the report remains true. It is made for sharing a
//! report, not for anonymising free text; names that people type into a chat are not found.

use stele_model::json::unescape;

use crate::view::{CatalogueView, EventView, PathView, Step, ValueView};

/// What stands in place of a hidden value.
pub const HIDDEN: &str = "[redacted]";

/// Names that are identity-like when they stand alone.
pub const NAMES: [&str; 12] =
    ["id", "name", "user", "player", "login", "mail", "tel", "city", "zip", "avatar", "session", "sid"];

/// Last words that make any name identity-like.
pub const LAST_WORDS: [&str; 30] = [
    "username",
    "userid",
    "playerid",
    "nickname",
    "nick",
    "handle",
    "email",
    "phone",
    "mobile",
    "address",
    "street",
    "postcode",
    "birthday",
    "birthdate",
    "firstname",
    "lastname",
    "surname",
    "fullname",
    "displayname",
    "ip",
    "wallet",
    "iban",
    "ssn",
    "token",
    "secret",
    "password",
    "cookie",
    "auth",
    "authorization",
    "jwt",
];

/// Words for a person or an account; with one of [`ATTRIBUTES`] they make a name identity-like.
pub const PERSONS: [&str; 14] = [
    "user",
    "player",
    "account",
    "customer",
    "client",
    "owner",
    "author",
    "sender",
    "recipient",
    "member",
    "person",
    "contact",
    "session",
    "device",
];

/// Words that point at a person when they follow one of [`PERSONS`].
pub const ATTRIBUTES: [&str; 6] = ["id", "ids", "name", "names", "key", "code"];

/// Hides what must not be shared.
pub fn apply(view: &mut CatalogueView) {
    for event in &mut view.events {
        redact_event(event);
    }
}

/// Whether a member of this name is identity-like.
pub fn is_identity(name: &str) -> bool {
    let words = words(name);
    let joined = words.concat();
    let last = words.last().map_or("", String::as_str);
    let pair = words
        .windows(2)
        .any(|pair| PERSONS.contains(&pair[0].as_str()) && ATTRIBUTES.contains(&pair[1].as_str()));
    let two = words.len().checked_sub(2).map_or(String::new(), |from| words[from..].concat());
    let listed = |word: &str| {
        LAST_WORDS.contains(&word) || word.strip_suffix('s').is_some_and(|one| LAST_WORDS.contains(&one))
    };
    NAMES.contains(&joined.as_str()) || listed(last) || listed(&two) || pair
}

fn redact_event(event: &mut EventView) {
    let mut hidden = vec![false; event.tree.len()];
    // Parents come before their children: a parent's path is a prefix of the child's.
    for index in 0..event.tree.len() {
        let path = &event.tree[index];
        let own = matches!(&path.step, Step::Member(name) if is_identity(name));
        hidden[index] = own || (index > 0 && hidden.get(path.parent).copied().unwrap_or(false));
        redact_path(&mut event.tree[index], hidden[index]);
    }
}

fn redact_path(path: &mut PathView, hidden: bool) {
    if hidden && !path.values.is_empty() {
        let place = path.first_seen.clone();
        path.values = vec![ValueView { json: HIDDEN.to_owned(), cut: true, place }];
        path.enumerated = false;
    }
    if hidden {
        path.number_range = None;
    }
    for value in &mut path.values {
        if looks_personal(&value.json) {
            value.json = HIDDEN.to_owned();
            value.cut = true;
            path.enumerated = false;
        }
    }
    if let Some(fold) = &mut path.fold {
        fold.sample_keys.clear();
    }
    if let Some(variants) = &mut path.variants
        && (hidden || is_identity(&variants.discriminator))
    {
        path.variants = None;
    }
}

/// The words of `playerId`, `player_id`, `PLAYER-ID` and `IPAddress`, in lower case.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = index.checked_sub(1).map(|at| characters[at]);
        let after = characters.get(index + 1);
        let begins = character.is_uppercase()
            && (before.is_some_and(|c| !c.is_uppercase()) || after.is_some_and(|c| c.is_lowercase()));
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn looks_personal(json: &str) -> bool {
    let Some(inside) = json.strip_prefix('"') else { return false };
    let text = unescape(inside.as_bytes());
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | ',' | ';' | '(' | ')'))
        .any(|word| is_mail(word) || is_ip(word))
}

fn is_mail(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| {
        let (name, top) = host.rsplit_once('.').unwrap_or_default();
        !user.is_empty() && !name.is_empty() && top.len() > 1
    })
}

fn is_ip(word: &str) -> bool {
    let word = word.strip_prefix("::ffff:").unwrap_or(word);
    let host = word.split_once(':').map_or(word, |(host, _)| host);
    host.parse::<std::net::Ipv4Addr>().is_ok() || word.parse::<std::net::Ipv6Addr>().is_ok() && word.len() > 2
}
