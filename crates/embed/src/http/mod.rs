//! Embedding services: anything that speaks as OpenAI, Ollama or Text Embeddings Inference do.

mod ask;
mod dialect;
mod pace;

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use self::ask::{Asked, Asker};
pub use self::dialect::Dialect;
pub use self::pace::Pace;
use self::pace::{Limiter, backoff, wait};
use crate::batches::{BatchLimits, plan_batches};
use crate::embedder::{Cancelled, Embedded, Embedder, Prefixes, Purpose, Usage, Vectors, normalise};
use crate::{EmbedError, lock};

/// Bytes of UTF-8 that a token has at least, on average: prose has four and more, numbers and code
/// about three. So the estimate is rather too high, and a batch rather too small.
const BYTES_PER_TOKEN: usize = 3;

/// Tokens that a service puts around a text.
const TOKENS_AROUND: usize = 2;

/// Which service, and how it is treated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// How the service speaks: `openai`, `ollama` or `tei`.
    pub dialect: Dialect,
    /// Where it is, such as `http://127.0.0.1:11434`. The dialect's path is put behind it unless it
    /// stands there already.
    pub url: String,
    /// The model, as the service calls it. It is part of the model id, so name it for `tei` too, which
    /// has one model only.
    pub model: String,
    /// Numbers in a vector; an answer of another size is refused. Learned from the first answer if it
    /// is not set.
    pub dimension: Option<usize>,
    /// Longest text that the model takes, in tokens; see the model's card.
    pub window_tokens: usize,
    /// Texts in a request at most.
    pub batch_texts_max: usize,
    /// Tokens in a request at most, estimated.
    pub batch_tokens_max: usize,
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
    /// Milliseconds until an answer has to be there, all of it.
    pub timeout_ms_max: u64,
    /// What a million tokens cost, in whatever currency. 0: nothing.
    pub price_per_million_tokens: f64,
    /// The proxy, such as `http://proxy:3128`. None is used unless it stands here.
    pub proxy: Option<String>,
    /// Words in front of each text, where the model's card asks for them.
    pub prefixes: Prefixes,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            dialect: Dialect::default(),
            url: String::new(),
            model: String::new(),
            dimension: None,
            window_tokens: 512,
            batch_texts_max: 32,
            batch_tokens_max: 8192,
            requests_per_minute_max: None,
            tries_max: 5,
            backoff_ms: 500,
            backoff_ms_max: 30_000,
            retry_after_ms_max: 120_000,
            connect_timeout_ms_max: 10_000,
            timeout_ms_max: 60_000,
            price_per_million_tokens: 0.0,
            proxy: None,
            prefixes: Prefixes::default(),
        }
    }
}

/// A key that no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// White space around it, as files have it, is not part of it.
    pub fn new(key: impl AsRef<str>) -> Self {
        Secret(key.as_ref().trim().to_owned())
    }

    /// The text without the key, wherever it stands in it.
    fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A service that turns texts into vectors.
pub struct HttpEmbedder {
    config: HttpConfig,
    id: String,
    asker: Arc<Asker>,
    pace: Arc<dyn Pace>,
    limiter: Limiter,
    dimension: Mutex<Option<usize>>,
    usage: Mutex<Usage>,
}

impl HttpEmbedder {
    /// Checks the configuration; nothing is asked yet. `key` is sent as a bearer token.
    ///
    /// # Errors
    /// If a setting cannot be used; the error names it.
    pub fn new(config: HttpConfig, key: Option<Secret>, pace: Arc<dyn Pace>) -> Result<Self, EmbedError> {
        let refuse = |setting, reason: &str| Err(EmbedError::Config { setting, reason: reason.to_owned() });
        if config.model.is_empty() {
            return refuse("model", "it is empty; name the model as the service calls it");
        }
        for (setting, value) in [
            ("batch_texts_max", config.batch_texts_max as u64),
            ("batch_tokens_max", config.batch_tokens_max as u64),
            ("window_tokens", config.window_tokens as u64),
            ("tries_max", u64::from(config.tries_max)),
            ("connect_timeout_ms_max", config.connect_timeout_ms_max),
            ("timeout_ms_max", config.timeout_ms_max),
            ("dimension", config.dimension.unwrap_or(1) as u64),
            ("requests_per_minute_max", u64::from(config.requests_per_minute_max.unwrap_or(1))),
        ] {
            if value == 0 {
                return refuse(setting, "it is 0; it has to be 1 at least");
            }
        }
        if !(config.price_per_million_tokens >= 0.0 && config.price_per_million_tokens.is_finite()) {
            return refuse("price_per_million_tokens", "it has to be 0 or more");
        }
        Ok(HttpEmbedder {
            id: format!("{}/{}", config.dialect.name(), config.model),
            asker: Arc::new(Asker::new(&config, key.filter(|key| !key.0.is_empty()))?),
            limiter: Limiter::new(config.requests_per_minute_max),
            dimension: Mutex::new(config.dimension),
            usage: Mutex::new(Usage::default()),
            pace,
            config,
        })
    }

