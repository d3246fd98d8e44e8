//! How each watcher is configured, as whoever fetches what it found has to know.
//!
//! A watcher hands over addresses. The key, the proxy or the bucket's server that lead to their content stand in its
//! configuration, which may change while jobs wait.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::WatcherConfig;

/// The configuration of each watcher, shared by those who watch and those who fetch. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Configured(Arc<RwLock<BTreeMap<String, WatcherConfig>>>);

impl Configured {
    /// Those of the start.
    pub fn new(watchers: BTreeMap<String, WatcherConfig>) -> Self {
        Self(Arc::new(RwLock::new(watchers)))
    }

    /// From now on these are so. Others stay known: what a watcher found before it was taken out is still fetched as it
    /// was found.
    pub(crate) fn learn(&self, watchers: &BTreeMap<String, WatcherConfig>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(watchers.iter().map(|(name, config)| (name.clone(), config.clone())));
    }

    /// That of the watcher of this name.
    pub fn of(&self, watcher: &str) -> Option<WatcherConfig> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(watcher).cloned()
    }
}
