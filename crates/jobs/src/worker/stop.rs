//! The wish that something ends, which many can wait for.

use std::sync::Arc;

use tokio::sync::watch;

/// Clones are the same wish.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Nobody wishes it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on it is wished. There is no way back.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is wished.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is wished.
    pub async fn asked(&self) {
        // The sender is ours, so that it cannot be gone.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}
