//! What is watched, and how: plain data, a table `[watchers.NAME]` each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stele_http::ClientConfig;

use crate::WatchError;

/// Watchers of one manager at most. Each has a thread; who needs more watches a directory above.
pub const WATCHERS_MAX: usize = 64;

/// Characters of a name: it is part of a file's name and of a line of a table.
const NAME_CHARS_MAX: usize = 64;

/// Things that a watcher remembers at most, if nothing else is said: 1 GB of memory, at the kilobyte each that was measured.
pub const ENTRIES_MAX: usize = 1_000_000;

/// Longest index document that is read, in bytes: a million entries.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// Pages of one watcher. Each is asked for by itself; who has more writes an index document.
pub const PAGES_MAX: usize = 1_000;

/// One watcher: the table `[watchers.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum WatcherConfig {
    /// A directory.
    Spool(SpoolConfig),
    /// Pages of the web.
    Http(HttpConfig),
    /// A bucket.
    S3(S3Config),
    /// What an integration of Notion may read.
    Notion(NotionConfig),
}

/// Which files of a directory are ready to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Those that say so: `x.md.ready` with the content inside, or `x.md` beside an empty `x.md.ready`.
    Ready,
    /// Every one that has not changed for a while. Files named `….ready` are left alone.
    Direct,
    /// Those that say so, and every other one that has not changed for a while.
    #[default]
    Auto,
}

/// A directory, with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    /// The directory, as an absolute path.
    pub path: PathBuf,
    /// `ready`, `direct` or `auto`; `auto` if it is not set.
    #[serde(default)]
    pub mode: Mode,
    /// Milliseconds for which size and time of a file have to stay what they are before it is read. 3,000 if it is
    /// not set.
    #[serde(default = "settle_ms")]
    pub settle_ms: u64,
    /// Seconds after which all of the directory is looked at again, whatever the system said meanwhile. 60 if it
    /// is not set.
    #[serde(default = "rescan_s")]
    pub rescan_s: u64,
    /// Whether the system is asked to say what changes. Without it, as on a network file system, there is only
    /// the look every `rescan_s`. `true` if it is not set.
    #[serde(default = "yes")]
    pub events: bool,
    /// Files, directories and whatever else is in it at most. 1,000,000 if it is not set.
    #[serde(default = "entries_max")]
    pub entries_max: usize,
    /// The tag of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Pages of the web, or the documents that an index document names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address of `{"documents":[{"url","checksum"}]}`. Either this or `pages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Addresses that are watched each by itself, by their `ETag`, `Last-Modified`, or content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<String>,
    /// Hosts that the index may name beside its own, with the port if it is not that of the scheme.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Seconds between two looks. 60 if it is not set.
    #[serde(default = "interval_s")]
    pub interval_s: u64,
    /// Entries of the index at most. 1,000,000 if it is not set.
    #[serde(default = "entries_max")]
    pub entries_max: usize,
    /// Bytes of the index, or of a page that has neither `ETag` nor `Last-Modified`, at most. 256 MiB if it is not
    /// set.
    #[serde(default = "index_bytes_max")]
    pub bytes_max: u64,
    /// The environment variable that holds the key, which is sent as `Authorization: Bearer …` to the index and the
    /// pages. None is sent if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_variable: Option<String>,
    /// How patient it is: tries, waits, time limits, the proxy. `answer_bytes_max` is `bytes_max`.
    #[serde(default)]
    pub http: ClientConfig,
    /// The tag of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Objects of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with, whole parts between `/` only. All of them if it is not set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Where the service is, such as `http://127.0.0.1:8333`. That of Amazon if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region. `us-east-1` if it is not set.
    #[serde(default = "region")]
    pub region: String,
    /// Whether the bucket is part of the path and not of the host's name. `true` if it is not set.
    #[serde(default = "yes")]
    pub path_style: bool,
    /// The environment variable that holds the id of the key. `AWS_ACCESS_KEY_ID` if it is not set. If the variable
    /// is not there, requests are not signed, which public buckets allow.
    #[serde(default = "access_key_variable")]
    pub access_key_variable: String,
    /// The environment variable that holds the key. `AWS_SECRET_ACCESS_KEY` if it is not set.
    #[serde(default = "secret_key_variable")]
    pub secret_key_variable: String,
    /// The environment variable that holds the token of a session. `AWS_SESSION_TOKEN` if it is not set.
    #[serde(default = "token_variable")]
    pub token_variable: String,
    /// Seconds between two looks. 60 if it is not set.
    #[serde(default = "interval_s")]
    pub interval_s: u64,
    /// Objects at most. 1,000,000 if it is not set.
    #[serde(default = "entries_max")]
    pub entries_max: usize,
    /// The tag of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// The pages of Notion that are shared with an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotionConfig {
    /// The address of the API. That of Notion if it is not set.
    #[serde(default = "notion_url")]
    pub url: String,
    /// The environment variable that holds the integration's secret. `NOTION_TOKEN` if it is not set.
    #[serde(default = "notion_variable")]
    pub key_variable: String,
    /// Seconds between two looks. 300 if it is not set: a look asks for every page's name.
    #[serde(default = "notion_interval_s")]
    pub interval_s: u64,
    /// Pages at most. 1,000,000 if it is not set.
    #[serde(default = "entries_max")]
    pub entries_max: usize,
    /// How patient it is: tries, waits, time limits, the proxy.
    #[serde(default = "notion_http")]
    pub http: ClientConfig,
    /// The tag of the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Default for NotionConfig {
    fn default() -> Self {
        NotionConfig {
            url: notion_url(),
            key_variable: notion_variable(),
            interval_s: notion_interval_s(),
            entries_max: ENTRIES_MAX,
            http: notion_http(),
            tag: None,
        }
    }
}

