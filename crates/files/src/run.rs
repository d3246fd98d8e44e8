//! One run: rows and cursors of several files on their way into one batch after another, and what becomes of each
//! file when the batch that ends it is durable.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::Value;
use stele_collect::{
    BATCH_BYTES, Batch, CollectError, Means, Outcome, Rejected, Sink, StreamOutcome, UNAVAILABLE_MAX,
};
use stele_model::Micros;

use crate::FilesError;
use crate::after::{delete, move_to, write_reason};
use crate::collector::is_lasting;
use crate::config::{After, FilesConfig};
use crate::find::{Met, Place};
use crate::identify::{Identity, Register};
use crate::label::Label;
use crate::rows::Rows;
use crate::state::FileState;

/// Files that are ended by one batch, at most: a crash leaves so many to be moved by the next run.
const FILES_A_BATCH: usize = 1_000;

/// Files that are named in one note.
const NAMED_MAX: usize = 10;

/// What is due when a batch is durable.
enum Due {
    /// Its rows are kept.
    Kept,
    /// It cannot be read, for this reason.
    Failed(String),
}

/// A file at hand.
struct Current {
    met: Met,
    state: FileState,
    /// Whether it was read to its end.
    ended: bool,
}

/// See the module.
pub(crate) struct Run<'r, 'm> {
    label: Label<'r>,
    config: &'r FilesConfig,
    sink: &'r mut dyn Sink,
    means: &'r Means<'m>,
    lines: Vec<u8>,
    records: u64,
    rejected: Vec<Rejected>,
    rejected_bytes: usize,
    /// Cursors of files that go with the next batch.
    pub others: Vec<(String, Value)>,
    due: Vec<(Met, Due)>,
    current: Option<Current>,
    /// Names whose state belongs to a file of another name now.
    taken_over: HashSet<String>,
    archive: Option<PathBuf>,
    failed: Option<PathBuf>,
    /// Records that were handed over.
    pub handed: u64,
    /// Files that were looked into, that went well, and that failed.
    pub files: u64,
    pub good: u64,
    pub failures: u64,
    pub outcomes: Vec<StreamOutcome>,
    pub unavailable: Vec<(String, String)>,
    pub notes: Vec<String>,
    again: Vec<String>,
    touched: Vec<String>,
    exchanged: Vec<String>,
}

