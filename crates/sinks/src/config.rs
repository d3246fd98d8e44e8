//! Which store, and how it is treated.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stele_http::{Client, ClientConfig, HttpError, Key, Pace, Secret};

use crate::chroma::Chroma;
use crate::qdrant::Qdrant;
use crate::service::Service;
use crate::{Sink, SinkError};

/// Shortest and longest name of a collection that both kinds of store take.
const NAME_CHARS_MIN: usize = 3;
const NAME_CHARS_MAX: usize = 255;

/// What kind of store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// Chroma, over version 2 of its REST interface.
    Chroma,
    /// Qdrant 1.16 or later, over REST.
    Qdrant,
    /// Neo4j 4.4 or later, or what speaks like it, over Bolt: the graph, and no vectors.
    Neo4j,
}

impl SinkKind {
    /// As it stands in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chroma => "chroma",
            Self::Qdrant => "qdrant",
            Self::Neo4j => "neo4j",
        }
    }
}

/// A collection outside that is kept a copy of the index, or a database of the graph: a table
/// `[sinks.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// What kind of store it is: `chroma`, `qdrant` or `neo4j`.
    pub kind: SinkKind,
    /// Where it is, such as `http://127.0.0.1:6333`, or `bolt://127.0.0.1:7687` for Neo4j.
    pub url: String,
    /// The collection. It is made if it is not there, and belongs to one lake alone. 3 to 255 letters,
    /// digits, `.`, `_` and `-`, the first and the last of them a letter or a digit. Neo4j has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub collection: String,
    /// The tenant of a Chroma server. `default_tenant` if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The database of a Chroma server, `default_database` if it is not set; or that of Neo4j, the one that
    /// the server has by default if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Who asks a Neo4j server. `neo4j` if there is a password and this is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The environment variable that holds the key. `STELE_SINK_KEY` if it is not set. The key itself never
    /// stands in a file of ours. Chroma gets it as `x-chroma-token`, Qdrant as `api-key`, Neo4j as the
    /// password of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_variable: Option<String>,
    /// Whether each job brings it up to date. Without it `stele sink sync` does.
    #[serde(default)]
    pub follow: bool,
    /// How patient it is: tries, waits, time limits, requests in a minute, the proxy.
    #[serde(default)]
    pub http: ClientConfig,
}

/// The vector store of a configuration; [`crate::GraphSink::open`] is for the others. Nothing is asked yet; `key` is what the environment has for it.
///
/// # Errors
/// If a setting cannot be used; the error names it.
pub fn open(
    config: &SinkConfig,
    key: Option<Secret>,
    pace: Arc<dyn Pace>,
) -> Result<Box<dyn Sink>, SinkError> {
    let (name, header) = match config.kind {
        SinkKind::Chroma => ("Chroma", "x-chroma-token"),
        SinkKind::Qdrant => ("Qdrant", "api-key"),
        SinkKind::Neo4j => {
            let reason = "it is a graph database, and no store of vectors".to_owned();
            return Err(SinkError::Config { setting: "kind", reason });
        }
    };
    check("collection", &config.collection)?;
    if config.user.is_some() {
        let reason = "only a Neo4j server has one; leave it out".to_owned();
        return Err(SinkError::Config { setting: "user", reason });
    }
    for (setting, value) in [("tenant", &config.tenant), ("database", &config.database)] {
        let Some(value) = value else { continue };
        if config.kind != SinkKind::Chroma {
            let reason = "only a Chroma server has one; leave it out".to_owned();
            return Err(SinkError::Config { setting, reason });
        }
        check(setting, value)?;
    }
    let key = key.map(|secret| Key::Header(header, secret));
    let client = Client::new(&config.url, config.http.clone(), key, pace).map_err(|error| match error {
        HttpError::Config { setting, reason } => SinkError::Config { setting, reason },
        other => SinkError::Config { setting: "url", reason: other.to_string() },
    })?;
    let shown = format!("the {name} collection {} at {}", config.collection, client.shown());
    let service = Service::new(client, shown);
    Ok(match config.kind {
        SinkKind::Chroma => Box::new(Chroma::new(service, config)),
        _ => Box::new(Qdrant::new(service, config)),
    })
}

/// A name that both stores take, and that stands in a path as it is.
fn check(setting: &'static str, name: &str) -> Result<(), SinkError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let good = (NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&name.len())
        && name.chars().all(inner)
        && outer(name.chars().next())
        && outer(name.chars().next_back());
    if good {
        return Ok(());
    }
    let reason = format!(
        "{name:?} is not {NAME_CHARS_MIN} to {NAME_CHARS_MAX} letters, digits, `.`, `_` and `-` that begin and end with a letter or a digit"
    );
    Err(SinkError::Config { setting, reason })
}
