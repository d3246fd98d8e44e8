//! Waits for databases whose library is asynchronous, on the thread that asks: no thread of its own, and no sink is
//! called from within.

use std::pin::pin;
use std::time::Duration;

use stele_collect::{CollectError, Means, Stopwatch};
use stele_http::Cancelled;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::TablesError;

/// After so long it is asked whether to stop: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// A runtime, the stop, and how long a database may be silent.
pub(crate) struct Waiting<'a> {
    runtime: Runtime,
    cancelled: Cancelled<'a>,
    target: String,
    answer_max: Duration,
    fetching: Stopwatch,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(target: String, answer_max: Duration, means: &Means<'a>) -> Result<Self, TablesError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            TablesError::Lost { target: target.clone(), why: format!("the system gives no events: {error}") }
        })?;
        let (cancelled, fetching) = (means.cancelled, means.fetching.clone());
        Ok(Waiting { runtime, cancelled, target, answer_max, fetching })
    }

    /// Waits for `work`, within the time that an answer may take.
    pub(crate) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, TablesError>>,
    ) -> Result<T, TablesError> {
        self.within(self.answer_max, work)
    }

    /// Waits for `work`, within this time.
    pub(crate) fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, TablesError>>,
    ) -> Result<T, TablesError> {
        let waiting = async {
            let mut work = pin!(work);
            let mut waited = Duration::ZERO;
            loop {
                match timeout(ASK_EVERY, &mut work).await {
                    Ok(done) => return done,
                    Err(_) if (self.cancelled)() => return Err(CollectError::Cancelled.into()),
                    Err(_) => waited += ASK_EVERY,
                }
                if waited >= time {
                    let why = format!("it said nothing for {} s", time.as_secs());
                    return Err(TablesError::Lost { target: self.target.clone(), why });
                }
            }
        };
        self.fetching.time(|| self.runtime.block_on(waiting))
    }

    /// What an error of the library means. `kind_of` knows the numbers of the database.
    pub(crate) fn failed(
        &self,
        what: &str,
        error: &sqlx::Error,
        kind_of: impl FnOnce(&dyn sqlx::error::DatabaseError) -> Meaning,
    ) -> TablesError {
        let target = self.target.clone();
        match error {
            sqlx::Error::Database(error) => {
                let said = match error.code() {
                    Some(code) => format!("{} ({code})", error.message()),
                    None => error.message().to_owned(),
                };
                match kind_of(error.as_ref()) {
                    Meaning::Credentials => TablesError::Credentials { target, said },
                    Meaning::Denied => TablesError::Denied { target, said },
                    Meaning::Lost => TablesError::Lost { target, why: said },
                    Meaning::Refused => TablesError::Refused { target, what: what.to_owned(), said },
                }
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                TablesError::Lost { target, why: error.to_string() }
            }
            error => TablesError::Answer { target, why: error.to_string() },
        }
    }
}

/// What a database means by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Credentials,
    Denied,
    Lost,
    Refused,
}
