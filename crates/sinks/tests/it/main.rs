//! What the crate promises to its callers, tested through its public face.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod bolt;
mod config;
mod graph;
mod rig;
mod scripted;
mod suite;
