//! JSON to try things with: generated texts and files, a table of the grammar, named cases.

mod cases;
mod grammar;
mod texts;

pub use cases::{Case, cases};
pub use grammar::{Verdict, grammar};
pub use texts::{damaged_file, file, record, value};
