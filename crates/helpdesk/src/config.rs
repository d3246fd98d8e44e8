//! How a help desk is collected: plain data, as it stands in a configuration file, and what it becomes when the
//! variables in it are looked up.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stele_collect::{CircuitBreaker, CollectError};
use stele_http::{ClientConfig, Secret, is_exposed};

use crate::mode::Mode;
use crate::text::instant;

/// Threads that ask at a time. What the account allows in a minute bounds it long before more would help.
const WORKERS_MAX: usize = 16;

/// A help desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpdeskConfig {
    /// Its host, such as `acme.freshdesk.com`; of `github_issues`, `api.github.com/repos/OWNER/NAME`. `${NAME}` is looked
    /// up.
    pub domain: String,
    /// The key, as `${NAME}` of the variable that holds it.
    pub api_key: Written,
    /// Whose data it is: a part of every id.
    pub tenant_id: String,
    /// Which help desk it is. `freshdesk` if it is not set.
    #[serde(default)]
    pub platform: PlatformKind,
    /// What is collected: `tickets`, `conversations`, `attachments`, `articles`, `contacts`, `companies`, `agents`,
    /// `groups` … If it is not set: all that is usual, which leaves out attachments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Vec<String>>,
    /// Nothing that last changed before is collected: a day or an instant. 1970 if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<String>,
    /// What goes with each ticket of a list: `description`, `requester`, `stats`, `company`. Each costs two credits a
    /// page. The first three if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
    /// How far before the end of the last run the next one begins: `120s`, `5m`, or seconds. Two minutes if it is not
    /// set.
    #[serde(default = "lookback")]
    pub lookback: Span,
    /// Tickets that changed in so many days are read again with their messages, whatever was collected before: for
    /// desks where a new note does not change its ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile_days: Option<u32>,
    /// Whether articles that are not published are collected. `false` if it is not set.
    #[serde(default)]
    pub include_drafts: bool,
    /// Whether lists with spam and deleted tickets are gone through. `true` if it is not set.
    #[serde(default = "yes")]
    pub include_removed: bool,
    /// Tickets of a run at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tickets: Option<u64>,
    /// Articles of a run at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_articles: Option<u64>,
    /// How often what was collected is handed over, whatever it is: `10s` if it is not set. `0` is after each 100
    /// tickets.
    #[serde(default = "checkpoint")]
    pub checkpoint: Span,
    /// Words for states of tickets, by their code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub status: BTreeMap<String, String>,
    /// Words for priorities of tickets, by their code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub priority: BTreeMap<String, String>,
    /// What the addresses of pictures in texts begin with, if the desk keeps them itself.
    #[serde(default = "inline_images")]
    pub inline_images: Vec<String>,
    /// Whether `http://` to another machine will do. `false` if it is not set: the key would go over the wire for all to
    /// read.
    #[serde(default)]
    pub allow_insecure: bool,
    /// What is made of the records. `adaptive` if it is not set.
    #[serde(default)]
    pub mode: Mode,
    /// How quickly it is asked.
    #[serde(default)]
    pub rate: RateConfig,
    /// How often it is asked again.
    #[serde(default)]
    pub retry: RetryConfig,
    /// Time limits and the proxy. Tries and requests a minute are told by `retry` and `rate`.
    #[serde(default)]
    pub http: ClientConfig,
}

/// Which help desk it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformKind {
    /// Freshdesk.
    #[default]
    Freshdesk,
    /// Issues of a repository on GitHub, or of a server that speaks as it does.
    GithubIssues,
}

/// How quickly a help desk is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// The part of what is allowed that is left to other programs, from 0 to 0.95.
    pub reserve: f64,
    /// Credits a minute until the desk says how many there are. What every plan allows if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_per_minute: Option<u32>,
    /// Lists of tickets, and of contacts, a minute. What goes with the plan if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lists_per_minute: Option<u32>,
    /// Requests at a time, from 1 to 16.
    pub workers: usize,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { reserve: 0.0, credits_per_minute: None, lists_per_minute: None, workers: 4 }
    }
}

