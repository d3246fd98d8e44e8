//! What changed between two shapes of the same data: `diff_report.md` and `.json`.
//!
//! A shape is a catalogue without its counts of everything, or a dictionary that a person wrote;
//! see [`Shape`]. What the new one lacks is *not seen*, never "removed": a sample proves presence,
//! not absence. How bad a change is follows from one table, [`Rule::ALL`], and is judged from the
//! side of a program that was written for the old shape.

mod compare;
mod load;
mod report;
mod rules;
mod shape;

pub use compare::{Change, Diff, compare};
pub use report::{write_json, write_md};
pub use rules::{ChangeKind, Rule, Severity};
pub use shape::{EventShape, FieldShape, Presence, Shape};
