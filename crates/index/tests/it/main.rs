//! The index from outside: what is promised, and what happens when the world stops in between.

#![allow(clippy::unwrap_used)]

mod ask;
mod crash;
mod damage;
mod fixture;
mod laws;
mod maintain;
mod rebuild;
mod shape;
mod write;