/// How often a help desk is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// How often a question is asked before it is given up, at least once. "Not now" (429) does not count.
    #[serde(alias = "max")]
    pub max_retries: u32,
    /// Milliseconds until the second time; doubled for each further one.
    pub base_ms: u64,
    /// Longest wait between two times in milliseconds.
    pub max_delay_ms: u64,
    /// Seconds that one question waits in all when it is told "not now".
    pub max_total_wait_s: u64,
    /// Failures of the connection in a row after which the desk is left alone.
    pub failures_max: u32,
    /// For how long, in seconds.
    pub cool_down_s: u64,
    /// How often in a row that is done before the run ends.
    pub cool_downs_max: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base_ms: 1_000,
            max_delay_ms: 300_000,
            max_total_wait_s: 900,
            failures_max: 10,
            cool_down_s: 60,
            cool_downs_max: 3,
        }
    }
}

impl RetryConfig {
    /// Milliseconds to wait after so many tries. Up to a tenth is added, by the path, so that threads that failed
    /// together do not come back together; the same path waits the same time in each run.
    pub(crate) fn backoff_ms(&self, tries: u32, path: &str) -> u64 {
        let doubled = 2u64.saturating_pow(tries.saturating_sub(1));
        let wait_ms = self.base_ms.saturating_mul(doubled).min(self.max_delay_ms);
        let part = u64::from(blake3::hash(path.as_bytes()).as_bytes()[0]);
        wait_ms + wait_ms / 10 * part / 255
    }

    pub(crate) fn max_total_wait_ms(&self) -> u64 {
        self.max_total_wait_s.saturating_mul(1000)
    }

    /// Leaves the desk alone as it is said here.
    pub(crate) fn breaker(&self) -> CircuitBreaker {
        CircuitBreaker::new(self.failures_max, Duration::from_secs(self.cool_down_s))
    }
}

/// A length of time: seconds, or a number with `ms`, `s`, `m`, `h` or `d` behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// In milliseconds.
    pub ms: u64,
}

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self { ms: seconds * 1000 }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let at = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let unit_ms = match text[at..].trim() {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(Self { ms: text[..at].parse::<u64>().ok()?.checked_mul(unit_ms)? })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{}ms", self.ms))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Seconds(u32),
            Text(String),
        }
        match Form::deserialize(from)? {
            Form::Seconds(seconds) => Ok(Self::seconds(u64::from(seconds))),
            Form::Text(text) => Self::parse(&text).ok_or_else(|| {
                serde::de::Error::custom(format!("{text:?} is no length of time; write 120s, 5m, 2h or 1d"))
            }),
        }
    }
}

/// A key as it stands in a file: the name of a variable, or the key itself, which is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Written(String);

impl Written {
    /// As it stands there.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn shown(&self) -> &str {
        if variable(&self.0).is_some() { &self.0 } else { "***" }
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.shown())
    }
}

/// The name in `${NAME}`, if that is all there is.
fn variable(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${")?.strip_suffix('}').filter(|name| !name.contains(['{', '}', '$']))
}

fn lookback() -> Span {
    Span::seconds(120)
}

fn checkpoint() -> Span {
    Span::seconds(10)
}

fn yes() -> bool {
    true
}

fn inline_images() -> Vec<String> {
    ["", "euc", "ind", "aus"]
        .map(|place| format!("https://{place}attachment.freshdesk.com/inline/attachment?"))
        .to_vec()
}

/// A help desk, with its variables looked up and everything understood.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) base: String,
    pub(crate) key: Secret,
    /// What the key is read from, for people.
    pub(crate) key_from: String,
    pub(crate) start: Timestamp,
}

