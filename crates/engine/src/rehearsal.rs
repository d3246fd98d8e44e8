//! `dry_run`: what an ingest would do, without writing a byte.

use std::sync::Arc;

use stele_discover::Catalogue;
use stele_lake::Lake;
use stele_model::FileId;
use stele_model::error::in_full;
use stele_model::id::from_hex;
use stele_sources::{Input, OpenOptions, Resume, SourceError, open};

use crate::EngineError;
use crate::admission::{Admission, Known};
use crate::engine::Engine;
use crate::pipeline::{Crew, Renewal, with_crew};
use crate::progress::{Cancel, Progress, Update};
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
        let mut rehearsal = Rehearsal { engine: self, known, options, progress, summary };
        rehearsal.summary.lake_version = snapshot.map(|snapshot| snapshot.version());
        // What the records hold is not asked for, so nothing need be folded.
        let blank = Catalogue::new(self.settings().fold, self.fold_rules());
        let workers = (0..self.threads()).map(|_| Worker::new(blank.clone(), None)).collect();
        let yields = with_crew(workers, |crew| {
            for (slot, input) in inputs.iter().enumerate() {
                if cancel.is_cancelled() {
                    break;
                }
                match rehearsal.read(crew, slot, input) {
                    Ok(()) => {}
                    Err(EngineError::Source(error)) => {
                        let failure = InputFailure { uri: input.uri.clone(), reason: in_full(&error) };
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
    summary: IngestSummary,
}

impl Rehearsal<'_> {
    fn read(&mut self, crew: &mut Crew, slot: usize, input: &Input) -> Result<(), EngineError> {
        if input.path.is_none() {
            // Reading it now would leave nothing for the run that is rehearsed.
            return Err(SourceError::Stream { uri: input.uri.clone() }.into());
        }
        let resume = match self.known.admit(&self.engine.settings().tenant, input)? {
            Admission::Duplicate(_) => {
                self.summary.duplicates += u64::from(input.size_on_disk > 0);
                return Ok(());
            }
            Admission::New(_) => None,
            Admission::Continue(entry) => from_hex(&entry.sha256).map(|sha256| Resume {
                bytes_done: entry.bytes_done,
                lines_done: entry.lines_done,
                sha256,
            }),
        };
        self.summary.resumed += u64::from(resume.is_some());
        let mut source =
            open(input, self.engine.profiles(), &OpenOptions { resume, ..self.options.clone() })?;
        let (uri, format) = (input.uri.clone(), source.format().clone());
        let job = Arc::new(FileJob { slot, uri, format, file_id: FileId([0; 16]) });
        while let Some(block) = source.next_block()? {
            crew.send(Task { file: job.clone(), block })?;
            self.progress.update(&Update {
                stage: "rehearse",
                item: input.uri.clone(),
                bytes: source.bytes_done(),
                bytes_total: input.size_on_disk.max(source.bytes_done()),
                records: 0,
            });
        }
        Ok(())
    }
}
