//! Failure on purpose: at named points inside, and with a signal from outside.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use stele_model::Faults;

use crate::rng::Rng;

/// Records every point that is hit and lets everything pass: shows which points a run has.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<&'static str>>);

impl Recorder {
    /// The points in the order in which they were hit.
    pub fn hits(&self) -> Vec<&'static str> {
        self.0.lock().map(|hits| hits.clone()).unwrap_or_default()
    }

    /// How often each point was hit.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for point in self.hits() {
            *counts.entry(point).or_default() += 1;
        }
        counts
    }
}

impl Faults for Recorder {
    fn hit(&self, point: &'static str) -> io::Result<()> {
        if let Ok(mut hits) = self.0.lock() {
            hits.push(point);
        }
        Ok(())
    }
}

/// What happens at the chosen hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// The step fails with this error and later steps work again.
    Error(io::ErrorKind),
    /// The step and all later ones fail with this error, as on a full disk.
    ErrorFromThenOn(io::ErrorKind),
    /// The process ends at once with SIGKILL: no destructor runs, nothing is flushed.
    Kill,
}

/// Strikes at the n-th hit of one point, or at the n-th hit of any.
#[derive(Debug)]
pub struct StrikeAt {
    point: Option<String>,
    nth: u64,
    blow: Blow,
    seen: Mutex<u64>,
}

impl StrikeAt {
    /// Strikes at the `nth` hit, counted from 1, of `point`; of any point if it is `None`.
    pub fn new(point: Option<&str>, nth: u64, blow: Blow) -> Self {
        Self { point: point.map(str::to_owned), nth, blow, seen: Mutex::new(0) }
    }

    /// Whether the chosen hit has come. A run in which it has not went through undisturbed.
    pub fn struck(&self) -> bool {
        self.seen.lock().is_ok_and(|seen| *seen >= self.nth)
    }
}

impl Faults for StrikeAt {
    fn hit(&self, point: &'static str) -> io::Result<()> {
        if self.point.as_deref().is_some_and(|wanted| wanted != point) {
            return Ok(());
        }
        let seen = match self.seen.lock() {
            Ok(mut seen) => {
                *seen += 1;
                *seen
            }
            Err(_) => return Ok(()),
        };
        let fail = |kind| Err(io::Error::new(kind, format!("on purpose at {point}")));
        match self.blow {
            Blow::Error(kind) if seen == self.nth => fail(kind),
            Blow::ErrorFromThenOn(kind) if seen >= self.nth => fail(kind),
            Blow::Kill if seen == self.nth => kill_self(),
            _ => Ok(()),
        }
    }
}

/// Ends this process as a power cut would. The shell's `kill` is used because sending a signal is
/// an `unsafe` call and this crate has none.
fn kill_self() -> io::Result<()> {
    let status = Command::new("kill").arg("-KILL").arg(std::process::id().to_string()).status()?;
    Err(io::Error::other(format!("kill ended with {status} and this process still runs")))
}

/// How a child ended that was to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was still running and was killed.
    Killed,
    /// It had ended by itself, with success or without.
    Finished {
        /// Whether its exit code was 0.
        success: bool,
    },
}

/// Starts `command` without input and output and kills it with SIGKILL after a time drawn from
/// `rng`, at most `micros_max` microseconds.
///
/// # Errors
///
/// The child cannot be started or waited for.
#[allow(clippy::disallowed_methods, reason = "the point is to let an arbitrary time pass")]
pub fn kill_after(command: &mut Command, rng: &mut Rng, micros_max: u64) -> io::Result<Ending> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(std::time::Duration::from_micros(rng.below(micros_max)));
    if let Some(status) = child.try_wait()? {
        return Ok(Ending::Finished { success: status.success() });
    }
    child.kill()?;
    child.wait()?;
    Ok(Ending::Killed)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::process::Command;

    use stele_model::Faults;

    use super::{Blow, Ending, Recorder, StrikeAt, kill_after};
    use crate::rng::Rng;

    #[track_caller]
    fn check(strike: StrikeAt, expect: &str) {
        let outcome: String = ["a", "b", "a", "b", "a"]
            .into_iter()
            .map(|point| if strike.hit(point).is_ok() { '.' } else { 'x' })
            .collect();
        assert_eq!(outcome, expect);
    }

    #[test]
    fn the_chosen_hit_fails() {
        let full = io::ErrorKind::StorageFull;
        check(StrikeAt::new(Some("a"), 2, Blow::Error(full)), "..x..");
        check(StrikeAt::new(None, 2, Blow::Error(full)), ".x...");
        check(StrikeAt::new(Some("b"), 1, Blow::ErrorFromThenOn(full)), ".x.x.");
        check(StrikeAt::new(Some("c"), 1, Blow::Error(full)), ".....");
    }

    #[test]
    fn hits_are_recorded() {
        let recorder = Recorder::default();
        for point in ["a", "b", "a"] {
            recorder.hit(point).expect("passes");
        }
        assert_eq!(recorder.hits(), ["a", "b", "a"]);
        assert_eq!(recorder.counts().into_iter().collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    }

    #[test]
    fn a_child_is_killed() {
        let mut rng = Rng::new(1);
        let ending = kill_after(Command::new("sleep").arg("60"), &mut rng, 20_000).expect("child");
        assert_eq!(ending, Ending::Killed);
    }
}
