//! Who asks, as people write it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stele_collect::secret;
use stele_http::Secret;

/// Who asks, and how that is said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// A key under a name.
    ApiKey {
        /// `header` if it is not set, `query` or `cookie`.
        #[serde(default, rename = "in")]
        place: Place,
        /// Such as `X-API-KEY`.
        name: String,
        /// The key.
        #[serde(deserialize_with = "secret")]
        value: Secret,
    },
    /// A name and a password.
    Basic {
        /// The name. Some services take the key as the name.
        #[serde(deserialize_with = "secret")]
        username: Secret,
        /// The password.
        #[serde(default = "no_secret", deserialize_with = "secret")]
        password: Secret,
    },
    /// A token.
    Bearer {
        /// The token.
        #[serde(deserialize_with = "secret")]
        token: Secret,
    },
    /// A token that is fetched, and again when it ends.
    Oauth2(Oauth2),
    /// Several tokens in turn: when one has used up what it may, the next goes on.
    Tokens {
        /// The tokens.
        #[serde(deserialize_with = "secret_list")]
        tokens: Vec<Secret>,
        /// The header that they go into: `Authorization` with `Bearer` if it is not set.
        #[serde(default)]
        header: Option<String>,
    },
}

/// How a token is fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth2 {
    /// Where.
    pub token_url: String,
    /// Who asks for it.
    #[serde(deserialize_with = "secret")]
    pub client_id: Secret,
    /// The password of who asks.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Secret,
    /// With it a person's permission is renewed; without it the client has its own.
    #[serde(default, deserialize_with = "secret_if_set")]
    pub refresh_token: Option<Secret>,
    /// What is to be allowed.
    #[serde(default)]
    pub scope: Option<String>,
    /// Where the client says who it is: in the `body` if it is not set, or as `basic`.
    #[serde(default)]
    pub client_in: ClientIn,
}

/// Where the client says who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientIn {
    /// In the form.
    #[default]
    Body,
    /// As a name and a password.
    Basic,
}

/// Where a key goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A header of this name.
    #[default]
    Header,
    /// Behind `?`.
    Query,
    /// A cookie.
    Cookie,
}

fn secret_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Secret>, D::Error> {
    let refuse = || serde::de::Error::custom("`tokens` has to be a list of texts with one at least");
    let list = Vec::<Value>::deserialize(from).map_err(|_: D::Error| refuse())?;
    let tokens: Option<Vec<Secret>> = list.iter().map(|token| token.as_str().map(Secret::new)).collect();
    tokens.filter(|tokens| !tokens.is_empty()).ok_or_else(refuse)
}

fn secret_if_set<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    secret(from).map(Some)
}

fn no_secret() -> Secret {
    Secret::new("")
}
