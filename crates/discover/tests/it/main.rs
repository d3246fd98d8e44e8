//! Tests of discovery as a user of the crate sees it.

mod laws;
mod render;