fn notion_url() -> String {
    "https://api.notion.com".to_owned()
}

fn notion_variable() -> String {
    "NOTION_TOKEN".to_owned()
}

fn notion_interval_s() -> u64 {
    300
}

/// What Notion asks its users to keep to: three requests a second, on average.
fn notion_http() -> ClientConfig {
    ClientConfig { requests_per_minute_max: Some(180), ..ClientConfig::default() }
}

fn settle_ms() -> u64 {
    3_000
}

fn rescan_s() -> u64 {
    60
}

fn interval_s() -> u64 {
    60
}

fn yes() -> bool {
    true
}

fn entries_max() -> usize {
    ENTRIES_MAX
}

fn index_bytes_max() -> u64 {
    INDEX_BYTES_MAX
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn access_key_variable() -> String {
    "AWS_ACCESS_KEY_ID".to_owned()
}

fn secret_key_variable() -> String {
    "AWS_SECRET_ACCESS_KEY".to_owned()
}

fn token_variable() -> String {
    "AWS_SESSION_TOKEN".to_owned()
}

impl S3Config {
    /// That bucket of Amazon, with everything else as it is by default.
    pub fn of_bucket(bucket: impl Into<String>) -> Self {
        S3Config {
            bucket: bucket.into(),
            prefix: String::new(),
            endpoint: None,
            region: region(),
            path_style: true,
            access_key_variable: access_key_variable(),
            secret_key_variable: secret_key_variable(),
            token_variable: token_variable(),
            interval_s: interval_s(),
            entries_max: ENTRIES_MAX,
            tag: None,
        }
    }
}

impl SpoolConfig {
    /// That directory, with everything else as it is by default.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SpoolConfig {
            path: path.into(),
            mode: Mode::default(),
            settle_ms: settle_ms(),
            rescan_s: rescan_s(),
            events: true,
            entries_max: ENTRIES_MAX,
            tag: None,
        }
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }
}

impl WatcherConfig {
    /// As it stands in a configuration: `spool`, `http`, `s3` or `notion`.
    pub fn kind(&self) -> &'static str {
        match self {
            WatcherConfig::Spool(_) => "spool",
            WatcherConfig::Http(_) => "http",
            WatcherConfig::S3(_) => "s3",
            WatcherConfig::Notion(_) => "notion",
        }
    }

    /// What is watched, for people: no password is in it. What was handed over of one target says nothing about
    /// another.
    pub fn target(&self) -> String {
        match self {
            WatcherConfig::Spool(spool) => spool.path.display().to_string(),
            WatcherConfig::Http(http) => match &http.index {
                Some(index) => stele_http::shown_address(index),
                None => {
                    let shown: Vec<_> =
                        http.pages.iter().map(|page| stele_http::shown_address(page)).collect();
                    shown.join(" ")
                }
            },
            WatcherConfig::S3(s3) => {
                let at = s3
                    .endpoint
                    .as_deref()
                    .map_or(String::new(), |endpoint| format!(" at {}", stele_http::shown_address(endpoint)));
                format!("s3://{}/{}{at}", s3.bucket, s3.prefix.trim_matches('/'))
            }
            // Two secrets see two workspaces.
            WatcherConfig::Notion(notion) => {
                format!("{} with {}", stele_http::shown_address(&notion.url), notion.key_variable)
            }
        }
    }

    /// The tag of the jobs.
    pub fn tag(&self) -> Option<&str> {
        match self {
            WatcherConfig::Spool(spool) => spool.tag.as_deref(),
            WatcherConfig::Http(http) => http.tag.as_deref(),
            WatcherConfig::S3(s3) => s3.tag.as_deref(),
            WatcherConfig::Notion(notion) => notion.tag.as_deref(),
        }
    }

    /// Whether every setting can be used.
    ///
    /// # Errors
    /// [`WatchError::Config`] names the first that cannot.
    pub fn check(&self, watcher: &str) -> Result<(), WatchError> {
        let refuse = |setting: &'static str, reason: &str| {
            Err(WatchError::Config { watcher: watcher.to_owned(), setting, reason: reason.to_owned() })
        };
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if watcher.is_empty() || watcher.len() > NAME_CHARS_MAX || !watcher.chars().all(good) {
            return refuse("name", "it is not 1 to 64 lower-case letters, digits, `-` and `_`");
        }
        let (interval, entries_max) = match self {
            WatcherConfig::Spool(spool) => {
                if !spool.path.is_absolute() {
                    return refuse("path", "it is not an absolute path such as /srv/inbox");
                }
                if spool.path.to_str().is_none() {
                    return refuse("path", "it is not UTF-8, and nothing below it would have a URI");
                }
                (("rescan_s", spool.rescan_s), spool.entries_max)
            }
            WatcherConfig::Http(http) => {
                if http.index.is_some() != http.pages.is_empty() {
                    return refuse("index", "there has to be either an index or pages, and not both");
                }
                if http.pages.len() > PAGES_MAX {
                    return refuse("pages", "there are more than 1,000; write an index document of them");
                }
                if http.bytes_max == 0 {
                    return refuse("bytes_max", "it is 0; it has to be 1 at least");
                }
                (("interval_s", http.interval_s), http.entries_max)
            }
            WatcherConfig::S3(s3) => {
                if s3.bucket.is_empty() || s3.bucket.contains('/') {
                    return refuse("bucket", "it is not the name of a bucket");
                }
                (("interval_s", s3.interval_s), s3.entries_max)
            }
            WatcherConfig::Notion(notion) => (("interval_s", notion.interval_s), notion.entries_max),
        };
        if interval.1 == 0 {
            return refuse(interval.0, "it is 0; it has to be 1 at least");
        }
        if entries_max == 0 {
            return refuse("entries_max", "it is 0; it has to be 1 at least");
        }
        Ok(())
    }
}

