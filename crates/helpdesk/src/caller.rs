//! One question and its answer: waits for its turn, asks, and asks again where that may help.
//!
//! Three things are told apart. "Not now" (429) is waited for and never counts as a failure. What failed (5xx, no connection)
//! is asked again a few times. What is refused is an answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;
use stele_collect::{CircuitBreaker, Closed, Means, Stopwatch, Watch, wait_for_limit};
use stele_http::{Cancelled, Client, HttpError, Method, Pace, Reply, wait};
use stele_model::Clock;

use crate::HelpdeskError;
use crate::config::RetryConfig;
use crate::platform::{Platform, Question};
use crate::rate::{Limits, Start, Turn};

/// How long one waits for a request of another thread to come back before looking again whether the time is up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Shortest wait after "not now" that names no time, or none at all: to ask at once would use up every try.
const LIMITED_MS: u64 = 1_000;

/// Asks a help desk. Shared by the threads of a run.
pub(crate) struct Caller<'a> {
    client: &'a Client,
    platform: &'a dyn Platform,
    pace: Arc<dyn Pace>,
    clock: &'a dyn Clock,
    cancelled: Cancelled<'a>,
    fetching: Stopwatch,
    watch: &'a dyn Watch,
    retry: RetryConfig,
    limits: Mutex<Limits>,
    landed: Condvar,
    breaker: CircuitBreaker,
    calls: AtomicU64,
    tells_next: AtomicBool,
}

/// An answer of 2xx.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) body: Vec<u8>,
    /// Whether there is a next page: the desk said so, or it never tells and this one is full.
    next: bool,
    tells_next: bool,
}

impl Said {
    /// Whether the list goes on behind this page, which has so many things.
    pub(crate) fn goes_on(&self, things: usize) -> bool {
        match self.tells_next {
            true => self.next,
            // A short page is the last one. A full one may be, which costs one request to find out.
            false => things >= crate::platform::PER_PAGE,
        }
    }
}

impl<'a> Caller<'a> {
    pub(crate) fn new(
        client: &'a Client,
        platform: &'a dyn Platform,
        start: Start,
        retry: RetryConfig,
        means: &Means<'a>,
    ) -> Self {
        Self {
            client,
            platform,
            pace: Arc::clone(&means.pace),
            clock: means.clock,
            cancelled: means.cancelled,
            fetching: means.fetching.clone(),
            watch: means.watch,
            limits: Mutex::new(Limits::new(start)),
            landed: Condvar::new(),
            breaker: retry.breaker(),
            retry,
            calls: AtomicU64::new(0),
            tells_next: AtomicBool::new(false),
        }
    }

