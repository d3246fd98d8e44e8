//! Places for calls: so many run at once, so many wait, each has so much time. The engine blocks and has
//! runtimes of its own, so a call works on a thread that may block.
//!
//! A service has places for each [`Kind`] of request, so that a queue that hangs or an input that is read for its
//! checksum holds up no question, and questions hold up no probe.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::desk::Call;
use crate::limits::{
    CALL_GRACE, CALL_TIME_MAX, CALLS_MAX, ORDERS_MAX, ORDERS_WAITING_MAX, PROBES_MAX, PROBES_WAITING_MAX,
    REQUESTS_WAITING_MAX, STATUS_MAX, STATUS_WAITING_MAX,
};
use crate::reply::{Cause, Refusal};

/// What a request is about, and so what it may have to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What is in the lake, the index and the graph.
    Call,
    /// How it stands, which asks the queue.
    Status,
    /// Something that is to be done: it reads inputs, and writes to the queue.
    Order,
    /// What somebody asks every few seconds.
    Probe,
}

/// The places of a service.
pub(crate) struct Places {
    calls: Seats,
    status: Seats,
    orders: Seats,
    probes: Seats,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            calls: Seats::new(CALLS_MAX, REQUESTS_WAITING_MAX),
            status: Seats::new(STATUS_MAX, STATUS_WAITING_MAX),
            orders: Seats::new(ORDERS_MAX, ORDERS_WAITING_MAX),
            probes: Seats::new(PROBES_MAX, PROBES_WAITING_MAX),
        }
    }
}

impl Places {
    /// Those for requests of this kind.
    pub(crate) fn of(&self, kind: Kind) -> &Seats {
        match kind {
            Kind::Call => &self.calls,
            Kind::Status => &self.status,
            Kind::Order => &self.orders,
            Kind::Probe => &self.probes,
        }
    }
}

/// Places for one kind of calls. A clone is another way to the same.
#[derive(Clone)]
pub(crate) struct Seats {
    /// Calls that run or wait.
    door: Arc<Semaphore>,
    /// Calls that run.
    seats: Arc<Semaphore>,
    waiting_max: usize,
}

impl Seats {
    /// With room for `waiting_max` calls, those included of which `running_max` run at once.
    pub(crate) fn new(running_max: usize, waiting_max: usize) -> Self {
        Self {
            door: Arc::new(Semaphore::new(waiting_max)),
            seats: Arc::new(Semaphore::new(running_max)),
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
