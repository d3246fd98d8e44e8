//! Tables and queries of real databases.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod asking;
mod databases;
mod incremental;
mod large;
mod lost;
mod proofs;
mod rig;
mod types;
