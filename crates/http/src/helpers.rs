//! Threads that make requests, so that whoever asked can be told to stop meanwhile.
//!
//! A thread is kept for the next request: to start one and to end it takes as long as a quick service takes to answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::{Cancelled, HttpError};

/// How often it is asked whether to stop while an answer is awaited: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Threads that are kept: as many as ask a service at a time. One more ends when it is done.
const IDLE_MAX: usize = 16;

type Work = Box<dyn FnOnce() + Send>;

/// Where a thread that has nothing to do is handed the next request.
type Idle = Mutex<Vec<Sender<Work>>>;

/// The threads of a client. They end with it.
#[derive(Default)]
pub(crate) struct Helpers(Arc<Idle>);

impl Helpers {
    /// Does the work on another thread, which is left to itself when the caller is asked to stop; it is through with the
    /// time limit at the latest. `None` if it broke off.
    pub(crate) fn aside<T: Send + 'static>(
        &self,
        cancelled: Cancelled<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, HttpError> {
        if cancelled() {
            return Err(HttpError::Cancelled);
        }
        // One request, one answer.
        let (answer, answered) = bounded(1);
        self.hand_over(Box::new(move || {
            // Nobody waits for it any more: that is what was asked for.
            let _ = answer.send(work());
        }));
        loop {
            match answered.recv_timeout(ASK_EVERY) {
                Ok(done) => return Ok(Some(done)),
                Err(RecvTimeoutError::Timeout) if cancelled() => return Err(HttpError::Cancelled),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    fn hand_over(&self, work: Work) {
        let idle = lock(&self.0).pop();
        let work = match idle {
            None => work,
            Some(helper) => match helper.send(work) {
                Ok(()) => return,
                // It has ended.
                Err(unsent) => unsent.into_inner(),
            },
        };
        let idle = Arc::downgrade(&self.0);
        std::thread::spawn(move || help(work, &idle));
    }
}

/// Does this work, and what is handed over after it, for as long as there is a client.
fn help(mut work: Work, idle: &Weak<Idle>) {
    loop {
        work();
        let (hand_over, handed) = bounded(1);
        match idle.upgrade() {
            Some(idle) if lock(&idle).len() < IDLE_MAX => lock(&idle).push(hand_over),
            _ => return,
        }
        match handed.recv() {
            Ok(next) => work = next,
            Err(_) => return,
        }
    }
}

/// What a lock holds is whole between any two statements, so a panic of another thread is no reason to stop.
fn lock(idle: &Idle) -> MutexGuard<'_, Vec<Sender<Work>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::{Helpers, lock};
    use crate::HttpError;

    #[test]
    fn one_thread_does_one_request_after_another() {
        let helpers = Helpers::default();
        let mut threads = HashSet::new();
        for number in 0..100 {
            let (own, given) =
                helpers.aside(&|| false, move || (thread::current().id(), number)).unwrap().unwrap();
            assert_eq!(given, number);
            threads.insert(own);
        }
        // One that is still on its way back is not waited for.
        assert!(threads.len() < 20, "{} threads", threads.len());
        assert!(lock(&helpers.0).len() <= threads.len());
    }

    #[test]
    fn work_that_breaks_off_is_told_and_the_next_is_done() {
        let helpers = Helpers::default();
        let broken: Option<u8> = helpers.aside(&|| false, || panic!("as it should")).unwrap();
        assert_eq!(broken, None);
        assert_eq!(helpers.aside(&|| false, || 7).unwrap(), Some(7));
        assert!(matches!(helpers.aside(&|| true, || 7), Err(HttpError::Cancelled)));
    }
}
