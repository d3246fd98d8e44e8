//! A request to end, made from any thread and waited for in any task.

use tokio::sync::watch;

/// Asks a server to end: it takes no new calls and lets those that run come to their end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(&self) {
        // The sender lives as long as `self`, so the wait ends for no other reason.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}
