//! What watchers see, say and remember.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod burst;
mod http;
mod manager;
mod memory;
mod notion;
mod odd;
mod rig;
mod s3;
mod spool;
