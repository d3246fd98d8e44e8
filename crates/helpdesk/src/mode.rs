//! What is made of the records: vectors alone, or rows and summaries as well. Pure decisions.

use serde::{Deserialize, Serialize};

/// Objects from which on rows and summaries of everything are no longer worth their price.
pub const ADAPTIVE_OBJECTS_MAX: u64 = 10_000;

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Text and vectors; rows hold keys and metadata.
    VectorOnly,
    /// Rows with content, summaries, messages and files as well.
    Hybrid,
    /// Hybrid up to [`ADAPTIVE_OBJECTS_MAX`] objects.
    #[default]
    Adaptive,
}

impl Mode {
    /// What the variable `ENABLE_FULL_STREAMING_MODE` and its like say: `false`, `0`, `no` and `off` are hybrid;
    /// anything else, and nothing at all, is vectors alone.
    pub fn of_flag(value: Option<&str>) -> Self {
        let value = value.unwrap_or_default().trim().to_ascii_lowercase();
        match ["false", "0", "no", "off"].contains(&value.as_str()) {
            true => Self::Hybrid,
            false => Self::VectorOnly,
        }
    }

    /// Up to how many objects rows hold what they say; `None` is never.
    pub fn content_max(self) -> Option<u64> {
        match self {
            Self::VectorOnly => None,
            Self::Adaptive => Some(ADAPTIVE_OBJECTS_MAX),
            Self::Hybrid => Some(u64::MAX),
        }
    }
}
