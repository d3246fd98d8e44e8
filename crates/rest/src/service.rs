//! One request and everything that holds it back, makes it again, or makes it needless: kept answers, the budget, limits, the
//! breaker, who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use serde_json_path::JsonPath;
use stele_collect::{
    Budget, CacheKey, CircuitBreaker, CollectError, Heard, Kept, Known, Level, Means, Price, RateLimiter,
    ResponseCache, Stopwatch, Watch,
};
use stele_http::{Cancelled, Client, HttpError, Method, Pace, Reply, Secret, wait};
use stele_model::Clock;
use url::Url;

use crate::auth::Authority;
use crate::config::{OnStatus, OnStatusAction, Retry};
use crate::paginate::header_of;

/// Seconds since 1970 as services write them in `Reset`: what is smaller is a stretch of time.
const EPOCH_MIN: f64 = 1e9;

/// What some programs write in front of a text in UTF-8. It is no part of the JSON.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What a request needs from outside, for a worker.
pub(crate) struct Moment<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) pace: &'a dyn Pace,
    pub(crate) cancelled: Cancelled<'a>,
    pub(crate) fetching: &'a Stopwatch,
    pub(crate) watch: &'a dyn Watch,
}

impl<'a> Moment<'a> {
    /// Of a run, with its own word for when to stop.
    pub(crate) fn of(means: &'a Means<'_>, cancelled: Cancelled<'a>) -> Self {
        let Means { clock, pace, fetching, watch, .. } = means;
        Self { clock: *clock, pace: &**pace, cancelled, fetching, watch: *watch }
    }
}

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) body: Option<Vec<u8>>,
    /// The fetched token in it.
    pub(crate) token: Option<Secret>,
}

/// How the answer to a request is taken.
pub(crate) struct Terms<'a> {
    /// The stream, for texts and limits.
    pub(crate) stream: &'a str,
    pub(crate) on_status: &'a [OnStatus],
    /// Where an answer says how many tokens it took.
    pub(crate) tokens: &'a [JsonPath],
    /// Whether a kept answer is as good while it is fresh. If not, the service is asked whether it still holds.
    pub(crate) fresh_is_enough: bool,
}

/// What came of a request.
pub(crate) enum Answered {
    /// Headers and words.
    Page(Vec<(String, String)>, Vec<u8>),
    /// There is nothing there, as the configuration says.
    Nothing(String),
    /// It is there and is not given: 403.
    Forbidden(String),
}

/// A service, and all that is shared by those who ask it.
pub(crate) struct Service {
    pub(crate) source_id: String,
    pub(crate) client: Client,
    pub(crate) authority: Authority,
    /// One for each identity.
    pub(crate) limiters: Vec<Arc<RateLimiter>>,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) budget: Option<Arc<Budget>>,
    pub(crate) price: Price,
    pub(crate) cache: Option<Arc<ResponseCache>>,
    pub(crate) retry: Retry,
    pub(crate) calls: AtomicU64,
    pub(crate) cached: AtomicU64,
    /// 0 fine, 1 warned of, 2 critical.
    pub(crate) spent_level: AtomicU64,
}

/// What is done about an answer.
enum Verdict {
    Take,
    StillHolds,
    Nothing,
    Retry,
    Wait,
    Renew,
    Forbidden,
    Credentials,
    Fail,
}

