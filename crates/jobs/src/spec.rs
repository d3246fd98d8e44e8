//! What somebody wants done: which inputs, how, and who asked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stele_model::id::{IdHasher, to_hex};

use crate::error::JobsError;

/// Inputs of one job. A watcher puts what arrived in one tick into one job, so that 20,000 small files are twenty
/// jobs and twenty commits; more would make a transaction that others wait for.
pub const INPUTS_MAX: usize = 1_000;

/// Bytes of a URI. No file system has longer paths, and a longer URL is data that somebody put into it.
pub const URI_BYTES_MAX: usize = 4_096;

/// Bytes of a checksum, a tag, a tenant, or the name of a watcher or a worker: what fits a line of a table.
pub const NAME_BYTES_MAX: usize = 200;

/// What the URI of an input begins with that is a source of the configuration. A worker finds there what it is and what
/// it takes to ask it: no setting and no secret of it is ever in a queue.
pub const SOURCE_SCHEME: &str = "source://";

/// The tenant of whoever names none.
pub const DEFAULT_TENANT: &str = "default";

/// One source in one state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where it is, as given: a path, `s3://…`, `https://…`. Case matters.
    pub uri: String,
    /// What tells this state from others: a SHA-256, an ETag. Without one the input is never a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Whether the source is gone, and what was taken from it is to go too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

impl Input {
    /// A source whose state is known.
    pub fn new(uri: impl Into<String>, checksum: impl Into<String>) -> Self {
        Self { uri: uri.into(), checksum: Some(checksum.into()), removed: false }
    }

    /// A source of which nobody knows yet what it holds.
    pub fn unread(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), checksum: None, removed: false }
    }

    /// A source that is gone.
    pub fn removed(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), checksum: None, removed: true }
    }

    /// What is new of a source of the configuration, whatever that will be when its turn comes.
    pub fn of_source(id: &str) -> Self {
        Self::unread(format!("{SOURCE_SCHEME}{id}"))
    }

    /// The source of the configuration that it is, if it is one.
    pub fn source_id(&self) -> Option<&str> {
        self.uri.strip_prefix(SOURCE_SCHEME)
    }

    /// What the source would be in if this were done; nothing if that is not known.
    pub(crate) fn content(&self) -> Option<Content> {
        if self.removed { Some(Content::Removed) } else { self.checksum.clone().map(Content::Checksum) }
    }
}

/// A state of a source that can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    Checksum(String),
    Removed,
}

/// Who asked for a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Origin {
    /// A person at a terminal.
    #[default]
    Cli,
    /// A request to the service.
    Http,
    /// A watcher, by its name.
    Watcher(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Cli => f.write_str("cli"),
            Origin::Http => f.write_str("http"),
            Origin::Watcher(name) => write!(f, "watcher:{name}"),
        }
    }
}

impl FromStr for Origin {
    type Err = JobsError;

    fn from_str(text: &str) -> Result<Self, JobsError> {
        match (text, text.strip_prefix("watcher:")) {
            ("cli", _) => Ok(Origin::Cli),
            ("http", _) => Ok(Origin::Http),
            (_, Some(name)) if !name.is_empty() => Ok(Origin::Watcher(name.to_owned())),
            _ => Err(JobsError::spec("origin", format!("{text:?} is none of cli, http and watcher:NAME"))),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How the inputs are to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A word of the user's, to find the job by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whether texts are to get vectors.
    pub embed: bool,
    /// Whether inputs that are done already are done again.
    pub force: bool,
    /// Whose data it is.
    pub tenant: String,
    /// The time zone of times that name none, as an IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The format of every input, whatever its content looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tag: None,
            embed: true,
            force: false,
            tenant: DEFAULT_TENANT.to_owned(),
            timezone: None,
            format: None,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The sources, each named once.
    pub inputs: Vec<Input>,
    /// How they are to be treated.
    #[serde(default)]
    pub options: Options,
    /// Who asked.
    #[serde(default)]
    pub origin: Origin,
}

impl Spec {
    /// A job on these inputs, with nothing special about it.
    pub fn new(inputs: impl IntoIterator<Item = Input>) -> Self {
        Self { inputs: inputs.into_iter().collect(), ..Self::default() }
    }

    /// The source of the configuration that it collects, if it is a job of one.
    pub fn source_id(&self) -> Option<&str> {
        self.inputs.first().and_then(Input::source_id)
    }

    /// Who takes turns with whom: a thousand jobs of one tenant's watcher do not keep the others waiting.
    pub(crate) fn lane(&self) -> String {
        format!("{}/{}", self.options.tenant, self.origin)
    }

    /// Whether it can be a job at all.
    ///
    /// # Errors
    ///
    /// [`JobsError::Spec`] names the field, and which input.
    pub fn check(&self) -> Result<(), JobsError> {
        if self.inputs.is_empty() {
            return Err(JobsError::spec("inputs", "there are none, so nothing is to be done".to_owned()));
        }
        if self.inputs.len() > INPUTS_MAX {
            let reason =
                format!("{} inputs, and a job holds {INPUTS_MAX}; submit several", self.inputs.len());
            return Err(JobsError::spec("inputs", reason));
        }
        let mut seen = std::collections::HashSet::new();
        for (number, input) in self.inputs.iter().enumerate() {
            let wrong = |reason: &str| Err(JobsError::spec("inputs", format!("input {number}: {reason}")));
            if input.uri.is_empty() || input.uri.len() > URI_BYTES_MAX {
                return wrong(&format!("its URI has {} bytes; 1 to {URI_BYTES_MAX} do", input.uri.len()));
            }
            if input.checksum.as_ref().is_some_and(|sum| sum.is_empty() || sum.len() > NAME_BYTES_MAX) {
                return wrong(&format!("its checksum is empty or longer than {NAME_BYTES_MAX} bytes"));
            }
            if input.removed && input.checksum.is_some() {
                return wrong("it is gone and has a checksum; say one of the two");
            }
            if let Some(id) = input.source_id() {
                // Each has a line of its own, and one that waits for its service keeps nobody else waiting.
                if self.inputs.len() > 1 {
                    return wrong("it is a source, and each has a job of its own; submit several");
                }
                if input.checksum.is_some() || input.removed {
                    return wrong("it is a source, of which is known what it holds when it was asked");
                }
                name_fits("inputs", id)?;
            }
            if !seen.insert(&input.uri) {
                return wrong(&format!("{} is named twice", input.uri));
            }
        }
        name_fits("tenant", &self.options.tenant)?;
        self.options.tag.as_ref().map_or(Ok(()), |tag| name_fits("tag", tag))?;
        if let Origin::Watcher(name) = &self.origin {
            name_fits("origin", name)?;
        }
        Ok(())
    }
}

/// Whether this can be the name of something.
pub(crate) fn name_fits(field: &'static str, name: &str) -> Result<(), JobsError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let reason = format!("{name:?} is empty, longer than {NAME_BYTES_MAX} bytes or not printable");
        return Err(JobsError::spec(field, reason));
    }
    Ok(())
}

/// A source of a tenant, as the queue remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SourceKey(pub(crate) String);

impl SourceKey {
    pub(crate) fn new(tenant: &str, uri: &str) -> Self {
        Self(to_hex(&IdHasher::new("source").part(tenant.as_bytes()).part(uri.as_bytes()).finish()))
    }
}
