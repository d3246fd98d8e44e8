//! What arrived, changed or went? Watchers of directories, pages of the web, buckets and Notion.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use std::collections::BTreeMap;
//! # use stele_watch::{Manager, Means, SpoolConfig, WatchError, WatcherConfig};
//! # fn run(means: Means) -> Result<(), WatchError> {
//! let manager = Manager::new(means); // who is told, where it is written down, the time
//! let inbox = WatcherConfig::Spool(SpoolConfig::new("/srv/inbox"));
//! manager.apply(&BTreeMap::from([("inbox".to_owned(), inbox)]))?; // again whenever the configuration changes
//! let statuses = manager.statuses();
//! manager.stop();
//! # Ok(())
//! # }
//! ```
//!
//! A watcher compares what is there with what it remembers to have handed over, and hands over the difference to an
//! [`Arrivals`], in batches. When a batch was accepted it is written down, and only then. So a crash repeats a batch
//! and never loses one; whoever takes it knows by (URI, checksum) that nothing is new.
//!
//! What is not here: no content is kept and no format known, no configuration file and no environment is read, and
//! no clock: time comes in as a [`stele_model::Clock`] and a [`stele_http::Pace`].

mod arrival;
mod config;
mod configured;
mod error;
mod fetch;
mod handed;
mod http;
mod manager;
mod notion;
mod s3;
mod spool;
mod status;
mod watch;
mod watcher;

pub use arrival::{Arrival, ArrivalKind, Arrivals, BATCH_MAX, Batch, Refused, URI_BYTES_MAX};
pub use config::{
    ENTRIES_MAX, HttpConfig, Mode, NotionConfig, PAGES_MAX, S3Config, SpoolConfig, WATCHERS_MAX,
    WatcherConfig, check_all,
};
pub use configured::Configured;
pub use error::WatchError;
pub use fetch::{Fetching, is_remote};
pub use manager::{Applied, Manager};
pub use spool::MakeEvents;
pub use spool::content_of;
pub use spool::events::{FileEvents, Inotify, NoEvents, Noticed};
pub use status::{PROBLEMS_MAX, Problem, WatcherState, WatcherStatus};
pub use watcher::{Means, Secrets, Watcher};
