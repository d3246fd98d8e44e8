//! How do we talk to services? One small client: bounded, patient, discreet.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use stele_http::{Client, ClientConfig, Key, Method, Pace, Secret, never};
//! # fn ask(pace: Arc<dyn Pace>) -> Result<(), stele_http::HttpError> {
//! let key = Key::Bearer(Secret::new("from the environment"));
//! let client = Client::new("http://127.0.0.1:8080", ClientConfig::default(), Some(key), pace)?;
//! let answer = client.send(Method::Post, "/v1/things", Some(b"{}".to_vec()), &never)?;
//! assert!((200..300).contains(&answer.status));
//! # Ok(())
//! # }
//! ```
//!
//! An answer is read up to a bound of bytes and of time. What may pass (no connection, 429, 503 …) is tried again after growing
//! waits, as often as the configuration says, so what is sent must be safe to send twice. What will not
//! pass is an error at once. No error holds the key, a password of the address, or anything behind its `?`.
//!
//! What is not here: no format of any service, no environment, no clock. Time comes in as a [`Pace`].

mod address;
mod ask;
mod client;
mod config;
mod error;
mod helpers;
mod pace;
mod secret;

pub use address::{is_exposed, shown_address, without_passwords};
pub use ask::{Answer, Method, Reply, Unless, Version};
pub use client::Client;
pub use config::ClientConfig;
pub use error::HttpError;
pub use pace::{Pace, Still, wait};
pub use secret::{Key, Secret};

/// Asked now and then whether to stop; `true` ends the work with [`HttpError::Cancelled`], or what the
/// crate that asks has for it.
pub type Cancelled<'a> = &'a (dyn Fn() -> bool + Sync);

/// Never stops.
pub fn never() -> bool {
    false
}
