//! Embedding services: anything that speaks as OpenAI, Ollama or Text Embeddings Inference do.

mod dialect;

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use stele_http::{Client, ClientConfig, HttpError, Key, Method, Pace, Secret};

pub use self::dialect::Dialect;
use crate::batches::{BatchLimits, plan_batches};
use crate::embedder::{Embedded, Embedder, Prefixes, Purpose, Usage, Vectors, normalise};
use crate::{Cancelled, EmbedError, lock};

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

impl HttpConfig {
    /// What of it is the same for every service.
    fn client(&self) -> ClientConfig {
        ClientConfig {
            requests_per_minute_max: self.requests_per_minute_max,
            tries_max: self.tries_max,
            backoff_ms: self.backoff_ms,
            backoff_ms_max: self.backoff_ms_max,
            retry_after_ms_max: self.retry_after_ms_max,
            connect_timeout_ms_max: self.connect_timeout_ms_max,
            timeout_ms_max: self.timeout_ms_max,
            proxy: self.proxy.clone(),
            ..ClientConfig::default()
        }
    }
}

/// A service that turns texts into vectors.
pub struct HttpEmbedder {
    config: HttpConfig,
    id: String,
    client: Client,
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
            ("dimension", config.dimension.unwrap_or(1) as u64),
        ] {
            if value == 0 {
                return refuse(setting, "it is 0; it has to be 1 at least");
            }
        }
        if !(config.price_per_million_tokens >= 0.0 && config.price_per_million_tokens.is_finite()) {
            return refuse("price_per_million_tokens", "it has to be 0 or more");
        }
        let base = config.url.trim_end_matches('/');
        let url = format!("{base}{}", config.dialect.path(base));
        Ok(HttpEmbedder {
            id: format!("{}/{}", config.dialect.name(), config.model),
            client: Client::new(&url, config.client(), key.map(Key::Bearer), pace).map_err(said)?,
            dimension: Mutex::new(config.dimension),
            usage: Mutex::new(Usage::default()),
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
        let answer = self.client.send(Method::Post, "", Some(body), cancelled).map_err(said)?;
        let bad = |reason: String| EmbedError::BadAnswer { service: self.client.shown().to_owned(), reason };
        let parsed = self
            .config
            .dialect
            .parse(&answer.body, texts.len())
            .map_err(|reason| bad(self.client.clean(&reason)))?;
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
        Usage { retries: self.client.retries(), ..*lock(&self.usage) }
    }
}

/// What the client says, in the words of this crate, with what to look at.
fn said(error: HttpError) -> EmbedError {
    match error {
        HttpError::Cancelled => EmbedError::Cancelled,
        HttpError::Config { setting, reason } => EmbedError::Config { setting, reason },
        HttpError::Refused { service, status, reason, .. } => {
            EmbedError::Refused { service, status, reason, advice: advice(status) }
        }
        error => EmbedError::Service(error),
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
