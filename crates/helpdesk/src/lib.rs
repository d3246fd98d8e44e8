//! What do people ask for help with? Tickets, messages, articles and files of help desks.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use stele_collect::{Collector, CollectError, Collected, Cursors, Means, Sink};
//! # use stele_helpdesk::{Helpdesk, HelpdeskConfig, NoTexts, PlainText};
//! # fn run(config: HelpdeskConfig, lake: &mut dyn Sink, means: &Means<'_>) -> Result<Collected, CollectError> {
//! let lookup = |name: &str| (name == "FRESHDESK_API_KEY").then(|| "from the environment".to_owned());
//! let mut desk = Helpdesk::new("support", config, &lookup, Arc::new(PlainText), Arc::new(NoTexts))?;
//! let cursors = lake.cursors()?;
//! desk.collect(&cursors, lake, means)
//! # }
//! ```
//!
//! A help desk is a [`Platform`]: its addresses, what they cost, and what its words mean. [`Freshdesk`] is one, and
//! [`GithubIssues`] another. What they have in common is here: a walk over tickets that loses none (`walk.rs` says how), limits
//! that are learned from headers, tries that tell "not now" from "failed", files that are fetched without the key.
//! A ticket goes out with its messages and the place where the next run goes on, in one batch.
//!
//! What is not here: no table and no summary is written (the lake has views over the records), no file is
//! read for its text ([`Extract`] is handed in), no environment, no configuration file and no clock.

mod ahead;
pub mod attachments;
mod caller;
mod config;
mod desk;
mod error;
pub mod freshdesk;
mod gather;
pub mod ids;
mod issues;
mod knowledge;
mod lists;
mod mode;
mod normal;
mod platform;
pub mod purge;
pub mod rate;
mod run;
mod text;
mod tickets;
mod walk;

pub use attachments::{DiskTexts, Extract, Extracted, File, Known, NoTexts, PlainText, Texts};
pub use config::{HelpdeskConfig, PlatformKind, RateConfig, RetryConfig, Span, Written};
pub use desk::Helpdesk;
pub use error::HelpdeskError;
pub use freshdesk::{Freshdesk, Labels, normalise_ticket};
pub use issues::GithubIssues;
pub use mode::{ADAPTIVE_OBJECTS_MAX, Mode};
pub use normal::{Article, Attachment, Message, NORMALIZER_VERSION, Person, Ticket};
pub use platform::{Account, Allowance, LIST_PAGES_MAX, List, PER_PAGE, Pass, Place, Platform, Question};
pub use text::{instant, of_html, safe_name};
pub use walk::{Lacking, PENDING_MAX, Pending};
