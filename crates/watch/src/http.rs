//! Pages of the web, and index documents that name some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use stele_http::{Cancelled, Client, HttpError, Key, Pace, Secret, Unless, Version, shown_address};
use stele_model::error::in_full;
use stele_model::id::to_hex;
use url::{Position, Url};

use crate::handed::{Entry, Handed};
use crate::status::{PROBLEMS_MAX, Problem};
use crate::watch::{Change, Look, Now, Thing, Watch, compare};
use crate::{HttpConfig, WatchError};

/// Longest checksum that an index may give: a SHA-512 with its name, and then some.
const CHECKSUM_BYTES_MAX: usize = 200;

/// `{"documents":[{"url","checksum"}]}`. What else it says is left alone.
#[derive(Deserialize)]
struct Index {
    documents: Vec<Listed>,
}

/// A document of an index.
#[derive(Deserialize)]
struct Listed {
    url: String,
    #[serde(default)]
    checksum: Option<String>,
}

/// What is there, and the addresses about which nothing is known: they are neither new nor gone.
type Known = (BTreeMap<String, Thing>, BTreeSet<String>);

/// An address that is asked.
struct Page {
    url: String,
    /// What of it stands behind the host.
    path: String,
    client: Client,
    /// What it was when it was last read, if all that came of it was taken.
    version: Version,
}

/// Watches pages.
pub(crate) struct Http {
    config: HttpConfig,
    pages: Vec<Page>,
    /// Versions that count when all of the last look was taken, by the number of the page.
    read: BTreeMap<usize, Version>,
    /// How many of the last look's changes are still to be taken.
    left: usize,
    seen: u64,
    problems: BTreeMap<String, Problem>,
}

impl Http {
    pub(crate) fn new(
        watcher: &str,
        config: HttpConfig,
        key: Option<Secret>,
        pace: &Arc<dyn Pace>,
    ) -> Result<Self, WatchError> {
        let refuse =
            |setting, reason: String| WatchError::Config { watcher: watcher.to_owned(), setting, reason };
        let mut http = config.http.clone();
        http.answer_bytes_max = config.bytes_max;
        let setting = if config.index.is_some() { "index" } else { "pages" };
        let mut pages = Vec::new();
        for url in config.index.iter().chain(&config.pages) {
            // The address is not repeated: it may hold a password.
            let parsed = Url::parse(url)
                .map_err(|_| refuse(setting, "it is not an address such as https://HOST/PATH".to_owned()))?;
            let path = parsed[Position::BeforePath..Position::AfterQuery].to_owned();
            let key = key.clone().map(Key::Bearer);
            let client = Client::new(&parsed[..Position::BeforePath], http.clone(), key, Arc::clone(pace))
                .map_err(|error| match error {
                    HttpError::Config { setting: "url", reason } => refuse(setting, reason),
                    HttpError::Config { setting, reason } => refuse(setting, reason),
                    other => refuse(setting, other.to_string()),
                })?;
            pages.push(Page { url: url.clone(), path, client, version: Version::default() });
        }
        Ok(Http { config, pages, read: BTreeMap::new(), left: 0, seen: 0, problems: BTreeMap::new() })
    }

