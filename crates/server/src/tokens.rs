//! Who may ask, as a file says it: tokens, each with a tenant, with what it may do, and with how often.
//!
//! ```toml
//! [[token]]
//! name = "agents"                 # as logs and pages call it; never the token itself
//! sha256 = "9f86d081884c7d65…"    # of the token: printf %s "$TOKEN" | sha256sum
//! tenant = "default"              # whose data it sees, and nothing of others
//! may = "read"                    # "read", or "run": start jobs and steer them as well
//! requests_per_minute = 600
//!
//! [[root]]                        # a directory from which jobs of that tenant may ingest, besides --allow-root
//! tenant = "default"
//! dir = "/srv/recordings"
//! ```
//!
//! `token = "…"` may stand in the place of `sha256`. What is kept in memory is hashes.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::roots::Root;

/// Fewest characters of a token: what sixteen random bytes take in base64 without its end.
pub const TOKEN_CHARS_MIN: usize = 16;

/// Tokens of a file: each is compared with every request's.
pub const TOKENS_MAX: usize = 1000;

/// Tenants of a file: each has an engine of its own, with its index and its model in memory.
pub const TENANTS_MAX: usize = 64;

/// Requests a minute unless the file says otherwise: an agent that works without a pause.
const REQUESTS_PER_MINUTE: u32 = 600;

/// Requests a minute at most: more than a machine answers.
const REQUESTS_PER_MINUTE_MAX: u32 = 1_000_000;

/// Characters of a name in logs and metrics.
const NAME_CHARS_MAX: usize = 64;

/// What one may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Ask.
    Read,
    /// Start jobs and steer them as well.
    Run,
}

/// One who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// As logs call it.
    pub name: String,
    /// Whose data it sees.
    pub tenant: String,
    /// What it may do.
    pub right: Right,
    /// Requests a minute; `None` is as many as there come.
    pub per_minute: Option<u32>,
}

/// All who may ask. Without a token anybody may, which is for the loopback alone.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    known: Vec<(blake3::Hash, Holder)>,
    roots: Vec<Root>,
}

