//! The server as its clients meet it: over real HTTP on the loopback, and over a pair of pipes.

#![allow(clippy::unwrap_used)]

mod api;
mod client;
mod crowd;
mod dashboard;
mod documents;
mod guard;
mod hanging;
mod hostile;
mod http;
mod jobs;
mod metrics;
mod pages;
mod sources;
mod stdio;
mod tenants;
mod tools;
mod unusable;
mod wire;
mod world;