    /// What the index names, and the addresses of which it says nothing that can be used; nothing if it is what it was.
    fn index(&mut self, now: Now, cancelled: Cancelled<'_>) -> Result<Option<Known>, WatchError> {
        let page = &self.pages[0];
        let target = shown_address(&page.url);
        let unless = Unless { version: page.version.clone(), version_is_enough: false };
        let answer = page
            .client
            .read_unless(&page.path, unless, cancelled)
            .map_err(|error| service(&target, error))?;
        if answer.status == 304 {
            return Ok(None);
        }
        let bad = |reason: String| WatchError::BadAnswer { target: target.clone(), reason };
        let index: Index = serde_json::from_slice(&answer.body).map_err(|error| {
            bad(format!("it is not {{\"documents\":[{{\"url\",\"checksum\"}}]}}: {error}"))
        })?;
        if index.documents.len() > self.config.entries_max {
            return Err(WatchError::TooMany { target, entries_max: self.config.entries_max });
        }
        let base = Url::parse(&page.url).map_err(|error| bad(error.to_string()))?;
        let (mut present, mut unknown) = (BTreeMap::new(), BTreeSet::new());
        self.problems.clear();
        for listed in index.documents {
            let url = match base.join(&listed.url) {
                Ok(url) => url,
                Err(error) => {
                    let cause = format!("it is not an address: {error}");
                    self.problem(&listed.url, &cause, "write it as https://HOST/PATH", now);
                    continue;
                }
            };
            match thing_of(&url, listed.checksum.as_deref(), &base, &self.config.hosts) {
                Ok(thing) if present.contains_key(&thing.uri) => {
                    self.problem(
                        &thing.uri,
                        "the index names it twice; the first one counts",
                        "name it once",
                        now,
                    );
                }
                Ok(thing) => drop(present.insert(thing.uri.clone(), thing)),
                Err((cause, next_action)) => {
                    self.problem(&listed.url, &cause, next_action, now);
                    // It is in the list: a checksum that somebody forgot takes no document away.
                    unknown.insert(url.to_string());
                }
            }
        }
        self.read.insert(0, answer.version);
        Ok(Some((present, unknown)))
    }

    fn problem(&mut self, url: &str, cause: &str, next_action: &str, now: Now) {
        let name = match Url::parse(url) {
            Ok(_) => shown_address(url),
            Err(_) => url.chars().take(200).collect(),
        };
        let (cause, next_action) = (cause.to_owned(), next_action.to_owned());
        let known = self.problems.get(&name).map_or(now.at, |known| known.since);
        self.problems.insert(name.clone(), Problem { name, cause, next_action, since: known });
    }

    /// What the pages say, and those that did not answer.
    fn ask_pages(
        &mut self,
        handed: &Handed,
        now: Now,
        cancelled: Cancelled<'_>,
    ) -> Result<Known, WatchError> {
        let (mut present, mut unknown) = (BTreeMap::new(), BTreeSet::new());
        let mut failed = None;
        for number in 0..self.pages.len() {
            let page = &self.pages[number];
            let url = page.url.clone();
            // What is known is only asked about if it was handed over: the memory may be of yesterday.
            let was = handed.get(&url).cloned();
            let version = was.as_ref().map(|_| page.version.clone()).unwrap_or_default();
            let unless = Unless { version, version_is_enough: true };
            match page.client.read_unless(&page.path, unless, cancelled) {
                Ok(answer) if answer.status == 304 => {
                    let Some(entry) = was else { continue };
                    present.insert(url.clone(), Thing { uri: url.clone(), location: url.clone(), entry });
                }
                Ok(answer) => {
                    let entry = entry_of(&answer.version, &answer.body);
                    present.insert(url.clone(), Thing { uri: url.clone(), location: url.clone(), entry });
                    self.read.insert(number, answer.version);
                }
                Err(HttpError::Cancelled) => return Err(WatchError::Cancelled),
                // It is not there, by the word of the service.
                Err(error) if matches!(error.refused_with(), Some(404 | 410)) => {
                    self.read.insert(number, Version::default());
                    if was.is_none() {
                        self.problem(&url, &in_full(&error), "see whether the address is right", now);
                        continue;
                    }
                }
                Err(error) => {
                    let error = service(&shown_address(&url), error);
                    self.problem(&url, &in_full(&error), error.next_action(), now);
                    unknown.insert(url);
                    failed = Some(error);
                    continue;
                }
            }
            self.problems.remove(&shown_address(&url));
        }
        // One of many is a problem; all of them are a failure.
        match failed {
            Some(error) if unknown.len() == self.pages.len() => Err(error),
            _ => Ok((present, unknown)),
        }
    }
}

