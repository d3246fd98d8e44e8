//! Telemetry against little collectors on this machine.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod lineage;
mod outbox;
mod rig;
mod traces;
