//! The engine from outside, where a command line cannot reach: stopped at a given block, under
//! several tenants, with parts of its state taken away.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod again;
mod confined;
mod day;
mod documents;
mod graph;
mod graph_asked;
mod graph_follows;
mod many;
mod place;
mod prune;
mod rebuilt;
mod sources;
mod standing;
mod stop;
mod tenants;
