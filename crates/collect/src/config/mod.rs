//! Which sources there are, and what all of them have in common. What one kind has of its own is for its crate.

mod duration;
mod jsonc;
mod load;
mod variables;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use duration::{duration, duration_if_set};
pub use load::{KnownKeys, Problem};
use variables::missing;
pub use variables::{Lookup, Resolved, secret, shown};

use crate::{CollectError, Contract, DedupBy, Price, Window};

/// Sources of one configuration at most: each is a thread and a page of settings.
pub const SOURCES_MAX: usize = 1_000;

/// How far a source is trusted if nothing else is said: neither more nor less than another.
pub const TRUST_SCORE: f64 = 0.5;

/// Every source that could be understood, and what is wrong with the others.
#[derive(Debug, Clone, Default)]
pub struct SourcesConfig {
    /// What holds for every source that says nothing else.
    pub defaults: Defaults,
    /// In the order in which they stand there. [`Self::due`] has the order in which they are collected.
    pub sources: Vec<Source>,
    /// Entries that cannot be used. The others can.
    pub problems: Vec<Problem>,
    /// What is there and has no effect, such as a name that nothing has.
    pub warnings: Vec<String>,
}

/// What holds for every source that says nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// Whether several sources are collected at a time.
    pub parallel_ingestion: bool,
    /// How many at most.
    pub max_workers: usize,
    /// Whether records are held against the `schema` of their source.
    pub validate_schema: bool,
    /// Whether a record without a required field is left out with its reason; if not, it ends the stream.
    pub filter_invalid_data: bool,
    /// Whether answers of services are kept to be read again.
    pub enable_cache: bool,
    /// How long an answer is used without asking again, in seconds.
    pub cache_ttl_seconds: u64,
    /// Whether somebody set `cache_ttl_seconds`.
    #[serde(skip)]
    pub cache_ttl_set: bool,
    /// Requests of one source in a minute, an hour and a day. Only what the service says holds them back if they are
    /// not set: a number that fits nobody would end a run that is allowed.
    pub max_requests_per_minute: Option<u32>,
    /// See `max_requests_per_minute`.
    pub max_requests_per_hour: Option<u32>,
    /// See `max_requests_per_minute`.
    pub max_requests_per_day: Option<u32>,
    /// Tokens of one source in a day, where its calls are counted in tokens.
    pub max_total_tokens_per_day: Option<u64>,
    /// What one source may cost in a day.
    pub daily_cost_threshold_usd: f64,
    /// What all sources together may cost in a day.
    pub emergency_shutdown_threshold_usd: f64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            parallel_ingestion: true,
            max_workers: 4,
            validate_schema: true,
            filter_invalid_data: true,
            enable_cache: true,
            cache_ttl_seconds: 3_600,
            cache_ttl_set: false,
            max_requests_per_minute: None,
            max_requests_per_hour: None,
            max_requests_per_day: None,
            max_total_tokens_per_day: None,
            daily_cost_threshold_usd: 10.0,
            emergency_shutdown_threshold_usd: 50.0,
        }
    }
}

impl Defaults {
    /// How many sources are collected at a time.
    pub fn workers(&self) -> usize {
        if self.parallel_ingestion { self.max_workers.max(1) } else { 1 }
    }

    /// Requests that a source which says nothing else may make.
    pub fn windows(&self) -> Vec<Window> {
        let of = |requests: Option<u32>, window: fn(u32) -> Window| requests.map(window);
        [
            of(self.max_requests_per_minute, Window::minute),
            of(self.max_requests_per_hour, Window::hour),
            of(self.max_requests_per_day, Window::day),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What kind of thing a source is, and so whose crate reads its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A REST API; `api` is the same.
    Rest,
    /// Files of a directory.
    File,
    /// A query of a database.
    Database,
    /// The helpdesk of that name.
    Freshdesk,
    /// Issues of a repository.
    GithubIssues,
    /// A live feed over a socket.
    Socket,
}

impl SourceKind {
    /// Every kind and the names that it has in a configuration; the first is its own.
    pub const NAMES: [(SourceKind, &'static [&'static str]); 6] = [
        (SourceKind::Rest, &["rest", "api"]),
        (SourceKind::File, &["file", "files"]),
        (SourceKind::Database, &["database", "sql"]),
        (SourceKind::Freshdesk, &["freshdesk"]),
        (SourceKind::GithubIssues, &["github_issues"]),
        (SourceKind::Socket, &["socket", "websocket"]),
    ];

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(kind, _)| *kind)
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, names)| names[0])
    }
}

