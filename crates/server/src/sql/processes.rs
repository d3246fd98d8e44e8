//! The side of the server: which process answers which query.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::bounded;
use stele_isolate::{IsolateError, Kept, Limits};
use stele_model::error::in_full;

use super::{Asked, Page, SqlCommand, Told, temp_dir};
use crate::desk::Call;
use crate::limits::{
    CALL_GRACE, CALL_TIME_MAX, SQL_ANSWER_BYTES, SQL_PROCESS_BYTES, SQL_PROCESSES_MAX, SQL_SPILL_BYTES,
    SQL_THREADS_MAX,
};
use crate::reply::{Cause, Refusal};

/// What a query may take. One that is told to stop and does not is ended before its caller gives up.
const LIMITS: Limits = Limits {
    seconds_max: CALL_TIME_MAX.as_secs() + CALL_GRACE.as_secs(),
    threads_max: SQL_THREADS_MAX as u64,
    memory_bytes_max: SQL_PROCESS_BYTES,
    output_bytes_max: SQL_ANSWER_BYTES,
    file_bytes_max: SQL_SPILL_BYTES,
};

/// The processes that answer queries: so many at once, and one that waits for the next.
pub(crate) struct Processes {
    command: SqlCommand,
    /// Where they spill, each in a directory of its own.
    temp_dir: PathBuf,
    state: Mutex<State>,
    /// Told when one has answered.
    freed: Condvar,
}

#[derive(Default)]
struct State {
    working: usize,
    idle: Option<Process>,
}

/// A process, and what it leaves behind.
struct Process {
    kept: Kept,
    temp_dir: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kept.end();
        // Most never had one; one that was killed had no time to remove it.
        let _ = std::fs::remove_dir_all(&self.temp_dir);
    }
}

impl Processes {
    pub(crate) fn new(command: SqlCommand, temp_dir: PathBuf) -> Self {
        Self { command, temp_dir, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Answers a query of a caller.
    pub(crate) fn answer(self: &Arc<Self>, asked: &Asked, call: &Call) -> Result<Page, Refusal> {
        let line = serde_json::to_vec(asked)
            .map_err(|error| Refusal::new("The query cannot be handed on.").why(error.to_string()))?;
        let kept = self.enter(call)?;
        let _place = Place(self);
        let (tell, stop) = bounded(1);
        call.at_stop(move || {
            // There is room for the one message that there is.
            let _ = tell.try_send(());
        });
        // Something may have ended it while it waited, which says nothing about this query.
        let kept = kept.filter(|process| !process.kept.is_spent());
        let mut process = kept.map_or_else(|| self.start(), Ok).map_err(|error| refused(&error))?;
        let answer = process.kept.ask(&line, &stop);
        self.told(process, answer)
    }

    /// Waits until there is room for one more, and takes the process that waits, if one does.
    fn enter(self: &Arc<Self>, call: &Call) -> Result<Option<Process>, Refusal> {
        let of_call = Arc::clone(self);
        call.at_stop(move || {
            // Whoever waits has looked before this is locked, or looks afterwards.
            drop(of_call.state());
            of_call.freed.notify_all();
        });
        let mut state = self.state();
        while state.working >= SQL_PROCESSES_MAX {
            if call.is_stopped() {
                return Err(Refusal::new("Other queries took all the time that there was.")
                    .because(Cause::Busy)
                    .hint("the same call again in a moment, and fewer at once"));
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.working += 1;
        Ok(state.idle.take())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<Process, IsolateError> {
        let arguments: Vec<&OsStr> = self.command.arguments.iter().map(|word| word.as_os_str()).collect();
        let kept = Kept::start(self.command.program.as_os_str(), &arguments, &LIMITS)?;
        let temp_dir = temp_dir(&self.temp_dir, kept.id());
        Ok(Process { kept, temp_dir })
    }

    /// What a process answered. It waits for the next query if it can take one.
    fn told(&self, process: Process, answer: Result<Vec<u8>, IsolateError>) -> Result<Page, Refusal> {
        let told: Told = answer.map_err(|error| refused(&error)).and_then(|line| {
            serde_json::from_slice(&line).unwrap_or_else(|error| {
                tracing::error!(%error, "a query was answered in a way that it never should");
                Err(Refusal::new("The answer to the query makes no sense.").hint("the same call again"))
            })
        });
        if !process.kept.is_spent() {
            let other = self.state().idle.replace(process);
            drop(other);
        }
        told
    }
}

/// The place of one that works, given up at the end of its call, however that comes.
struct Place<'a>(&'a Processes);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().working -= 1;
        self.0.freed.notify_one();
    }
}

fn refused(error: &IsolateError) -> Refusal {
    let (what, hint) = match error {
        IsolateError::Seconds { .. } => {
            ("The query took too long and was ended.", "a narrower WHERE, fewer rows, or a count first")
        }
        IsolateError::Memory { .. } => (
            "The query went past its memory limit and was ended.",
            "fewer columns (raw is the large one), shorter texts and lists, or a narrower WHERE",
        ),
        IsolateError::Ended { .. } => (
            "The process of the query ended before it answered.",
            "a query that takes less memory; others are answered as before",
        ),
        _ => {
            tracing::error!(error = in_full(error), "a query has no process");
            (
                "The query cannot be run.",
                "the same call again in a moment; the server's log says what is wrong",
            )
        }
    };
    let cause = match error {
        IsolateError::Seconds { .. } | IsolateError::Memory { .. } | IsolateError::Ended { .. } => {
            Cause::Limit
        }
        _ => Cause::Failed,
    };
    Refusal::new(what).because(cause).why(in_full(error)).hint(hint)
}
