//! The lake from outside: what is promised, and what happens when the world stops in between.

#![allow(clippy::unwrap_used)]

mod commit;
mod fixture;
mod recover;
mod replay;
