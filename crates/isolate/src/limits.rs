//! What a process may use, and why that much.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds of the clock for one answer.
    pub seconds_max: u64,
    /// Threads that it may keep busy all that time: the seconds of the processor are the product.
    pub threads_max: u64,
    /// Bytes of address space.
    pub memory_bytes_max: u64,
    /// Bytes that one answer may have.
    pub output_bytes_max: u64,
    /// Bytes of each file that it writes; 0 if it writes none.
    pub file_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seconds_max: SECONDS_MAX,
            threads_max: 1,
            memory_bytes_max: MEMORY_BYTES_MAX,
            output_bytes_max: OUTPUT_BYTES_MAX,
            file_bytes_max: 0,
        }
    }
}

/// Longest time that one piece of work takes, in seconds.
const SECONDS_MAX: u64 = 120;

/// Most memory that a process may ask for, in bytes: address space, of which much is never used.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// Most bytes of an answer. A document in JSON takes about three times its text.
const OUTPUT_BYTES_MAX: u64 = 1 << 30;

/// What is kept of what a process complains of: the first lines say what is wrong.
pub(crate) const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// Time to say what there is so far, for a process that was asked to stop: enough to write an answer
/// that is there, and none to go on.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(1);
