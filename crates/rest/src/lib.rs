//! What does a REST API have? Resources by declaration, page by page, from where the last run stopped.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use stele_collect::{Collector, CollectError, Cursors, KnownKeys, Means, Sink, SourceKind, SourcesConfig};
//! # use stele_http::Pace;
//! # use stele_rest::{KEYS, RestCollector, RestConfig, Shared};
//! # fn run(text: &str, pace: Arc<dyn Pace>, lake: &mut dyn Sink, means: &Means<'_>) -> Result<(), CollectError> {
//! let lookup = |name: &str| (name == "NEWS_KEY").then(|| "from the environment".to_owned());
//! let config = SourcesConfig::parse(text, &[(SourceKind::Rest, KEYS)], &lookup)?;
//! for source in config.due(None) {
//!     let settings = RestConfig::of(source, &lookup)?;
//!     let mut news = RestCollector::new(source.clone(), settings, Shared::default(), pace.clone())?;
//!     news.collect(&lake.cursors()?, lake, means)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A resource is a path, what is sent, where in the answer the records are, how one comes to the next page, and what tells new
//! records from known ones. One below another is asked for each record of it. Records are kept as they were said.
//!
//! What is not here: no service is known by name, no file is read, and no time passes but through what is handed in.

mod auth;
mod collector;
mod config;
mod cursor;
mod hidden;
mod paginate;
mod resource;
mod run;
mod select;
mod service;
mod state;
mod template;
mod walk;

pub use collector::{RestCollector, Shared};
pub use config::{
    Auth, ClientIn, Incremental, KEYS, Oauth2, OnStatus, OnStatusAction, Order, Paginate, Place,
    ResourceConfig, RestConfig, Retry, Verb,
};
