//! The objects of a bucket.

mod pages;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use stele_http::{Cancelled, Secret};
use stele_model::error::in_full;
use tokio::runtime::Handle;

use self::pages::Checked;
use crate::handed::{Entry, Handed};
use crate::status::{PROBLEMS_MAX, Problem};
use crate::watch::{Change, Look, Now, Thing, Watch, compare};
use crate::watcher::or_stopped;
use crate::{S3Config, WatchError};

/// How long a page of a list may take to come: a thousand names, a few hundred kilobytes.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an object may take to come: five gigabytes, the longest that is written in one piece, over a slow line.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(3600);

/// How often a page is asked for before the look is given up. The watcher looks again after a growing wait.
const RETRIES_MAX: usize = 2;

/// How long it may take until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The keys of a bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct S3Keys {
    pub(crate) access: Option<Secret>,
    pub(crate) secret: Option<Secret>,
    pub(crate) token: Option<Secret>,
}

impl S3Keys {
    /// Those that the settings name.
    pub(crate) fn of(config: &S3Config, secret: &dyn Fn(&str) -> Option<Secret>) -> Self {
        Self {
            access: secret(&config.access_key_variable),
            secret: secret(&config.secret_key_variable),
            token: secret(&config.token_variable),
        }
    }
}

/// Watches a bucket.
pub(crate) struct S3 {
    config: S3Config,
    target: String,
    prefix: Option<Path>,
    store: Arc<AmazonS3>,
    runtime: Handle,
}

impl S3 {
    pub(crate) fn new(
        watcher: &str,
        target: String,
        config: S3Config,
        keys: S3Keys,
        runtime: Handle,
    ) -> Result<Self, WatchError> {
        let refuse =
            |setting, reason: String| WatchError::Config { watcher: watcher.to_owned(), setting, reason };
        let store = store(&config, keys, PAGE_TIMEOUT, Some(Checked::default()))
            .map_err(|(setting, reason)| refuse(setting, reason))?;
        let prefix = match config.prefix.trim_matches('/') {
            "" => None,
            prefix => Some(Path::parse(prefix).map_err(|error| refuse("prefix", error.to_string()))?),
        };
        Ok(S3 { config, target, prefix, store: Arc::new(store), runtime })
    }

    /// All objects below the prefix, page after page.
    fn list(&self, now: Now, cancelled: Cancelled<'_>) -> Result<Listing, WatchError> {
        let mut objects = self.store.list(self.prefix.as_ref());
        let mut listing = Listing::default();
        loop {
            let next = self.runtime.block_on(or_stopped(objects.next(), cancelled));
            let Some(next) = next else { return Err(WatchError::Cancelled) };
            let Some(object) = next else { return Ok(listing) };
            let object = object.map_err(|error| self.failed(&error))?;
            let key = object.location.as_ref().to_owned();
            let thing = self.thing(&object);
            if let Some(problem) = thing.too_long(&key, now) {
                listing.problems.push(problem);
                continue;
            }
            listing.present.insert(key, thing);
            if listing.present.len() > self.config.entries_max {
                let (target, entries_max) = (self.target.clone(), self.config.entries_max);
                return Err(WatchError::TooMany { target, entries_max });
            }
        }
    }

    fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.config.bucket)
    }

    fn thing(&self, object: &ObjectMeta) -> Thing {
        let uri = self.uri(object.location.as_ref());
        let modified = object.last_modified.timestamp_micros();
        let checksum = match &object.e_tag {
            Some(etag) => format!("etag:{etag}"),
            None => format!("modified:{modified} {}", object.size),
        };
        let entry = Entry { size: Some(object.size), modified: Some(modified), inode: 0, checksum };
        Thing { location: uri.clone(), uri, entry }
    }

    fn failed(&self, error: &object_store::Error) -> WatchError {
        let (reason, passing) = said(error);
        WatchError::Bucket { target: self.target.clone(), reason, passing }
    }
}

