//! REST sources against services on this machine. Names of tests begin with the number of the requirement that they show.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod auth;
mod children;
mod incremental;
mod limits;
mod pages;
mod records;
mod rig;
