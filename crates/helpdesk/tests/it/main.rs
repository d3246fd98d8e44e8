//! The help desk against one that fails, limits and moves while it is read. Numbers are those of the list of promises.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod calls;
mod failures;
mod files;
mod issues;
mod knowledge;
mod limits;
mod lists;
mod normal;
mod pure;
mod rig;
mod walk;