    /// The vectors of one request, brought to length 1, and the tokens it took.
    fn request(
        &self,
        texts: &[String],
        cancelled: Cancelled<'_>,
    ) -> Result<(Vec<Vec<f32>>, u64), EmbedError> {
        let body = self.config.dialect.body(&self.config.model, texts);
        let answer = self.ask_until_answered(body, cancelled)?;
        let bad = |reason: String| EmbedError::BadAnswer { service: self.asker.shown().to_owned(), reason };
        let parsed = self
            .config
            .dialect
            .parse(&answer, texts.len())
            .map_err(|reason| bad(self.asker.clean(&reason)))?;
        let mut vectors = parsed.vectors;
        for (place, vector) in vectors.iter_mut().enumerate() {
            let dimension = *lock(&self.dimension).get_or_insert(vector.len());
            if vector.len() != dimension || dimension == 0 {
                return Err(bad(format!(
                    "vector {place} has {} numbers instead of {dimension}",
                    vector.len()
                )));
            }
            if let Some(number) = vector.iter().position(|number| !number.is_finite()) {
                return Err(bad(format!("number {number} of vector {place} is {}", vector[number])));
            }
            if vector.iter().all(|number| *number == 0.0) {
                return Err(bad(format!("vector {place} is all zero and points nowhere")));
            }
            normalise(vector);
        }
        let tokens = parsed.tokens.unwrap_or_else(|| texts.iter().map(|text| estimate(text) as u64).sum());
        Ok((vectors, tokens))
    }

    /// Asks again, after growing waits, what may do better next time.
    fn ask_until_answered(&self, body: Vec<u8>, cancelled: Cancelled<'_>) -> Result<Vec<u8>, EmbedError> {
        let body: Arc<[u8]> = body.into();
        let service = || self.asker.shown().to_owned();
        let mut tries = 0;
        loop {
            self.limiter.wait(&*self.pace, cancelled)?;
            tries += 1;
            let asked = self.asker.ask(Arc::clone(&body), cancelled)?;
            let (error, after_ms) = match asked {
                Asked::Answer(answer) => return Ok(answer),
                Asked::Refused { status, reason } => {
                    let advice = advice(status);
                    return Err(EmbedError::Refused { service: service(), status, reason, advice });
                }
                Asked::Busy { status, reason, retry_after_ms } => {
                    (EmbedError::Busy { service: service(), status, reason, tries }, retry_after_ms)
                }
                Asked::Broken { reason } => {
                    (EmbedError::Unreachable { service: service(), reason, tries }, None)
                }
            };
            let too_long = after_ms.is_some_and(|ms| ms > self.config.retry_after_ms_max);
            if tries >= self.config.tries_max || too_long {
                return Err(error);
            }
            let time_ms = after_ms.unwrap_or_else(|| backoff(&self.config, tries));
            tracing::debug!(%error, time_ms, "asking again");
            lock(&self.usage).retries += 1;
            wait(&*self.pace, time_ms, cancelled)?;
        }
    }
}

impl Embedder for HttpEmbedder {
    fn model_id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> Option<usize> {
        *lock(&self.dimension)
    }

    fn window_tokens(&self) -> usize {
        self.config.window_tokens
    }

    fn semantic(&self) -> bool {
        true
    }

    fn count_tokens(&self, text: &str) -> Result<usize, EmbedError> {
        Ok(estimate(text))
    }

    fn embed(
        &self,
        texts: &[&str],
        purpose: Purpose,
        cancelled: Cancelled<'_>,
    ) -> Result<Embedded, EmbedError> {
        let prefix = self.config.prefixes.of(purpose);
        let lengths: Vec<usize> = texts.iter().map(|text| estimate(prefix) + estimate(text)).collect();
        let limits =
            BatchLimits { texts_max: self.config.batch_texts_max, tokens_max: self.config.batch_tokens_max };
        let mut found: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
        let mut all_tokens = 0;
        for batch in plan_batches(&lengths, limits) {
            let asked: Vec<String> = batch.iter().map(|index| format!("{prefix}{}", texts[*index])).collect();
            let (vectors, tokens) = self.request(&asked, cancelled)?;
            for (index, vector) in batch.iter().zip(vectors) {
                found[*index] = vector;
            }
            all_tokens += tokens;
            // Counted at once: what was answered costs, whatever becomes of the rest.
            let mut usage = lock(&self.usage);
            usage.texts += batch.len() as u64;
            usage.tokens += tokens;
            usage.requests += 1;
            usage.cost += tokens as f64 * self.config.price_per_million_tokens / 1e6;
        }
        let mut vectors = Vectors::new(self.dimension().unwrap_or(0));
        found.iter().for_each(|vector| vectors.push(vector));
        Ok(Embedded { vectors, tokens: all_tokens, texts_cut: 0 })
    }

    fn usage(&self) -> Usage {
        *lock(&self.usage)
    }
}

fn estimate(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN) + TOKENS_AROUND
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "is the key right, and may it use this model?",
        402 => "is the account in credit?",
        404 => "are the address, the dialect and the name of the model right?",
        413 => "lower batch_texts_max or batch_tokens_max",
        400 | 422 => "does the model exist there, and do the texts fit its window and batch limits?",
        300..=399 => "set the address that it points to",
        _ => "what does the service's log say?",
    }
}
