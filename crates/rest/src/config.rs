//! What a REST source is, as people write it. Each field's comment is its manual.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use stele_collect::{CollectError, Lookup, Source, duration, secret};
use stele_http::{ClientConfig, Secret};

/// Settings of a source of this kind, for [`stele_collect::SourcesConfig`]: of the whole, then those of a resource,
/// which stand beside them where there is only one.
pub const KEYS: &[&str] = &[
    "base_url", "hosts", "auth", "auth_type", "retry", "workers", "http", "resources", // of the whole
    "endpoint", "name", "path", "method", "params", "headers", "body", "form", "select", "key", "ts", "doc_type",
    "paginate", "pages_max", "incremental", "on_status", "include_from_parent",
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
    /// list of objects in it; an object with none is one record.
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

/// How one comes to the next page.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Paginate {
    /// As the first answer shows: a `Link` header, a link or a cursor in the body, or one page. An answer that says that
    /// there is more and not where is an error.
    #[default]
    Auto,
    /// There is one page.
    Single,
    /// Pages are counted, until one is empty.
    #[serde(alias = "page")]
    PageNumber {
        /// `page` if it is not set.
        #[serde(default = "page_param")]
        param: String,
        /// The first. 1 if it is not set.
        #[serde(default = "one")]
        start: u64,
        /// What says how many records a page has, and how many that are.
        #[serde(default)]
        size_param: Option<String>,
        /// See `size_param`.
        #[serde(default)]
        size: Option<u64>,
        /// Where the number of pages stands in an answer. It saves the request for the empty one.
        #[serde(default)]
        pages_path: Option<String>,
    },
    /// Records are counted, until a page is empty. What is counted is what came, so that a service that gives fewer than it
    /// is asked for loses nothing.
    Offset {
        /// `offset` if it is not set.
        #[serde(default = "offset_param")]
        param: String,
        /// `limit` if it is not set.
        #[serde(default = "limit_param")]
        limit_param: String,
        /// 100 if it is not set.
        #[serde(default = "limit")]
        limit: u64,
        /// Where the number of records stands in an answer. It saves the request for the empty page.
        #[serde(default)]
        total_path: Option<String>,
    },
    /// An answer holds what is sent for the next.
    Cursor {
        /// Where it stands in an answer, such as `$.meta.next_cursor`. Absent, `null`, empty or false is the end.
        path: String,
        /// Under which name it is sent.
        param: String,
        /// Whether it is sent in the body. Behind `?` if it is not set.
        #[serde(default)]
        in_body: bool,
        /// Where an answer says whether there is more, for services that give a cursor at the end, too.
        #[serde(default)]
        more_path: Option<String>,
    },
    /// A header of an answer holds what is sent for the next.
    HeaderCursor {
        /// The header.
        header: String,
        /// Under which name it is sent.
        param: String,
    },
    /// `Link: <…>; rel="next"`.
    LinkHeader {
        /// `next` if it is not set.
        #[serde(default = "next")]
        rel: String,
    },
    /// An answer holds the address of the next.
    #[serde(alias = "link_in_body")]
    JsonLink {
        /// Where it stands in an answer, such as `$.links.next`.
        path: String,
    },
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

/// What happens to a record without a cursor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The stream ends with an error.
    #[default]
    Raise,
    /// It is kept, each time.
    Include,
    /// It is left out, and counted.
    Exclude,
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

fn secret_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Secret>, D::Error> {
    let refuse = || serde::de::Error::custom("`tokens` has to be a list of texts with one at least");
    let list = Vec::<Value>::deserialize(from).map_err(|_: D::Error| refuse())?;
    let tokens: Option<Vec<Secret>> = list.iter().map(|token| token.as_str().map(Secret::new)).collect();
    tokens.filter(|tokens| !tokens.is_empty()).ok_or_else(refuse)
}

fn secret_if_set<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    secret(from).map(Some)
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

fn no_secret() -> Secret {
    Secret::new("")
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
fn page_param() -> String {
    "page".to_owned()
}
fn offset_param() -> String {
    "offset".to_owned()
}
fn limit_param() -> String {
    "limit".to_owned()
}
fn limit() -> u64 {
    100
}
fn one() -> u64 {
    1
}
fn next() -> String {
    "next".to_owned()
}
