//! Claims about many texts, and summaries of them: known ones for nothing, new ones as far as the budget goes.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stele_http::Cancelled;
use stele_model::error::in_full;
use stele_model::{Claims, Micros};

use crate::AnnotateError;
use crate::budget::{Budget, Purse, Spent, tokens_of};
use crate::kept::{ANSWERS_MAX, Answer, Kept};
use crate::prompt::{Passage, claims_in, summary_in};
use crate::service::Annotator;

/// Texts in a row to which a service of this kind would not have answered so, after which it is not asked any more:
/// something else is in its place. One such text may be what a service refuses to speak about.
const BAD_TEXTS_MAX: u32 = 2;

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// What marks the claims.
    pub extractor: String,
    /// Texts whose answer was known already.
    pub known: u64,
    /// Texts that the model answered about.
    pub asked: u64,
    /// Of both, answers that say nothing that can be used.
    pub unusable: u64,
    /// Why, of the first of them.
    pub unusable_why: Option<String>,
    /// Of the texts that were asked about, those of which the service did not count the tokens: what is said of them
    /// in `spent` is an estimate by their length.
    pub estimated: u64,
    /// Texts without an answer: the next run asks about them.
    pub left: u64,
    /// What it took.
    pub spent: Spent,
    /// Why the model is not asked any more, if it is not.
    pub stopped: Option<String>,
}

/// Answers that are known, and somebody to ask for more.
pub struct Answers<T> {
    annotator: Arc<dyn Annotator>,
    kept: Kept,
    state: Mutex<State>,
    said: PhantomData<fn() -> T>,
}

/// What a model claims about texts.
pub type Annotations = Answers<Claims>;

/// What a model makes of texts in a few sentences.
pub type Summaries = Answers<Written>;

/// A summary as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What it says; empty where the model said something else.
    pub text: String,
    /// When the model said so.
    pub at: Micros,
}

struct State {
    purse: Purse,
    /// Texts in a row without an answer of this kind.
    bad: u32,
    summary: Summary,
}

impl<T: Default + Serialize + DeserializeOwned> Answers<T> {
    /// What is known is in `dir`, and stays there.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed.
    pub fn open(dir: &Path, annotator: Arc<dyn Annotator>, budget: Budget) -> Result<Self, AnnotateError> {
        let summary = Summary { extractor: annotator.id().to_owned(), ..Summary::default() };
        let state = Mutex::new(State { purse: Purse::new(budget), bad: 0, summary });
        Ok(Self { kept: Kept::open(dir)?, annotator, state, said: PhantomData })
    }

    /// What marks what is said.
    pub fn extractor(&self) -> &str {
        self.annotator.id()
    }

    /// What came of it so far.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        Summary { spent: state.purse.spent, ..state.summary.clone() }
    }

    /// What is said about a passage, as `read` understands it; `None` if nobody was asked, because the budget is used
    /// up or the service does not answer. The first time that happens ends the asking for this run. What no service of this
    /// kind would say is asked for once more, as it may have been a slip; then it is left to the next run.
    fn answer(
        &self,
        passage: &Passage<'_>,
        read: impl FnOnce(&str) -> Result<T, String>,
        cancelled: Cancelled<'_>,
    ) -> Result<Option<T>, AnnotateError> {
        let key = Kept::key(self.annotator.id(), passage);
        if let Some(answer) = self.kept.get::<T>(&key) {
            let mut state = self.state();
            state.summary.known += 1;
            state.unusable(answer.unusable);
            return Ok(Some(answer.said));
        }
        let mut is_again = false;
        let (reply, most) = loop {
            let Some(most) = self.may_ask(passage) else { return Ok(None) };
            let error = match self.annotator.ask(passage, cancelled) {
                Ok(reply) => break (reply, most),
                Err(error) => error,
            };
            let mut state = self.state();
            // Whether the service worked on it, and what it takes for that, nobody knows.
            let came_to = state.purse.priced(most.input_tokens, 0);
            state.purse.settle(most, came_to);
            if matches!(error, AnnotateError::BadAnswer { .. }) && !is_again {
                is_again = true;
                continue;
            }
            state.summary.left += 1;
            match error {
                AnnotateError::Cancelled => return Err(AnnotateError::Cancelled),
                AnnotateError::BadAnswer { .. } if state.bad + 1 < BAD_TEXTS_MAX => state.bad += 1,
                error => state.stop(in_full(&error)),
            }
            return Ok(None);
        };
        let mut state = self.state();
        state.bad = 0;
        let counted = (reply.input_tokens, reply.output_tokens);
        let input = counted.0.unwrap_or(most.input_tokens);
        let output = counted.1.unwrap_or(tokens_of(reply.content.len()).min(most.output_tokens));
        state.summary.estimated += u64::from(counted.0.is_none() || counted.1.is_none());
        let came_to = state.purse.priced(input, output);
        state.purse.settle(most, came_to);
        state.summary.asked += 1;
        let answer = match read(&reply.content) {
            Ok(said) => Answer { said, unusable: None },
            Err(reason) => {
                let reason = if reply.cut {
                    "it was cut off; answer_tokens_max is too small".to_owned()
                } else {
                    reason
                };
                Answer { said: T::default(), unusable: Some(reason) }
            }
        };
        state.unusable(answer.unusable.clone());
        drop(state);
        self.kept.put(&key, &answer)?;
        Ok(Some(answer.said))
    }

    /// What the question may come to, set aside; nothing if it is not to be asked.
    fn may_ask(&self, passage: &Passage<'_>) -> Option<Spent> {
        let mut state = self.state();
        if state.summary.stopped.is_none() && self.kept.is_full() {
            state.stop(format!("{ANSWERS_MAX} answers are kept, and no more are"));
        }
        if state.summary.stopped.is_none() {
            let most = state.purse.most(self.annotator.question_bytes(passage));
            match state.purse.promise(most) {
                Ok(()) => return Some(most),
                Err(why) => state.stop(why),
            }
        }
        state.summary.left += 1;
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers<Claims> {
    /// What is claimed about a passage; `None` if nobody was asked, because the budget is used up or the service
    /// does not answer. The first time that happens ends the asking for this run.
    ///
    /// # Errors
    ///
    /// If that was asked for, or an answer cannot be kept.
    pub fn claims(
        &self,
        passage: &Passage<'_>,
        cancelled: Cancelled<'_>,
    ) -> Result<Option<Claims>, AnnotateError> {
        self.answer(passage, claims_in, cancelled)
    }
}

impl Answers<Written> {
    /// What a passage comes to; `None` as with [`Annotations::claims`]. `now` is when it is asked.
    ///
    /// # Errors
    ///
    /// As [`Annotations::claims`].
    pub fn summary_of(
        &self,
        passage: &Passage<'_>,
        now: Micros,
        cancelled: Cancelled<'_>,
    ) -> Result<Option<Written>, AnnotateError> {
        self.answer(passage, |said| Ok(Written { text: summary_in(said)?, at: now }), cancelled)
    }
}

impl State {
    /// An answer says nothing that can be used, if there is a reason.
    fn unusable(&mut self, why: Option<String>) {
        let Some(why) = why else { return };
        self.summary.unusable += 1;
        self.summary.unusable_why.get_or_insert(why);
    }

    fn stop(&mut self, why: String) {
        tracing::warn!(%why, "the model is not asked any more");
        self.summary.stopped.get_or_insert(why);
    }
}
