//! Inputs into the lake: admit, read, count, append, commit; then bring the catalogue up to date.
//!
//! A batch is everything between two commits. Its Parquet parts and its share of the catalogue are
//! durable before the one commit that makes records and cursors visible together. What a crash
//! leaves behind is a batch that never happened.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use stele_discover::Catalogue;
use stele_lake::{AppendContext, CommitNote, Lake, Writer};
use stele_model::{FileEntry, FileId, FileState, Ledger, Micros};
use stele_sources::{Found, Input, OpenOptions, Source, SourceError, open};

use crate::EngineError;
use crate::admission::{Admission, Known};
use crate::catalogue_store::CatalogueStore;
use crate::discover::{InputOptions, listed, no_inputs};
use crate::documents::{WHOLE, is_document, settled};
use crate::engine::{Engine, zone};
use crate::entry::{checksum, duplicate_of, entry_of, going_on, resume_after, without_tail};
use crate::pipeline::{Crew, Renewal, with_crew};
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::spool::spool;
use crate::summary::{IngestSummary, InputFailure, Notes};
use crate::worker::{ClockChanges, FileJob, Task, Worker};

/// Input bytes between two commits: a second or so of work, so that a crash costs little, and
/// parts of some tens of megabytes, so that readers are not slowed by many small files.
const COMMIT_BYTES: u64 = 256 << 20;

/// Inputs between two commits, duplicates included: however small they are, each costs a kilobyte or
/// two until it is committed, and a second or so goes by with that many.
const COMMIT_INPUTS: usize = 4096;

/// How an ingest is to be done.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// How inputs are found and read.
    pub inputs: InputOptions,
    /// Decide and report, but write nothing.
    pub dry_run: bool,
    /// What every input is filed under from now on, in the place of what it was; without it each stays
    /// filed as it is.
    pub tags: Option<Vec<String>>,
    /// Inputs that were found already, such as what was fetched from a service, beside the targets.
    pub found: Vec<Input>,
    /// The time zone of times that name none, in the place of that of the settings.
    pub timezone: Option<String>,
    /// Names of inputs that are known to hold nothing any more; documents among them are not shown after it.
    pub gone: Vec<String>,
}

impl Engine {
    /// Brings everything that `targets` name into the lake.
    ///
    /// # Errors
    ///
    /// If nothing is there to read, or the lake cannot be written. Inputs that fail one by one are
    /// in [`IngestSummary::failures`]; all others are done.
    pub fn ingest(
        &self,
        targets: &[String],
        options: &IngestOptions,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<IngestSummary, EngineError> {
        let started = self.clock().now();
        let timezone =
            options.timezone.as_deref().map_or_else(|| self.timezone(), |name| zone(name).map(Some))?;
        let format = options.inputs.format.clone();
        self.check_format(format.as_deref())?;
        let known = !options.gone.is_empty() || !options.found.is_empty();
        let Found { mut inputs, skipped, failures } = match targets.is_empty() && known {
            true => Found::default(),
            false => self.find(targets, &options.inputs)?,
        };
        inputs.extend(options.found.iter().cloned());
        // A directory that has become empty tells that its documents are gone.
        let mut nothing = inputs.is_empty().then(|| no_inputs(targets, &skipped, &failures));
        let there = Lake::open_existing(self.data_dir()).is_ok_and(|lake| lake.exists());
        if let Some(error) = nothing.take_if(|_| options.dry_run || !there) {
            return Err(error);
        }
        let open_options = OpenOptions { timezone, format, whole: Some(WHOLE), ..OpenOptions::default() };
        let mut met =
            IngestSummary { skipped: listed(skipped), failures: listed(failures), ..<_>::default() };
        met.files = (inputs.len() + met.failures.len()) as u64;
        if options.dry_run {
            return self.rehearse(&inputs, met, &open_options, progress, cancel);
        }
        let lake = Lake::open(self.data_dir(), self.faults())?;
        let mut writer = self.kept_up(&lake, progress)?;
        let store = CatalogueStore::of(self);
        let before = writer.snapshot()?;
        let base = store.load(self, &before)?;
        let bytes_total = inputs.iter().map(|input| input.size_on_disk).sum();
        let known = Known::new(&self.settings().tenant, &before)?;
        let mut gone = known.gone(targets);
        gone.extend(known.gone_by_name(&options.gone));
        if let Some(nothing) = nothing.filter(|_| gone.is_empty() && options.gone.is_empty()) {
            return Err(nothing);
        }
        let mut run = Run {
            engine: self,
            writer: &mut writer,
            store: &store,
            known,
            blank: base.empty_copy(),
            catalogue: base,
            options: open_options,
            tags: options.tags.clone().map(settled),
            progress,
            cancel,
            summary: met,
            notes: Notes::default(),
            batch: Batch::default(),
            spools: Vec::new(),
            changes: ClockChanges::default(),
            bytes_total,
            bytes_read: 0,
        };
        let context = AppendContext { tenant: self.settings().tenant.clone(), ingested_at: started };
        let worker = |_| Worker::new(run.blank.clone(), Some(run.writer.appender(context.clone())));
        let workers = (0..self.threads()).map(worker).collect();
        let outcome = with_crew(workers, |crew| {
            run.remove(&gone, started);
            for input in inputs {
                if cancel.is_cancelled() {
                    break;
                }
                run.input(crew, input, &context)?;
                if run.batch.inputs() >= COMMIT_INPUTS {
                    run.commit(crew, &context)?;
                }
            }
            run.commit(crew, &context)
        });
        run.clear_spools(outcome.is_ok());
        outcome?;
        let Run { mut summary, notes, catalogue, changes, .. } = run;
        summary.notes = notes.texts();
        summary.notes.iter().for_each(|note| progress.note(note));
        summary.add_changes(changes);
        if let Some(note) = changes.note() {
            progress.note(&note);
        }
        let snapshot = writer.snapshot()?;
        summary.lake_version = Some(snapshot.version());
        match store.settle(self, &snapshot, catalogue, progress, cancel) {
            Ok(catalogue) => self.write_manifests(&catalogue, &snapshot)?,
            // Everything is committed, and what was counted of it is stored; the next run goes on.
            Err(EngineError::Cancelled(_)) => {}
            Err(error) => return Err(error),
        }
        summary.cancelled = cancel.is_cancelled();
        summary.seconds = (self.clock().now() - started) as f64 / 1e6;
        Ok(summary)
    }
}

/// One ingest under way.
struct Run<'a> {
    engine: &'a Engine,
    writer: &'a mut Writer,
    store: &'a CatalogueStore,
    known: Known,
    /// An empty catalogue with the rules of this run.
    blank: Catalogue,
    /// Everything committed so far.
    catalogue: Catalogue,
    options: OpenOptions,
    tags: Option<Vec<String>>,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    summary: IngestSummary,
    notes: Notes,
    batch: Batch,
    changes: ClockChanges,
    /// Copies of standard input, the only ones there are until their records are committed.
    spools: Vec<Input>,
    bytes_total: u64,
    bytes_read: u64,
}

