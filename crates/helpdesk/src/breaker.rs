//! When a service that does not answer is left alone. Pure: time comes in as a number.

/// Whether it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// After so many milliseconds.
    After(u64),
    /// Somebody else is trying whether it answers again.
    Probing,
    /// It was left alone often enough.
    GivenUp,
}

/// How patient it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Failures in a row after which the service is left alone.
    pub failures_max: u32,
    /// For how long, in milliseconds.
    pub cool_down_ms: u64,
    /// How often in a row that is done before it is given up.
    pub cool_downs_max: u32,
}

/// Counts failures in a row: of connections, not of single things that the service cannot give.
#[derive(Debug)]
pub struct Breaker {
    patience: Patience,
    failures: u32,
    cool_downs: u32,
    closed_until_ms: Option<u64>,
    probing: bool,
}

impl Breaker {
    /// Nothing has failed.
    pub fn new(patience: Patience) -> Self {
        Self { patience, failures: 0, cool_downs: 0, closed_until_ms: None, probing: false }
    }

    /// Whether the service may be asked now. Who is let in after a time of rest is the one probe.
    pub fn gate(&mut self, now_ms: u64) -> Gate {
        match self.closed_until_ms {
            _ if self.cool_downs > self.patience.cool_downs_max => Gate::GivenUp,
            None => Gate::Open,
            Some(until_ms) if now_ms < until_ms => Gate::After(until_ms - now_ms),
            Some(_) if self.probing => Gate::Probing,
            Some(_) => {
                self.probing = true;
                Gate::Open
            }
        }
    }

    /// It has answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::new(self.patience);
    }

    /// It has not.
    pub fn failed(&mut self, now_ms: u64) {
        self.failures += 1;
        if self.probing || self.failures >= self.patience.failures_max {
            self.failures = 0;
            self.cool_downs += 1;
            self.probing = false;
            self.closed_until_ms = Some(now_ms + self.patience.cool_down_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, Gate, Patience};

    #[test]
    fn one_probe_after_a_rest() {
        let mut breaker = Breaker::new(Patience { failures_max: 3, cool_down_ms: 60_000, cool_downs_max: 2 });
        (0..2).for_each(|_| breaker.failed(0));
        assert_eq!(breaker.gate(0), Gate::Open);
        breaker.failed(5);
        assert_eq!(breaker.gate(10), Gate::After(59_995));
        assert_eq!(breaker.gate(60_005), Gate::Open);
        assert_eq!(breaker.gate(60_005), Gate::Probing);
        breaker.failed(60_005);
        assert_eq!(breaker.gate(60_006), Gate::After(59_999));
        assert_eq!(breaker.gate(200_000), Gate::Open);
        breaker.answered();
        assert_eq!((breaker.gate(200_000), breaker.gate(200_000)), (Gate::Open, Gate::Open));
        for now_ms in [300_000, 400_000, 500_000] {
            (0..3).for_each(|_| breaker.failed(now_ms));
        }
        assert_eq!(breaker.gate(900_000), Gate::GivenUp);
    }
}
