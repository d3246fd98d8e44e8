//! How is work contained that nobody has to trust? In a process of its own, which may run out of
//! time, memory or room without taking anything with it.
//!
//! [`run`] gives a program its input and reads its answer to the end. [`Kept`] starts one that answers
//! line by line, for work that is short beside the start of a program. What is asked for and what
//! comes back is the caller's part; here it is bytes.
//!
//! ```
//! # use stele_isolate::{IsolateError, Limits, run};
//! let limits = Limits { seconds_max: 5, ..Limits::default() };
//! let ran = run("tr".as_ref(), &["a-z".as_ref(), "A-Z".as_ref()], b"quay", &limits, true)?;
//! assert_eq!(ran.output, b"QUAY");
//! # Ok::<(), IsolateError>(())
//! ```

mod descriptors;
mod error;
mod kept;
mod limits;
mod process;
mod run;

pub use descriptors::raise_descriptors;
pub use error::IsolateError;
pub use kept::Kept;
pub use limits::Limits;
pub use run::{Ran, run};
