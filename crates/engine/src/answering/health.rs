//! The index as the doctor looks at it: whether its files are whole, and whether it follows the lake.
//! What it should hold is compared by `status.rs`, which reads every record.

use stele_index::{Index, IndexError, Pointer};
use stele_model::error::in_full;

use crate::doctor::{Check, CheckState};
use crate::engine::Engine;

const NAME: &str = "index";

/// What cures all that can befall an index.
const REBUILD: &str = "stele index rebuild, which makes it anew from the lake";

/// Problems that are named: half a screen. `stele index verify` names more.
const NAMED_MAX: usize = 10;

impl Engine {
    /// One check an index. That one cannot be read is what is looked for, and no error.
    pub(crate) fn check_indexes(&self) -> Vec<Check> {
        let failed = |error: String| vec![Check::new(NAME, CheckState::Failed, error, Some(REBUILD))];
        let index = match self.index() {
            Ok(index) => index,
            Err(error) => return failed(in_full(&error)),
        };
        if !index.exists() {
            let detail = "there is none, so nothing can be searched";
            return vec![Check::new(NAME, CheckState::Ok, detail, Some("stele index build"))];
        }
        match index.pointers() {
            Ok(pointers) => pointers.iter().map(|pointer| self.check_index(index, pointer)).collect(),
            Err(error) => failed(in_full(&error)),
        }
    }

    fn check_index(&self, index: &Index, pointer: &Pointer) -> Check {
        let found = match index.reader_of(&pointer.spec).and_then(|reader| reader.verify()) {
            Ok(found) => found,
            Err(IndexError::Stale) => {
                let detail = "it was replaced while it was looked at";
                return Check::new(NAME, CheckState::Ok, detail, None);
            }
            Err(error @ IndexError::Mismatch { .. }) => {
                return Check::new(NAME, CheckState::Warning, in_full(&error), Some(REBUILD));
            }
            Err(error) => return Check::new(NAME, CheckState::Failed, in_full(&error), Some(REBUILD)),
        };
        let key = pointer.spec.key();
        if !found.is_clean() {
            let named = found.problems.iter().take(NAMED_MAX).map(|problem| match problem.id {
                Some(id) => format!("{id}: {}", problem.what),
                None => problem.what.clone(),
            });
            let named: Vec<String> = named.collect();
            let more = found.problem_count - named.len() as u64;
            let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
            let detail = format!("{key}: {}{more}", named.join("\n"));
            return Check::new(NAME, CheckState::Failed, detail, Some(REBUILD));
        }
        let whole = format!("{key}: {} texts, every file and row is whole", found.rows);
        match self.snapshot().ok().and_then(|snapshot| self.pending(&snapshot, pointer)) {
            Some(0) => Check::new(NAME, CheckState::Ok, whole, None),
            Some(pending) => {
                let detail = format!("{whole}; {pending} records came or went since it was built");
                Check::new(NAME, CheckState::Ok, detail, Some("stele index build"))
            }
            None => {
                let detail = format!("{whole}; it does not follow this lake's history");
                Check::new(NAME, CheckState::Warning, detail, Some("stele index build"))
            }
        }
    }
}
