//! What the crate promises to its callers, tested through its public face.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod crew;
mod ends;
mod grace;
mod pressure;
mod processes;
mod redis;
mod rig;
mod sim;
mod sqlite;
mod suite;
