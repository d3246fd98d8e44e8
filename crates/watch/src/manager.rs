//! Several watchers by name, started, stopped and replaced as the configuration says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::Serialize;
use stele_http::wait;

use crate::config::check_all;
use crate::status::WatcherStatus;
use crate::watcher::{Watcher, lock, stopped};
use crate::{Means, WatchError, WatcherConfig};

/// What became of a new configuration, by the names of the watchers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Those that were not there.
    pub started: Vec<String>,
    /// Those that are not in it any more. What they handed over is still remembered.
    pub stopped: Vec<String>,
    /// Those that are other than they were.
    pub replaced: Vec<String>,
    /// Those that go on as they were.
    pub kept: Vec<String>,
}

/// A watcher that runs.
struct Running {
    config: WatcherConfig,
    status: Arc<Mutex<WatcherStatus>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Comes back when it has stopped: soon, unless somebody keeps a batch waiting.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        // It has nothing to say; what it was about to do is done again by the next one.
        let _ = self.thread.join();
    }
}

/// Runs watchers, each on a thread of its own. They stop with it.
pub struct Manager {
    means: Means,
    running: Mutex<BTreeMap<String, Running>>,
}

impl Manager {
    /// None runs yet.
    pub fn new(means: Means) -> Self {
        Manager { means, running: Mutex::default() }
    }

    /// From now on, these run and no others. Those whose configuration is what it was are left alone. Not called
    /// from within the runtime: it waits for watchers to stop.
    ///
    /// # Errors
    /// If a setting cannot be used, or a new watcher cannot be opened. Of settings that cannot be used nothing is
    /// changed; a watcher that cannot be opened leaves the one of its name stopped and the others as they should be.
    pub fn apply(&self, watchers: &BTreeMap<String, WatcherConfig>) -> Result<Applied, WatchError> {
        check_all(watchers)?;
        // Before the first of them hands anything over.
        self.means.configured.learn(watchers);
        let mut running = self.running();
        let mut applied = Applied::default();
        let names: Vec<String> = running.keys().cloned().collect();
        for name in names {
            let same = running.get(&name).is_some_and(|known| watchers.get(&name) == Some(&known.config));
            match running.remove(&name) {
                // A thread that is gone is started again.
                Some(known) if same && !known.thread.is_finished() => {
                    running.insert(name.clone(), known);
                    applied.kept.push(name);
                }
                Some(known) => {
                    known.end();
                    let list = if watchers.contains_key(&name) {
                        &mut applied.replaced
                    } else {
                        &mut applied.stopped
                    };
                    list.push(name);
                }
                None => {}
            }
        }
        let mut failed = None;
        for (name, config) in watchers {
            if running.contains_key(name) {
                continue;
            }
            match self.start(name, config) {
                Ok(started) => {
                    running.insert(name.clone(), started);
                    if !applied.replaced.contains(name) {
                        applied.started.push(name.clone());
                    }
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        tracing::info!(?applied, "watchers");
        failed.map_or(Ok(applied), Err)
    }

    fn start(&self, name: &str, config: &WatcherConfig) -> Result<Running, WatchError> {
        let mut watcher = Watcher::open(name, config, &self.means)?;
        let status = watcher.shared_status();
        let stop = Arc::new(AtomicBool::new(false));
        let (clock, pace) = (Arc::clone(&self.means.clock), Arc::clone(&self.means.pace));
        let (told, shown) = (Arc::clone(&stop), Arc::clone(&status));
        let thread = std::thread::Builder::new()
            .name(format!("watch-{name}"))
            .spawn(move || {
                let cancelled = || told.load(Ordering::Relaxed);
                while !cancelled() {
                    let pause = watcher.step(&cancelled);
                    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                    if wait(&*pace, pause_ms, &cancelled).is_err() {
                        break;
                    }
                }
                stopped(&shown, clock.now());
            })
            .map_err(|error| WatchError::io("start a thread for", &self.means.state_dir, error))?;
        Ok(Running { config: config.clone(), status, stop, thread })
    }

    /// What each of them does, by name.
    pub fn statuses(&self) -> Vec<WatcherStatus> {
        self.running().values().map(|running| lock(&running.status).clone()).collect()
    }

    /// Stops all of them, and comes back when they have stopped.
    pub fn stop(&self) {
        let running = std::mem::take(&mut *self.running());
        // All at once: each may have to finish something.
        running.values().for_each(|running| running.stop.store(true, Ordering::Relaxed));
        running.into_values().for_each(Running::end);
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.stop();
    }
}
