//! Keeping a lake in shape: fewer and larger parts, no forgotten files, nothing kept too long.
//!
//! Everything here goes through the one [`crate::Writer`] and its anchored commit, so a reader sees
//! a lake before or after, never in between.

mod compact;
mod prune;
mod rewrite;
mod vacuum;
mod withdraw;

pub use compact::{CompactOptions, Compacted, compact};
pub use prune::{PrunePlan, PrunePlanName, PrunePlanSource, Selection, plan_prune, prune};
pub(crate) use rewrite::Rewriter;
pub(crate) use vacuum::part_files;
pub use vacuum::{KEEP_DEFAULT, VacuumPlan, plan_vacuum, vacuum};
pub(crate) use withdraw::withdraw;