/// What is wrong with a file of tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// It is no TOML, or has keys that nobody knows.
    #[error("{0}")]
    Syntax(String),
    /// One of its tokens cannot be used.
    #[error("token {name}: {reason}")]
    Token {
        /// Its name, or its place where it has none.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A directory that cannot be one to ingest from.
    #[error("root {0}")]
    Root(String),
    /// There is none, or there are too many.
    #[error("{0}")]
    Count(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
    #[serde(default)]
    root: Vec<RootEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootEntry {
    tenant: Option<String>,
    dir: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    token: Option<String>,
    sha256: Option<String>,
    tenant: Option<String>,
    may: Option<Right>,
    requests_per_minute: Option<u32>,
}

impl Tokens {
    /// One token, for whoever knows it: all rights, as often as it likes.
    ///
    /// # Errors
    ///
    /// If it can be guessed.
    pub fn single(token: &str, tenant: &str) -> Result<Self, TokensError> {
        let holder = Holder {
            name: "token".to_owned(),
            tenant: tenant.to_owned(),
            right: Right::Run,
            per_minute: None,
        };
        let key = key_of(token).map_err(|reason| TokensError::Token { name: "token".to_owned(), reason })?;
        Ok(Self { known: vec![(key, holder)], roots: Vec::new() })
    }

    /// The tokens of a file. `tenant` is that of tokens that name none.
    ///
    /// # Errors
    ///
    /// Names the token and what is wrong with it, and never a token.
    pub fn parse(text: &str, tenant: &str) -> Result<Self, TokensError> {
        // The message alone: the error would quote the line, in which a token may stand.
        let file: File =
            toml::from_str(text).map_err(|error| TokensError::Syntax(error.message().to_owned()))?;
        if file.token.is_empty() || file.token.len() > TOKENS_MAX {
            return Err(TokensError::Count(format!(
                "it has {} tokens; from 1 to {TOKENS_MAX} are taken, each a [[token]]",
                file.token.len()
            )));
        }
        let mut known = Vec::new();
        let (mut names, mut keys, mut tenants) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (number, entry) in file.token.into_iter().enumerate() {
            let name = entry.name.clone();
            let wrong = |reason: &str| {
                let name = if name.is_empty() { format!("number {}", number + 1) } else { name.clone() };
                Err(TokensError::Token { name, reason: reason.to_owned() })
            };
            let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !is_plain(&name) {
                return wrong("its name has to be visible ASCII without blanks, up to 64 characters");
            }
            if !names.insert(name.clone()) {
                return wrong("another one has that name");
            }
            let key = match (&entry.token, &entry.sha256) {
                (Some(token), None) => key_of(token),
                (None, Some(sum)) => key_of_sum(sum),
                _ => Err("it needs `token` or `sha256`, and one of them alone".to_owned()),
            };
            let key = match key {
                Ok(key) => key,
                Err(reason) => return wrong(&reason),
            };
            if !keys.insert(key) {
                return wrong("it is the same token as another");
            }
            let per_minute = entry.requests_per_minute.unwrap_or(REQUESTS_PER_MINUTE);
            if !(1..=REQUESTS_PER_MINUTE_MAX).contains(&per_minute) {
                return wrong("requests_per_minute has to be from 1 to 1000000");
            }
            let tenant = entry.tenant.unwrap_or_else(|| tenant.to_owned());
            if tenant.is_empty() {
                return wrong("its tenant is empty");
            }
            tenants.insert(tenant.clone());
            if tenants.len() > TENANTS_MAX {
                return wrong("it names one tenant more than the 64 that one service has room for");
            }
            let right = entry.may.unwrap_or(Right::Read);
            known.push((key, Holder { name, tenant, right, per_minute: Some(per_minute) }));
        }
        let mut roots = Vec::new();
        for entry in file.root {
            let tenant = entry.tenant.unwrap_or_else(|| tenant.to_owned());
            let dir = entry.dir.display();
            if !entry.dir.is_absolute() {
                return Err(TokensError::Root(format!("{dir} has to be an absolute path")));
            }
            if !tenants.contains(&tenant) {
                return Err(TokensError::Root(format!("{dir} is for tenant {tenant}, which no token has")));
            }
            roots.push(Root { dir: entry.dir, tenant: Some(tenant) });
        }
        Ok(Self { known, roots })
    }

    /// Directories from which the file lets jobs of a tenant ingest.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Whether anybody may ask.
    pub fn is_open(&self) -> bool {
        self.known.is_empty()
    }

    /// Who has `token`. Every hash is compared to its end, so the time tells nothing of which it was,
    /// or how much of it was right.
    pub(crate) fn holder(&self, token: &str) -> Option<(usize, &Holder)> {
        let key = blake3::hash(&Sha256::digest(token.as_bytes()));
        let mut found = None;
        for (number, (known, holder)) in self.known.iter().enumerate() {
            if *known == key {
                found = Some((number, holder));
            }
        }
        found
    }

    /// Everybody, in the order of the file.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.known.iter().map(|(_, holder)| holder)
    }

    /// The tenants that somebody may see.
    pub fn tenants(&self) -> Vec<String> {
        let tenants: BTreeMap<&str, ()> = self.holders().map(|holder| (&*holder.tenant, ())).collect();
        tenants.into_keys().map(str::to_owned).collect()
    }
}

fn key_of(token: &str) -> Result<blake3::Hash, String> {
    if token.len() < TOKEN_CHARS_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "it is shorter than {TOKEN_CHARS_MIN} characters, or holds others than visible ASCII"
        ));
    }
    Ok(blake3::hash(&Sha256::digest(token.as_bytes())))
}

