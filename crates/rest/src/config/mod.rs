//! What a REST source is, as people write it. Each field's comment is its manual.

mod auth;
mod paging;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use stele_collect::{CollectError, Lookup, Missing, Source, duration};
use stele_http::{ClientConfig, Secret};

pub use auth::{Auth, ClientIn, Oauth2, Place};
pub use paging::Paginate;

/// Settings of a source of this kind, for [`stele_collect::SourcesConfig`]: of the whole, then those of a resource,
/// which stand beside them where there is only one.
pub const KEYS: &[&str] = &[
    "base_url",
    "hosts",
    "auth",
    "auth_type",
    "retry",
    "workers",
    "http",
    "resources", // of the whole
    "endpoint",
    "name",
    "path",
    "method",
    "params",
    "headers",
    "body",
    "form",
    "select",
    "key",
    "ts",
    "doc_type",
    "paginate",
    "pages_max",
    "incremental",
    "on_status",
    "include_from_parent",
    "tokens_path",
];

/// Those of the whole alone.
const OF_THE_WHOLE: [&str; 7] = ["base_url", "hosts", "auth", "auth_type", "retry", "workers", "http"];

/// Resources of one source at most.
const RESOURCES_MAX: usize = 1_000;

/// Pages of one resource, or of one of its parents, if nothing else is said: ten million records of a thousand a page.
const PAGES_MAX: u64 = 10_000;

/// A whole source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// What stands in front of every path, such as `https://api.example/v1`.
    pub base_url: String,
    /// Hosts that a next page may be at beside that of `base_url`, with the port if it is not that of the scheme.
    /// What is sent there has the key in it, so nobody else names them.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Who asks.
    #[serde(default)]
    pub auth: Auth,
    /// What is sent with every request.
    #[serde(default, deserialize_with = "secrets")]
    pub headers: BTreeMap<String, Secret>,
    /// What stands behind `?` in every request. A resource may replace it.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// What is tried again, and for how long.
    #[serde(default)]
    pub retry: Retry,
    /// Parents whose children are read at a time. 4 if it is not set.
    #[serde(default = "workers")]
    pub workers: usize,
    /// Time limits, the longest answer, the proxy. Tries and waits are in `retry`.
    #[serde(default)]
    pub http: ClientConfig,
    /// What there is.
    pub resources: Vec<ResourceConfig>,
    /// What is shown nowhere: what variables brought, wherever it stands, and what is a key by its name.
    #[serde(skip)]
    pub(crate) secrets: Vec<Secret>,
}

/// Something that is asked for page by page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceConfig {
    /// Its name, which is that of its stream.
    pub name: String,
    /// Behind `base_url`. `posts/{resources.posts.id}/comments` is asked for each record of the resource `posts`;
    /// `{incremental.start}` and `{incremental.end}` are where its cursor stands. The same in `params` and `body`.
    #[serde(default)]
    pub path: String,
    /// `GET` if it is not set; `POST` for those that ask with a body.
    #[serde(default)]
    pub method: Verb,
    /// What stands behind `?`. A list is sent as the name several times.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// What is sent beside the headers of all.
    #[serde(default, deserialize_with = "secrets")]
    pub headers: BTreeMap<String, Secret>,
    /// What is sent, as JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// Whether the body is sent as a form.
    #[serde(default)]
    pub form: bool,
    /// Where in an answer the records are, as a JSONPath: `$.data[*]`. If it is not set: the list itself, or the only
    /// list of objects in it; an object with none is one record. A condition, such as `$.data[?@.open]`, stands last where
    /// pages or records are counted.
    #[serde(default)]
    pub select: Option<String>,
    /// Members that identify a record.
    #[serde(default, deserialize_with = "one_or_many")]
    pub key: Vec<String>,
    /// The member that says when a record last changed. That of the cursor if it is not set.
    #[serde(default)]
    pub ts: Option<String>,
    /// What the lake files it under. `row` if it is not set.
    #[serde(default = "doc_type")]
    pub doc_type: String,
    /// How one comes to the next page. `auto` if it is not set.
    #[serde(default)]
    pub paginate: Paginate,
    /// Pages at most; more end the stream with an error, as a service that never ends would. 10,000 if it is not set.
    #[serde(default = "pages_max")]
    pub pages_max: u64,
    /// What tells new records from known ones. Everything is read each time if it is not set.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// What some answers mean, the first that fits.
    #[serde(default)]
    pub on_status: Vec<OnStatus>,
    /// Members of the parent that are kept with each record, under `normalised.parent`.
    #[serde(default)]
    pub include_from_parent: Vec<String>,
    /// Where an answer says how many tokens it took, as one JSONPath or several whose numbers are added up:
    /// `$.usage.total_tokens`. They count against `cost` and `max_total_tokens_per_day`. None are counted if it is not
    /// set.
    #[serde(default, deserialize_with = "one_or_many")]
    pub tokens_path: Vec<String>,
}

/// How it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// Without a body.
    #[default]
    Get,
    /// With one.
    Post,
}

