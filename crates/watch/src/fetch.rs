//! The content of something that a watcher found, or that somebody named by its address.

use std::io;
use std::sync::Arc;

use stele_http::{Cancelled, Client, Key, Method, Pace, Secret, shown_address};
use tokio::runtime::Handle;
use url::{Position, Url};

use crate::notion::{self, Notion};
use crate::s3::{self, S3Keys};
use crate::watcher::Secrets;
use crate::{Configured, HttpConfig, WatchError, WatcherConfig};

/// What fetching needs from outside.
#[derive(Clone)]
pub struct Fetching {
    /// The time that waits are measured in.
    pub pace: Arc<dyn Pace>,
    /// Keys by the names of their variables.
    pub secrets: Secrets,
    /// Where requests to buckets run.
    pub runtime: Handle,
    /// How the watchers are configured at the moment.
    pub configured: Configured,
}

/// Whether content is fetched from there, and is no file of this machine.
pub fn is_remote(uri: &str) -> bool {
    ["http://", "https://", "s3://", notion::SCHEME].iter().any(|scheme| uri.starts_with(scheme))
}

impl Fetching {
    /// Writes the content of `uri` to `to`, and gives its size in bytes. `config` is that of the watcher that
    /// found it; without one a page is asked for without a key, a bucket where Amazon has it, and Notion with the
    /// key in `NOTION_TOKEN`.
    ///
    /// # Errors
    /// If the address makes no sense, the service does not give the content, or `to` cannot be written.
    pub fn fetch(
        &self,
        uri: &str,
        config: Option<&WatcherConfig>,
        to: &mut dyn io::Write,
        cancelled: Cancelled<'_>,
    ) -> Result<u64, WatchError> {
        let secret = |variable: &str| (self.secrets)(variable).filter(|secret| !secret.reveal().is_empty());
        if let Some(rest) = uri.strip_prefix("s3://") {
            let config = match config {
                Some(WatcherConfig::S3(config)) => config.clone(),
                _ => crate::S3Config::of_bucket(rest.split('/').next().unwrap_or_default()),
            };
            return s3::read(uri, &config, S3Keys::of(&config, &secret), &self.runtime, to, cancelled);
        }
        if let Some(id) = uri.strip_prefix(notion::SCHEME) {
            let config = match config {
                Some(WatcherConfig::Notion(config)) => config.clone(),
                _ => crate::NotionConfig::default(),
            };
            let page = Notion::new(uri, config, &secret, &self.pace)?.page(id, cancelled)?;
            let write = |source| WatchError::Io { what: "write what came from", path: uri.into(), source };
            to.write_all(&page).map_err(write)?;
            return Ok(page.len() as u64);
        }
        let config = match config {
            Some(WatcherConfig::Http(config)) => Some(config),
            _ => None,
        };
        self.page(uri, config, &secret, to, cancelled)
    }

    fn page(
        &self,
        uri: &str,
        config: Option<&HttpConfig>,
        secret: &dyn Fn(&str) -> Option<Secret>,
        to: &mut dyn io::Write,
        cancelled: Cancelled<'_>,
    ) -> Result<u64, WatchError> {
        let target = shown_address(uri);
        let bad = |reason: &str| WatchError::BadAnswer { target: target.clone(), reason: reason.to_owned() };
        let service = |source| WatchError::Service { target: target.clone(), source };
        let parsed = Url::parse(uri).map_err(|_| bad("it is not an address such as https://HOST/PATH"))?;
        let mut http = config.map(|config| config.http.clone()).unwrap_or_default();
        // A key is told to the hosts that it is for, and to nobody whom an index names beside them.
        let own = |config: &&HttpConfig| {
            let named = config.index.iter().chain(&config.pages);
            named.filter_map(|url| Url::parse(url).ok()).any(|url| url.origin() == parsed.origin())
        };
        let key = config.filter(own).and_then(|config| secret(config.key_variable.as_deref()?));
        if let Some(config) = config {
            http.answer_bytes_max = config.bytes_max;
        }
        let path = &parsed[Position::BeforePath..Position::AfterQuery];
        let client =
            Client::new(&parsed[..Position::BeforePath], http, key.map(Key::Bearer), Arc::clone(&self.pace));
        let answer = client.map_err(service)?.send(Method::Get, path, None, cancelled).map_err(service)?;
        let write =
            |source| WatchError::Io { what: "write what came from", path: target.as_str().into(), source };
        to.write_all(&answer.body).map_err(write)?;
        Ok(answer.body.len() as u64)
    }
}
