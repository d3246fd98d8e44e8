//! Which model is asked, and how much may be spent on it.

use std::path::PathBuf;

use serde::Deserialize;
use stele_http::ClientConfig;

use crate::{AnnotateError, Budget};

/// The tables `[annotation]` and `[summaries]` of `stele.toml`. Without them no model is asked for anything.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnnotationConfig {
    /// Where the service is, such as `http://127.0.0.1:11434/v1`. `/v1/chat/completions`, or what is missing of
    /// it, is put behind it. Whatever is ingested is sent there.
    pub url: String,
    /// The model, as the service calls it.
    pub model: String,
    /// A file that holds the key, relative to the configuration file. The environment variable
    /// `STELE_ANNOTATION_KEY` goes before it, for summaries `STELE_SUMMARIES_KEY`.
    pub key_file: Option<PathBuf>,
    /// Questions of one run at most.
    pub calls_max: u64,
    /// Tokens of one run at most, questions and answers together.
    pub tokens_max: u64,
    /// What one run may cost at most, in the currency of the prices. Nothing holds it back if it is not set.
    pub cost_max: Option<f64>,
    /// What a million tokens of questions cost, in whatever currency. 0: nothing.
    pub price_per_million_input_tokens: f64,
    /// What a million tokens of answers cost.
    pub price_per_million_output_tokens: f64,
    /// Tokens of one answer at most.
    pub answer_tokens_max: u32,
    /// Requests in a minute at most, evenly spread. Nothing holds them back if it is not set.
    pub requests_per_minute_max: Option<u32>,
    /// How often a request is made before it is given up, at least once.
    pub tries_max: u32,
    /// Longest wait in milliseconds that is granted to a service that asks for one (`Retry-After`).
    pub retry_after_ms_max: u64,
    /// Milliseconds until an answer has to be there, all of it. Models are slow.
    pub timeout_ms_max: u64,
    /// The proxy, such as `http://proxy:3128`. None is used unless it stands here.
    pub proxy: Option<String>,
}

impl Default for AnnotationConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: String::new(),
            key_file: None,
            calls_max: 200,
            tokens_max: 500_000,
            cost_max: None,
            price_per_million_input_tokens: 0.0,
            price_per_million_output_tokens: 0.0,
            answer_tokens_max: 1_000,
            requests_per_minute_max: None,
            tries_max: 3,
            retry_after_ms_max: 120_000,
            timeout_ms_max: 120_000,
            proxy: None,
        }
    }
}

/// Longest answer of a service in bytes: many times what the most tokens take, and nothing to a machine.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

impl AnnotationConfig {
    /// What one run may spend.
    pub fn budget(&self) -> Budget {
        Budget {
            calls_max: self.calls_max,
            tokens_max: self.tokens_max,
            cost_max: self.cost_max,
            input_price: self.price_per_million_input_tokens,
            output_price: self.price_per_million_output_tokens,
            answer_tokens_max: u64::from(self.answer_tokens_max),
        }
    }

    pub(crate) fn client(&self) -> ClientConfig {
        ClientConfig {
            requests_per_minute_max: self.requests_per_minute_max,
            tries_max: self.tries_max,
            retry_after_ms_max: self.retry_after_ms_max,
            timeout_ms_max: self.timeout_ms_max,
            answer_bytes_max: ANSWER_BYTES_MAX,
            proxy: self.proxy.clone(),
            ..ClientConfig::default()
        }
    }

    /// Whether every setting can be used.
    pub(crate) fn check(&self) -> Result<(), AnnotateError> {
        let refuse =
            |setting, reason: &str| Err(AnnotateError::Config { setting, reason: reason.to_owned() });
        if self.url.trim().is_empty() {
            return refuse("url", "it is empty; name the service, such as http://127.0.0.1:11434/v1");
        }
        if self.model.trim().is_empty() {
            return refuse("model", "it is empty; name the model as the service calls it");
        }
        if self.answer_tokens_max == 0 {
            return refuse("answer_tokens_max", "it is 0; an answer of some hundred tokens says something");
        }
        let is_price = |price: f64| price >= 0.0 && price.is_finite();
        let prices = [self.price_per_million_input_tokens, self.price_per_million_output_tokens];
        if !prices.into_iter().all(is_price) {
            return refuse("price_per_million_input_tokens", "a price has to be 0 or more");
        }
        match self.cost_max {
            Some(most) if !is_price(most) => refuse("cost_max", "it has to be 0 or more"),
            // A bound that can never be met is none.
            Some(_) if prices.into_iter().all(|price| price == 0.0) => refuse(
                "cost_max",
                "no price is set, so nothing costs anything: set price_per_million_input_tokens",
            ),
            _ => Ok(()),
        }
    }
}
