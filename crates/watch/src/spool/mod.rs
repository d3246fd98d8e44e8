//! A directory into which others put files.
//!
//! Nothing in it is changed: what was handed over stays where it is, marker and all, and belongs to whoever put it
//! there. Taking a document away, whether `x.md` beside its marker or `x.md.ready` with the content inside, says that
//! it is gone; taking away only the marker says nothing.

pub(crate) mod events;
mod files;
pub(crate) mod names;
pub(crate) mod settle;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stele_http::Cancelled;

use self::events::{FileEvents, NoEvents};
pub use self::files::content_of;
use self::files::{Notice, Root};
use self::settle::{Area, Lacks, Settling, is_below};
use crate::handed::Handed;
use crate::status::{PROBLEMS_MAX, Problem};
use crate::watch::{Change, Look, Now, Watch};
use crate::{SpoolConfig, WatchError};

/// How often it is asked what the system noticed: soon enough for a person, and nothing to do costs nothing.
const TICK: Duration = Duration::from_millis(500);

/// Problems that are remembered, so that the first hundred can be named and the others counted.
const PROBLEMS_KEPT_MAX: usize = 10_000;

/// Makes what says what changes; see [`crate::Inotify::new`].
pub type MakeEvents = Arc<dyn Fn() -> io::Result<Box<dyn FileEvents>> + Send + Sync>;

/// Watches a directory.
pub(crate) struct Spool {
    config: SpoolConfig,
    make_events: MakeEvents,
    left_out: Vec<PathBuf>,
    settling: Settling,
    /// The directory as it was when it was last looked at in full, and what says what changes in it.
    root: Option<(Root, Box<dyn FileEvents>)>,
    next_scan: Duration,
    ignored: u64,
    /// By name: about what lies there, about what cannot be read, and about all of it.
    found: BTreeMap<String, Problem>,
    unread: BTreeMap<String, Problem>,
    system: Option<Problem>,
    /// Kept for the next pause.
    looked: Duration,
}

impl Spool {
    /// `left_out` are directories that are not looked into.
    pub(crate) fn new(config: SpoolConfig, make_events: MakeEvents, left_out: Vec<PathBuf>) -> Self {
        Spool {
            settling: Settling::new(config.mode, config.settle()),
            config,
            make_events,
            left_out,
            root: None,
            next_scan: Duration::ZERO,
            ignored: 0,
            found: BTreeMap::new(),
            unread: BTreeMap::new(),
            system: None,
            looked: Duration::ZERO,
        }
    }

    /// Looks at what changed, or at everything; says which.
    fn observe(&mut self, handed: &Handed, now: Now, cancelled: Cancelled<'_>) -> Result<bool, WatchError> {
        let there = Root::open(&self.config.path, self.config.mode, &self.left_out)?;
        let noticed = match &mut self.root {
            Some((root, events)) if root.is(&there) => Some(events.drain()),
            _ => None,
        };
        match noticed {
            Some(Ok(noticed)) if !noticed.lost && now.since < self.next_scan => {
                for name in &noticed.names {
                    self.observe_area(name, handed, now, cancelled)?;
                    self.settling.retry(name, now);
                }
                return Ok(false);
            }
            Some(Ok(_)) => {}
            None | Some(Err(_)) => {
                let events = self.make_events(now);
                self.root = Some((there, events));
            }
        }
        self.observe_area("", handed, now, cancelled)?;
        self.next_scan = now.since + Duration::from_secs(self.config.rescan_s);
        Ok(true)
    }

    fn make_events(&mut self, now: Now) -> Box<dyn FileEvents> {
        self.system = None;
        if !self.config.events {
            return Box::new(NoEvents);
        }
        (self.make_events)().unwrap_or_else(|error| {
            self.system = Some(Problem {
                name: self.config.path.display().to_string(),
                cause: format!("the system does not say what changes here: {error}"),
                next_action:
                    "raise fs.inotify.max_user_instances; until then there is a look every rescan_s seconds"
                        .to_owned(),
                since: now.at,
            });
            Box::new(NoEvents)
        })
    }

