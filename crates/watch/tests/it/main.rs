//! What watchers see, say and remember.

mod burst;
mod http;
mod manager;
mod memory;
mod odd;
mod rig;
mod s3;
mod spool;
