//! From the bytes in the lake to what documents say: read in one pass, parsed side by side.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use stele_documents::{
    DOCUMENT_BYTES_MAX, DocumentError, Extracted, Isolation, Request, extract, parse, structure,
};
use stele_lake::{LakeError, Snapshot};
use stele_model::error::in_full;
use stele_model::{Document, FileEntry, FileId};

use super::annotating::Annotating;
use crate::EngineError;
use crate::progress::Cancel;

/// Bytes of the documents that are on their way from the lake to the graph. What is made of one takes
/// several times its size, and so do its sections. A document of this size or more goes alone.
const BYTES_IN_FLIGHT_MAX: u64 = 64 << 20;

/// What one input says.
pub(super) struct Said {
    /// The input.
    pub(super) entry: FileEntry,
    /// Its documents, one unless it is an archive, with what was found in each.
    pub(super) documents: Result<Vec<(Document, Extracted)>, Failure>,
    /// Pages of an archive that could not be read.
    pub(super) failed: Vec<DocumentError>,
    /// Given back when what it says has been taken.
    _room: Option<Room>,
}

/// Why an input says nothing.
pub(super) struct Failure {
    /// In words.
    pub(super) reason: String,
    /// Whether the same bytes may be read another time.
    pub(super) again: bool,
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        // A program that was not there may have been installed.
        Self { reason: in_full(&error), again: matches!(error, DocumentError::ToolMissing { .. }) }
    }
}

/// An input with its bytes.
struct Task {
    entry: FileEntry,
    bytes: Vec<u8>,
    room: Option<Room>,
}

/// What parsing needs.
pub(super) struct Parser<'a> {
    pub(super) tenant: &'a str,
    pub(super) reader: &'a (dyn Isolation + Send + Sync),
    pub(super) threads: usize,
    pub(super) cancel: &'a Cancel,
    /// A model that claims more than the rules find, if one is asked.
    pub(super) annotating: Option<&'a Annotating>,
}

impl Parser<'_> {
    /// Hands over what each of `entries` says, in no order. Only a few of them are in memory at a time.
    pub(super) fn each(
        &self,
        snapshot: &Snapshot,
        entries: Vec<FileEntry>,
        take: &mut dyn FnMut(Said) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut wanted = Wanted::default();
        // What is too large to be read is not even put together.
        let (large, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.bytes_done > DOCUMENT_BYTES_MAX);
        for entry in large {
            let what = "the file".to_owned();
            let source_uri = entry.uri.clone();
            let error = DocumentError::TooLarge { source_uri, what, max: DOCUMENT_BYTES_MAX };
            take(failed(entry, error.into()))?;
        }
        // The lake has no row of them.
        let (empty, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.bytes_done == 0);
        for entry in empty {
            take(self.parse(Task { entry, bytes: Vec::new(), room: None }))?;
        }
        for entry in entries {
            let length = wanted.bytes.entry(entry.file_id).or_default();
            *length = entry.bytes_done.max(*length);
            wanted.entries.entry(entry.file_id).or_default().push(entry);
        }
        // One waits for each that parses, so that nobody waits for the lake.
        let (tasks, queue) = bounded::<Task>(self.threads);
        let (results, said) = bounded::<Said>(self.threads);
        let (is_over, in_flight) = (AtomicBool::new(false), InFlight::new(BYTES_IN_FLIGHT_MAX));
        std::thread::scope(|scope| {
            let ways = Ways { tasks, results: results.clone(), is_over: &is_over, in_flight };
            let reading = scope.spawn(move || self.read(snapshot, wanted, &ways));
            for _ in 0..self.threads {
                let (queue, results) = (queue.clone(), results.clone());
                scope.spawn(move || self.parse_all(&queue, &results));
            }
            drop((queue, results));
            let mut outcome = Ok(());
            for one in &said {
                // After an error the rest is let go, so that nobody waits for room.
                if outcome.is_ok() {
                    outcome = take(one);
                    is_over.store(outcome.is_err(), Ordering::Relaxed);
                }
            }
            let read = reading.join().unwrap_or(Err(EngineError::WorkerLost));
            outcome.and(read)
        })
    }

    /// Hands the bytes of what is wanted to those that parse. What the lake does not hold as a whole is
    /// said to be so.
    fn read(&self, snapshot: &Snapshot, mut wanted: Wanted, ways: &Ways<'_>) -> Result<(), EngineError> {
        let bytes_of = std::mem::take(&mut wanted.bytes);
        let outcome = snapshot.each_document(&bytes_of, &mut |id, bytes| {
            for entry in wanted.entries.remove(&id).into_iter().flatten() {
                if self.cancel.is_cancelled() || ways.is_over.load(Ordering::Relaxed) {
                    return Err(Stop::Enough);
                }
                let room = Some(InFlight::enter(&ways.in_flight, entry.bytes_done));
                // Under an older name it ends earlier.
                let length = usize::try_from(entry.bytes_done).unwrap_or(usize::MAX).min(bytes.len());
                let task = Task { entry, bytes: bytes[..length].to_vec(), room };
                ways.tasks.send(task).map_err(|_| Stop::Enough)?;
            }
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(Stop::Enough) => return Ok(()),
            Err(Stop::Lake(error)) => return Err(error.into()),
        }
        for entry in wanted.entries.into_values().flatten() {
            let reason = format!(
                "the lake does not hold all of its {} bytes; `stele doctor` says what is damaged, and `stele \
                 ingest` reads it again",
                entry.bytes_done
            );
            // Nobody is there any more to hand it to, if this fails.
            let _ = ways.results.send(failed(entry, Failure { reason, again: true }));
        }
        Ok(())
    }

    fn parse_all(&self, queue: &Receiver<Task>, results: &Sender<Said>) {
        for task in queue {
            if results.send(self.parse(task)).is_err() {
                return;
            }
        }
    }

    fn parse(&self, task: Task) -> Said {
        let Task { entry, bytes, room } = task;
        let request = Request {
            tenant: self.tenant.to_owned(),
            source_uri: entry.uri.clone(),
            format: format_of(&entry),
        };
        match parse(&request, &bytes, self.reader) {
            Ok(parsed) => {
                let documents = parsed.documents.into_iter().map(|document| {
                    let mut found = extract(&document);
                    if let Some(model) = self.annotating {
                        model.add(&document, &mut found, self.cancel);
                    }
                    found.edges.extend(structure(&document));
                    (document, found)
                });
                Said { entry, documents: Ok(documents.collect()), failed: parsed.failed, _room: room }
            }
            Err(error) => Said { _room: room, ..failed(entry, error.into()) },
        }
    }
}