impl Service {
    /// Makes a request as often as it takes.
    ///
    /// # Errors
    /// What ends the stream, or the run: see [`is_fatal`].
    pub(crate) fn ask(
        &self,
        asked: &Outgoing,
        terms: &Terms<'_>,
        moment: &Moment<'_>,
    ) -> Result<Answered, CollectError> {
        // A key may also stand in a header of the configuration.
        let headers = asked.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.reveal()));
        let identity = headers.chain([self.authority.identity()]).collect::<String>();
        let key = CacheKey {
            method: method_name(asked.method),
            url: asked.url.as_str(),
            body: asked.body.as_deref().unwrap_or_default(),
            identity: &identity,
        };
        let cache = self.cache.as_ref().filter(|_| asked.method == Method::Get);
        let kept = match cache.map_or(Known::Nothing, |cache| cache.get(&key, moment.clock.now())) {
            Known::Fresh(kept) if terms.fresh_is_enough => {
                self.cached.fetch_add(1, Ordering::Relaxed);
                return Ok(Answered::Page(kept.headers, kept.body));
            }
            Known::Fresh(kept) | Known::Stale(kept) if kept.etag.is_some() || kept.modified.is_some() => {
                Some(kept)
            }
            _ => None,
        };
        let began = moment.pace.now();
        let (mut tries, mut renewed) = (0, false);
        loop {
            let (reply, outgoing) = match self.exchange(asked, kept.as_ref(), terms, moment)? {
                Ok(said) => said,
                Err(error) => {
                    tries += 1;
                    let may_pass = matches!(error, HttpError::Unreachable { .. });
                    if !may_pass || tries >= self.retry.max || !self.retry.on.iter().any(|on| on == "network")
                    {
                        let error = self.authority.in_vain(error, asked.url.as_str(), tries);
                        return Err(self.failed(terms, error));
                    }
                    self.pause(self.backoff(tries), moment)?;
                    continue;
                }
            };
            match self.verdict(&reply, terms, kept.is_some()) {
                Verdict::Take => {
                    let reply = plain(reply);
                    self.count_tokens(&reply.body, terms, moment);
                    if let Some(cache) = cache {
                        cache.put(&key, &kept_of(&reply), moment.clock.now());
                    }
                    return Ok(Answered::Page(reply.headers, reply.body));
                }
                Verdict::StillHolds => {
                    let kept = kept.unwrap_or_default();
                    if let Some(cache) = cache {
                        cache.holds(&key, &kept, moment.clock.now());
                    }
                    self.cached.fetch_add(1, Ordering::Relaxed);
                    return Ok(Answered::Page(kept.headers, kept.body));
                }
                Verdict::Nothing => return Ok(Answered::Nothing(self.said(&reply))),
                Verdict::Forbidden => return Ok(Answered::Forbidden(self.said(&reply))),
                Verdict::Credentials => return Err(self.authority.credentials(&self.said(&reply))),
                Verdict::Renew if !renewed && self.authority.refused(outgoing.token.as_ref()) => {
                    renewed = true
                }
                Verdict::Renew => return Err(self.authority.credentials(&self.said(&reply))),
                Verdict::Wait => {
                    // The limiter was told and holds the next one back; it is not a try.
                    let waited = moment.pace.now().saturating_sub(began);
                    if waited > self.retry.max_total_wait {
                        return Err(CollectError::Stopped {
                            code: "rate_limit",
                            why: format!(
                                "source {}: {} still asks to wait after {} s; run it again later: it goes on where it stopped",
                                self.source_id,
                                self.shown(&asked.url),
                                waited.as_secs()
                            ),
                        });
                    }
                }
                Verdict::Retry => {
                    tries += 1;
                    if tries >= self.retry.max {
                        return Err(self.failed(terms, self.busy(&reply, asked, tries)));
                    }
                    let asked_for =
                        retry_after(&reply, moment.clock).filter(|time| *time <= self.retry.max_total_wait);
                    self.pause(asked_for.unwrap_or_else(|| self.backoff(tries)), moment)?;
                }
                Verdict::Fail => {
                    return Err(self.failed(
                        terms,
                        HttpError::Refused {
                            service: self.shown(&asked.url),
                            status: reply.status,
                            reason: self.said_alone(&reply),
                            explained: true,
                        },
                    ));
                }
            }
        }
    }

    /// Makes it once, when it may be made.
    fn exchange(
        &self,
        asked: &Outgoing,
        kept: Option<&Kept>,
        terms: &Terms<'_>,
        moment: &Moment<'_>,
    ) -> Result<Result<(Reply, Outgoing), HttpError>, CollectError> {
        while let Err(closed) = self.breaker.may_ask(moment.pace.now()) {
            self.pause(closed.wait(), moment)?;
        }
        let identity = self.turn(terms.stream, moment)?;
        if let Some(budget) = &self.budget {
            let level = budget.promise(&self.source_id, &self.price, 0, moment.clock.now())?;
            let level = match level {
                Level::Fine => 0,
                Level::Warning => 1,
                Level::Critical => 2,
            };
            self.spent_level.fetch_max(level, Ordering::Relaxed);
        }
        let mut outgoing = asked.clone();
        self.authority.dress(&mut outgoing, identity, &self.client, moment)?;
        if let Some(kept) = kept {
            for (name, value) in [("if-none-match", &kept.etag), ("if-modified-since", &kept.modified)] {
                outgoing.headers.extend(value.as_ref().map(|value| (name.to_owned(), Secret::new(value))));
            }
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        let said = self.client.exchange(
            outgoing.method,
            outgoing.url.as_str(),
            &outgoing.headers,
            outgoing.body.clone(),
            moment.cancelled,
        );
        match said {
            Err(HttpError::Cancelled) => Err(CollectError::Cancelled),
            Err(error) => {
                self.breaker.failed(moment.pace.now());
                Ok(Err(error))
            }
            Ok(reply) => {
                self.breaker.succeeded();
                let refused = matches!(self.verdict(&reply, terms, true), Verdict::Wait);
                let heard = heard(&reply, refused, moment.clock);
                self.limiters[identity].heard(moment.pace.now(), terms.stream, &heard);
                Ok(Ok((reply, outgoing)))
            }
        }
    }

    /// Counts what an answer says that it took. One that says nothing took none.
    fn count_tokens(&self, body: &[u8], terms: &Terms<'_>, moment: &Moment<'_>) {
        let Some(budget) = self.budget.as_ref().filter(|_| !terms.tokens.is_empty()) else { return };
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
        let found = terms.tokens.iter().flat_map(|path| path.query(&body));
        let tokens = found.filter_map(Value::as_u64).fold(0, u64::saturating_add);
        budget.answered(&self.source_id, &self.price, tokens, moment.clock.now());
    }

    /// Whose turn it is: the first who may ask now, or else whoever may first.
    fn turn(&self, stream: &str, moment: &Moment<'_>) -> Result<usize, CollectError> {
        let now = moment.pace.now();
        let mut soonest = (0, Duration::MAX);
        for (identity, limiter) in self.limiters.iter().enumerate() {
            match limiter.try_acquire(now, stream, 1) {
                Ok(()) => return Ok(identity),
                Err(time) if time < soonest.1 => soonest = (identity, time),
                Err(_) => {}
            }
        }
        let _limited = moment.fetching.limited();
        self.limiters[soonest.0].acquire(stream, 1, moment.pace, moment.cancelled, moment.watch)?;
        Ok(soonest.0)
    }

    fn verdict(&self, reply: &Reply, terms: &Terms<'_>, conditional: bool) -> Verdict {
        let status = reply.status;
        for rule in terms.on_status {
            let fits = rule.status.is_empty() || rule.status.iter().any(|pattern| is_status(pattern, status));
            let words = rule
                .contains
                .as_ref()
                .is_none_or(|words| String::from_utf8_lossy(&reply.body).contains(words.as_str()));
            if fits && words && (rule.contains.is_some() || !rule.status.is_empty()) {
                return match rule.action {
                    OnStatusAction::Ignore => Verdict::Nothing,
                    OnStatusAction::Retry => Verdict::Retry,
                    OnStatusAction::Fail => Verdict::Fail,
                    OnStatusAction::RateLimited => Verdict::Wait,
                };
            }
        }
        let retried = self.retry.on.iter().any(|pattern| is_status(pattern, status));
        // Some services refuse with 403 whoever has asked too often.
        let spent = header_of(&reply.headers, "x-ratelimit-remaining")
            .and_then(|left| left.trim().parse::<f64>().ok())
            .is_some_and(|left| left < 1.0);
        match status {
            304 if conditional => Verdict::StillHolds,
            200..=299 => Verdict::Take,
            429 if retried => Verdict::Wait,
            403 if spent => Verdict::Wait,
            _ if retried => Verdict::Retry,
            401 => Verdict::Renew,
            407 => Verdict::Credentials,
            403 => Verdict::Forbidden,
            _ => Verdict::Fail,
        }
    }

    fn backoff(&self, tries: u32) -> Duration {
        // No chance is in it: there is one client, so there is no crowd to be spread.
        let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
        self.retry.base.saturating_mul(doubled).min(self.retry.max_delay)
    }

    fn pause(&self, time: Duration, moment: &Moment<'_>) -> Result<(), CollectError> {
        let time_ms = u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        tracing::debug!(source = self.source_id, time_ms, "asking again after a wait");
        wait(moment.pace, time_ms, moment.cancelled).map_err(|_| CollectError::Cancelled)
    }

    fn failed(&self, terms: &Terms<'_>, error: HttpError) -> CollectError {
        CollectError::Http { what: format!("source {}, {}", self.source_id, terms.stream), source: error }
    }

    fn busy(&self, reply: &Reply, asked: &Outgoing, tries: u32) -> HttpError {
        HttpError::Busy {
            service: self.shown(&asked.url),
            status: reply.status,
            reason: self.said_alone(reply),
            tries,
        }
    }

    /// An address, without secrets.
    pub(crate) fn shown(&self, url: &Url) -> String {
        self.authority.shown(url.as_str())
    }

    /// Status and words, without secrets.
    fn said(&self, reply: &Reply) -> String {
        format!("{}: {}", reply.status, self.said_alone(reply))
    }

    fn said_alone(&self, reply: &Reply) -> String {
        self.client.clean(&self.authority.hide(&reply.said()))
    }
}

