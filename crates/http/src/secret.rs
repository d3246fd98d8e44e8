//! Keys, and how they are kept out of sight.

use reqwest::header::{HeaderName, HeaderValue};

use crate::HttpError;

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
}

impl Key {
    fn secret(&self) -> &Secret {
        match self {
            Key::Bearer(secret) | Key::Header(_, secret) => secret,
        }
    }

    /// A variable that is set to nothing: no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.secret().0.is_empty()
    }

    pub(crate) fn hide_in(&self, text: &str) -> String {
        self.secret().hide_in(text)
    }

    /// The header that carries it.
    pub(crate) fn header(&self) -> Result<(HeaderName, HeaderValue), HttpError> {
        let (name, value) = match self {
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
        Ok((name, value))
    }
}
