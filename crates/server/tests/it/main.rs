//! The server as its clients meet it: over real HTTP on the loopback, and over a pair of pipes.

#![allow(clippy::unwrap_used)]

mod client;
mod documents;
mod hostile;
mod http;
mod pages;
mod stdio;
mod tools;
mod wire;
mod world;