fn key_of_sum(sum: &str) -> Result<blake3::Hash, String> {
    let digits = sum.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((nibble(*high)? * 16 + nibble(*low)?) as u8),
            _ => None,
        })
        .collect();
    match bytes {
        Some(bytes) if bytes.len() == 32 => Ok(blake3::hash(&bytes)),
        _ => Err("its sha256 has to be 64 hexadecimal digits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Right, Tokens};
    use stele_model::id::to_hex;

    const SECRET: &str = "0123456789abcdef-one";

    #[test]
    fn a_file_says_who_may_ask() {
        // The sum is what `printf %s 0123456789abcdef-two | sha256sum` prints.
        let text = format!(
            "[[token]]\nname = \"a\"\ntoken = \"{SECRET}\"\n\
             [[token]]\nname = \"b\"\nsha256 = \"{}\"\ntenant = \"other\"\nmay = \"run\"\nrequests_per_minute = 5\n",
            "2d59aeae80bfce9901498f47351bce8111d502584efa49104d7cf0e5a7392e25"
        );
        let tokens = Tokens::parse(&text, "mine").unwrap();
        let (number, holder) = tokens.holder(SECRET).unwrap();
        assert_eq!((number, &*holder.name, &*holder.tenant, holder.right), (0, "a", "mine", Right::Read));
        let (number, holder) = tokens.holder("0123456789abcdef-two").unwrap();
        assert_eq!((number, &*holder.tenant, holder.per_minute), (1, "other", Some(5)));
        assert_eq!(tokens.tenants(), ["mine", "other"]);
        for wrong in ["", "0123456789abcdef-on", "0123456789abcdef-onee", "0123456789ABCDEF-one"] {
            assert_eq!(tokens.holder(wrong), None, "{wrong}");
        }
        assert!(Tokens::default().is_open() && !tokens.is_open());
    }

    #[test]
    fn a_sum_stands_for_its_token() {
        use sha2::{Digest, Sha256};
        let sum = to_hex(&Sha256::digest(SECRET));
        let text = format!("[[token]]\nname = \"a\"\nsha256 = \"{sum}\"\n");
        assert!(Tokens::parse(&text, "t").unwrap().holder(SECRET).is_some());
    }

    #[test]
    fn what_is_wrong_is_named_without_the_token() {
        let token = "name = \"a\"\ntoken = \"0123456789abcdef-one\"";
        for (text, expect) in [
            (String::new(), "0 tokens"),
            ("[[token]]\nname = \"a\"".to_owned(), "token a: it needs"),
            (format!("[[token]]\n{token}\nsha256 = \"00\""), "token a: it needs"),
            ("[[token]]\nname = \"a\"\ntoken = \"0123456789\"".to_owned(), "shorter than 16"),
            ("[[token]]\nname = \"a\"\nsha256 = \"xyz\"".to_owned(), "64 hexadecimal"),
            ("[[token]]\nname = \"a b\"\ntoken = \"0123456789abcdef-one\"".to_owned(), "visible ASCII"),
            (format!("[[token]]\n{token}\n[[token]]\n{token}"), "another one has that name"),
            (
                format!("[[token]]\n{token}\n[[token]]\nname = \"b\"\ntoken = \"0123456789abcdef-one\""),
                "same token",
            ),
            (format!("[[token]]\n{token}\nrequests_per_minute = 0"), "from 1 to"),
            (format!("[[token]]\n{token}\ntenant = \"\""), "tenant is empty"),
            (format!("[[token]]\n{token}\nmay = \"write\""), "unknown variant `write`"),
            (format!("[[token]]\n{token}\ncolour = 1"), "unknown field `colour`"),
            (format!("[[token]]\n{token}\n[[root]]\ndir = \"srv\""), "root srv has to be an absolute path"),
            (format!("[[token]]\n{token}\n[[root]]\ntenant = \"u\"\ndir = \"/srv\""), "which no token has"),
            ("[[token]]\nname = \"a\"\ntoken = 0123456789abcdef-one".to_owned(), ""),
        ] {
            let error = Tokens::parse(&text, "t").unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
            assert!(!error.contains("0123456789"), "{text}: {error}");
        }
    }
}
