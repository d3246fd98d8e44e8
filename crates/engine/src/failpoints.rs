//! `STELE_FAILPOINT=NAME:NTH:ACTION`: stop the world on purpose, from outside the process.
//!
//! For tests of this program and for people who want to see for themselves that nothing is lost.
//! `ACTION` is `kill` (the process ends at once, as with `kill -9`), `eio` or `enospc` (the next
//! step fails with that error). Without the variable nothing here does anything.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stele_model::{Faults, NoFaults};

use crate::EngineError;

/// The variable's name.
pub(crate) const VARIABLE: &str = "STELE_FAILPOINT";

/// What happens at the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Kill,
    Fail(io::ErrorKind),
}

/// One point, one hit, one action.
struct Failpoint {
    name: String,
    hits_left: AtomicU64,
    action: Action,
}

impl Faults for Failpoint {
    #[expect(clippy::disallowed_methods, reason = "the end of the process is what was asked for")]
    fn hit(&self, point: &'static str) -> io::Result<()> {
        if point != self.name || self.hits_left.fetch_sub(1, Ordering::Relaxed) != 1 {
            return Ok(());
        }
        match self.action {
            Action::Kill => std::process::abort(),
            Action::Fail(kind) => Err(io::Error::new(kind, format!("failpoint {point}"))),
        }
    }
}

/// The faults that `value` of the variable asks for.
pub(crate) fn parse(value: Option<&str>) -> Result<Arc<dyn Faults>, EngineError> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(Arc::new(NoFaults));
    };
    let wrong = || EngineError::Config {
        origin: VARIABLE.to_owned(),
        reason: format!("expected NAME:NTH:ACTION with the action kill, eio or enospc, got {value:?}"),
    };
    let mut parts = value.split(':');
    let (Some(name), Some(nth), Some(action), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let hits_left = nth.parse().ok().filter(|&nth| nth > 0).map(AtomicU64::new).ok_or_else(wrong)?;
    let action = match action {
        "kill" => Action::Kill,
        "eio" => Action::Fail(io::ErrorKind::Other),
        "enospc" => Action::Fail(io::ErrorKind::StorageFull),
        _ => return Err(wrong()),
    };
    Ok(Arc::new(Failpoint { name: name.to_owned(), hits_left, action }))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_point_fails_at_its_hit_and_only_then() {
        let faults = parse(Some("lake.part.sync:2:enospc")).expect("well formed");
        assert!(faults.hit("lake.part.sync").is_ok());
        assert!(faults.hit("lake.part.write").is_ok());
        let error = faults.hit("lake.part.sync").expect_err("the second hit fails");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        assert!(faults.hit("lake.part.sync").is_ok());
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for value in ["x", "x:0:kill", "x:1:explode", "x:1:kill:more"] {
            let error = parse(Some(value)).err().expect("refused").to_string();
            assert!(error.contains("STELE_FAILPOINT") && error.contains(value), "{error}");
        }
        assert!(parse(None).is_ok());
    }
}