impl<'r, 'm> Run<'r, 'm> {
    pub(crate) fn new(
        label: Label<'r>,
        config: &'r FilesConfig,
        sink: &'r mut dyn Sink,
        means: &'r Means<'m>,
    ) -> Self {
        Self {
            label,
            config,
            sink,
            means,
            lines: Vec::new(),
            records: 0,
            rejected: Vec::new(),
            rejected_bytes: 0,
            others: Vec::new(),
            due: Vec::new(),
            current: None,
            taken_over: HashSet::new(),
            archive: None,
            failed: None,
            handed: 0,
            files: 0,
            good: 0,
            failures: 0,
            outcomes: Vec::new(),
            unavailable: Vec::new(),
            notes: Vec::new(),
            again: Vec::new(),
            touched: Vec::new(),
            exchanged: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.means.clock.now()
    }

    /// Where files are moved to.
    pub(crate) fn place(&mut self, place: &Place, now: Micros) -> Result<(), FilesError> {
        self.archive = place.archive(self.config, now)?;
        self.failed = place.failed(self.config);
        Ok(())
    }

    /// A file is looked into; what was found out about it goes along with its rows.
    pub(crate) fn begin(&mut self, met: &Met, register: &Register<'_>, identity: &Identity) {
        self.files += 1;
        self.label.file(&met.name);
        let mut state = identity.state.clone();
        state.whole = self.config.after() != After::Nothing;
        if let Some(was) = &identity.was {
            if identity.nothing_new && self.again.len() < NAMED_MAX {
                self.again.push(format!("{} holds what was read of {was}", met.name));
            }
            self.taken_over.insert(was.clone());
            if !register.is_there(was) {
                self.others.push((was.clone(), Value::Null));
            }
        }
        // What had this name before may still turn up under another one.
        if let Some(own) = register.known(&met.name)
            && (identity.was.is_some() || identity.state.at == 0)
            && own.rows > 0
            && !self.taken_over.contains(&met.name)
        {
            self.others.push((own.earlier_name(&met.name), own.value()));
        }
        self.current = Some(Current { met: met.clone(), state, ended: identity.nothing_new });
    }

    pub(crate) fn row(&mut self, number: u64, row: &[u8]) {
        self.label.write(number, row, &mut self.lines);
        self.records += 1;
    }

    pub(crate) fn bad(&mut self, number: u64, bytes: &[u8], reason: String) {
        let name = self.current.as_ref().map_or("", |current| current.met.name.as_str());
        self.rejected_bytes += bytes.len();
        self.rejected.push(Rejected {
            stream: self.label.stream.to_owned(),
            place: format!("{name}:{number}"),
            reason,
            raw: bytes.to_vec(),
        });
    }

    pub(crate) fn unfinished(&mut self, number: u64) {
        let name = self.current.as_ref().map_or("", |current| current.met.name.as_str());
        let what = format!("{name}:{number}");
        self.unavailable(what, "the last line is not finished yet; it is read when it is".to_owned());
    }

    pub(crate) fn ended(&mut self) {
        if let Some(current) = &mut self.current {
            current.ended = true;
        }
    }

    /// Writes down how far the file at hand has come.
    pub(crate) fn mark(&mut self, rows: &mut dyn Rows) {
        if let Some(current) = &mut self.current {
            rows.mark(&mut current.state);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let rejected = self.rejected.len() as u64;
        self.records + rejected >= self.sink.batch_records()
            || self.lines.len() + self.rejected_bytes >= BATCH_BYTES
    }

    /// Tells how far it is, and asks whether to go on.
    pub(crate) fn look_up(&mut self) -> Result<(), FilesError> {
        (self.means.progress)(self.label.stream, self.handed + self.records);
        if (self.means.cancelled)() { Err(CollectError::Cancelled.into()) } else { Ok(()) }
    }

    /// The file at hand is over.
    pub(crate) fn finish(&mut self) -> Result<(), FilesError> {
        self.good += 1;
        self.close(Due::Kept)
    }

    /// A file was read before and lies there as it was.
    pub(crate) fn settled(&mut self, met: &Met, state: &FileState) {
        self.good += 1;
        if self.config.after() != After::Nothing && state.done {
            self.due.push((met.clone(), Due::Kept));
        }
    }

    /// A file cannot be read on. What came before stays.
    pub(crate) fn broke(&mut self, met: &Met, error: &FilesError) -> Result<(), FilesError> {
        let why = error.told();
        self.failed(&met.name, why.clone());
        if !is_lasting(error) {
            return self.close_as_it_is();
        }
        if self.current.is_none() {
            if met.member.is_none() {
                self.due.push((met.clone(), Due::Failed(why)));
            }
            return Ok(());
        }
        self.close(Due::Failed(why))
    }

    fn close_as_it_is(&mut self) -> Result<(), FilesError> {
        if let Some(Current { met, mut state, .. }) = self.current.take() {
            state.done = false;
            self.others.push((met.name, state.value()));
        }
        Ok(())
    }

    fn close(&mut self, due: Due) -> Result<(), FilesError> {
        if let Some(Current { met, mut state, ended }) = self.current.take() {
            state.lay_there_as(&met);
            state.done = ended;
            self.others.push((met.name.clone(), state.value()));
            // What becomes of an archive is settled when all of it was read.
            if met.member.is_none() && (ended || matches!(due, Due::Failed(_))) {
                self.due.push((met, due));
            }
        }
        if self.due.len().max(self.others.len()) >= FILES_A_BATCH { self.flush() } else { Ok(()) }
    }

    /// All of an archive was read, but for so many files in it that failed, the first of which for this reason.
    pub(crate) fn archive(&mut self, met: &Met, failed: Option<(u64, String)>) -> Result<(), FilesError> {
        let mut state = FileState { done: failed.is_none(), ..FileState::default() };
        state.whole = self.config.after() != After::Nothing;
        self.current = Some(Current { met: met.clone(), ended: state.done, state });
        match failed {
            None => self.close(Due::Kept),
            Some((1, why)) => self.close(Due::Failed(why)),
            Some((count, why)) => {
                self.close(Due::Failed(format!("{count} files in it failed; the first: {why}")))
            }
        }
    }

    /// Another file has taken the place of the one at hand. What was known of it stays known.
    pub(crate) fn exchanged(&mut self, name: &str) -> Result<(), FilesError> {
        self.good += 1;
        if self.exchanged.len() < NAMED_MAX {
            self.exchanged.push(name.to_owned());
        }
        self.close_as_it_is()
    }

    /// Hands over what there is, and then does with files what is due.
    pub(crate) fn flush(&mut self) -> Result<(), FilesError> {
        if let Some(current) = &self.current {
            // The file goes on; this is how far it has come.
            let mut state = current.state.clone();
            state.lay_there_as(&current.met);
            state.done = false;
            self.others.push((current.met.name.clone(), state.value()));
        }
        let batch = Batch {
            stream: self.label.stream.to_owned(),
            lines: std::mem::take(&mut self.lines),
            records: std::mem::take(&mut self.records),
            cursor: None,
            others: std::mem::take(&mut self.others),
            rejected: std::mem::take(&mut self.rejected),
        };
        self.rejected_bytes = 0;
        let records = batch.records;
        if records > 0 || !batch.others.is_empty() || !batch.rejected.is_empty() {
            if let Err(error) = self.sink.take(batch) {
                // What is due, and how far the file at hand has come, hold only with the rows that were refused.
                self.due.clear();
                self.current = None;
                return Err(error.into());
            }
            self.handed += records;
        }
        for (met, due) in std::mem::take(&mut self.due) {
            if self.sink.keeps()
                && let Err(error) = self.settle(&met, due)
            {
                let why = format!("its rows are kept, and it stays where it is: {}", error.told());
                self.failed(&met.name, why);
            }
        }
        Ok(())
    }

    fn settle(&mut self, met: &Met, due: Due) -> Result<(), FilesError> {
        let done = match (due, &self.archive, &self.failed) {
            (Due::Failed(why), _, Some(dir)) => {
                let moved = move_to(dir, met, crate::Packing::None)?;
                if let Some(path) = &moved {
                    write_reason(path, &why)?;
                }
                moved.is_some()
            }
            (Due::Kept, Some(dir), _) => move_to(dir, met, self.config.archive_compress)?.is_some(),
            (Due::Kept, None, _) if self.config.after() == After::Delete => delete(met)?,
            _ => true,
        };
        if !done && self.touched.len() < NAMED_MAX {
            self.touched.push(met.name.clone());
        }
        Ok(())
    }

    pub(crate) fn failed(&mut self, name: &str, reason: String) {
        self.failures += 1;
        if self.outcomes.len() < UNAVAILABLE_MAX {
            let outcome = Outcome::Failed { reason };
            let stream = name.to_owned();
            self.outcomes.push(StreamOutcome { stream, outcome, records: 0, unavailable: Vec::new() });
        }
    }

    fn unavailable(&mut self, what: String, why: String) {
        if self.unavailable.len() < UNAVAILABLE_MAX {
            self.unavailable.push((what, why));
        }
    }

    /// What a person should know.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        if !self.again.is_empty() {
            notes.push(format!("not read again: {}", self.again.join("; ")));
        }
        if !self.exchanged.is_empty() {
            let names = self.exchanged.join(", ");
            notes.push(format!("exchanged for other files meanwhile, and left for the next run: {names}"));
        }
        if !self.touched.is_empty() {
            let names = self.touched.join(", ");
            notes.push(format!("written to while they were read, and left for the next run: {names}"));
        }
        notes
    }
}
