//! The test kit's own tests: a wrong referee is worse than none.

mod json;
mod sample;
