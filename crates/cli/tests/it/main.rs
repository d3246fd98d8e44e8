//! The program from outside: what it prints, how it ends, and what is left when it is killed.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may fail loudly, and drive a child process"
)]

mod again;
mod annotations;
mod ask;
mod bad;
mod crash;
mod desk;
mod desk_rows;
mod documents;
mod eval;
mod graph_sinks;
mod health;
mod index;
mod jobs;
mod kinds;
mod lake;
mod queue;
mod screens;
mod search;
mod serve;
mod shared;
mod sinks;
mod sources;
mod telling;
mod tried;
mod unusable;
mod world;