/// A store of these settings; what cannot be used is named with the reason.
fn store(
    config: &S3Config,
    keys: S3Keys,
    timeout: Duration,
    connector: Option<Checked>,
) -> Result<AmazonS3, (&'static str, String)> {
    let options = ClientOptions::new().with_timeout(timeout).with_connect_timeout(CONNECT_TIMEOUT);
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: RETRIES_MAX,
        retry_timeout: timeout * 2,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(!config.path_style)
        .with_client_options(options)
        .with_retry(retry);
    if let Some(connector) = connector {
        builder = builder.with_http_connector(connector);
    }
    if let Some(endpoint) = &config.endpoint {
        let good = url::Url::parse(endpoint).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if !good {
            // It is not repeated: it may hold a password.
            return Err(("endpoint", "it is not an address such as http://127.0.0.1:8333".to_owned()));
        }
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    builder = match (keys.access, keys.secret) {
        (Some(access), Some(secret)) => {
            builder.with_access_key_id(access.reveal()).with_secret_access_key(secret.reveal())
        }
        (None, None) => builder.with_skip_signature(true),
        (Some(_), None) => {
            let reason =
                format!("the variable {} is not set, and the other one is", config.secret_key_variable);
            return Err(("secret_key_variable", reason));
        }
        (None, Some(_)) => {
            let reason =
                format!("the variable {} is not set, and the other one is", config.access_key_variable);
            return Err(("access_key_variable", reason));
        }
    };
    if let Some(token) = keys.token {
        builder = builder.with_token(token.reveal());
    }
    builder.build().map_err(|error| ("endpoint", in_full(&error)))
}

/// Reads an object of the bucket into `to`, as it comes, and gives its size in bytes.
///
/// # Errors
/// If the settings cannot be used, the service does not give it, or `to` cannot be written.
pub(crate) fn read(
    uri: &str,
    config: &S3Config,
    keys: S3Keys,
    runtime: &Handle,
    to: &mut dyn io::Write,
    cancelled: Cancelled<'_>,
) -> Result<u64, WatchError> {
    let failed = |error: &object_store::Error| {
        let (reason, passing) = said(error);
        WatchError::Bucket { target: uri.to_owned(), reason, passing }
    };
    let store = store(config, keys, OBJECT_TIMEOUT, None)
        .map_err(|(setting, reason)| WatchError::Config { watcher: uri.to_owned(), setting, reason })?;
    let key = uri.strip_prefix(&format!("s3://{}/", config.bucket)).unwrap_or(uri);
    let key = Path::parse(key)
        .map_err(|error| WatchError::BadAnswer { target: uri.to_owned(), reason: error.to_string() })?;
    let stopped = || WatchError::Cancelled;
    let object = runtime.block_on(or_stopped(store.get(&key), cancelled)).ok_or_else(stopped)?;
    let mut bytes = object.map_err(|error| failed(&error))?.into_stream();
    let mut size = 0;
    loop {
        let next = runtime.block_on(or_stopped(bytes.next(), cancelled)).ok_or_else(stopped)?;
        let Some(chunk) = next else { return Ok(size) };
        let chunk = chunk.map_err(|error| failed(&error))?;
        size += chunk.len() as u64;
        to.write_all(&chunk).map_err(|source| WatchError::Io {
            what: "write what came from",
            path: uri.into(),
            source,
        })?;
    }
}

/// Longest part of what a service said that is shown.
const REASON_CHARS_MAX: usize = 300;

/// What a service said, as one line, and whether it may say something else the next time. The library has no kinds for
/// most of what a list is refused with, and its text has the answer in it.
fn said(error: &object_store::Error) -> (String, bool) {
    use object_store::Error;
    let text = error.to_string();
    let between = |from: &str, to: &str| {
        let rest = &text[text.find(from)? + from.len()..];
        Some(&rest[..rest.find(to)?])
    };
    let status = between("status code: ", " ").and_then(|status| status.parse::<u16>().ok());
    let lasting = match status {
        Some(status) => (400..500).contains(&status) && ![408, 429].contains(&status),
        None => matches!(error, Error::InvalidPath { .. } | Error::NotSupported { .. }),
    };
    let said = match (status, between("<Code>", "</Code>"), between("<Message>", "</Message>")) {
        (Some(status), Some(code), message) => {
            format!("it was refused with {status}, {code}: {}", message.unwrap_or("it does not say why"))
        }
        _ => text.clone(),
    };
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = stele_http::without_passwords(&line);
    if let Some((end, _)) = line.char_indices().nth(REASON_CHARS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    (line, !lasting)
}

/// What is in a bucket.
#[derive(Default)]
struct Listing {
    present: BTreeMap<String, Thing>,
    problems: Vec<Problem>,
}

impl Watch for S3 {
    fn look(&mut self, handed: &Handed, now: Now, cancelled: Cancelled<'_>) -> Result<Look, WatchError> {
        let listing = self.list(now, cancelled)?;
        let changes = compare(handed, &listing.present, &|_| true, &|key| self.uri(key), now);
        let problems_count = listing.problems.len() as u64;
        Ok(Look {
            changes,
            scanned: true,
            seen: listing.present.len() as u64,
            problems: listing.problems.into_iter().take(PROBLEMS_MAX).collect(),
            problems_count,
            ..Look::default()
        })
    }

    fn done(&mut self, _: &[Change]) {}

    fn pause(&self) -> Duration {
        Duration::from_secs(self.config.interval_s)
    }
}
