//! Places for calls: so many run at once, so many wait, each has so much time. The engine blocks and has
//! runtimes of its own, so a call works on a thread that may block.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::desk::Call;
use crate::limits::{CALL_GRACE, CALL_TIME_MAX, CALLS_MAX};
use crate::reply::{Cause, Refusal};

/// The places of one server. A clone is another way to the same.
#[derive(Clone)]
pub(crate) struct Seats {
    /// Calls that run or wait.
    door: Arc<Semaphore>,
    /// Calls that run.
    seats: Arc<Semaphore>,
    waiting_max: usize,
}

impl Seats {
    /// With room for `waiting_max` calls, those that run included.
    pub(crate) fn new(waiting_max: usize) -> Self {
        Self {
            door: Arc::new(Semaphore::new(waiting_max)),
            seats: Arc::new(Semaphore::new(CALLS_MAX)),
            waiting_max,
        }
    }

    /// Answers one call within its time, or until nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        gone: impl Future<Output = ()>,
        work: impl FnOnce(&Call) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy = |_| {
            Refusal::new(format!("{} calls are running or waiting.", self.waiting_max))
                .because(Cause::Busy)
                .hint("the same call again in a moment, and fewer at once")
        };
        let place = Arc::clone(&self.door).try_acquire_owned().map_err(busy)?;
        let call = Arc::new(Call::default());
        // Where nobody waits for this any more, it is dropped, and the work has to end as well.
        let _stop = StopAtEnd(Arc::clone(&call));
        let work = async {
            let seat = Arc::clone(&self.seats).acquire_owned().await;
            let call = Arc::clone(&call);
            let span = tracing::Span::current();
            let work = tokio::task::spawn_blocking(move || {
                // Both are held until the work has ended, even if nobody waits for it any more.
                let _held = (place, seat);
                span.in_scope(|| work(&call))
            });
            work.await.unwrap_or_else(|error| {
                tracing::error!(call = name, %error, "a call ended in a way that it never should");
                Err(Refusal::new("This server failed on that call.")
                    .because(Cause::Failed)
                    .hint("other arguments; the failure is in the server's log and worth a report"))
            })
        };
        tokio::pin!(work);
        tokio::select! {
            result = &mut work => return result,
            () = tokio::time::sleep(CALL_TIME_MAX) => {}
            () = gone => {}
        }
        call.stop();
        match tokio::time::timeout(CALL_GRACE, work).await {
            Ok(result) => result,
            Err(_) => {
                Err(Refusal::new(format!("The call did not end within {} seconds.", CALL_TIME_MAX.as_secs()))
                    .because(Cause::Limit)
                    .hint("a narrower question, or the same call again: what was opened is kept"))
            }
        }
    }
}

/// Stops a call when it is dropped; one that has ended does not mind.
struct StopAtEnd(Arc<Call>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}
