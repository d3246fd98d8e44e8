//! What a watcher does, and what is in its way, for whoever asks.

use serde::Serialize;
use stele_model::Micros;

/// Problems that are named at most; the others are counted. Nobody reads more.
pub const PROBLEMS_MAX: usize = 100;

/// What a watcher is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WatcherState {
    /// It has not looked yet.
    Starting,
    /// It looks, and what it finds is taken.
    Watching,
    /// It looks, and what it finds is not taken at the moment.
    Held,
    /// It cannot look, or what it finds is refused; it tries again.
    Failing,
    /// It was told to stop.
    Stopped,
}

/// Something that is in the way of one thing, or of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is about: a name below the directory, an address, or the watcher itself.
    pub name: String,
    /// What is wrong.
    pub cause: String,
    /// What would help.
    pub next_action: String,
    /// Since when.
    pub since: Micros,
}

/// A watcher as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatcherStatus {
    /// Its name.
    pub name: String,
    /// `spool`, `http` or `s3`.
    pub kind: &'static str,
    /// What it watches.
    pub target: String,
    /// What it is doing.
    pub state: WatcherState,
    /// Since when it is doing that.
    pub since: Micros,
    /// When it last saw all that is there.
    pub last_scan: Option<Micros>,
    /// When it looks again, at the latest.
    pub next_look: Option<Micros>,
    /// Things that are there and could be handed over, as of the last look.
    pub seen: u64,
    /// Things that it remembers to have handed over and that are not gone.
    pub known: u64,
    /// Arrivals that were accepted since it was started.
    pub handed_over: u64,
    /// Things that are not ready yet: still changing, without their marker, or without their content.
    pub waiting: u64,
    /// Things that are left alone on purpose: `.part`, dotfiles, links that lead out.
    pub ignored: u64,
    /// What is in the way of all of it.
    pub error: Option<Problem>,
    /// How often in a row it failed.
    pub failures: u32,
    /// What is in the way of single things, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// How many of those there are.
    pub problems_count: u64,
}
