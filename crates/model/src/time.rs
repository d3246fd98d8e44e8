//! Instants as numbers, and the clock as an argument.

/// Microseconds since 1970-01-01T00:00:00Z. For a naive time, the same count as if its wall clock
/// showed UTC: good for order and differences inside one zone, never for an absolute claim.
pub type Micros = i64;

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> Micros;
}

/// A clock that stands still, for tests and for output that must not depend on the day.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Micros);

impl Clock for FixedClock {
    fn now(&self) -> Micros {
        self.0
    }
}