    /// Requests that were made.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.watch.called(1);
    }

    /// Whether somebody asked for the stop.
    pub(crate) fn stop_if_cancelled(&self) -> Result<(), HelpdeskError> {
        if (self.cancelled)() { Err(HelpdeskError::Cancelled) } else { Ok(()) }
    }

    /// Now, in milliseconds since some moment.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.pace.now().as_millis()).unwrap_or(u64::MAX)
    }

    /// Reads from an address that is not the desk's: without key, limit and count of failures. Tried again if nobody
    /// answers.
    pub(crate) fn elsewhere(&self, url: &str, bytes_max: u64) -> Result<Reply, HttpError> {
        let mut tries = 0;
        loop {
            tries += 1;
            self.count();
            let reply = self.client.read_elsewhere(url, bytes_max, self.cancelled);
            let passing = match &reply {
                Ok(reply) => matches!(reply.status, 408 | 429 | 500..=599),
                Err(error) => matches!(error, HttpError::Unreachable { .. }),
            };
            if !passing || tries >= self.retry.max_retries {
                return reply;
            }
            wait(&*self.pace, self.retry.backoff_ms(tries, url), self.cancelled)?;
        }
    }

    /// The answer as JSON.
    pub(crate) fn value(&self, question: &Question) -> Result<Value, HelpdeskError> {
        let said = self.ask(question)?;
        serde_json::from_slice(&said.body).map_err(|error| not_json(question, &error))
    }

    /// Asks until there is an answer or none is to be expected.
    pub(crate) fn ask(&self, question: &Question) -> Result<Said, HelpdeskError> {
        let (begun_ms, path) = (self.now_ms(), shown(&question.path));
        let (mut tries, mut limited) = (0, 0);
        loop {
            self.pass_breaker()?;
            self.begin(question)?;
            self.count();
            let reply = self.client.once(Method::Get, &question.path, None, self.cancelled);
            let now_ms = self.now_ms();
            self.end(question, now_ms, reply.as_ref().ok());
            let reply = match reply {
                Ok(reply) => reply,
                Err(HttpError::Cancelled) => return Err(HelpdeskError::Cancelled),
                Err(source) => {
                    self.breaker.failed(self.pace.now());
                    tries += 1;
                    if tries >= self.retry.max_retries || matches!(source, HttpError::Config { .. }) {
                        return Err(HelpdeskError::Unreachable { path, tries, source });
                    }
                    self.rest(self.retry.backoff_ms(tries, &question.path))?;
                    continue;
                }
            };
            self.breaker.succeeded();
            match reply.status {
                200..=299 => return Ok(self.said(reply)),
                429 => {
                    limited += 1;
                    // Doubled each time where the desk does not say.
                    let by_itself = LIMITED_MS << u32::min(limited - 1, 6);
                    let wait_ms = self.asked_to_wait_ms(&reply).unwrap_or(by_itself);
                    if now_ms + wait_ms > begun_ms + self.retry.max_total_wait_ms() {
                        let wait_s = self.retry.max_total_wait_s;
                        return Err(HelpdeskError::Waited { path, wait_s });
                    }
                    let left = self.platform.allowance(&reply).left;
                    tracing::debug!(path, wait_ms, "told to wait");
                    lock(&self.limits).refused(now_ms, question.lane, left, wait_ms);
                }
                status @ (408 | 425 | 500..=599) => {
                    tries += 1;
                    if tries >= self.retry.max_retries {
                        let said = self.client.clean(&words(&reply.body));
                        return Err(HelpdeskError::Failed { path, status, tries, said });
                    }
                    let by_itself = self.retry.backoff_ms(tries, &question.path);
                    let asked_ms =
                        self.asked_to_wait_ms(&reply).map_or(0, |ms| ms.min(self.retry.max_delay_ms));
                    self.rest(by_itself.max(asked_ms))?;
                }
                status => {
                    let said = self.client.clean(&words(&reply.body));
                    return Err(HelpdeskError::Refused { path, status, said });
                }
            }
        }
    }

    fn said(&self, reply: Reply) -> Said {
        let next = reply
            .header("link")
            .is_some_and(|link| link.contains("rel=\"next\"") || link.contains("rel=next"));
        if next {
            self.tells_next.store(true, Ordering::Relaxed);
        }
        Said { next, tells_next: self.tells_next.load(Ordering::Relaxed), body: reply.body }
    }

    /// Waits until the service may be asked at all.
    fn pass_breaker(&self) -> Result<(), HelpdeskError> {
        loop {
            if self.breaker.rests() > self.retry.cool_downs_max {
                return Err(HelpdeskError::GivenUp {
                    failures: self.retry.failures_max,
                    rests: self.retry.cool_downs_max,
                    rest_s: self.retry.cool_down_s,
                });
            }
            match self.breaker.may_ask(self.pace.now()) {
                Ok(()) => return Ok(()),
                Err(Closed::Resting(time)) => {
                    self.rest(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))?
                }
                Err(Closed::Tried(_)) => {
                    self.stop_if_cancelled()?;
                    // What the one who tries hears is news for all.
                    drop(self.landed.wait_timeout(lock(&self.limits), LOOK_EVERY));
                }
            }
        }
    }

    /// Waits for the turn of a question, and takes it.
    fn begin(&self, question: &Question) -> Result<(), HelpdeskError> {
        let mut limited = None;
        loop {
            let mut limits = lock(&self.limits);
            let wait_ms = match limits.turn(self.now_ms(), question.lane, question.credits) {
                Turn::Now => {
                    limits.begin(question.lane, question.credits);
                    return Ok(());
                }
                Turn::After(wait_ms) => wait_ms,
            };
            limited.get_or_insert_with(|| self.fetching.limited());
            let wait = Duration::from_millis(wait_ms);
            if limits.is_flying() {
                // What is on its way brings news of the limit, which may be better than the wait.
                drop(self.landed.wait_timeout(limits, LOOK_EVERY));
                self.watch.waits(wait);
                self.stop_if_cancelled()?;
            } else {
                drop(limits);
                wait_for_limit(&*self.pace, wait, self.cancelled, self.watch)
                    .map_err(|_| HelpdeskError::Cancelled)?;
            }
        }
    }

    fn end(&self, question: &Question, now_ms: u64, reply: Option<&Reply>) {
        let mut limits = lock(&self.limits);
        limits.end(now_ms, question.lane, question.credits);
        if let Some(reply) = reply {
            let heard = self.platform.allowance(reply);
            limits.heard(now_ms, heard.total, heard.left);
        }
        drop(limits);
        self.landed.notify_all();
    }

    fn rest(&self, time_ms: u64) -> Result<(), HelpdeskError> {
        wait(&*self.pace, time_ms, self.cancelled).map_err(|_| HelpdeskError::Cancelled)
    }

    /// `Retry-After` in seconds, or as a date; a time that is not ahead is none.
    fn asked_to_wait_ms(&self, reply: &Reply) -> Option<u64> {
        let text = reply.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            let ms = (seconds * 1000.0).ceil();
            return (ms.is_finite() && ms > 0.0).then_some(ms as u64);
        }
        let date =
            |text: &str| Some(DateTimeParser::new().parse_timestamp(text.trim()).ok()?.as_millisecond());
        // By the desk's own clock if it shows it.
        let now = reply.header("date").and_then(date).unwrap_or_else(|| self.clock.now() / 1000);
        u64::try_from(date(text)? - now).ok().filter(|ms| *ms > 0)
    }
}

/// What is wrong with an answer that is no JSON.
pub(crate) fn not_json(question: &Question, error: &serde_json::Error) -> HelpdeskError {
    HelpdeskError::Answer {
        path: shown(&question.path),
        why: format!(
            "the answer is not the JSON that is expected ({error}); is the domain that of a help desk?"
        ),
    }
}

/// A path without what stands behind `?`.
pub(crate) fn shown(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

/// What a refusal says: its code and its words if it is JSON, else its beginning.
fn words(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let text = String::from_utf8_lossy(body);
        return match text.trim() {
            "" => "it does not say why".to_owned(),
            page if page.starts_with('<') => "a page of HTML".to_owned(),
            text => text.to_owned(),
        };
    };
    let first = value.get("errors").and_then(|errors| errors.get(0));
    let parts = [
        value.get("code"),
        value.get("message"),
        value.get("description"),
        first.and_then(|first| first.get("field")),
        first.and_then(|first| first.get("message")),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().filter_map(Value::as_str).collect();
    if parts.is_empty() { value.to_string() } else { parts.join(": ") }
}

/// What a lock holds is whole between any two statements, so a panic of another thread is no reason to stop.
fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
