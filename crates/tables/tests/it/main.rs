//! Tables and queries of real databases.

mod asking;
mod databases;
mod incremental;
mod large;
mod lost;
mod proofs;
mod rig;
mod types;
