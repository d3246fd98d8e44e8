//! Going over the records of the lake again, with the format that each of them was read with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stele_lake::Snapshot;
use stele_lake::scan::{RecordRef, scan_part};
use stele_model::FileEntry;
use stele_sources::{Format, TimeZone};

use crate::EngineError;
use crate::documents::WHOLE;
use crate::engine::Engine;

/// The formats of the contents in a snapshot, by file id: a name may hold another format today.
pub(crate) struct Formats(HashMap<String, Arc<Format>>);

impl Formats {
    pub(crate) fn get(&self, row: &RecordRef<'_>) -> Option<&Arc<Format>> {
        self.0.get(row.file_id)
    }

    /// The JSON of a record: all of it, but for a bare frame.
    pub(crate) fn json_of<'a>(&self, row: &RecordRef<'a>) -> &'a str {
        self.get(row).and_then(|format| format.json_of(row.raw).ok()).unwrap_or(row.raw)
    }
}

impl Engine {
    /// The formats that the inputs of `snapshot` were read with.
    pub(crate) fn formats_of(&self, snapshot: &Snapshot) -> Result<Formats, EngineError> {
        let mut formats = HashMap::new();
        for entry in snapshot.contents()? {
            formats.insert(entry.file_id.to_string(), self.format_of(&entry));
        }
        Ok(Formats(formats))
    }

    /// The format that an input was read with.
    pub(crate) fn format_of(&self, entry: &FileEntry) -> Arc<Format> {
        if let Some(name) = WHOLE.named(&entry.format) {
            return self.profiles().whole(name);
        }
        let zone = entry.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
        // A profile that is not there any more: the plain rules still find the event.
        self.profiles().format(&entry.format, zone)
    }
}

/// Hands every record to `take`, on this thread.
pub(crate) fn records(
    snapshot: &Snapshot,
    mut take: impl FnMut(RecordRef<'_>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    snapshot.scan_records(|batch| batch.iter().try_for_each(&mut take))
}

/// Hands the records of each part to one of `threads` threads, each with its own state from
/// `start`; returns the states.
pub(crate) fn in_parallel<S: Send>(
    snapshot: &Snapshot,
    threads: usize,
    start: impl Fn() -> S + Sync,
    take: impl Fn(&mut S, RecordRef<'_>) -> Result<(), EngineError> + Sync,
) -> Result<Vec<S>, EngineError> {
    let next = AtomicUsize::new(0);
    let parts = snapshot.event_parts();
    let work = || {
        let mut state = start();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            scan_part(part, &mut |batch| batch.iter().try_for_each(|row| take(&mut state, row)))?;
        }
        Ok(state)
    };
    std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).map_err(EngineError::Thread);
        let threads: Vec<_> = (0..threads).map(spawn).collect::<Result<_, _>>()?;
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<S, EngineError>>| {
            thread.join().map_err(|_| EngineError::WorkerLost)?
        };
        threads.into_iter().map(join).collect()
    })
}
