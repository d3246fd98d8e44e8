//! What holds new jobs back: too little room on the disk, too much memory in use.
//!
//! The marks and when they let go are `stele-jobs`; here they are measured.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stele_jobs::{HeldBack, JobsError, Mark, Pressure, Signal};
use stele_model::Micros;

use crate::room::Room;

/// Room below which no job begins: the parts of one commit, an index version made anew beside the old one
/// for a lake of middling size, and something for everybody else.
const DISK_FREE_MIN: f64 = (1u64 << 30) as f64;

/// Share of the machine's memory that may be in use before a job begins; one takes up to half a gigabyte.
const MEMORY_SHARE_MAX: f64 = 0.92;

/// How long it stays held back at least, so that it does not flutter.
const HOLD: Duration = Duration::from_secs(10);

/// Whether new jobs may begin.
pub(super) struct Gate {
    pressure: Mutex<Pressure>,
    data_dir: PathBuf,
}

impl Gate {
    /// With these marks; without any, those that fit the machine.
    pub(super) fn new(marks: &[Mark], data_dir: &Path) -> Result<Self, JobsError> {
        let marks = if marks.is_empty() { defaults() } else { marks.to_vec() };
        let pressure = Mutex::new(Pressure::new(marks, HOLD)?);
        Ok(Self { pressure, data_dir: data_dir.to_path_buf() })
    }

    /// Measures, and says why nothing new begins, if so.
    pub(super) fn held_back(&self, now: Micros) -> Option<HeldBack> {
        let mut measured = Vec::new();
        measured.extend(Room::at(&self.data_dir).ok().map(|room| (Signal::DiskFree, room.free as f64)));
        measured.extend(memory().map(|(used, _)| (Signal::Memory, used)));
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
    use super::{Gate, Mark, Signal};

    #[test]
    fn a_full_disk_holds_jobs_back_until_there_is_room() {
        let dir = tempfile::tempdir().expect("room for a test");
        let mark = |high, low| [Mark { signal: Signal::DiskFree, high, low }];
        // More than any disk has.
        let full = Gate::new(&mark(1e18, 2e18), &dir.path().join("not/there/yet")).expect("marks in order");
        let held = full.held_back(7).expect("held back");
        assert_eq!((held.signal, held.since), (Signal::DiskFree, 7));
        assert!(held.reason.contains("free disk space") && held.value > 0.0, "{held:?}");
        let empty = Gate::new(&mark(1.0, 2.0), dir.path()).expect("marks in order");
        assert_eq!(empty.held_back(7), None);
    }

    #[test]
    fn memory_in_use_is_a_part_of_what_there_is() {
        let (used, total) = super::memory().expect("this system says so");
        assert!(used > 0.0 && used < total, "{used} of {total}");
    }
}