/// What is still to be found in the lake.
#[derive(Default)]
struct Wanted {
    /// How much of each content.
    bytes: HashMap<FileId, u64>,
    /// The inputs that stand for it.
    entries: HashMap<FileId, Vec<FileEntry>>,
}

/// Where the reading of the lake leads to.
struct Ways<'a> {
    tasks: Sender<Task>,
    results: Sender<Said>,
    /// Whether nobody takes what comes any more.
    is_over: &'a AtomicBool,
    in_flight: Arc<InFlight>,
}

fn failed(entry: FileEntry, failure: Failure) -> Said {
    Said { entry, documents: Err(failure), failed: Vec::new(), _room: None }
}

/// How the input was recognised, or how somebody said that it is written.
fn format_of(entry: &FileEntry) -> Option<stele_model::DocumentFormat> {
    stele_model::DocumentFormat::from_name(&entry.format)
}

/// Room for the bytes of documents.
struct InFlight {
    max: u64,
    left: Mutex<u64>,
    freed: Condvar,
}

/// What one document takes of it, for as long as this lives.
struct Room {
    of: Arc<InFlight>,
    bytes: u64,
}

impl InFlight {
    fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { max, left: Mutex::new(max), freed: Condvar::new() })
    }

    /// Waits until there is room. What is larger than all of it waits until it is alone.
    fn enter(this: &Arc<Self>, bytes: u64) -> Room {
        let bytes = bytes.min(this.max);
        let mut left = this.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left < bytes {
            left = this.freed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Room { of: Arc::clone(this), bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *self.of.left.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.of.freed.notify_all();
    }
}

/// Why reading ends early.
enum Stop {
    Lake(LakeError),
    Enough,
}

impl From<LakeError> for Stop {
    fn from(error: LakeError) -> Self {
        Self::Lake(error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::bounded;

    use super::{InFlight, Parser};
    use crate::{Cancel, Engine, Environment, IngestOptions, NoProgress, Settings};

    #[test]
    fn what_the_lake_does_not_hold_as_a_whole_is_said() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["whole.md", "part.md"] {
            std::fs::write(dir.path().join(name), format!("# {name}\n")).unwrap();
        }
        let settings = Settings { data_dir: dir.path().join("d"), ..Settings::default() };
        let engine = Engine::new(settings, Environment::default()).unwrap();
        let targets = [dir.path().display().to_string()];
        engine.ingest(&targets, &IngestOptions::default(), &NoProgress, &Cancel::default()).unwrap();
        let snapshot = engine.snapshot().unwrap();
        let mut entries: Vec<_> = engine.documents_in(&snapshot).unwrap().into_values().collect();
        for entry in entries.iter_mut().filter(|entry| entry.uri.ends_with("part.md")) {
            entry.bytes_done += 1;
        }
        let (tenant, cancel) = (&engine.settings().tenant, &Cancel::default());
        let parser = Parser { tenant, reader: engine.reader(), threads: 2, cancel, annotating: None };
        let mut said = Vec::new();
        let mut take = |one: super::Said| {
            let name = one.entry.uri.rsplit('/').next().unwrap_or_default().to_owned();
            said.push((name, one.documents.err().map(|failure| (failure.reason, failure.again))));
            Ok(())
        };
        parser.each(&snapshot, entries, &mut take).unwrap();
        said.sort();
        let (reason, again) = said[0].1.clone().unwrap();
        assert!(reason.contains("does not hold all of its 11 bytes") && again, "{reason}");
        assert_eq!((&*said[0].0, &said[1..]), ("part.md", &[("whole.md".to_owned(), None)][..]));
    }

    #[test]
    fn there_is_room_for_so_many_bytes_and_for_one_of_any_size() {
        let in_flight = InFlight::new(10);
        let (tell, told) = bounded(1);
        let first = InFlight::enter(&in_flight, 6);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let large = InFlight::enter(&in_flight, 1 << 40);
                tell.send(large.bytes).unwrap();
            });
            assert!(
                told.recv_timeout(Duration::from_millis(50)).is_err(),
                "there is no room beside the first"
            );
            drop(first);
            assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(10));
        });
        drop(InFlight::enter(&in_flight, 10));
    }
}
