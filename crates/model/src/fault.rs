//! Failure as an argument: named points where a test may stop the world.

use std::io;

/// Asked at every named point between "not done" and "durable". The product passes [`NoFaults`];
/// a test passes something that fails, or that kills the process, at the n-th hit of a point.
pub trait Faults: Send + Sync {
    /// Called on reaching `point`.
    ///
    /// # Errors
    ///
    /// The I/O error that the caller is to treat as if its next step had failed with it.
    fn hit(&self, point: &'static str) -> io::Result<()>;
}

/// Nothing ever fails on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn hit(&self, _point: &'static str) -> io::Result<()> {
        Ok(())
    }
}
