//! How things are written down, the same in every home.

use serde::Serialize;
use stele_model::id::IdHasher;

use crate::job::State;
use crate::view::Counts;

/// As JSON. Nothing of ours has keys that JSON has not.
pub(crate) fn of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The version of what is written: it follows from the content, so that a home that lost its last moments cannot give
/// the same version to something else. Never 0.
pub(crate) fn version_of(text: &str) -> u64 {
    let hash = IdHasher::new("version").part(text.as_bytes()).finish();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(bytes).max(1)
}

/// Each state, with none in it.
pub(crate) fn no_counts() -> Counts {
    Counts { states: State::ALL.into_iter().map(|state| (state, 0)).collect(), oldest_waiting: None }
}
