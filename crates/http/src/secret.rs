//! Keys, and how they are kept out of sight.

use reqwest::header::{HeaderName, HeaderValue};

use crate::HttpError;

/// Shortest password that is looked for in texts.
const HIDDEN_CHARS_MIN: usize = 4;

/// A key that no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// White space around it, as files have it, is not part of it.
    pub fn new(key: impl AsRef<str>) -> Self {
        Secret(key.as_ref().trim().to_owned())
    }

    /// The key itself, for whoever speaks to the service in another way than HTTP.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without the key, wherever it stands in it.
    pub fn hide_in(&self, text: &str) -> String {
        match self.0.is_empty() {
            true => text.to_owned(),
            false => text.replace(&self.0, "***"),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A key and where in a request a service looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// A header of its own, such as `api-key`.
    Header(&'static str, Secret),
    /// `Authorization: Basic …`, of a name and a password. Services that want one key alone take it as the name.
    Basic(Secret, Secret),
}

impl Key {
    fn secret(&self) -> &Secret {
        match self {
            Key::Bearer(secret) | Key::Header(_, secret) | Key::Basic(secret, _) => secret,
        }
    }

    /// A variable that is set to nothing: no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.secret().0.is_empty()
    }

    pub(crate) fn hide_in(&self, text: &str) -> String {
        let text = self.secret().hide_in(text);
        match self {
            // A password such as `X` says nothing, and to hide it would spoil every text.
            Key::Basic(_, password) if password.0.len() >= HIDDEN_CHARS_MIN => password.hide_in(&text),
            _ => text,
        }
    }

    /// The header that carries it; `None` where the library makes it.
    pub(crate) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, HttpError> {
        let (name, value) = match self {
            Key::Basic(..) => return Ok(None),
            Key::Bearer(secret) => ("authorization", format!("Bearer {}", secret.0)),
            Key::Header(name, secret) => (*name, secret.0.clone()),
        };
        let refuse = |what: &str| HttpError::Config { setting: "key", reason: what.to_owned() };
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refuse("the header that it goes into is not a name"))?;
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| refuse("it has characters that no HTTP header may have"))?;
        // The library's own logs leave it out.
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}