/// What tells new records from known ones.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// The member that grows, such as `updated_at`; `a.b` is the member `b` of `a`.
    pub cursor: String,
    /// Under which name the service is told where to begin. Without it everything is read and what is known left out.
    #[serde(default)]
    pub param: Option<String>,
    /// Where the first run begins.
    #[serde(default)]
    pub initial: Option<Value>,
    /// Where every run ends: records from there on are left out.
    #[serde(default)]
    pub end: Option<Value>,
    /// Under which name the service is told where to end.
    #[serde(default)]
    pub end_param: Option<String>,
    /// How far before its end a run begins again, such as `5m`: records that appear late are found. What is known of them
    /// is left out.
    #[serde(default, deserialize_with = "duration")]
    pub lag: Duration,
    /// What happens to a record without a cursor: `raise`, `include` or `exclude`; `raise` if it is not set.
    #[serde(default)]
    pub missing: Missing,
    /// Whether records come in the order of their cursor. `asc` lets a run that dies go on within itself, `desc` ends
    /// a stream without `param` at the first known page.
    #[serde(default)]
    pub order: Order,
}

/// In what order records come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// In none that is known.
    #[default]
    None,
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnStatus {
    /// `404`, `"5xx"` or a list of such.
    #[serde(default, deserialize_with = "statuses")]
    pub status: Vec<String>,
    /// What the words have to hold for it.
    #[serde(default)]
    pub contains: Option<String>,
    /// What is done.
    pub action: OnStatusAction,
}

/// What is done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStatusAction {
    /// There is nothing there.
    Ignore,
    /// It is asked again.
    Retry,
    /// It ends the stream.
    Fail,
    /// It is asked again after a wait that does not count as a try.
    RateLimited,
}

/// What is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often a request is made before it is given up. A wait that the service asks for does not count.
    pub max: u32,
    /// Until the second try; doubled for each further one.
    #[serde(deserialize_with = "duration")]
    pub base: Duration,
    /// Longest wait between two tries.
    #[serde(deserialize_with = "duration")]
    pub max_delay: Duration,
    /// Longest time for which one request waits for a service that asks for it.
    #[serde(deserialize_with = "duration")]
    pub max_total_wait: Duration,
    /// `429`, `"5xx"`, `"network"` and other statuses.
    #[serde(deserialize_with = "statuses")]
    pub on: Vec<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max: 5,
            base: Duration::from_secs(1),
            max_delay: Duration::from_secs(300),
            max_total_wait: Duration::from_secs(3_600),
            on: ["408", "425", "429", "5xx", "network"].map(str::to_owned).to_vec(),
        }
    }
}

impl RestConfig {
    /// The settings of a source, with the values of variables.
    ///
    /// # Errors
    /// If they make no sense; the text says what, and shows no secret.
    pub fn of(source: &Source, lookup: Lookup<'_>) -> Result<Self, CollectError> {
        let refuse = |why: String| CollectError::Config { source_id: source.id.clone(), why };
        let resolved = source.settings(lookup)?;
        let mut config: RestConfig = resolved.read_as(|value| whole(value, &source.id))?;
        config.secrets = resolved.secrets();
        let resources = config.resources.len();
        if resources == 0 || resources > RESOURCES_MAX {
            return Err(refuse(format!("it has {resources} `resources`; 1 to {RESOURCES_MAX} can be")));
        }
        config.workers = config.workers.max(1);
        config.http.check().map_err(|error| refuse(error.to_string()))?;
        Ok(config)
    }
}

/// The one form, of each of those that people write.
fn whole(value: Value, id: &str) -> Result<Value, String> {
    let Value::Object(mut given) = value else { return Err("its settings are no object".to_owned()) };
    let mut whole = Map::new();
    for name in OF_THE_WHOLE {
        if let Some(value) = given.remove(name) {
            whole.insert(name.to_owned(), value);
        }
    }
    // The key of the form of other programs stands in `headers`.
    if let Some(auth_type) = whole.remove("auth_type") {
        let known = matches!(auth_type.as_str(), Some("api_key" | "none" | "header" | "headers"));
        if !known && !whole.contains_key("auth") {
            return Err(format!(
                "`auth_type` {auth_type} says too little; write `auth`, such as {{\"type\": \"bearer\", \"token\": \"${{TOKEN}}\"}}"
            ));
        }
    }
    match given.remove("resources") {
        Some(resources) => {
            if let Some(name) = given.keys().find(|name| !["headers", "params"].contains(&name.as_str())) {
                return Err(format!("`{name}` is of a resource; write it into one of `resources`"));
            }
            whole.extend(given);
            whole.insert("resources".to_owned(), resources);
        }
        None => {
            if let Some(endpoint) = given.remove("endpoint")
                && whole.insert("base_url".to_owned(), endpoint).is_some()
            {
                return Err("it has `endpoint` and `base_url`; one of them is enough".to_owned());
            }
            given.entry("name").or_insert_with(|| json!(id));
            whole.insert("resources".to_owned(), json!([given]));
        }
    }
    if !whole.contains_key("base_url") {
        return Err("`endpoint`, or `base_url` with `resources`, is missing".to_owned());
    }
    Ok(Value::Object(whole))
}

fn secrets<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    let refuse = |name: &str| serde::de::Error::custom(format!("the header {name} has to be a text"));
    let map = BTreeMap::<String, Value>::deserialize(from)?;
    map.into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, Secret::new(text))),
            Value::Number(number) => Ok((name, Secret::new(number.to_string()))),
            _ => Err(refuse(&name)),
        })
        .collect()
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    statuses(from)
}

/// Texts or numbers, one or many of them.
fn statuses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("{other} is neither a text nor a number"))),
    };
    match Value::deserialize(from)? {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Ok(vec![text(&value)?]),
    }
}

fn workers() -> usize {
    4
}
fn doc_type() -> String {
    "row".to_owned()
}
fn pages_max() -> u64 {
    PAGES_MAX
}
