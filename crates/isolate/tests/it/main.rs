//! Programs that do too much, or go away, as those meet them who started them.

#![allow(clippy::unwrap_used)]

mod kept;
mod run;
