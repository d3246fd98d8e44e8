//! A service that completes chats, as OpenAI has it and many others took over.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use stele_http::{Cancelled, Client, Key, Method, Pace, Secret};

use crate::prompt::{PROMPT_VERSION, Passage, Task, body};
use crate::{AnnotateError, AnnotationConfig};

/// Somebody who says something about a text, such as what it names.
pub trait Annotator: Send + Sync {
    /// The model with the version of what it is asked: what marks its claims and tells answers apart.
    fn id(&self) -> &str;

    /// Bytes of the whole question about a passage, to tell what it costs before it is asked.
    fn question_bytes(&self, passage: &Passage<'_>) -> usize;

    /// Asks about one passage.
    ///
    /// # Errors
    /// If the service does not answer, or not as such a service does.
    fn ask(&self, passage: &Passage<'_>, cancelled: Cancelled<'_>) -> Result<Reply, AnnotateError>;
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the model said, which is for [`crate::Answers`] to read.
    pub content: String,
    /// Whether it was cut off because it was too long.
    pub cut: bool,
    /// Tokens of the question, where the service counts them.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, where the service counts them.
    pub output_tokens: Option<u64>,
}

/// A service at an address.
pub struct Service {
    id: String,
    task: Task,
    model: String,
    answer_tokens_max: u32,
    client: Client,
}

impl Service {
    /// Checks the configuration; nothing is asked yet.
    ///
    /// # Errors
    /// If a setting cannot be used; the error names it.
    pub fn new(
        config: &AnnotationConfig,
        task: Task,
        key: Option<Secret>,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, AnnotateError> {
        config.check()?;
        let base = config.url.trim().trim_end_matches('/');
        let path = match base {
            base if base.ends_with("/chat/completions") => "",
            base if base.ends_with("/v1") => "/chat/completions",
            _ => "/v1/chat/completions",
        };
        Ok(Self {
            id: format!("{}/{}/{PROMPT_VERSION}", task.name(), config.model),
            task,
            model: config.model.clone(),
            answer_tokens_max: config.answer_tokens_max,
            client: Client::new(&format!("{base}{path}"), config.client(), key.map(Key::Bearer), pace)?,
        })
    }
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    /// An answer is one whatever stands here: many services leave it out, or a part of it.
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

impl Annotator for Service {
    fn id(&self) -> &str {
        &self.id
    }

    fn question_bytes(&self, passage: &Passage<'_>) -> usize {
        body(self.task, &self.model, self.answer_tokens_max, passage).len()
    }

    fn ask(&self, passage: &Passage<'_>, cancelled: Cancelled<'_>) -> Result<Reply, AnnotateError> {
        let body = body(self.task, &self.model, self.answer_tokens_max, passage);
        let answer = self.client.send(Method::Post, "", Some(body), cancelled)?;
        let bad = |reason: String| AnnotateError::BadAnswer {
            service: self.client.shown().to_owned(),
            reason: self.client.clean(&reason),
        };
        let completion: Completion = serde_json::from_slice(&answer.body)
            .map_err(|error| bad(format!("it cannot be read: {error}")))?;
        let choice = completion.choices.into_iter().next();
        let choice = choice.ok_or_else(|| bad("it has no choice in it".to_owned()))?;
        Ok(Reply {
            content: choice.message.content.unwrap_or_default(),
            cut: choice.finish_reason.as_deref() == Some("length"),
            input_tokens: completion.usage["prompt_tokens"].as_u64(),
            output_tokens: completion.usage["completion_tokens"].as_u64(),
        })
    }
}
