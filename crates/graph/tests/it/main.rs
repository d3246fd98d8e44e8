//! The graph from outside: what is promised, and what happens when the world stops in between.

#![allow(clippy::unwrap_used)]

mod ask;
mod crash;
mod export;
mod fixture;
mod memory;
mod walk;
mod write;
