//! What holds new jobs back: too little room on the disk, too much memory in use, an index, searches or copies
//! outside that are slow already.
//!
//! The marks and when they let go are `stele-jobs`; here they are measured.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stele_jobs::{HeldBack, JobsError, Mark, Pressure, Signal};
use stele_model::Micros;

use crate::room::Room;
use crate::timings::{Timed, Timings};

/// Room below which no job begins: the parts of one commit, an index version made anew beside the old one
/// for a lake of middling size, and something for everybody else.
const DISK_FREE_MIN: f64 = (1u64 << 30) as f64;

/// Share of the machine's memory that may be in use before a job begins; one takes up to half a gigabyte.
const MEMORY_SHARE_MAX: f64 = 0.92;

/// Seconds of a write to the index, or to a copy outside, from which more work would only wait for it; and where it
/// is well again. On a disk in good health a write takes a second.
const WRITE_P95: (f64, f64) = (30.0, 10.0);

/// The same of a search: whoever asks is not to be kept waiting for what comes in.
const SEARCH_P95: (f64, f64) = (5.0, 2.0);

/// Share of the batches to copies outside that may fail, and where it is well again.
const SINK_ERRORS: (f64, f64) = (0.5, 0.1);

/// How long it stays held back at least, so that it does not flutter.
const HOLD: Duration = Duration::from_secs(10);

/// Whether new jobs may begin.
pub(super) struct Gate {
    pressure: Mutex<Pressure>,
    data_dir: PathBuf,
    timings: Arc<Timings>,
}

impl Gate {
    /// With these marks; for signals without one, those that fit the machine.
    pub(super) fn new(marks: &[Mark], data_dir: &Path, timings: Arc<Timings>) -> Result<Self, JobsError> {
        let mut all = marks.to_vec();
        all.extend(defaults().into_iter().filter(|mark| marks.iter().all(|own| own.signal != mark.signal)));
        let pressure = Mutex::new(Pressure::new(all, HOLD)?);
        Ok(Self { pressure, data_dir: data_dir.to_path_buf(), timings })
    }

    /// Measures, and says why nothing new begins, if so.
    pub(super) fn held_back(&self, now: Micros) -> Option<HeldBack> {
        let mut measured = Vec::new();
        measured.extend(Room::at(&self.data_dir).ok().map(|room| (Signal::DiskFree, room.free as f64)));
        measured.extend(memory().map(|(used, _)| (Signal::Memory, used)));
        measured.extend([
            (Signal::IndexWriteP95, self.timings.p95(Timed::IndexWrite, now)),
            (Signal::SearchP95, self.timings.p95(Timed::Search, now)),
            (Signal::SinkP95, self.timings.p95(Timed::SinkWrite, now)),
            (Signal::SinkErrors, self.timings.failing(Timed::SinkWrite, now)),
        ]);
        let mut pressure = self.pressure.lock().unwrap_or_else(PoisonError::into_inner);
        pressure.update(&measured, now).cloned()
    }
}

fn defaults() -> Vec<Mark> {
    let mut marks = vec![Mark { signal: Signal::DiskFree, high: DISK_FREE_MIN, low: 2.0 * DISK_FREE_MIN }];
    if let Some((_, total)) = memory() {
        let high = MEMORY_SHARE_MAX * total;
        marks.push(Mark { signal: Signal::Memory, high, low: 0.9 * high });
    }
    for (signal, (high, low)) in [
        (Signal::IndexWriteP95, WRITE_P95),
        (Signal::SearchP95, SEARCH_P95),
        (Signal::SinkP95, WRITE_P95),
        (Signal::SinkErrors, SINK_ERRORS),
    ] {
        marks.push(Mark { signal, high, low });
    }
    marks
}

