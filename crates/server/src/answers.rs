//! Answers of a moment ago, by question. Who asks while nothing has changed gets what the one before got.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use stele_engine::Standing;

use crate::limits::{ANSWER_BYTES_MAX, ANSWERS_KEPT_MAX};
use crate::recent::Recent;

/// The answers to one tenant's questions, by address.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<String, Arc<Recent<Answer>>>>);

/// An answer, and how lake, index and graph stood before it was made; none where that cannot be told.
#[derive(Clone)]
struct Answer {
    standing: Option<Standing>,
    body: Bytes,
}

impl Answers {
    /// The answer to `question`: one that is not older than `time` if what there is has not changed since, or else a
    /// new one.
    pub(crate) async fn of<E>(
        &self,
        question: &str,
        time: Duration,
        standing: impl Fn() -> Option<Standing>,
        new: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Bytes, E> {
        let Some(recent) = self.place(question) else { return new.await };
        let made = async {
            // Before the work: what changes while an answer is made may or may not be in it.
            let standing = standing();
            new.await.map(|body| Answer { standing, body })
        };
        let holds = |kept: &Answer| standing() == kept.standing;
        let worth = |new: &Answer| new.standing.is_some() && new.body.len() <= ANSWER_BYTES_MAX;
        recent.of(time, holds, worth, made).await.map(|answer| answer.body)
    }

    /// The place for an answer; none where all are taken.
    fn place(&self, question: &str) -> Option<Arc<Recent<Answer>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = all.get(question) {
            return Some(Arc::clone(place));
        }
        if all.len() >= ANSWERS_KEPT_MAX {
            all.retain(|_, place| place.is_in_use());
        }
        if all.len() >= ANSWERS_KEPT_MAX {
            return None;
        }
        Some(Arc::clone(all.entry(question.to_owned()).or_default()))
    }
}
