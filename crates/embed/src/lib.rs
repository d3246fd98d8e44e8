//! What does it mean? Text to vectors.
//!
//! The loop that drives this crate:
//!
//! ```
//! # use stele_embed::{Embedder, Purpose, TestDouble, never};
//! let embedder: Box<dyn Embedder> = Box::new(TestDouble::new(64));
//! let embedded = embedder.embed(&["first text", "second text"], Purpose::Passage, &never)?;
//! assert_eq!(embedded.vectors.len(), 2);
//! assert_eq!(embedded.vectors.dimension(), 64);
//! assert!(!embedder.semantic());
//! # Ok::<(), stele_embed::EmbedError>(())
//! ```
//!
//! [`LocalEmbedder`] runs a sentence model on this machine, [`HttpEmbedder`] asks a service, and
//! [`TestDouble`] needs neither. [`Models`] fetches, lists and checks what the first one needs.
//!
//! What is not here: no text is cut into chunks, no vector is stored, and neither the environment
//! nor a configuration file is read.

mod batches;
mod double;
mod durable;
mod embedder;
mod error;
mod http;
mod local;
mod models;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use batches::{BatchLimits, plan_batches};
pub use double::TestDouble;
pub use embedder::{Embedded, Embedder, Prefixes, Purpose, Usage, Vectors};
pub use error::EmbedError;
pub use http::{Dialect, HttpConfig, HttpEmbedder};
pub use local::{LocalConfig, LocalEmbedder, Precision};
pub use models::{Finding, Item, Models, Pip, Progress, State, Step};
pub use stele_http::{Cancelled, Pace, Secret, never};

/// The model that is used where no other is named.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// What is behind the locks of this crate is whole between any two statements, so a panic of another
/// thread is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
