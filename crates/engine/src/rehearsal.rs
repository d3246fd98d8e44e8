//! `dry_run`: what an ingest would do, without writing a byte.

use std::sync::Arc;

use stele_discover::Catalogue;
use stele_lake::Lake;
use stele_model::{FileState, Micros};
use stele_sources::{Input, OpenOptions, SourceError, open};

use crate::EngineError;
use crate::admission::{Admission, Known};
use crate::engine::Engine;
use crate::entry::{checksum, duplicate_of, entry_of, going_on, resume_after, without_tail};
use crate::pipeline::{Crew, Renewal, with_crew};
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::summary::{IngestSummary, InputFailure};
use crate::worker::{FileJob, Task, Worker};

impl Engine {
    /// Decides about every input and counts what would be read of it, in addition to `summary`.
    pub(crate) fn rehearse(
        &self,
        inputs: &[Input],
        summary: IngestSummary,
        options: &OpenOptions,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<IngestSummary, EngineError> {
        let started = self.clock().now();
        let lake = Lake::open(self.data_dir(), self.faults())?;
        let snapshot = if lake.exists() { Some(lake.snapshot()?) } else { None };
        let tenant = &self.settings().tenant;
        let known = snapshot.as_ref().map_or_else(|| Ok(Known::default()), |at| Known::new(tenant, at))?;
        let mut rehearsal = Rehearsal { engine: self, known, options, progress, now: started, summary };
        rehearsal.summary.lake_version = snapshot.map(|snapshot| snapshot.version());
        // What the records hold is not asked for, so nothing need be folded.
        let blank = Catalogue::new(self.settings().fold, self.fold_rules());
        let workers = (0..self.threads()).map(|_| Worker::new(blank.clone(), None)).collect();
        let yields = with_crew(workers, |crew| {
            for (slot, input) in inputs.iter().enumerate() {
                if cancel.is_cancelled() {
                    break;
                }
                match rehearsal.read(crew, slot, input, cancel) {
                    Ok(()) => {}
                    Err(EngineError::Source(error)) => {
                        let failure = InputFailure::of(&input.uri, &error);
                        rehearsal.summary.failures.push(failure);
                    }
                    Err(error) => return Err(error),
                }
            }
            crew.flush(|| {
                let blank = blank.clone();
                Ok(Box::new(move |worker: &mut Worker| worker.flush(blank, None)) as Renewal)
            })
        })?;
        let mut summary = rehearsal.summary;
        for one in yields {
            summary.add_changes(one.changes);
            one.ledgers.values().for_each(|ledger| summary.add(ledger));
        }
        summary.cancelled = cancel.is_cancelled();
        summary.seconds = (self.clock().now() - started) as f64 / 1e6;
        Ok(summary)
    }
}

struct Rehearsal<'a> {
    engine: &'a Engine,
    known: Known,
    options: &'a OpenOptions,
    progress: &'a dyn Progress,
    now: Micros,
    summary: IngestSummary,
}

impl Rehearsal<'_> {
    fn read(
        &mut self,
        crew: &mut Crew,
        slot: usize,
        input: &Input,
        cancel: &Cancel,
    ) -> Result<(), EngineError> {
        if input.path.is_none() {
            // Reading it now would leave nothing for the run that is rehearsed.
            return Err(SourceError::Stream { uri: input.uri.clone() }.into());
        }
        let tenant = &self.engine.settings().tenant;
        let (file_id, before) = match self.known.admit(tenant, input)? {
            Admission::Duplicate(original) => {
                if let Some(entry) = duplicate_of(&original, input, self.now) {
                    self.summary.duplicates += 1;
                    self.known.put(entry);
                }
                return Ok(());
            }
            Admission::New(file_id) => (file_id, None),
            Admission::Continue(entry) => (entry.file_id, Some(without_tail(input, *entry)?)),
        };
        let resume = before.as_ref().map(resume_after).transpose()?;
        self.summary.resumed += u64::from(resume.is_some());
        let mut source =
            open(input, self.engine.profiles(), &going_on(self.options, resume, before.as_ref()))?;
        let mut entry = entry_of(self.engine, input, &source, file_id, before.as_ref(), self.now);
        let (uri, format) = (input.uri.clone(), source.format().clone());
        let job = Arc::new(FileJob { slot, uri, format, file_id });
        while !cancel.is_cancelled()
            && let Some(block) = source.next_block()?
        {
            entry.lines_done += block.lines;
            crew.send(Task { file: job.clone(), block })?;
            if let Some(bytes) = crew.spent() {
                source.recycle(bytes);
            }
            self.progress.update(&Update {
                stage: "rehearse",
                item: input.uri.clone(),
                done: source.bytes_done(),
                total: Some(input.size_on_disk.max(source.bytes_done())),
                unit: Unit::Bytes,
                records: 0,
            });
        }
        entry.bytes_done = source.bytes_done();
        entry.sha256 = checksum(&source);
        entry.state = if cancel.is_cancelled() { FileState::Partial } else { FileState::Complete };
        self.known.put(entry);
        Ok(())
    }
}