impl HelpdeskConfig {
    /// With these three, and everything else as it is if nobody says anything.
    pub fn new(domain: &str, api_key: &str, tenant_id: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            api_key: Written::new(api_key),
            tenant_id: tenant_id.to_owned(),
            platform: PlatformKind::default(),
            streams: None,
            start_date: None,
            include: None,
            lookback: lookback(),
            reconcile_days: None,
            include_drafts: false,
            include_removed: true,
            max_tickets: None,
            max_articles: None,
            checkpoint: checkpoint(),
            status: BTreeMap::new(),
            priority: BTreeMap::new(),
            inline_images: inline_images(),
            allow_insecure: false,
            mode: Mode::default(),
            rate: RateConfig::default(),
            retry: RetryConfig::default(),
            http: ClientConfig::default(),
        }
    }

    /// Looks up the variables, and checks everything that can be checked without asking.
    pub(crate) fn resolve(
        &self,
        source: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Resolved, CollectError> {
        let bad = |why: String| CollectError::Config { source_id: source.to_owned(), why };
        let value = |setting: &str, text: &str| match variable(text) {
            None => Ok(text.trim().to_owned()),
            Some(name) => lookup(name).filter(|value| !value.trim().is_empty()).ok_or_else(|| {
                bad(format!("{setting} is read from the variable {name}, which is not set; set it"))
            }),
        };
        let domain = value("domain", &self.domain)?;
        let domain = domain.trim().trim_end_matches('/');
        let (scheme, host) = domain.split_once("://").unwrap_or(("https", domain));
        if host.is_empty() || host.contains(['@', '?', '#', ' ']) || !["http", "https"].contains(&scheme) {
            return Err(bad("domain is not a host such as acme.freshdesk.com".to_owned()));
        }
        if !self.allow_insecure && is_exposed(&format!("{scheme}://{host}")) {
            let why = "domain is http://, over which everybody reads the key; use https, or set allow_insecure = true";
            return Err(bad(why.to_owned()));
        }
        let api = match self.platform {
            PlatformKind::Freshdesk => "/api/v2",
            PlatformKind::GithubIssues => "",
        };
        let key = Secret::new(value("api_key", &self.api_key.0)?);
        if key.reveal().is_empty() {
            return Err(bad(
                "api_key is empty; write api_key = \"${FRESHDESK_API_KEY}\" and set that variable".to_owned(),
            ));
        }
        if self.tenant_id.trim().is_empty() {
            return Err(bad("tenant_id is empty; it is a part of every id, such as \"acme\"".to_owned()));
        }
        let start = match &self.start_date {
            None => Timestamp::UNIX_EPOCH,
            Some(text) => {
                instant(text).or_else(|| instant(&format!("{text}T00:00:00Z"))).ok_or_else(|| {
                    bad(format!("start_date {text:?} is no date; write 2015-01-01 or 2015-01-01T00:00:00Z"))
                })?
            }
        };
        if !(0.0..=0.95).contains(&self.rate.reserve) {
            return Err(bad(format!("rate.reserve is {}; it is a part from 0 to 0.95", self.rate.reserve)));
        }
        for (setting, number, max) in [
            ("rate.workers", self.rate.workers as u64, WORKERS_MAX as u64),
            ("retry.max_retries", u64::from(self.retry.max_retries), 100),
            ("retry.failures_max", u64::from(self.retry.failures_max), u64::from(u32::MAX)),
            (
                "rate.credits_per_minute",
                u64::from(self.rate.credits_per_minute.unwrap_or(1)),
                u64::from(u32::MAX),
            ),
            (
                "rate.lists_per_minute",
                u64::from(self.rate.lists_per_minute.unwrap_or(1)),
                u64::from(u32::MAX),
            ),
        ] {
            if !(1..=max).contains(&number) {
                return Err(bad(format!("{setting} is {number}; it has to be from 1 to {max}")));
            }
        }
        self.http.check().map_err(|error| bad(format!("http: {error}")))?;
        Ok(Resolved {
            base: format!("{scheme}://{host}{api}"),
            key,
            key_from: variable(&self.api_key.0).unwrap_or("api_key").to_owned(),
            start,
        })
    }

    /// Words by code, as numbers.
    pub(crate) fn words(
        &self,
        source: &str,
        words: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<i64, String>, CollectError> {
        let number = |(code, word): (&String, &String)| match code.parse() {
            Ok(code) => Ok((code, word.clone())),
            Err(_) => Err(CollectError::Config {
                source_id: source.to_owned(),
                why: format!("{code:?} is no code of a state or priority; codes are numbers such as 6"),
            }),
        };
        words.iter().map(number).collect()
    }
}
