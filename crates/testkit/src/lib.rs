//! How do we make it fail on purpose, and how do we know the right answer?
//!
//! - [`sample`]: a made-up protocol with everything that bites, of any size, from a seed, together
//!   with the catalogue that it must lead to.
//! - [`oracle`]: the naive path counter, the referee for discovery and for the recount.
//! - [`json`]: strategies for JSON texts and damaged files, the grammar as a table, named cases.
//! - [`faults`]: failures at named points, and a child process that is killed.
//! - [`server`]: an HTTP service that fails, limits, cuts short and lies as it is told to.
//! - [`freshdesk`]: a help desk with lists, limits and files, and how it misbehaves.
//! - [`docx`]: paragraphs of an office suite.
//! - [`pdf`]: pages with text, and pages that are pictures of text.
//! - [`rng`]: the random numbers behind all of it.
//!
//! Only tests, benchmarks and `xtask` use this crate; nothing of it is in the program.

pub mod docx;
pub mod faults;
pub mod freshdesk;
pub mod json;
pub mod oracle;
pub mod pdf;
pub mod rng;
pub mod sample;
pub mod server;
pub mod stores;
