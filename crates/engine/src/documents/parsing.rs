//! From the bytes in the lake to what documents say: read in one pass, parsed side by side.

use std::collections::HashMap;

use crossbeam_channel::{Receiver, Sender, bounded};
use stele_documents::{
    DOCUMENT_BYTES_MAX, DocumentError, Extracted, Isolation, Request, extract, parse, structure,
};
use stele_lake::{LakeError, Snapshot};
use stele_model::{Document, FileEntry, FileId};

use super::annotating::Annotating;
use crate::EngineError;
use crate::progress::Cancel;

/// What one input says.
pub(super) struct Said {
    /// The input.
    pub(super) entry: FileEntry,
    /// Its documents, one unless it is an archive, with what was found in each.
    pub(super) documents: Result<Vec<(Document, Extracted)>, DocumentError>,
    /// Pages of an archive that could not be read.
    pub(super) failed: Vec<DocumentError>,
}

/// An input with its bytes.
struct Task {
    entry: FileEntry,
    bytes: Vec<u8>,
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
    /// What the lake does not hold as a whole is not handed over.
    pub(super) fn each(
        &self,
        snapshot: &Snapshot,
        entries: Vec<FileEntry>,
        take: &mut dyn FnMut(Said) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut by_content: HashMap<FileId, Vec<FileEntry>> = HashMap::new();
        let mut wanted: HashMap<FileId, u64> = HashMap::new();
        // What is too large to be read is not even put together.
        let (large, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.bytes_done > DOCUMENT_BYTES_MAX);
        for entry in large {
            let what = "the file".to_owned();
            let source_uri = entry.uri.clone();
            let error = DocumentError::TooLarge { source_uri, what, max: DOCUMENT_BYTES_MAX };
            take(Said { entry, documents: Err(error), failed: Vec::new() })?;
        }
        // The lake has no row of them.
        let (empty, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.bytes_done == 0);
        for entry in empty {
            take(self.parse(Task { entry, bytes: Vec::new() }))?;
        }
        for entry in entries {
            let length = wanted.entry(entry.file_id).or_default();
            *length = entry.bytes_done.max(*length);
            by_content.entry(entry.file_id).or_default().push(entry);
        }
        // One waits for each that parses, so that nobody waits for the lake.
        let (tasks, queue) = bounded::<Task>(self.threads);
        let (results, said) = bounded::<Said>(self.threads);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || self.read(snapshot, &wanted, &by_content, &tasks));
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
                }
                if outcome.is_err() {
                    break;
                }
            }
            drop(said);
            let read = reading.join().unwrap_or(Err(EngineError::WorkerLost));
            outcome.and(read)
        })
    }

    fn read(
        &self,
        snapshot: &Snapshot,
        wanted: &HashMap<FileId, u64>,
        by_content: &HashMap<FileId, Vec<FileEntry>>,
        tasks: &Sender<Task>,
    ) -> Result<(), EngineError> {
        let outcome = snapshot.each_document(wanted, &mut |id, bytes| {
            for entry in by_content.get(&id).into_iter().flatten() {
                if self.cancel.is_cancelled() {
                    return Err(Stop::Enough);
                }
                // Under an older name it ends earlier.
                let length = usize::try_from(entry.bytes_done).unwrap_or(usize::MAX).min(bytes.len());
                let task = Task { entry: entry.clone(), bytes: bytes[..length].to_vec() };
                tasks.send(task).map_err(|_| Stop::Enough)?;
            }
            Ok(())
        });
        match outcome {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Lake(error)) => Err(error.into()),
        }
    }

    fn parse_all(&self, queue: &Receiver<Task>, results: &Sender<Said>) {
        for task in queue {
            if results.send(self.parse(task)).is_err() {
                return;
            }
        }
    }

    fn parse(&self, task: Task) -> Said {
        let Task { entry, bytes } = task;
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
                Said { entry, documents: Ok(documents.collect()), failed: parsed.failed }
            }
            Err(error) => Said { entry, documents: Err(error), failed: Vec::new() },
        }
    }
}

/// How the input was recognised, or how somebody said that it is written.
fn format_of(entry: &FileEntry) -> Option<stele_model::DocumentFormat> {
    stele_model::DocumentFormat::from_name(&entry.format)
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
