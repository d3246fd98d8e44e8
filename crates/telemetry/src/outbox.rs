//! A bounded queue with a thread behind it that delivers what is put in. Whoever puts something in never waits.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::Value;
use stele_http::{Client, Method, Pace, wait};
use stele_model::error::in_full;

use crate::TelemetryError;

/// What waits at most: at a kilobyte each some megabytes, and minutes of a busy service.
pub const QUEUE_MAX: usize = 4_096;

/// How long the end of a program waits for what is left to be delivered. Whoever watches a program would rather
/// see it end than have its last event.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How often the end looks whether all is delivered, in milliseconds.
const FLUSH_LOOK_MS: u64 = 20;

/// What became of what was put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Delivered: written, or accepted by the service.
    pub delivered: u64,
    /// Not taken in, because the queue was full.
    pub dropped: u64,
    /// Taken in, and not delivered after all tries.
    pub failed: u64,
}

/// Where it goes.
pub(crate) enum Destination {
    /// A line each.
    Lines(PathBuf),
    /// Requests to this path below the address; `body` makes one of several.
    Service { client: Box<Client>, path: &'static str, body: fn(Vec<Value>) -> Value, batch_max: usize },
}

#[derive(Default)]
struct Shared {
    delivered: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    /// No more tries: the program ends.
    hurry: AtomicBool,
}

/// The queue. It ends with this value, after a moment for what is left.
pub struct Outbox {
    open: Mutex<Option<Open>>,
    shared: Arc<Shared>,
    pace: Arc<dyn Pace>,
}

/// What there is until it ends.
struct Open {
    put: Sender<Value>,
    thread: JoinHandle<()>,
}

impl Outbox {
    /// A queue of `queue_max`, whose thread has this name.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Thread`].
    pub(crate) fn start(
        name: &'static str,
        destination: Destination,
        queue_max: usize,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, TelemetryError> {
        let (put, taken) = bounded(queue_max);
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("telemetry-{name}"))
            .spawn(move || deliver_all(name, destination, &taken, &of_thread))
            .map_err(TelemetryError::Thread)?;
        Ok(Self { open: Mutex::new(Some(Open { put, thread })), shared, pace })
    }

    /// Takes it in, or drops it and counts that. It never waits.
    pub fn put(&self, item: Value) {
        let full = self.open().as_ref().is_none_or(|open| open.put.try_send(item).is_err());
        self.shared.dropped.fetch_add(u64::from(full), Ordering::Relaxed);
    }

    /// What became of what was put in so far.
    pub fn told(&self) -> Told {
        Told {
            delivered: self.shared.delivered.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    /// Takes nothing more in, and waits until all is delivered, as long as the end of a program may take.
    pub fn end(&self) {
        let Some(Open { put, thread }) = self.open().take() else { return };
        drop(put);
        let (until, never) = (self.pace.now() + FLUSH_MAX, stele_http::never);
        while !thread.is_finished() && self.pace.now() < until {
            // It ends early for nobody: nothing asks it to.
            let _ = wait(&*self.pace, FLUSH_LOOK_MS, &never);
        }
        self.shared.hurry.store(true, Ordering::Relaxed);
        if thread.is_finished() {
            let _ = thread.join();
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.end();
    }
}

fn deliver_all(name: &str, mut destination: Destination, taken: &Receiver<Value>, shared: &Shared) {
    let (mut file, mut troubled) = (None, false);
    while let Ok(first) = taken.recv() {
        let mut batch = vec![first];
        let most = match &destination {
            Destination::Lines(_) => 1,
            Destination::Service { batch_max, .. } => *batch_max,
        };
        batch.extend(taken.try_iter().take(most.saturating_sub(1)));
        let count = batch.len() as u64;
        let delivered = deliver(&mut destination, &mut file, batch, &shared.hurry);
        match delivered {
            Ok(()) => {
                shared.delivered.fetch_add(count, Ordering::Relaxed);
                if std::mem::take(&mut troubled) {
                    tracing::info!("{name} can be told again");
                }
            }
            Err(error) => {
                shared.failed.fetch_add(count, Ordering::Relaxed);
                // Once: the next thousand say the same.
                if !std::mem::replace(&mut troubled, true) {
                    tracing::warn!(error = %in_full(&error), "{name} cannot be told; the work goes on without");
                }
            }
        }
    }
}

fn deliver(
    destination: &mut Destination,
    file: &mut Option<File>,
    batch: Vec<Value>,
    hurry: &AtomicBool,
) -> Result<(), TelemetryError> {
    match destination {
        Destination::Lines(path) => {
            let at = |what| {
                let path = path.clone();
                move |source| TelemetryError::File { what, path, source }
            };
            let mut out = match file.take() {
                Some(out) => out,
                None => OpenOptions::new().create(true).append(true).open(&*path).map_err(at("open"))?,
            };
            for item in batch {
                // In one call, so that lines of several processes do not mix.
                out.write_all(format!("{item}\n").as_bytes()).map_err(at("write"))?;
            }
            // After a failure it is opened anew: it may have been moved away.
            *file = Some(out);
            Ok(())
        }
        Destination::Service { client, path, body, .. } => {
            let body = body(batch).to_string().into_bytes();
            client.send(Method::Post, path, Some(body), &|| hurry.load(Ordering::Relaxed))?;
            Ok(())
        }
    }
}
