//! Is it ready for queries? Never a bare no: each reason says what is the matter and what to do.

use schemars::JsonSchema;
use serde::Serialize;
use stele_engine::GraphStanding;
use stele_engine::lake::LakeError;
use stele_engine::{EngineError, Room};
use stele_model::error::in_full;

use crate::desk::Desk;
use crate::jobs::Jobs;
use crate::limits::{DISK_FREE_BYTES, DISK_FREE_SHARE_MIN};
use crate::metrics::Family;

/// Whether queries are answered from everything that was read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// Whether nothing stands in the way.
    pub(crate) ready: bool,
    /// What stands in the way.
    pub(crate) reasons: Vec<Reason>,
    /// The version of the lake that was looked at; null if there is no lake.
    pub(crate) lake_version: Option<u64>,
    /// Records that the index does not know yet; null if that cannot be told.
    pub(crate) pending: Option<u64>,
    /// Bytes that are free where the lake is; null if the disk cannot be asked.
    pub(crate) disk_free_bytes: Option<u64>,
}

/// One thing that stands in the way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Reason {
    /// `no_lake`, `lake`, `no_index`, `index`, `index_behind`, `no_graph`, `graph`, `graph_behind`, `disk`,
    /// `queue` or `paused`.
    pub(crate) code: &'static str,
    /// What is the matter.
    pub(crate) message: String,
    /// What to do.
    pub(crate) next: String,
}

fn reason(code: &'static str, message: impl Into<String>, next: &str) -> Reason {
    Reason { code, message: message.into(), next: next.to_owned() }
}

/// What about the queue stands in the way. It is asked for a moment only, and not with anything held.
pub(crate) fn queue(jobs: &Jobs) -> Option<Reason> {
    match jobs.look(jobs.queue.check()).and_then(|()| jobs.look(jobs.held_back())) {
        Ok(None) => None,
        Ok(Some(why)) => {
            Some(reason("paused", format!("no new job begins: {why}"), "wait; it goes on by itself"))
        }
        Err(refusal) => {
            let why = refusal.reason().unwrap_or_default();
            Some(reason("queue", format!("{} {why}", refusal.what()), refusal.next()))
        }
    }
}

/// Looks at everything else; `queue` is what stands in the way of that.
pub(crate) fn look(desk: &Desk, disk: DiskWanted, queue: Option<Reason>) -> Readiness {
    let mut reasons = Vec::new();
    let (mut lake_version, mut pending) = (None, None);
    match desk.engine.snapshot() {
        Ok(snapshot) => {
            lake_version = Some(snapshot.version());
            desk.metrics.set(Family::LakeVersion, &[], snapshot.version() as f64);
            pending = index(desk, &mut reasons);
            if let Some(pending) = pending {
                desk.metrics.set(Family::IndexPending, &[], pending as f64);
            }
            match desk.engine.graph_standing(&snapshot) {
                Ok(GraphStanding::Current) => {}
                Ok(GraphStanding::Behind(follows)) => reasons.push(reason(
                    "graph_behind",
                    format!(
                        "the graph follows version {follows} of the lake, which is at {}",
                        snapshot.version()
                    ),
                    "stele graph build",
                )),
                Ok(GraphStanding::Missing(documents)) => reasons.push(reason(
                    "no_graph",
                    format!("the lake has {documents} documents and there is no graph of them"),
                    "stele graph build",
                )),
                Err(error) => reasons.push(reason("graph", in_full(&error), "stele graph rebuild")),
            }
        }
        Err(error @ EngineError::Lake(LakeError::NoLake { .. })) => {
            reasons.push(reason("no_lake", in_full(&error), "stele ingest FILE… makes one"));
        }
        Err(error) => reasons.push(reason("lake", in_full(&error), "stele doctor says what is wrong")),
    }
    let room = desk.engine.room();
    match &room {
        Ok(room) => {
            desk.metrics.set(Family::DiskFree, &[], room.free as f64);
            if disk.is_nearly_full(*room) {
                reasons.push(reason(
                    "disk",
                    format!("{} of {} MiB are free where the lake is", room.free >> 20, room.total >> 20),
                    "free some space; what waits goes on by itself",
                ));
            }
        }
        Err(error) => reasons.push(reason("disk", in_full(error), "see whether the disk is there")),
    }
    reasons.extend(queue);
    Readiness {
        ready: reasons.is_empty(),
        reasons,
        lake_version,
        pending,
        disk_free_bytes: room.ok().map(|room| room.free),
    }
}

/// What the index does not know yet.
fn index(desk: &Desk, reasons: &mut Vec<Reason>) -> Option<u64> {
    let reports = match desk.engine.index_status() {
        Ok(reports) => reports,
        Err(error) => {
            let code = if !desk.engine.has_index() { "no_index" } else { "index" };
            reasons.push(reason(code, in_full(&error), "stele index build"));
            return None;
        }
    };
    let Some(report) = reports.iter().find(|report| report.status.answers) else {
        reasons.push(reason("no_index", "no index answers", "stele index build"));
        return None;
    };
    match report.pending {
        Some(0) => {}
        Some(pending) => reasons.push(reason(
            "index_behind",
            format!("{pending} records came or went since the index was built"),
            "stele index build",
        )),
        None => reasons.push(reason(
            "index_behind",
            "the index does not follow this lake's history",
            "stele index rebuild",
        )),
    }
    report.pending
}

/// When a disk counts as nearly full: the next ingest may not fit.
#[derive(Debug, Clone, Copy)]
pub struct DiskWanted {
    /// Bytes below which it is, whatever its size.
    pub least: u64,
    /// Bytes from which on it is not, whatever its size.
    pub enough: u64,
    /// Between the two, the share of the whole below which it is.
    pub share: f64,
}

impl Default for DiskWanted {
    fn default() -> Self {
        let (least, enough) = DISK_FREE_BYTES;
        Self { least, enough, share: DISK_FREE_SHARE_MIN }
    }
}

impl DiskWanted {
    /// Nearly full below so many bytes, whatever its size.
    pub fn below(least: u64) -> Self {
        Self { least, enough: least, share: 0.0 }
    }

    fn is_nearly_full(self, room: Room) -> bool {
        room.free < self.least
            || (room.free < self.enough && (room.free as f64) < room.total as f64 * self.share)
    }
}

#[cfg(test)]
mod tests {
    use stele_engine::Room;

    use super::DiskWanted;

    #[test]
    fn a_disk_is_nearly_full_by_its_size_and_by_what_is_left() {
        let gib = 1u64 << 30;
        for (free, total, expect) in [
            (100 * gib, 1000 * gib, false),
            (25 * gib, 1000 * gib, false),
            (15 * gib, 1000 * gib, true),
            (15 * gib, 100 * gib, false),
            (2 * gib, 100 * gib, true),
            (gib, 10 * gib, false),
            (gib / 8, gib / 4, true),
        ] {
            assert_eq!(
                DiskWanted::default().is_nearly_full(Room { free, total }),
                expect,
                "{free} of {total}"
            );
        }
    }
}
