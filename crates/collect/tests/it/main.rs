//! The source layer: configuration, limits, budget, cache, and what becomes of records. Names of tests begin with the number of the
//! requirement that they show.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod budget;
mod cache;
mod config;
mod limits;
mod records;
