//! A service as its users see it: a question, and one answer or one error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::address::shown;
use crate::ask::{Asked, Asker, Request, address};
use crate::pace::{Limiter, wait};
use crate::{Answer, Cancelled, ClientConfig, HttpError, Key, Method, Pace, Reply, Secret, Unless};

/// A service at one address.
pub struct Client {
    config: ClientConfig,
    asker: Arc<Asker>,
    pace: Arc<dyn Pace>,
    limiter: Limiter,
    retries: AtomicU64,
}

impl Client {
    /// Checks the configuration; nothing is asked yet. `url` is what stands in front of every path, such as
    /// `http://127.0.0.1:8080`. An empty key is none.
    ///
    /// # Errors
    /// If a setting cannot be used; the error names it.
    pub fn new(
        url: &str,
        config: ClientConfig,
        key: Option<Key>,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, HttpError> {
        config.check()?;
        Ok(Client {
            asker: Arc::new(Asker::new(url, &config, key.filter(|key| !key.is_empty()))?),
            limiter: Limiter::new(config.requests_per_minute_max),
            retries: AtomicU64::new(0),
            pace,
            config,
        })
    }

    /// The address for people: without what stands in front of `@` and behind `?`.
    pub fn shown(&self) -> &str {
        self.asker.shown()
    }

    /// One line of what a service said: without the key, and cut if it is long.
    pub fn clean(&self, text: &str) -> String {
        self.asker.clean(text)
    }

    /// How many requests were made again since this client was made.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Makes a request, again after growing waits where that may help, and hands over an answer with a
    /// status of 2xx. `path` is put behind the address as it is. A body is sent as JSON.
    ///
    /// A request whose answer is lost is made again: send only what may be done twice.
    ///
    /// # Errors
    /// [`HttpError::Refused`] at once if the service will not do it, and [`HttpError::Unusable`] if no try
    /// could bring an answer; [`HttpError::Busy`] or
    /// [`HttpError::Unreachable`] if it could not until the patience was at its end;
    /// [`HttpError::Cancelled`] if that was asked for.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        cancelled: Cancelled<'_>,
    ) -> Result<Answer, HttpError> {
        let request =
            Request { method, url: self.asker.url(path)?, body, unless: None, headers: HeaderMap::new() };
        self.send_request(request, cancelled)
    }

    /// Reads a page, unless it is in a state that is known: then the answer has the status 304 and no words. A service
    /// that knows no conditions answers with all of it, with or without a [`crate::Version`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn read_unless(
        &self,
        path: &str,
        unless: Unless,
        cancelled: Cancelled<'_>,
    ) -> Result<Answer, HttpError> {
        let (method, url) = (Method::Get, self.asker.url(path)?);
        self.send_request(
            Request { method, url, body: None, unless: Some(unless), headers: HeaderMap::new() },
            cancelled,
        )
    }

    /// Makes a request once, and hands over what was said, whatever the status: for services whose headers say how
    /// they want to be asked, by whom knows them. Neither the limit of requests a minute nor the tries of the
    /// configuration are applied. `path` is put behind the address as it is.
    ///
    /// # Errors
    /// [`HttpError::Unreachable`] or [`HttpError::Unusable`] if nothing was said; [`HttpError::Cancelled`] if that
    /// was asked for.
    pub fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        cancelled: Cancelled<'_>,
    ) -> Result<Reply, HttpError> {
        let request =
            Request { method, url: self.asker.url(path)?, body, unless: None, headers: HeaderMap::new() };
        self.asker.once(request, true, self.config.answer_bytes_max, cancelled)
    }

    /// Makes a request once at a whole address, with these headers and without the key of this client: for services whose
    /// keys are made, renewed and put into requests by who asks. No text of an error has a header in it, and of the
    /// address only what may be shown.
    ///
    /// # Errors
    /// As [`Client::once`]; [`HttpError::Config`] if it is no address, or a header cannot be sent.
    pub fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &[(String, Secret)],
        body: Option<Vec<u8>>,
        cancelled: Cancelled<'_>,
    ) -> Result<Reply, HttpError> {
        let request =
            Request { method, url: address(url)?, body, unless: None, headers: header_map(headers)? };
        self.asker.once(request, false, self.config.answer_bytes_max, cancelled)
    }

    /// Reads once from an address that the service has named, such as that of a file. The key stays here: who is
    /// there need not be the service. A redirect is not followed but handed over.
    ///
    /// # Errors
    /// As [`Client::once`]; [`HttpError::Unusable`] if there are more than `bytes_max` bytes, and
    /// [`HttpError::Config`] if it is no address.
    pub fn read_elsewhere(
        &self,
        url: &str,
        bytes_max: u64,
        cancelled: Cancelled<'_>,
    ) -> Result<Reply, HttpError> {
        let request = Request {
            method: Method::Get,
            url: address(url)?,
            body: None,
            unless: None,
            headers: HeaderMap::new(),
        };
        self.asker.once(request, false, bytes_max, cancelled)
    }

    fn send_request(&self, request: Request, cancelled: Cancelled<'_>) -> Result<Answer, HttpError> {
        let request = Arc::new(request);
        let service = || shown(&request.url);
        let mut tries = 0;
        loop {
            self.limiter.wait(&*self.pace, cancelled)?;
            tries += 1;
            let (error, after_ms) = match self.asker.ask(&request, cancelled)? {
                Asked::Answer(answer) => return Ok(answer),
                Asked::Refused { status, reason, explained } => {
                    return Err(HttpError::Refused { service: service(), status, reason, explained });
                }
                Asked::Unusable { reason } => {
                    return Err(HttpError::Unusable { service: service(), reason });
                }
                Asked::Busy { status, reason, retry_after_ms } => {
                    (HttpError::Busy { service: service(), status, reason, tries }, retry_after_ms)
                }
                Asked::Broken { reason } => {
                    (HttpError::Unreachable { service: service(), reason, tries }, None)
                }
            };
            let too_long = after_ms.is_some_and(|ms| ms > self.config.retry_after_ms_max);
            if tries >= self.config.tries_max || too_long {
                return Err(error);
            }
            let time_ms = after_ms.unwrap_or_else(|| self.config.backoff_ms(tries));
            tracing::debug!(%error, time_ms, "asking again");
            self.retries.fetch_add(1, Ordering::Relaxed);
            wait(&*self.pace, time_ms, cancelled)?;
        }
    }
}

/// Names and values as they are sent. The library's own logs leave the values out.
fn header_map(headers: &[(String, Secret)]) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let refuse = |what: &str| HttpError::Config {
            setting: "headers",
            reason: format!("{what} of the header {name} has characters that no HTTP header may have"),
        };
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("the name"))?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refuse("the value"))?;
        value.set_sensitive(true);
        map.append(known, value);
    }
    Ok(map)
}