    fn observe_area(
        &mut self,
        name: &str,
        handed: &Handed,
        now: Now,
        cancelled: Cancelled<'_>,
    ) -> Result<(), WatchError> {
        let Some((root, events)) = &mut self.root else { return Ok(()) };
        let found = root.walk(name, self.config.entries_max, &mut **events, cancelled)?;
        self.settling.observe(&Area { name, unread: &found.unread }, found.files, handed, now);
        if name.is_empty() {
            self.ignored = found.ignored;
        }
        let mut old = BTreeMap::new();
        self.found.retain(|problem, kept| {
            let inside = problem == name || is_below(problem, name);
            if inside {
                old.insert(problem.clone(), kept.since);
            }
            !inside
        });
        for Notice { name, cause, next_action } in found.notices {
            if self.found.len() < PROBLEMS_KEPT_MAX {
                let name = if name.is_empty() { ".".to_owned() } else { name };
                let since = old.get(&name).copied().unwrap_or(now.at);
                let next_action = next_action.to_owned();
                self.found.insert(name.clone(), Problem { name, cause, next_action, since });
            }
        }
        Ok(())
    }

    fn failed(&mut self, failed: Vec<(String, String)>, now: Now) {
        self.unread.retain(|name, _| self.settling.is_unsettled(name));
        for (name, cause) in failed {
            if self.unread.len() < PROBLEMS_KEPT_MAX {
                let next_action = "see to its rights and its name; it is tried again".to_owned();
                let problem = Problem { name: name.clone(), cause, next_action, since: now.at };
                // What is wrong may be something else by now; since when, not.
                let since = self.unread.get(&name).map_or(now.at, |known| known.since);
                self.unread.insert(name, Problem { since, ..problem });
            }
        }
    }

    /// What is in the way, and what is only not ready yet behind it.
    fn problems(&self) -> Vec<Problem> {
        let lacking = self.settling.lacking().iter().map(|(name, (lacks, since))| {
            let (cause, next_action) = match lacks {
                Lacks::Marker => {
                    ("it is there, and its marker is not", "make the marker when it is complete")
                }
                Lacks::Content => ("its marker is there, and it is not", "nothing, if it comes later"),
            };
            Problem {
                name: name.clone(),
                cause: cause.to_owned(),
                next_action: next_action.to_owned(),
                since: *since,
            }
        });
        let known = self.system.iter().chain(self.unread.values()).chain(self.found.values()).cloned();
        known.chain(lacking).take(PROBLEMS_MAX).collect()
    }
}

/// The URI of what has this name below the directory.
fn uri(config: &SpoolConfig, name: &str) -> String {
    config.path.join(name).to_string_lossy().into_owned()
}

impl Watch for Spool {
    fn look(&mut self, handed: &Handed, now: Now, cancelled: Cancelled<'_>) -> Result<Look, WatchError> {
        self.looked = now.since;
        let scanned = self.observe(handed, now, cancelled).inspect_err(|_| {
            // Whatever was noticed is lost with it.
            self.next_scan = Duration::ZERO;
        })?;
        if self.settling.files() > self.config.entries_max {
            let target = self.config.path.display().to_string();
            return Err(WatchError::TooMany { target, entries_max: self.config.entries_max });
        }
        let config = self.config.clone();
        let Some((root, _)) = &self.root else { return Ok(Look::default()) };
        let mut reader = root.reader(cancelled);
        let stepped = self.settling.step(handed, now, &mut reader, &|name| uri(&config, name))?;
        drop(reader);
        self.failed(stepped.failed, now);
        let lacking = self.settling.lacking().len();
        let problems = self.unread.len() + self.found.len() + usize::from(self.system.is_some());
        Ok(Look {
            waiting: (self.settling.unsettled() + lacking).saturating_sub(stepped.changes.len()) as u64,
            changes: stepped.changes,
            more: stepped.more,
            scanned,
            seen: self.settling.files() as u64,
            ignored: self.ignored,
            problems: self.problems(),
            problems_count: problems as u64,
        })
    }

    fn done(&mut self, changes: &[Change]) {
        self.settling.done(changes);
    }

    fn pause(&self) -> Duration {
        if !self.config.events && self.settling.unsettled() == 0 {
            return self.next_scan.saturating_sub(self.looked).max(TICK);
        }
        TICK
    }
}
