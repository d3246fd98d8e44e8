//! What captures hear, keep and miss.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod browser;
mod control;
mod disk;
mod engine;
mod frames;
mod kill;
mod node;
mod plain;
mod proxy;
mod push;
mod rig;
mod settings;
mod streams;
mod tls;
