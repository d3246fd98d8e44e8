//! The wish that something ends, which many can wait for.

use std::sync::Arc;

use tokio::sync::watch;

/// Clones are the same wish.
#[derive(Debug, Clone)]
pub struct Stop {
    own: Arc<watch::Sender<bool>>,
    /// The wish for something larger, of which this is a part.
    parent: Option<Arc<watch::Sender<bool>>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { own: Arc::new(watch::Sender::new(false)), parent: None }
    }
}

impl Stop {
    /// Nobody wishes it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The wish that a part ends: it is asked for by itself, or with the whole.
    pub(crate) fn part(&self) -> Self {
        Self { parent: Some(Arc::clone(&self.own)), ..Self::default() }
    }

    /// From now on it is wished. There is no way back.
    pub fn ask(&self) {
        self.own.send_replace(true);
    }

    /// Whether it is wished.
    pub fn is_asked(&self) -> bool {
        *self.own.borrow() || self.parent.as_ref().is_some_and(|parent| *parent.borrow())
    }

    /// Waits until it is wished.
    pub async fn asked(&self) {
        match &self.parent {
            None => wished(&self.own).await,
            Some(parent) => {
                tokio::select! {
                    biased;
                    () = wished(&self.own) => {}
                    () = wished(parent) => {}
                }
            }
        }
    }
}

async fn wished(sender: &watch::Sender<bool>) {
    // The sender is ours, so that it cannot be gone.
    let _ = sender.subscribe().wait_for(|asked| *asked).await;
}
