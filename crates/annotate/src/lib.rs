//! What does a language model see in a text? Claims and summaries, within a budget, each asked for once.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use stele_annotate::{Annotations, AnnotationConfig, Passage, Service, Task};
//! # use stele_http::{Pace, never};
//! # fn run(pace: Arc<dyn Pace>, config: AnnotationConfig) -> Result<(), stele_annotate::AnnotateError> {
//! let service = Service::new(&config, Task::Claims, None, pace)?;
//! let annotations = Annotations::open("annotations".as_ref(), Arc::new(service), config.budget())?;
//! for text in ["The crane lifts containers.", "Its brake is checked daily."] {
//!     // From what was answered before, or from the service; nothing where the budget is used up.
//!     let claims = annotations.claims(&Passage { headings: "Harbour › Crane", text }, &never)?;
//!     # let _ = claims;
//! }
//! let summary = annotations.summary();
//! println!("{} asked, {} known, stopped: {:?}", summary.asked, summary.known, summary.stopped);
//! # Ok(())
//! # }
//! ```
//!
//! A claim is a name with a kind, or two names with a relation. It says nothing of where it stands: whoever
//! uses it looks whether the name is in the text at all. A text may tell the model whatever it likes; all that
//! can come of it is a claim.
//!
//! A summary is the same with another question and another reader of the answer ([`Summaries`]): a text of some length,
//! which is marked as a model's words wherever it is shown.
//!
//! What is not here: no document and no graph, no environment, no clock. Time comes in as a
//! [`stele_http::Pace`].

mod budget;
mod config;
mod error;
mod kept;
mod prompt;
mod service;
mod work;

pub use budget::{Budget, Spent};
pub use config::AnnotationConfig;
pub use error::AnnotateError;
pub use prompt::{PROMPT_VERSION, Passage, Task};
pub use service::{Annotator, Reply, Service};
pub use work::{Annotations, Answers, Summaries, Summary, Written};