fn service(target: &str, source: HttpError) -> WatchError {
    match source {
        HttpError::Cancelled => WatchError::Cancelled,
        source => WatchError::Service { target: target.to_owned(), source },
    }
}

/// What a page is, by the word of its service, or by its words if that gives none.
fn entry_of(version: &Version, body: &[u8]) -> Entry {
    let checksum = match (&version.etag, &version.modified) {
        (Some(etag), _) => format!("etag:{etag}"),
        // Whole seconds: the length tells some of what changed within one.
        (None, Some(modified)) => {
            let length = version.length.map_or(String::new(), |length| format!(" {length}"));
            format!("modified:{modified}{length}")
        }
        (None, None) => format!("sha256:{}", to_hex(&Sha256::digest(body))),
    };
    let size = version.length.or((version.is_empty()).then_some(body.len() as u64));
    Entry { size, modified: None, inode: 0, checksum }
}

/// A document of the index, or why it is none.
fn thing_of(
    url: &Url,
    checksum: Option<&str>,
    base: &Url,
    hosts: &[String],
) -> Result<Thing, (String, &'static str)> {
    if !["http", "https"].contains(&url.scheme()) {
        let cause = format!("it is of the scheme {}, and only http and https are read", url.scheme());
        return Err((cause, "take it out of the index"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("it holds a name or a password".to_owned(), "leave them out; keys have a setting"));
    }
    let host = |url: &Url| match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    // An index must not make us ask around in the network that we are in.
    if host(url) != host(base) && !hosts.contains(&host(url)) {
        let cause = format!("it is on the host {}, which is not that of the index", host(url));
        return Err((cause, "name the host in the setting hosts, if it is meant"));
    }
    let checksum = checksum.map(str::trim).unwrap_or_default();
    if checksum.is_empty() || checksum.len() > CHECKSUM_BYTES_MAX {
        let cause = format!("it has no checksum of 1 to {CHECKSUM_BYTES_MAX} bytes");
        return Err((cause, "add one to the index, or name the address in the setting pages"));
    }
    let uri = url.to_string();
    if uri.len() > crate::URI_BYTES_MAX {
        return Err((
            format!("it has more than {} bytes", crate::URI_BYTES_MAX),
            "give it a shorter address",
        ));
    }
    let entry = Entry { size: None, modified: None, inode: 0, checksum: checksum.to_owned() };
    Ok(Thing { location: uri.clone(), uri, entry })
}

impl Watch for Http {
    fn look(&mut self, handed: &Handed, now: Now, cancelled: Cancelled<'_>) -> Result<Look, WatchError> {
        self.read.clear();
        if self.left > 0 {
            // Not all of it was taken: everything is read again.
            self.pages.iter_mut().for_each(|page| page.version = Version::default());
        }
        let known = match self.config.index {
            Some(_) => self.index(now, cancelled)?,
            None => Some(self.ask_pages(handed, now, cancelled)?),
        };
        let changes = known.map_or_else(Vec::new, |(present, unknown)| {
            self.seen = (present.len() + unknown.len()) as u64;
            compare(handed, &present, &|name| !unknown.contains(name), &str::to_owned, now)
        });
        self.left = changes.len();
        if self.left == 0 {
            self.done(&[]);
        }
        Ok(Look {
            changes,
            scanned: true,
            seen: self.seen,
            problems: self.problems.values().take(PROBLEMS_MAX).cloned().collect(),
            problems_count: self.problems.len() as u64,
            ..Look::default()
        })
    }

    fn done(&mut self, changes: &[Change]) {
        self.left = self.left.saturating_sub(changes.len());
        if self.left == 0 {
            for (number, version) in std::mem::take(&mut self.read) {
                self.pages[number].version = version;
            }
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(self.config.interval_s)
    }
}
