//! How a service is treated, whichever it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::HttpError;

/// How patient the client is, and by which way it goes. The address is not part of it: each service names
/// its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Requests in a minute at most, evenly spread. Nothing holds them back if it is not set.
    pub requests_per_minute_max: Option<u32>,
    /// How often a request is made before it is given up, at least once.
    pub tries_max: u32,
    /// Milliseconds until the second try; doubled for each further one.
    pub backoff_ms: u64,
    /// Longest wait between two tries in milliseconds, where the service does not ask for another.
    pub backoff_ms_max: u64,
    /// Longest wait in milliseconds that is granted to a service that asks for one (`Retry-After`). If
    /// it asks for more, the request is given up.
    pub retry_after_ms_max: u64,
    /// Milliseconds until a connection has to stand.
    pub connect_timeout_ms_max: u64,
    /// Milliseconds until an answer has to be there, all of it, counted from the beginning of a try.
    pub timeout_ms_max: u64,
    /// Longest answer that is read, in bytes. The default is two thousand vectors of four thousand numbers, as
    /// JSON.
    pub answer_bytes_max: u64,
    /// The proxy, such as `http://proxy:3128`. None is used unless it stands here.
    pub proxy: Option<String>,
    /// Header lines that go with every request, such as the version of an API. They are shown where the
    /// configuration is: nothing secret belongs in them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            requests_per_minute_max: None,
            tries_max: 5,
            backoff_ms: 500,
            backoff_ms_max: 30_000,
            retry_after_ms_max: 120_000,
            connect_timeout_ms_max: 10_000,
            timeout_ms_max: 60_000,
            answer_bytes_max: 256 << 20,
            proxy: None,
            headers: BTreeMap::new(),
        }
    }
}

impl ClientConfig {
    /// Milliseconds to wait after the given number of tries. No chance is in it: there is one client, so
    /// there is no crowd to be spread.
    pub fn backoff_ms(&self, tries: u32) -> u64 {
        let doubled = 2u64.saturating_pow(tries.saturating_sub(1));
        self.backoff_ms.saturating_mul(doubled).min(self.backoff_ms_max)
    }

    /// Whether every number can be used.
    ///
    /// # Errors
    /// [`HttpError::Config`] names the first that cannot.
    pub fn check(&self) -> Result<(), HttpError> {
        for (setting, value) in [
            ("tries_max", u64::from(self.tries_max)),
            ("connect_timeout_ms_max", self.connect_timeout_ms_max),
            ("timeout_ms_max", self.timeout_ms_max),
            ("answer_bytes_max", self.answer_bytes_max),
            ("requests_per_minute_max", u64::from(self.requests_per_minute_max.unwrap_or(1))),
        ] {
            if value == 0 {
                let reason = "it is 0; it has to be 1 at least".to_owned();
                return Err(HttpError::Config { setting, reason });
            }
        }
        Ok(())
    }
}
