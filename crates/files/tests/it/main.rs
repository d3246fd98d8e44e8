//! Files of a directory, as rows.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

mod after;
mod archives;
mod formats;
mod growing;
mod large;
mod links;
mod records;
mod rig;
