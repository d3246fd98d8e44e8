//! Discovery without a lake: read the inputs, count, and hand the catalogue over.

use std::sync::Arc;

use stele_discover::{Catalogue, Folding};
use stele_model::{FileId, Ledger};
use stele_sources::{Found, Input, OpenOptions, Skipped, open, open_reader};

use crate::EngineError;
use crate::count_again::fold_again;
use crate::documents::WHOLE;
use crate::engine::Engine;
use crate::pipeline::{Crew, Renewal, with_crew};
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::spool::Aside;
use crate::summary::InputFailure;
use crate::worker::{ClockChanges, FileJob, Task, Worker};

/// How inputs are to be found and read.
#[derive(Debug, Clone, Default)]
pub struct InputOptions {
    /// Format to use for every input, whatever its content looks like.
    pub format: Option<String>,
    /// What standard input is called.
    pub stdin_name: Option<String>,
    /// Whether links that lead out of the targets, which are paths without links then, are left alone.
    pub confined: bool,
}

/// What a discovery came to.
pub struct Discovered {
    /// Everything that was found out.
    pub catalogue: Catalogue,
    /// Where every byte went.
    pub ledger: Ledger,
    pub(crate) changes: ClockChanges,
    /// Inputs that could not be read to their end.
    pub failures: Vec<InputFailure>,
    /// Things in the directories that are not inputs.
    pub skipped: Vec<InputFailure>,
    /// Whether somebody asked to stop before the end.
    pub cancelled: bool,
}

impl Engine {
    /// Counts everything that `targets` name.
    ///
    /// # Errors
    ///
    /// If nothing is there to read, or standard input would have to be read twice.
    pub fn discover(
        &self,
        targets: &[String],
        options: &InputOptions,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Discovered, EngineError> {
        let open_options = OpenOptions {
            timezone: self.timezone()?,
            format: options.format.clone(),
            checksum: false,
            whole: Some(WHOLE),
            ..OpenOptions::default()
        };
        self.check_format(options.format.as_deref())?;
        let Found { inputs, skipped, failures } = self.find(targets, options)?;
        if inputs.is_empty() {
            return Err(no_inputs(targets, &skipped, &failures));
        }
        // Only where the evidence of everything may make it be counted again.
        let again = self.settings().fold == Folding::Auto;
        let kept = again && inputs.iter().any(|input| input.path.is_none());
        let stdin = kept.then(|| Aside::of_stdin(self.data_dir())).transpose()?;
        // How much will come through a pipe is not known.
        let piped = inputs.iter().any(|input| input.path.is_none());
        let bytes_total = (!piped).then(|| inputs.iter().map(|input| input.size_on_disk).sum());
        let options = &open_options;
        let pass = Pass { engine: self, inputs: &inputs, bytes_total, stdin, options, progress, cancel };
        let mut found = pass.run(Catalogue::new(self.settings().fold, self.fold_rules()))?;
        if let Some(note) = found.changes.note() {
            progress.note(&note);
        }
        if again && !found.cancelled {
            found.catalogue = fold_again(found.catalogue, |rules, before| {
                progress.note("some objects have data for keys; counting again with them folded");
                Ok(pass.run(Catalogue::new(before.folding(), rules))?.catalogue)
            })?;
        }
        found.skipped = listed(skipped);
        found.failures.splice(..0, listed(failures));
        Ok(found)
    }
}

/// What a search left out, for a summary.
pub(crate) fn listed(left_out: Vec<Skipped>) -> Vec<InputFailure> {
    // What could not be looked at today may be there tomorrow.
    left_out.into_iter().map(|one| InputFailure { uri: one.uri, reason: one.reason, passing: true }).collect()
}

/// The error where a search found no input.
pub(crate) fn no_inputs(targets: &[String], skipped: &[Skipped], failures: &[Skipped]) -> EngineError {
    let targets = targets.join(" ");
    EngineError::NoInputs(match (failures, skipped.len()) {
        ([], 0) => format!("{targets} holds no files"),
        ([], n) => {
            format!("{targets} holds no readable files ({n} skipped; run with --json to list them)")
        }
        ([first, ..], _) => {
            format!("{targets} holds no readable files; of {}: {}", first.uri, first.reason)
        }
    })
}

/// One reading of all inputs.
struct Pass<'a> {
    engine: &'a Engine,
    inputs: &'a [Input],
    bytes_total: Option<u64>,
    /// Standard input, where it may have to be read twice.
    stdin: Option<Aside>,
    options: &'a OpenOptions,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Pass<'_> {
    fn run(&self, blank: Catalogue) -> Result<Discovered, EngineError> {
        let mut failures = Vec::new();
        let workers = (0..self.engine.threads()).map(|_| Worker::new(blank.clone(), None)).collect();
        let yields = with_crew(workers, |crew| {
            let mut done = 0;
            for (slot, input) in self.inputs.iter().enumerate() {
                match self.read(crew, slot, input, &mut done) {
                    Ok(()) => {}
                    Err(EngineError::Source(error)) => {
                        failures.push(InputFailure::of(&input.uri, &error));
                    }
                    Err(error) => return Err(error),
                }
            }
            crew.flush(|| {
                let blank = blank.clone();
                Ok(Box::new(move |worker: &mut Worker| worker.flush(blank, None)) as Renewal)
            })
        })?;
        let mut catalogue = blank;
        let mut ledger = Ledger::default();
        let mut changes = ClockChanges::default();
        for one in yields {
            changes += one.changes;
            catalogue.merge(one.catalogue);
            one.ledgers.into_values().for_each(|part| ledger += part);
        }
        let cancelled = self.cancel.is_cancelled();
        Ok(Discovered { catalogue, ledger, changes, failures, skipped: Vec::new(), cancelled })
    }

    fn read(&self, crew: &Crew, slot: usize, input: &Input, done: &mut u64) -> Result<(), EngineError> {
        let profiles = self.engine.profiles();
        let mut source = match (&input.path, &self.stdin) {
            (None, Some(aside)) => {
                open_reader(&input.uri, Box::new(aside.reader()?), profiles, self.options)?
            }
            _ => open(input, profiles, self.options)?,
        };
        let job = Arc::new(FileJob {
            slot,
            uri: input.uri.clone(),
            format: source.format().clone(),
            // Only the lake needs an id.
            file_id: FileId([0; 16]),
        });
        while let Some(block) = source.next_block()? {
            *done += block.bytes.len() as u64;
            crew.send(Task { file: job.clone(), block })?;
            if let Some(bytes) = crew.spent() {
                source.recycle(bytes);
            }
            self.progress.update(&Update {
                stage: "discover",
                item: input.uri.clone(),
                done: *done,
                total: self.bytes_total.map(|total| total.max(*done)),
                unit: Unit::Bytes,
                records: 0,
            });
            if self.cancel.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}
