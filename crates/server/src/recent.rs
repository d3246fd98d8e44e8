//! What was found a moment ago. Many ask the same: a dashboard in every browser of a team, probes, scrapers, agents.
//! Of a crowd that asks at once one looks, and the others wait for what that one finds, where they take no place from
//! anybody.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::limits::RECENT;

/// One thing that was found, and until when it is believed. Whoever looks holds it.
pub(crate) struct Recent<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Recent<T> {
    /// What was found, if it is still believed and `holds`, or else what `look` finds. That is believed for `time` from
    /// the beginning of the look, if it is `worth` keeping.
    pub(crate) async fn of<E>(
        &self,
        time: Duration,
        holds: impl FnOnce(&T) -> bool,
        worth: impl FnOnce(&T) -> bool,
        look: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut kept = self.0.lock().await;
        if let Some((until, found)) = kept.as_ref()
            && Instant::now() < *until
            && holds(found)
        {
            return Ok(found.clone());
        }
        let until = Instant::now() + time;
        *kept = None;
        let found = look.await?;
        *kept = worth(&found).then(|| (until, found.clone()));
        Ok(found)
    }

    /// The same for what is believed for [`RECENT`], whatever else happens.
    pub(crate) async fn or_look<E>(&self, look: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.of(RECENT, |_| true, |_| true, look).await
    }

    /// Whether somebody looks, or found something that is still believed: it is not to be thrown away.
    pub(crate) fn is_in_use(&self) -> bool {
        self.0.try_lock().map_or(true, |kept| kept.as_ref().is_some_and(|(until, _)| Instant::now() < *until))
    }
}