/// One source.
#[derive(Clone, PartialEq)]
pub struct Source {
    /// Which entry of the list it is, counted from 0.
    pub index: usize,
    /// Its name, unique in a configuration.
    pub id: String,
    /// What it is.
    pub kind: SourceKind,
    /// Whether it is collected.
    pub enabled: bool,
    /// Lower goes first.
    pub priority: i64,
    /// Whose records they are, if not those of whoever runs it.
    pub tenant_id: Option<String>,
    /// How far it is trusted, from 0 to 1.
    pub trust_score: f64,
    /// What its records have to look like.
    pub schema: Contract,
    /// Whether a key may go over `http://` to another machine: everybody on the way can read it there.
    pub allow_insecure: bool,
    /// What makes two records the same one.
    pub dedup: DedupBy,
    /// Requests that it may make.
    pub rate_limit: Vec<Window>,
    /// What its calls cost.
    pub cost: Price,
    /// How long an answer is used again; `None` keeps none.
    pub cache_ttl: Option<Duration>,
    /// Whether somebody chose that time. If not, answers are used again only by a run that goes on where another was cut short.
    pub cache_ttl_set: bool,
    /// What its kind has of its own, with variables by their names.
    settings: Map<String, Value>,
}

impl Source {
    /// What its kind has of its own, with the values of variables in place.
    ///
    /// # Errors
    /// If a variable is not set; the text names it.
    pub fn settings(&self, lookup: Lookup<'_>) -> Result<Resolved, CollectError> {
        Resolved::of(&self.id, &Value::Object(self.settings.clone()), lookup)
    }

    /// Whether none of `problems` is its own.
    pub fn is_without(&self, problems: &[Problem]) -> bool {
        problems.iter().all(|problem| problem.index != self.index)
    }

    /// The variables of a part of its settings, such as `auth`, by name: what a person has to set anew.
    pub fn variables_of(&self, setting: &str) -> Vec<String> {
        self.settings.get(setting).map(|value| missing(value, &|_| None)).unwrap_or_default()
    }

    /// The same as it may be shown: variables by their names, secrets as `***`.
    pub fn shown_settings(&self) -> Value {
        shown(&Value::Object(self.settings.clone()))
    }

    /// All of it as it may be shown.
    pub fn shown(&self) -> Value {
        serde_json::json!({
            "source_id": self.id,
            "source_type": self.kind,
            "enabled": self.enabled,
            "priority": self.priority,
            "tenant_id": self.tenant_id,
            "trust_score": self.trust_score,
            "allow_insecure": self.allow_insecure,
            "schema": self.schema,
            "dedup": self.dedup,
            "rate_limit": self.rate_limit,
            "cost": self.cost,
            "cache_ttl_seconds": self.cache_ttl.map(|ttl| ttl.as_secs()),
            "settings": self.shown_settings(),
        })
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({})", self.shown())
    }
}

impl SourcesConfig {
    /// Sources that are collected, in order: those that are enabled, by priority and then by name; of a threshold,
    /// those of this priority and lower numbers.
    pub fn due(&self, priority_threshold: Option<i64>) -> Vec<&Source> {
        let within =
            |source: &&Source| priority_threshold.is_none_or(|threshold| source.priority <= threshold);
        let mut due: Vec<&Source> =
            self.sources.iter().filter(|source| source.enabled).filter(within).collect();
        due.sort_by(|a, b| (a.priority, &a.id).cmp(&(b.priority, &b.id)));
        due
    }

    /// The source of this name.
    ///
    /// # Errors
    /// If there is none, or it is one of the entries that cannot be used; the text says which there are.
    pub fn source(&self, id: &str) -> Result<&Source, CollectError> {
        if let Some(source) = self.sources.iter().find(|source| source.id == id) {
            return Ok(source);
        }
        let why = match self.problems.iter().find(|problem| problem.source_id.as_deref() == Some(id)) {
            Some(problem) => problem.why.clone(),
            None if self.sources.is_empty() => "there is no such source; none is configured".to_owned(),
            None => {
                let names: Vec<&str> = self.sources.iter().map(|source| source.id.as_str()).collect();
                format!("there is no such source; there are {}", names.join(", "))
            }
        };
        Err(CollectError::Config { source_id: id.to_owned(), why })
    }
}