/// What the next commit will hold.
#[derive(Default)]
struct Batch {
    /// Inputs by slot: the entry as it was before this batch, and how far reading has come.
    open: HashMap<usize, FileEntry>,
    /// Their contents.
    open_ids: HashSet<FileId>,
    /// Entries that need no records: duplicates and empty inputs.
    noted: Vec<FileEntry>,
    /// Unfinished last lines that are read again.
    withdrawn: Vec<(FileId, u64)>,
    bytes: u64,
    slots: usize,
}

impl Batch {
    /// Inputs that wait for the commit.
    fn inputs(&self) -> usize {
        self.open.len() + self.noted.len()
    }
}

impl Run<'_> {
    fn input(&mut self, crew: &mut Crew, input: Input, context: &AppendContext) -> Result<(), EngineError> {
        let input = match input.path {
            Some(_) => input,
            None => {
                let input = spool(input, self.engine.data_dir())?;
                self.spools.push(input.clone());
                input
            }
        };
        match self.admit_and_read(crew, &input, context) {
            Ok(()) => Ok(()),
            Err(Stop::Run(error)) => Err(error),
            Err(Stop::Input(error)) => {
                self.fail(&input.uri, &error);
                Ok(())
            }
        }
    }

    /// Notes that documents are not there any more.
    fn remove(&mut self, gone: &[FileEntry], now: Micros) {
        for entry in gone {
            tracing::info!(input = %entry.uri, "the document is not there any more");
            let entry = FileEntry { gone_at: Some(now), updated_at: now, ..entry.clone() };
            self.known.put(entry.clone());
            self.batch.noted.push(entry);
            self.summary.removed += 1;
        }
    }

    fn fail(&mut self, uri: &str, error: &SourceError) {
        let failure = InputFailure::of(uri, error);
        match failure.reason.contains(uri) {
            true => self.progress.note(&failure.reason),
            false => self.progress.note(&format!("{uri}: {}", failure.reason)),
        }
        self.summary.failures.push(failure);
    }

    fn admit_and_read(
        &mut self,
        crew: &mut Crew,
        input: &Input,
        context: &AppendContext,
    ) -> Result<(), Stop> {
        let mut admission = self.known.admit(&context.tenant, input)?;
        if let Admission::Continue(entry) = &admission
            && self.batch.open_ids.contains(&entry.file_id)
        {
            // What it continues is not settled before it is committed.
            self.commit(crew, context)?;
            admission = self.known.admit(&context.tenant, input)?;
        }
        if let Admission::Duplicate(entry) | Admission::Continue(entry) = &admission {
            let zone = self.engine.settings().timezone.as_deref();
            self.notes.read_before(entry, zone, self.options.format.as_deref());
        }
        let (file_id, before) = match admission {
            Admission::Duplicate(original) => match self.under_its_name(input, *original)? {
                Some(original) => {
                    self.duplicate(input, original, context);
                    return Ok(());
                }
                None => (self.known.another(&context.tenant, input)?, None),
            },
            Admission::New(file_id) => (file_id, None),
            Admission::Continue(entry) => (entry.file_id, Some(*entry)),
        };
        let tail = before.as_ref().and_then(|entry| entry.tail_offset);
        let before = before.map(|entry| without_tail(input, entry)).transpose()?;
        let resume = before.as_ref().map(resume_after).transpose()?;
        self.summary.resumed += u64::from(resume.is_some());
        let mut source =
            open(input, self.engine.profiles(), &going_on(&self.options, resume, before.as_ref()))?;
        self.summary.documents += u64::from(source.format().is_whole());
        if let Some(before) = before.as_ref().filter(|_| source.format().is_document()) {
            self.notes.was_in_part(before);
        }
        tracing::info!(input = %input.uri, format = source.format().name(), from = source.bytes_done(), "reading");
        let mut entry = entry_of(self.engine, input, &source, file_id, before.as_ref(), context.ingested_at);
        entry.tags = self.tags_of(&input.uri);
        let slot = self.batch.slots;
        self.batch.slots += 1;
        let job =
            Arc::new(FileJob { slot, uri: input.uri.clone(), format: source.format().clone(), file_id });
        self.batch.open_ids.insert(file_id);
        self.batch.open.insert(slot, entry.clone());
        // Together with the entry whose cursor stands before it.
        self.batch.withdrawn.extend(tail.map(|start| (file_id, start)));
        let outcome = self.read(crew, &mut source, &job, &mut entry, context);
        if outcome.is_ok() && !self.cancel.is_cancelled() {
            entry.state = FileState::Complete;
        }
        self.known.put(entry.clone());
        self.batch.open.insert(slot, entry);
        outcome
    }

    /// Sends all blocks of `source` to the workers, committing on the way when it gets much.
    fn read(
        &mut self,
        crew: &mut Crew,
        source: &mut Source,
        job: &Arc<FileJob>,
        entry: &mut FileEntry,
        context: &AppendContext,
    ) -> Result<(), Stop> {
        while let Some(block) = source.next_block()? {
            let bytes = block.bytes.len() as u64;
            entry.lines_done += block.lines;
            entry.bytes_done = source.bytes_done();
            entry.sha256 = checksum(source);
            crew.send(Task { file: job.clone(), block })?;
            if let Some(bytes) = crew.spent() {
                source.recycle(bytes);
            }
            self.batch.open.insert(job.slot, entry.clone());
            self.batch.bytes += bytes;
            self.bytes_read += bytes;
            self.report(&job.uri);
            if self.batch.bytes >= COMMIT_BYTES {
                self.commit(crew, context)?;
                // The ledger grew by what the commit found out.
                if let Some(committed) = self.known.get(&entry.uri) {
                    (entry.ledger, entry.tail_offset) = (committed.ledger, committed.tail_offset);
                }
                self.batch.open_ids.insert(job.file_id);
                self.batch.open.insert(job.slot, entry.clone());
            }
            if self.cancel.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Removes the copies of standard input that are in the lake as a whole, and says where the
    /// others are.
    fn clear_spools(&self, committed: bool) {
        for spool in &self.spools {
            let Some(path) = &spool.path else { continue };
            let whole = self.known.get(&spool.uri).is_some_and(|entry| entry.state != FileState::Partial);
            if !(committed && whole && std::fs::remove_file(path).is_ok()) {
                let path = path.display();
                self.progress.note(&format!(
                    "what came from standard input is kept in {path}: ingest that file, then remove it"
                ));
            }
        }
    }

    fn report(&self, uri: &str) {
        self.progress.update(&Update {
            stage: "ingest",
            item: uri.to_owned(),
            done: self.bytes_read,
            total: Some(self.bytes_total.max(self.bytes_read)),
            unit: Unit::Bytes,
            records: self.summary.records,
        });
    }

    /// What a name is filed under after this run.
    fn tags_of(&self, uri: &str) -> Vec<String> {
        let before = || self.known.get(uri).map(|entry| entry.tags.clone());
        self.tags.clone().or_else(before).unwrap_or_default()
    }

    /// Content that is there, as this name has it: whether it is a document is for each name to say. `None`
    /// if it is one under this name and was cut into lines under the other, so that it has to be kept anew.
    fn under_its_name(&self, input: &Input, original: FileEntry) -> Result<Option<FileEntry>, SourceError> {
        let same = |now: &FileEntry| now.file_id == original.file_id && now.gone_at.is_none();
        if input.path.is_none() || self.known.get(&input.uri).is_some_and(same) {
            return Ok(Some(original));
        }
        let source =
            open(input, self.engine.profiles(), &OpenOptions { resume: None, ..self.options.clone() })?;
        let format = source.format();
        Ok(match (format.is_whole(), is_document(&original)) {
            (true, false) if original.ledger.records == 0 => None,
            (false, false) | (true, false) => Some(original),
            _ => Some(FileEntry { format: format.name().to_owned(), ..original }),
        })
    }

    fn duplicate(&mut self, input: &Input, original: FileEntry, context: &AppendContext) {
        self.bytes_total = self.bytes_total.saturating_sub(input.size_on_disk);
        // A name that held something else meanwhile stands for this content again.
        let now = self.known.get(&input.uri);
        let tags = self.tags_of(&input.uri);
        let is_tagged = now.is_some_and(|now| now.tags != tags);
        let is_news =
            now.is_none_or(|now| now.file_id != original.file_id || now.gone_at.is_some()) || is_tagged;
        let known_as = original.uri.clone();
        let twice = duplicate_of(&original, input, context.ingested_at);
        self.summary.duplicates += u64::from(twice.is_some());
        self.summary.tagged += u64::from(is_tagged);
        // An empty input is no content to have twice, and is filed all the same.
        let Some(entry) = twice.or(is_tagged.then_some(original)) else { return };
        let entry = FileEntry { tags, updated_at: context.ingested_at, ..entry };
        tracing::info!(input = %input.uri, %known_as, "its content is in the lake already");
        if known_as != input.uri || is_news {
            self.known.put(entry.clone());
            self.batch.noted.push(entry);
        }
    }

    /// Makes everything since the last commit durable and visible.
    fn commit(&mut self, crew: &mut Crew, context: &AppendContext) -> Result<(), EngineError> {
        if self.batch.open.is_empty() && self.batch.noted.is_empty() {
            return Ok(());
        }
        let yields = crew.flush(|| {
            let appender = self.writer.appender(context.clone());
            let next = self.blank.clone();
            Ok(Box::new(move |worker: &mut Worker| worker.flush(next, Some(appender))) as Renewal)
        })?;
        let mut delta = self.blank.clone();
        let mut parts = Vec::new();
        let mut entries = std::mem::take(&mut self.batch.open);
        for one in yields {
            delta.merge(one.catalogue);
            parts.extend(one.parts);
            self.changes += one.changes;
            for (slot, start) in one.tails {
                if let Some(entry) = entries.get_mut(&slot) {
                    entry.tail_offset = Some(start);
                }
            }
            for (slot, ledger) in one.ledgers {
                self.summary.add(&ledger);
                if let Some(entry) = entries.get_mut(&slot) {
                    entry.ledger += ledger;
                }
            }
        }
        let mut entries: Vec<FileEntry> = entries.into_values().collect();
        if let Some(format) = &self.options.format {
            let whole = entries.iter().filter(|entry| entry.state == FileState::Complete);
            whole.for_each(|entry| self.notes.nothing_found(entry, format));
        }
        let originals: HashMap<(FileId, u64), (Ledger, Option<u64>)> = entries
            .iter()
            .map(|entry| ((entry.file_id, entry.bytes_done), (entry.ledger, entry.tail_offset)))
            .collect();
        for mut noted in std::mem::take(&mut self.batch.noted) {
            if let Some(original) = originals.get(&(noted.file_id, noted.bytes_done)) {
                // Only now it is known what the original holds.
                (noted.ledger, noted.tail_offset) = *original;
            }
            entries.push(noted);
        }
        entries.sort_by(|a, b| a.uri.cmp(&b.uri));
        self.cancel.check_commit()?;
        let catalogue = Some(self.store.put_delta(&delta)?);
        let withdrawn = std::mem::take(&mut self.batch.withdrawn);
        let note = CommitNote { catalogue, withdrawn };
        let snapshot = self.writer.commit(parts, entries.clone(), &note)?;
        tracing::info!(version = snapshot.version(), inputs = entries.len(), "committed");
        self.catalogue.merge(delta);
        entries.into_iter().for_each(|entry| self.known.put(entry));
        self.batch = Batch { slots: self.batch.slots, ..Batch::default() };
        Ok(())
    }
}

/// Why reading an input ended early.
enum Stop {
    /// The input is at fault; go on with the next.
    Input(SourceError),
    /// The run cannot go on.
    Run(EngineError),
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Stop::Input(error)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Source(error) => Stop::Input(error),
            error => Stop::Run(error),
        }
    }
}
