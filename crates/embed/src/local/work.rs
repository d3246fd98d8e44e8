//! One batch of texts on several threads: each cuts texts into tokens or runs the model, whatever
//! is to be done next, so that neither waits for the other.

use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::session::Sessions;
use super::tokens::{Tokeniser, Tokens};
use crate::Cancelled;
use crate::batches::{BatchLimits, plan_batches};
use crate::embedder::{Embedded, Vectors};
use crate::{EmbedError, lock};

/// Texts that are cut into tokens before the model runs on them: enough to find some of equal
/// length among them, and done in a few milliseconds.
const TEXTS_PER_BLOCK: usize = 128;

/// What is to be done.
pub(crate) struct Job<'a> {
    pub(crate) tokeniser: &'a Tokeniser,
    pub(crate) sessions: &'a Sessions,
    pub(crate) dimension: usize,
    pub(crate) limits: BatchLimits,
    pub(crate) prefix: &'a str,
    pub(crate) texts: &'a [&'a str],
    pub(crate) workers: usize,
    pub(crate) cancelled: Cancelled<'a>,
}

/// Where the workers meet.
pub(crate) struct Desk<'a> {
    job: Job<'a>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The first text that nobody has begun with.
    next: usize,
    /// Cut into tokens and not yet run, short ones first. At most a block for each worker, because
    /// nobody cuts while there is something to run.
    ready: Vec<Vec<(usize, Tokens)>>,
    cutting: usize,
    failed: Option<EmbedError>,
    done: Embedded,
    runs: u64,
}

/// Lets the others go when a worker panics; they would wait for what it had begun.
struct Alarm<'a, 'j>(&'a Desk<'j>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody sees it: the panic goes on when all have ended.
            lock(&self.0.state).failed.get_or_insert(EmbedError::Cancelled);
            self.0.changed.notify_all();
        }
    }
}

enum Step {
    Cut(Range<usize>),
    Run(Vec<(usize, Tokens)>),
}

impl<'a> Desk<'a> {
    pub(crate) fn new(job: Job<'a>) -> Self {
        let vectors = Vectors::zeros(job.dimension, job.texts.len());
        let state = State {
            next: 0,
            ready: Vec::new(),
            cutting: 0,
            failed: None,
            done: Embedded { vectors, tokens: 0, texts_cut: 0 },
            runs: 0,
        };
        Desk { job, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Everything, and how often the model ran for it.
    pub(crate) fn work(self) -> Result<(Embedded, u64), EmbedError> {
        let helpers = self.job.workers.min(self.job.texts.len()).saturating_sub(1);
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|| self.take_part());
            }
            self.take_part();
        });
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.failed {
            Some(error) => Err(error),
            None => Ok((state.done, state.runs)),
        }
    }

    fn take_part(&self) {
        let _alarm = Alarm(self);
        while let Some(step) = self.next_step() {
            let result = match step {
                Step::Cut(range) => self.cut(range),
                Step::Run(batch) => self.run(&batch),
            };
            if let Err(error) = result {
                lock(&self.state).failed.get_or_insert(error);
            }
            self.changed.notify_all();
        }
    }

    fn next_step(&self) -> Option<Step> {
        let mut state = lock(&self.state);
        loop {
            if (self.job.cancelled)() {
                state.failed.get_or_insert(EmbedError::Cancelled);
            }
            if state.failed.is_some() {
                return None;
            }
            if let Some(batch) = state.ready.pop() {
                return Some(Step::Run(batch));
            }
            if state.next < self.job.texts.len() {
                // So small that a batch of few texts still gives every worker something to do.
                let share = self.job.texts.len().div_ceil(self.job.workers.max(1));
                let end = (state.next + share.min(TEXTS_PER_BLOCK)).min(self.job.texts.len());
                let range = state.next..end;
                state.next = end;
                state.cutting += 1;
                return Some(Step::Cut(range));
            }
            if state.cutting == 0 {
                return None;
            }
            state = self.wait(state);
        }
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self, range: Range<usize>) -> Result<(), EmbedError> {
        let encoded: Result<Vec<_>, _> = range
            .map(|index| match self.job.tokeniser.encode(self.job.prefix, self.job.texts[index]) {
                Ok(tokens) => Ok((index, tokens)),
                Err(reason) => Err(EmbedError::Tokens { index, reason }),
            })
            .collect();
        let mut state = lock(&self.state);
        state.cutting -= 1;
        let encoded = encoded?;
        let lengths: Vec<usize> = encoded.iter().map(|(_, tokens)| tokens.ids.len()).collect();
        for (_, tokens) in &encoded {
            state.done.tokens += tokens.ids.len() as u64;
            state.done.texts_cut += usize::from(tokens.cut);
        }
        let mut encoded: Vec<Option<_>> = encoded.into_iter().map(Some).collect();
        for batch in plan_batches(&lengths, self.job.limits) {
            state.ready.push(batch.into_iter().filter_map(|place| encoded[place].take()).collect());
        }
        Ok(())
    }

    fn run(&self, batch: &[(usize, Tokens)]) -> Result<(), EmbedError> {
        let tokens: Vec<&Tokens> = batch.iter().map(|(_, tokens)| tokens).collect();
        let mut vectors = Vectors::new(self.job.dimension);
        self.job.sessions.take()?.run(&tokens, self.job.dimension, |_, vector| vectors.push(vector))?;
        let mut state = lock(&self.state);
        for ((index, _), vector) in batch.iter().zip(vectors.iter()) {
            state.done.vectors.set(*index, vector);
        }
        state.runs += 1;
        Ok(())
    }
}