/// Whether all of them can be used, alone and beside each other.
///
/// # Errors
/// [`WatchError::Config`] names the first that cannot.
pub fn check_all(watchers: &BTreeMap<String, WatcherConfig>) -> Result<(), WatchError> {
    let mut seen: Vec<(&str, &WatcherConfig)> = Vec::new();
    for (name, config) in watchers {
        config.check(name)?;
        let refuse = |setting, reason| WatchError::Config { watcher: name.clone(), setting, reason };
        if seen.len() == WATCHERS_MAX {
            return Err(refuse("name", format!("there are more than {WATCHERS_MAX} watchers")));
        }
        for (other, known) in &seen {
            if let Some(setting) = overlap(config, known) {
                let reason = format!("the watcher {other} watches the same; each thing is watched by one");
                return Err(refuse(setting, reason));
            }
        }
        seen.push((name, config));
    }
    Ok(())
}

/// The setting by which two watchers would hand over the same things.
fn overlap(one: &WatcherConfig, other: &WatcherConfig) -> Option<&'static str> {
    let within = |a: &Path, b: &Path| a.starts_with(b) || b.starts_with(a);
    match (one, other) {
        (WatcherConfig::Spool(a), WatcherConfig::Spool(b)) => within(&a.path, &b.path).then_some("path"),
        (WatcherConfig::Http(a), WatcherConfig::Http(b)) => {
            let same = a.index.is_some() && a.index == b.index;
            (same || a.pages.iter().any(|page| b.pages.contains(page))).then_some("index")
        }
        (WatcherConfig::S3(a), WatcherConfig::S3(b)) => {
            let (one, two) = (Path::new(a.prefix.trim_matches('/')), Path::new(b.prefix.trim_matches('/')));
            (a.bucket == b.bucket && a.endpoint == b.endpoint && within(one, two)).then_some("prefix")
        }
        (WatcherConfig::Notion(a), WatcherConfig::Notion(b)) => {
            (a.url == b.url && a.key_variable == b.key_variable).then_some("key_variable")
        }
        _ => None,
    }
}

/// Read by hand: the library's way keeps numbers of JSON in a form that it cannot read as numbers again.
impl<'de> Deserialize<'de> for WatcherConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut table = Table::deserialize(deserializer)?;
        let kind = table.remove("kind").ok_or_else(|| D::Error::missing_field("kind"))?;
        match kind.as_str() {
            Some("spool") => read(table).map(WatcherConfig::Spool),
            Some("http") => read(table).map(WatcherConfig::Http),
            Some("s3") => read(table).map(WatcherConfig::S3),
            Some("notion") => read(table).map(WatcherConfig::Notion),
            _ => Err(format!("unknown kind {kind}; there are spool, http, s3 and notion")),
        }
        .map_err(D::Error::custom)
    }
}

type Table = serde_json::Map<String, serde_json::Value>;

/// The error names the key, which the library does of keys that are unknown or missing only. The one that is to blame
/// is the one without which the error is another, or none.
fn read<T: serde::de::DeserializeOwned>(table: Table) -> Result<T, String> {
    let try_it = |table: &Table| {
        serde_json::from_value::<T>(serde_json::Value::Object(table.clone()))
            .map_err(|error| error.to_string())
    };
    let error = match try_it(&table) {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    let without = |key: &String| {
        let mut rest = table.clone();
        rest.remove(key);
        try_it(&rest).err()
    };
    match table.keys().find(|key| without(key).as_ref() != Some(&error)) {
        Some(key) if !error.contains(&format!("`{key}`")) => Err(format!("{key} cannot be used: {error}")),
        _ => Err(error),
    }
}
