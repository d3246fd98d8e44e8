//! One run: rows and cursors of several files on their way into one batch after another, and what becomes of each
//! file when the batch that ends it is durable.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::Value;
use stele_collect::{CollectError, Means, Outcome, Rejected, Sink, StreamOutcome, UNAVAILABLE_MAX};
use stele_model::Micros;

use crate::FilesError;
use crate::after::{delete, move_to, write_reason};
use crate::archive::is_within;
use crate::collector::is_lasting;
use crate::config::{After, FilesConfig};
use crate::find::{Met, Place};
use crate::gathered::Gathered;
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

impl Due {
    /// What is due for a file of which this is known: one that is not kept whole is none that is done.
    fn of(self, state: &FileState) -> Self {
        match (self, &state.lacks) {
            (Self::Kept, Some(why)) => Self::Failed(why.clone()),
            (due, _) => due,
        }
    }
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
    gathered: Gathered,
    /// Files that ended at a record that their schema does not take: what was gathered of them then is not kept.
    frozen: HashSet<String>,
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
            gathered: Gathered::default(),
            frozen: HashSet::new(),
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
        self.gathered.file(&met.name);
        let mut state = identity.state.clone();
        state.whole = self.moves(met);
        if let Some(was) = &identity.was {
            if identity.nothing_new && self.again.len() < NAMED_MAX {
                self.again.push(format!("{} holds what was read of {was}", met.name));
            }
            self.taken_over.insert(was.clone());
            if !register.is_there(was) {
                self.gathered.goes_on(was.clone(), Value::Null);
            }
        }
        // What had this name before may still turn up under another one.
        if let Some(own) = register.known(&met.name)
            && (identity.was.is_some() || identity.state.at == 0)
            && own.rows > 0
            && !self.taken_over.contains(&met.name)
        {
            self.gathered.goes_on(own.earlier_name(&met.name), own.value());
        }
        if identity.nothing_new {
            self.lacks(met, &state);
        }
        self.current = Some(Current { met: met.clone(), state, ended: identity.nothing_new });
    }

    pub(crate) fn row(&mut self, number: u64, row: &[u8]) {
        self.gathered.row(number, |lines| self.label.write(number, row, lines));
    }

    pub(crate) fn bad(&mut self, number: u64, bytes: &[u8], reason: String) {
        let place = self.place_of(number);
        self.set_aside(place, bytes, reason);
    }

    /// Of what is too long to be kept, its beginning is; it stands at this line and byte.
    pub(crate) fn beginning(&mut self, (number, at): (u64, u64), bytes: &[u8], why: String) {
        let place = format!("{}:{at}", self.place_of(number));
        self.failed(&place, why.clone());
        if let Some(current) = &mut self.current {
            current.state.lacks.get_or_insert_with(|| format!("{place}: {why}"));
        }
        self.set_aside(place, bytes, why);
    }

    fn set_aside(&mut self, place: String, bytes: &[u8], reason: String) {
        let stream = self.label.stream.to_owned();
        self.gathered.set_aside(Rejected { stream, place, reason, raw: bytes.to_vec() });
    }

    fn place_of(&self, number: u64) -> String {
        let name = self.current.as_ref().map_or("", |current| current.met.name.as_str());
        format!("{name}:{number}")
    }

    pub(crate) fn unfinished(&mut self, number: u64) {
        let what = self.place_of(number);
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
        self.gathered.is_full(self.sink.batch_records())
    }

    /// Tells how far it is, and asks whether to go on.
    pub(crate) fn look_up(&mut self) -> Result<(), FilesError> {
        (self.means.progress)(self.label.stream, self.handed + self.gathered.records());
        if (self.means.cancelled)() { Err(CollectError::Cancelled.into()) } else { Ok(()) }
    }

    /// The file at hand is over: gives what is known of it now, unless it was frozen.
    pub(crate) fn finish(&mut self) -> Result<Option<FileState>, FilesError> {
        let Some(current) = &self.current else { return Ok(None) };
        let state = FileState { done: current.ended, ..current.state.clone() };
        self.good += 1;
        self.close(Due::Kept)?;
        Ok(Some(state))
    }

    /// A file was read before and lies there as it was.
    pub(crate) fn settled(&mut self, met: &Met, state: &FileState) {
        self.good += 1;
        if self.moves(met) && state.done {
            self.lacks(met, state);
            self.due.push((met.clone(), Due::Kept.of(state)));
        }
    }

    /// Not all of what was read of a file before is kept: it is said again where the file is moved for it.
    pub(crate) fn lacks(&mut self, met: &Met, state: &FileState) {
        if let Some(why) = state.lacks.as_ref().filter(|_| self.moves(met)) {
            self.failed(&met.name, why.clone());
        }
    }

    /// Whether a file is moved or deleted when it was read.
    fn moves(&self, met: &Met) -> bool {
        self.config.after() != After::Nothing && !met.linked
    }

    /// A file cannot be read on. What came before stays.
    pub(crate) fn broke(&mut self, met: &Met, error: &FilesError) -> Result<(), FilesError> {
        let why = error.told();
        self.failed(&met.name, why.clone());
        if !is_lasting(error) {
            return self.close_as_it_is();
        }
        if self.current.is_none() {
            if met.member.is_none() && !met.linked {
                self.due.push((met.clone(), Due::Failed(why)));
            }
            return Ok(());
        }
        self.close(Due::Failed(why))
    }

    fn close_as_it_is(&mut self) -> Result<(), FilesError> {
        if let Some(Current { met, mut state, .. }) = self.current.take() {
            state.done = false;
            self.gathered.goes_on(met.name, state.value());
        }
        Ok(())
    }

    fn close(&mut self, due: Due) -> Result<(), FilesError> {
        if let Some(Current { met, mut state, ended }) = self.current.take() {
            state.lay_there_as(&met);
            state.done = ended;
            self.gathered.goes_on(met.name.clone(), state.value());
            // What becomes of an archive is settled when all of it was read.
            if met.member.is_none() && !met.linked && (ended || matches!(due, Due::Failed(_))) {
                // One that stays may still grow, and whoever writes to it goes on under its name.
                let due = if self.moves(&met) { due.of(&state) } else { due };
                self.due.push((met, due));
            }
        }
        if self.due.len().max(self.gathered.others()) >= FILES_A_BATCH { self.flush() } else { Ok(()) }
    }

    /// All of an archive was read, but for so many files in it that failed, the first of which for this reason.
    pub(crate) fn archive(&mut self, met: &Met, failed: Option<(u64, String)>) -> Result<(), FilesError> {
        if self.frozen.iter().any(|name| is_within(name, &met.name)) {
            // The rest of it is for a later run, so it stays where it is.
            return Ok(());
        }
        let mut state = FileState { done: failed.is_none(), ..FileState::default() };
        state.whole = self.moves(met);
        self.gathered.file(&met.name);
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
            self.gathered.goes_on(current.met.name.clone(), state.value());
        }
        let mut gathered = self.gathered.take();
        while !gathered.is_empty() {
            let error = match gathered.hand_over(self.label.stream, self.sink) {
                Ok(records) => {
                    self.handed += records;
                    break;
                }
                Err(error) => error,
            };
            if let CollectError::Frozen { why, record, .. } = &error
                && let Some((name, place)) = gathered.remove_file_of(*record)
            {
                // All others go on without it.
                self.freeze(name, &place, why);
                continue;
            }
            // What is due, and how far the file at hand has come, hold only with the rows that were refused.
            self.due.clear();
            self.current = None;
            return Err(error.into());
        }
        for (met, due) in std::mem::take(&mut self.due) {
            if self.sink.keeps()
                && let Err(error) = self.settle(&met, due)
            {
                let why =
                    format!("what was read of it is kept; what was to follow went wrong: {}", error.told());
                self.failed(&met.name, why);
            }
        }
        Ok(())
    }

    /// A file ends at this place.
    fn freeze(&mut self, name: String, place: &str, why: &str) {
        self.due.retain(|(met, _)| met.name != name && !is_within(&name, &met.name));
        if self.current.take_if(|current| current.met.name == name).is_none() {
            // It was over, and went well so far.
            self.good = self.good.saturating_sub(1);
        }
        let bare = why.strip_prefix(place).and_then(|why| why.strip_prefix(": ")).unwrap_or(why);
        self.failed(place, bare.to_owned());
        self.frozen.insert(name);
    }

    /// Whether the file at hand is still read.
    pub(crate) fn is_reading(&self) -> bool {
        self.current.is_some()
    }

    /// Whether what was read of a file is not durable yet.
    pub(crate) fn is_pending(&self, name: &str) -> bool {
        self.gathered.holds(name)
    }

    pub(crate) fn is_frozen(&self, name: &str) -> bool {
        self.frozen.contains(name)
    }

    /// A file is forgotten.
    pub(crate) fn forget(&mut self, name: &str) {
        self.gathered.file("");
        self.gathered.goes_on(name.to_owned(), Value::Null);
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