/// What ends the whole run: nothing that comes after it would fare better.
pub(crate) fn is_fatal(error: &CollectError) -> bool {
    matches!(
        error,
        CollectError::Credentials { .. }
            | CollectError::Cancelled
            | CollectError::Sink(_)
            | CollectError::Enough
            | CollectError::Stopped { code: "budget" | "rate_limit", .. }
    )
}

/// `404`, `4xx`, `*`.
fn is_status(pattern: &str, status: u16) -> bool {
    let status = status.to_string();
    pattern == "*"
        || (pattern.len() == status.len()
            && pattern.chars().zip(status.chars()).all(|(p, s)| p == s || p.eq_ignore_ascii_case(&'x')))
}

/// An answer as it is read. One that is said to have no content has `null`; an empty one of 200 says nothing at all.
fn plain(mut reply: Reply) -> Reply {
    if reply.body.starts_with(BYTE_ORDER_MARK) {
        reply.body.drain(..BYTE_ORDER_MARK.len());
    }
    if matches!(reply.status, 204 | 205) && reply.body.is_empty() {
        reply.body = b"null".to_vec();
    }
    reply
}

fn kept_of(reply: &Reply) -> Kept {
    let header = |name: &str| reply.header(name).map(str::to_owned);
    Kept {
        status: reply.status,
        headers: reply.headers.iter().filter(|(name, _)| name != "set-cookie").cloned().collect(),
        etag: header("etag"),
        modified: header("last-modified"),
        body: reply.body.clone(),
    }
}

/// What an answer says about limits, under the names that services have for it.
fn heard(reply: &Reply, refused: bool, clock: &dyn Clock) -> Heard {
    let number = |names: [&str; 3]| {
        let value = names.iter().find_map(|name| reply.header(name))?;
        value.trim().parse::<f64>().ok().filter(|number| number.is_finite())
    };
    let reset = number(["x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"]).map(|reset| {
        let now = clock.now() as f64 / 1e6;
        if reset < EPOCH_MIN { reset } else { reset - now }
    });
    Heard {
        total: number(["x-ratelimit-limit", "ratelimit-limit", "x-ratelimit-total"]),
        remaining: number(["x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining"]),
        // How long their windows are is not said by any of them.
        window: None,
        reset_after: reset.and_then(|reset| Duration::try_from_secs_f64(reset.max(0.0)).ok()),
        retry_after: retry_after(reply, clock),
        refused,
    }
}

/// Seconds, or a date. A time that is over is as none.
fn retry_after(reply: &Reply, clock: &dyn Clock) -> Option<Duration> {
    let value = reply.header("retry-after")?.trim();
    let seconds = match value.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_microsecond();
            (at - clock.now()) as f64 / 1e6
        }
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}
