//! Answers of a moment ago. Many ask the same: a dashboard in every browser of a team, probes, agents. Who asks while
//! nothing has changed gets what the one before got, and a crowd that asks at once waits for one answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use stele_engine::Standing;

use crate::limits::{ANSWER_BYTES_MAX, ANSWER_KEPT, ANSWERS_KEPT_MAX};

/// The answers to one tenant's questions, by address.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<String, Arc<Slot>>>);

/// The place of one answer. Whoever works on it holds it.
type Slot = tokio::sync::Mutex<Option<Answer>>;

struct Answer {
    at: Instant,
    standing: Standing,
    body: Bytes,
}

impl Answer {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < ANSWER_KEPT
    }
}

impl Answers {
    /// The answer to `question`: the one of a moment ago if what there is has not changed since, or else a new one.
    pub(crate) async fn of<E>(
        &self,
        question: &str,
        standing: impl Fn() -> Option<Standing>,
        new: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Bytes, E> {
        let Some(slot) = self.slot(question) else { return new.await };
        let mut slot = slot.lock().await;
        // What changes while an answer is made may or may not be in it.
        let (at, now) = (Instant::now(), standing());
        if let Some(kept) = slot.as_ref().filter(|kept| kept.is_fresh())
            && now.as_ref() == Some(&kept.standing)
        {
            return Ok(kept.body.clone());
        }
        let body = new.await?;
        *slot = now.filter(|_| body.len() <= ANSWER_BYTES_MAX).map(|standing| Answer {
            at,
            standing,
            body: body.clone(),
        });
        Ok(body)
    }

    /// The place for an answer; none where all are taken.
    fn slot(&self, question: &str) -> Option<Arc<Slot>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = all.get(question) {
            return Some(Arc::clone(slot));
        }
        if all.len() >= ANSWERS_KEPT_MAX {
            // One that is held is being worked on.
            let is_fresh = |slot: &Arc<Slot>| {
                slot.try_lock().map_or(true, |kept| kept.as_ref().is_some_and(Answer::is_fresh))
            };
            all.retain(|_, slot| is_fresh(slot));
        }
        if all.len() >= ANSWERS_KEPT_MAX {
            return None;
        }
        Some(Arc::clone(all.entry(question.to_owned()).or_default()))
    }
}