/// Bytes of the machine's memory in use, and in all; nothing where the system does not say.
fn memory() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
    };
    let (total, available) = (bytes("MemTotal:")?, bytes("MemAvailable:")?);
    Some((total - available, total))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::{Gate, Mark, Signal, Timed, Timings};

    const SECOND: i64 = 1_000_000;

    /// With this mark, and others that no machine reaches: somebody else may use all of it meanwhile.
    fn gate(mark: Mark, dir: &Path, timings: &Arc<Timings>) -> Gate {
        let mut marks = vec![
            mark,
            Mark { signal: Signal::Memory, high: 2e18, low: 1e18 },
            Mark { signal: Signal::DiskFree, high: 1.0, low: 2.0 },
        ];
        let mut known = Vec::new();
        marks.retain(|mark| {
            !known.contains(&mark.signal) && {
                known.push(mark.signal);
                true
            }
        });
        Gate::new(&marks, dir, Arc::clone(timings)).expect("marks in order")
    }

    #[test]
    fn a_full_disk_holds_jobs_back_until_there_is_room() {
        let dir = tempfile::tempdir().expect("room for a test");
        let timings = Arc::default();
        let mark = |high, low| Mark { signal: Signal::DiskFree, high, low };
        // More than any disk has.
        let full = gate(mark(1e18, 2e18), &dir.path().join("not/there/yet"), &timings);
        let held = full.held_back(7).expect("held back");
        assert_eq!((held.signal, held.since), (Signal::DiskFree, 7));
        assert!(held.reason.contains("free disk space") && held.value > 0.0, "{held:?}");
        let empty = gate(mark(1.0, 2.0), dir.path(), &timings);
        assert_eq!(empty.held_back(7), None);
    }

    #[test]
    fn what_is_slow_holds_jobs_back_until_it_is_well_again() {
        let dir = tempfile::tempdir().expect("room for a test");
        for (signal, timed, says) in [
            (Signal::IndexWriteP95, Timed::IndexWrite, "the index's write latency (p95) is at 9.00 s"),
            (Signal::SearchP95, Timed::Search, "the search latency (p95) is at 9.00 s"),
            (Signal::SinkP95, Timed::SinkWrite, "the sinks' write latency (p95) is at 9.00 s"),
            (Signal::SinkErrors, Timed::SinkWrite, "the sinks' error rate is at 100.0 %"),
        ] {
            let timings = Arc::new(Timings::default());
            let errors = signal == Signal::SinkErrors;
            let (high, low) = if errors { (0.9, 0.5) } else { (8.0, 4.0) };
            let gate = gate(Mark { signal, high, low }, dir.path(), &timings);
            assert_eq!(gate.held_back(0), None, "{signal}");
            // Twenty at once, of which so many failed.
            let note = |seconds: i64, at: i64, failed: usize| {
                for number in 0..20 {
                    timings.note(timed, seconds * SECOND, at * SECOND, number < failed);
                }
            };
            note(if errors { 1 } else { 9 }, 1, if errors { 20 } else { 0 });
            let held = gate.held_back(SECOND).expect("held back");
            assert!(held.signal == signal && held.reason.starts_with(says), "{held:?}");
            // Between the marks it stays, long after the first ones are forgotten.
            note(if errors { 1 } else { 6 }, 350, if errors { 14 } else { 0 });
            let held = gate.held_back(350 * SECOND).expect("still held back");
            assert_eq!((held.since, held.value < high), (SECOND, true), "{held:?}");
            // What nobody did for a while is slow no more.
            assert_eq!(gate.held_back(700 * SECOND), None, "{signal}");
        }
    }

    #[test]
    fn every_signal_has_marks_of_its_own() {
        let known: Vec<Signal> = super::defaults().iter().map(|mark| mark.signal).collect();
        assert!(Signal::ALL.iter().all(|signal| known.contains(signal)), "{known:?}");
    }

    #[test]
    fn memory_in_use_is_a_part_of_what_there_is() {
        let (used, total) = super::memory().expect("this system says so");
        assert!(used > 0.0 && used < total, "{used} of {total}");
    }
}
