//! Telemetry against little collectors on this machine.

mod lineage;
mod outbox;
mod rig;
mod traces;
