//! The lake from outside: what is promised, and what happens when the world stops in between.

#![allow(clippy::unwrap_used)]

mod columns;
mod commit;
mod doctor;
mod fixture;
mod maintain;
mod recover;
mod replay;
mod sql;
