//! What is said to a service and what it says, in each dialect.

use serde::{Deserialize, Serialize};
use serde_json::json;

/// How a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `POST /v1/embeddings`, as OpenAI has it and many others took over. Texts beyond the model's
    /// window are refused there; the other two cut them.
    #[default]
    OpenAi,
    /// `POST /api/embed` of Ollama.
    Ollama,
    /// `POST /embed` of Text Embeddings Inference.
    Tei,
}

/// The vectors of an answer, in the order of the texts.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) vectors: Vec<Vec<f32>>,
    /// What the service says it took.
    pub(super) tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiVector>,
    usage: Option<OpenAiUsage>,
}

#[derive(Deserialize)]
struct OpenAiVector {
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct OpenAiUsage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OllamaAnswer {
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<u64>,
}

impl Dialect {
    /// As it stands in configurations and model ids.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai",
            Dialect::Ollama => "ollama",
            Dialect::Tei => "tei",
        }
    }

    /// The path behind a service's address; where that ends with the beginning of it, only the rest.
    pub(super) fn path(self, address: &str) -> &'static str {
        match self {
            _ if address.ends_with(self.full_path()) => "",
            Dialect::OpenAi if address.ends_with("/v1") => "/embeddings",
            Dialect::Ollama if address.ends_with("/api") => "/embed",
            _ => self.full_path(),
        }
    }

    fn full_path(self) -> &'static str {
        match self {
            Dialect::OpenAi => "/v1/embeddings",
            Dialect::Ollama => "/api/embed",
            Dialect::Tei => "/embed",
        }
    }

    /// What is asked. Services that can cut long texts are told to, as the local model does.
    pub(super) fn body(self, model: &str, texts: &[String]) -> Vec<u8> {
        let body = match self {
            Dialect::OpenAi => json!({ "model": model, "input": texts, "encoding_format": "float" }),
            Dialect::Ollama => json!({ "model": model, "input": texts, "truncate": true }),
            Dialect::Tei => json!({ "inputs": texts, "truncate": true, "normalize": true }),
        };
        body.to_string().into_bytes()
    }

    /// Reads an answer to so many texts; the error says what is wrong with it.
    pub(super) fn parse(self, answer: &[u8], texts: usize) -> Result<Parsed, String> {
        fn read<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, String> {
            serde_json::from_slice(answer).map_err(|error| format!("it cannot be read: {error}"))
        }
        let parsed = match self {
            Dialect::OpenAi => {
                let answer: OpenAiAnswer = read(answer)?;
                let usage = answer.usage.and_then(|usage| usage.total_tokens.or(usage.prompt_tokens));
                Parsed { vectors: in_order(answer.data)?, tokens: usage }
            }
            Dialect::Ollama => {
                let answer: OllamaAnswer = read(answer)?;
                Parsed { vectors: answer.embeddings, tokens: answer.prompt_eval_count }
            }
            Dialect::Tei => Parsed { vectors: read(answer)?, tokens: None },
        };
        if parsed.vectors.len() != texts {
            return Err(format!("it has {} vectors for {texts} texts", parsed.vectors.len()));
        }
        Ok(parsed)
    }
}

/// By the index that each vector carries, or as they come where none does.
fn in_order(data: Vec<OpenAiVector>) -> Result<Vec<Vec<f32>>, String> {
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; data.len()];
    for (place, vector) in data.into_iter().enumerate() {
        let index = vector.index.unwrap_or(place);
        match vectors.get_mut(index) {
            Some(free @ None) => *free = Some(vector.embedding),
            Some(Some(_)) => return Err(format!("it has two vectors with the index {index}")),
            None => return Err(format!("it has a vector with the index {index}, which no text has")),
        }
    }
    // Every place was filled once, because there are as many as vectors.
    Ok(vectors.into_iter().flatten().collect())
}
