//! The files of a source, one after the other: what is new of each, and what becomes of it then.

use std::path::PathBuf;

use encoding_rs::Encoding;
use globset::GlobMatcher;
use serde_json::Value;
use stele_collect::{
    Checked, CollectError, Collected, Collector, Cursors, Means, Outcome, Sink, StreamInfo, StreamOutcome,
    UNAVAILABLE_MAX,
};
use stele_model::ErrorKind;

use crate::FilesError;
use crate::archive;
use crate::config::{After, FilesConfig, Format};
use crate::feed::Feed;
use crate::find::{Met, Place, matcher};
use crate::identify::{Register, joined, marks_of};
use crate::label::Label;
use crate::rows::{Next, Reading, Rows, format_of, of_parquet, of_text};
use crate::run::Run;
use crate::spool::unpacked;
use crate::state::{FileState, GONE_MAX, HEADS, Known, begins_alike};

/// Rows between two looks whether somebody asked for the stop: a few milliseconds.
const ROWS_BETWEEN: u64 = 1024;

/// Files that are named one by one in a note.
const NAMED_MAX: usize = 20;

/// How the reading of one file ended.
enum Ended {
    Read,
    /// It cannot be read on, for this reason, in this run and in the next.
    Failed(String),
    /// The rest of it is for the next run.
    Later,
}

/// Files of one directory. See the crate's own documentation.
#[derive(Debug)]
pub struct FileCollector {
    source_id: String,
    stream: String,
    tenant_id: Option<String>,
    config: FilesConfig,
    encoding: Option<&'static Encoding>,
    /// Which files of an archive are read, if not all.
    members: Option<GlobMatcher>,
    scratch: PathBuf,
    /// The program's own directories and files.
    own: Vec<PathBuf>,
}

impl FileCollector {
    /// What is configured under the name `source_id`, for this tenant. Packed Parquet is unpacked below `scratch`.
    ///
    /// # Errors
    /// If a setting cannot be used; nothing is looked at yet.
    pub fn new(
        source_id: &str,
        tenant_id: Option<String>,
        config: FilesConfig,
        scratch: PathBuf,
    ) -> Result<Self, CollectError> {
        config.check().map_err(|error| error.into_collect(source_id))?;
        let encoding = config.encoding.as_deref().and_then(|name| Encoding::for_label(name.as_bytes()));
        let stream = config.stream.clone().unwrap_or_else(|| source_id.to_owned());
        let members = config.member_pattern.as_deref().map(|pattern| matcher("member_pattern", pattern));
        let members = members.transpose().map_err(|error| error.into_collect(source_id))?;
        let (source_id, own) = (source_id.to_owned(), Vec::new());
        Ok(Self { source_id, stream, tenant_id, config, encoding, members, scratch, own })
    }

    /// The same beside what is the program's own, such as its data directory and its settings: none of it, nor what lies in
    /// it, is ever read, moved or deleted.
    #[must_use]
    pub fn beside(self, own: Vec<PathBuf>) -> Self {
        Self { own, ..self }
    }

    fn say(&self, error: FilesError) -> CollectError {
        error.into_collect(&self.source_id)
    }

    /// The rows of a file that were not read.
    fn rows(&self, met: &Met, from: &FileState) -> Result<Box<dyn Rows>, FilesError> {
        let mut feed = Feed::open(met, self.encoding)?;
        let longest = usize::try_from(HEADS[2]).unwrap_or(usize::MAX);
        let head = feed.head(longest).to_vec();
        // Between being recognised and being read it may have been written over in its place.
        if from.at > 0 && !begins_alike(from, &head) {
            return Err(FilesError::Exchanged { name: met.name.clone() });
        }
        if met.member.is_some() && archive::is_archive(&head) {
            let why =
                "it is an archive within an archive, which is not opened; unpack the outer one".to_owned();
            return Err(FilesError::Unknown { why });
        }
        let format = format_of(&self.config, &met.name, &head, head.len() == longest)?;
        if format == Format::Parquet {
            let (file, marks) = match feed.is_packed() {
                true => unpacked(feed, &self.scratch)?,
                false => {
                    let mut file = met.open()?;
                    let marks = marks_of(&mut file, &met.path)?;
                    (file, marks)
                }
            };
            return of_parquet(file, marks, from.rows);
        }
        if head.is_empty() {
            // Not even reading it may have worked.
            feed.failure()?;
        }
        let feed = if from.at > 0 { feed.behind(met, from)? } else { feed };
        // What is moved or deleted was a whole, and so was what had the time to become one.
        let may_grow = (self.config.after() == After::Nothing || met.linked) && self.config.min_age.is_none();
        of_text(format, &head, feed, from, &Reading { csv: &self.config.csv, may_grow })
    }

    /// Reads what is new of a file; says whether anything is.
    fn file(
        &self,
        met: &Met,
        register: &mut Register<'_>,
        run: &mut Run<'_, '_>,
    ) -> Result<bool, FilesError> {
        let mut identity = register.identify(met, self.encoding)?;
        while let Some(was) = identity.was.clone().filter(|was| register.is_of_this_run(was)) {
            // What it is a copy of has to be kept first.
            if run.is_pending(&was) {
                run.flush()?;
            }
            if !run.is_frozen(&was) {
                break;
            }
            register.forget(&was);
            identity = register.identify(met, self.encoding)?;
        }
        joined(met, &mut identity.state, self.encoding)?;
        run.begin(met, register, &identity);
        if identity.nothing_new {
            return Ok(false);
        }
        let mut rows = self.rows(met, &identity.state)?;
        let (mut row, mut count) = (Vec::new(), 0_u64);
        loop {
            row.clear();
            let next = match rows.next(&mut row) {
                Ok(next) => next,
                Err(error) => {
                    run.mark(rows.as_mut());
                    return Err(error);
                }
            };
            match next {
                Next::Row(number) => run.row(number, &row),
                Next::Bad(number, why) => run.bad(number, &row, why),
                Next::Beginning { number, at, why } => run.beginning((number, at), &row, why),
                Next::Unfinished(number) => {
                    run.mark(rows.as_mut());
                    run.unfinished(number);
                    return Ok(true);
                }
                Next::End => {
                    run.mark(rows.as_mut());
                    run.ended();
                    return Ok(true);
                }
            }
            if run.is_full() {
                run.mark(rows.as_mut());
                run.flush()?;
                if !run.is_reading() {
                    // It was frozen.
                    return Ok(true);
                }
            }
            count += 1;
            if count.is_multiple_of(ROWS_BETWEEN)
                && let Err(error) = run.look_up()
            {
                // What was gathered is kept, with the place where it ends.
                run.mark(rows.as_mut());
                return Err(error);
            }
        }
    }

    /// Everything, until something ends the whole run.
    fn all(&self, known: &Known, run: &mut Run<'_, '_>) -> Result<(), FilesError> {
        let now = run.now();
        let place = Place::of(&self.config, &self.own)?;
        let found = place.look(&self.config, now)?;
        for (name, why) in &found.refused {
            run.failed(name, why.clone());
        }
        let notes = [
            (found.young, "were changed less than `min_age` ago and are left for the next run"),
            (found.old, "were last changed before `modified_since` and were left out"),
        ];
        for (count, what) in notes {
            if count > 0 {
                run.notes.push(format!("{count} files {what}"));
            }
        }
        run.notes.extend(found.outside_note(&place.root));
        run.notes.extend(found.left_note());
        run.notes.extend(found.linked_note(self.config.after()));
        if found.files.is_empty() && found.young + found.old == 0 && found.refused.is_empty() {
            let (pattern, root) = (&self.config.file_pattern, place.root.display());
            run.notes.push(format!("no file below {root} matches {pattern}"));
        }
        run.place(&place, now)?;
        let mut register = Register::of(known, &found.files, self.config.after());
        for met in &found.files {
            run.look_up()?;
            if let Some(state) = register.unchanged(met) {
                // Whoever was killed between the last commit and this has left it.
                run.settled(met, state);
                continue;
            }
            match archive::is_one(met) {
                true => self.archive(met, &mut register, run)?,
                false => drop(self.one(met, &mut register, run)?),
            }
        }
        self.forget(known, &register, run);
        run.flush()
    }

    /// Reads one file, and says how that ended.
    fn one(
        &self,
        met: &Met,
        register: &mut Register<'_>,
        run: &mut Run<'_, '_>,
    ) -> Result<Ended, FilesError> {
        match self.file(met, register, run) {
            Ok(is_new) => {
                let Some(state) = run.finish()? else { return Ok(Ended::Later) };
                let lacks = state.lacks.clone();
                if is_new {
                    register.learn(met, state);
                }
                Ok(lacks.map_or(Ended::Read, Ended::Failed))
            }
            Err(FilesError::Collect(error)) => Err(error.into()),
            Err(FilesError::Exchanged { name }) => {
                run.exchanged(&name)?;
                Ok(Ended::Later)
            }
            Err(error) => {
                run.broke(met, &error)?;
                Ok(match is_lasting(&error) {
                    true => Ended::Failed(format!("{}: {}", met.name, error.told())),
                    false => Ended::Later,
                })
            }
        }
    }

    /// Reads what is new in an archive, each file as one of its own.
    fn archive(
        &self,
        met: &Met,
        register: &mut Register<'_>,
        run: &mut Run<'_, '_>,
    ) -> Result<(), FilesError> {
        let listed = match archive::list(met, self.members.as_ref()) {
            Ok(listed) => listed,
            Err(FilesError::Exchanged { name }) => return run.exchanged(&name),
            Err(error) => return run.broke(met, &error),
        };
        let (mut failed, mut is_later) = (Vec::new(), false);
        for (name, why) in listed.refused {
            run.failed(&name, why.clone());
            failed.push(format!("{name}: {why}"));
        }
        if let Some((count, first)) = listed.left_out.filter(|_| self.config.after() == After::Delete) {
            let why = format!(
                "{count} files in it are not read, the first is {first}: so it is not deleted; `after_ingest = \"archive\"` \
                 moves it with them"
            );
            run.failed(&met.name, why.clone());
            failed.push(why);
        }
        for member in &listed.members {
            run.look_up()?;
            if let Some(state) = register.unchanged(member) {
                run.lacks(member, state);
                failed.extend(state.lacks.clone());
                continue;
            }
            match self.one(member, register, run)? {
                Ended::Read => {}
                Ended::Failed(why) => failed.push(why),
                Ended::Later => is_later = true,
            }
        }
        if is_later {
            // The rest of it is for the next run, so it stays where it is.
            return Ok(());
        }
        let count = failed.len() as u64;
        run.archive(met, failed.into_iter().next().map(|first| (count, first)))
    }

    /// Files that are gone and were read longest ago are not remembered for ever.
    fn forget(&self, known: &Known, register: &Register<'_>, run: &mut Run<'_, '_>) {
        let mut gone: Vec<(i64, &str)> = known
            .files
            .iter()
            .filter(|(name, _)| !register.is_there(name))
            .map(|(name, state)| (state.mtime, name.as_str()))
            .collect();
        if gone.len() > GONE_MAX {
            gone.sort_unstable();
            let over = gone.len() - GONE_MAX;
            gone[..over].iter().for_each(|(_, name)| run.forget(name));
        }
    }
}

impl Collector for FileCollector {
    fn check(&mut self, means: &Means<'_>) -> Result<Checked, CollectError> {
        let check = || {
            let place = Place::of(&self.config, &self.own)?;
            let now = means.clock.now();
            let found = place.look(&self.config, now)?;
            let bytes: u64 = found.files.iter().map(|met| met.stamp.size).sum();
            let mut notes: Vec<String> =
                found.refused.iter().map(|(name, why)| format!("{name}: {why}")).take(NAMED_MAX).collect();
            if found.files.is_empty() {
                let pattern = &self.config.file_pattern;
                notes.push(format!("no file below {} matches {pattern} now", place.root.display()));
            }
            for met in &found.files {
                if let Err(error) = std::fs::File::open(&met.path) {
                    notes.push(format!("{}: it cannot be opened: {error}", met.name));
                }
                if notes.len() >= NAMED_MAX {
                    break;
                }
            }
            notes.extend(found.outside_note(&place.root));
            notes.extend(found.left_note());
            for dir in place.targets(&self.config, now)? {
                // The nearest one that is there is where the others are made.
                let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(&place.root);
                if let Err(error) = rustix::fs::access(there, rustix::fs::Access::WRITE_OK) {
                    notes.push(format!("nothing can be moved to {}: {error}", dir.display()));
                }
            }
            let identity =
                format!("{} files, {bytes} bytes below {}", found.files.len(), place.root.display());
            Ok(Checked { identity: Some(identity), notes })
        };
        check().map_err(|error| self.say(error))
    }

    fn discover(&mut self, means: &Means<'_>) -> Result<Vec<StreamInfo>, CollectError> {
        let discover = || {
            let found = Place::of(&self.config, &self.own)?.look(&self.config, means.clock.now())?;
            let mut fields = Vec::new();
            // The newest that can be read; of an archive, what is first in it.
            let first = |met: &Met| match archive::is_one(met) {
                true => archive::list(met, self.members.as_ref()).ok()?.members.into_iter().next(),
                false => Some(met.clone()),
            };
            for met in found.files.iter().rev().filter_map(first) {
                let Ok(mut rows) = self.rows(&met, &FileState::default()) else { continue };
                fields = rows.fields();
                let mut row = Vec::new();
                if fields.is_empty() && matches!(rows.next(&mut row), Ok(Next::Row(_))) {
                    fields = fields_of(&row);
                }
                if !fields.is_empty() {
                    break;
                }
            }
            Ok(vec![StreamInfo {
                name: self.stream.clone(),
                key: self.config.key.clone(),
                cursor: Some(format!("content of {} files", found.files.len())),
                fields,
            }])
        };
        discover().map_err(|error| self.say(error))
    }

    fn collect(
        &mut self,
        from: &Cursors,
        sink: &mut dyn Sink,
        means: &Means<'_>,
    ) -> Result<Collected, CollectError> {
        let known = Known::of(from.iter());
        let label = Label::of(&self.source_id, &self.stream, self.tenant_id.as_deref(), &self.config);
        let mut run = Run::new(label, &self.config, sink, means);
        for name in &known.lost {
            run.notes
                .push(format!("what is known of {name} cannot be understood; it is read from its beginning"));
        }
        let ended = self.all(&known, &mut run);
        let mut collected = Collected { calls: run.files, ..Collected::default() };
        match ended {
            Ok(()) | Err(FilesError::Collect(CollectError::Enough)) => {}
            Err(FilesError::Collect(CollectError::Cancelled)) => {
                // What was gathered is kept.
                run.flush().map_err(|error| self.say(error))?;
                return Err(CollectError::Cancelled);
            }
            Err(error) => return Err(self.say(error)),
        }
        let nothing_went_well = run.failures > 0 && run.good == 0 && run.handed == 0;
        if !nothing_went_well {
            collected.streams.push(StreamOutcome {
                stream: self.stream.clone(),
                outcome: Outcome::Ok,
                records: run.handed,
                unavailable: std::mem::take(&mut run.unavailable),
            });
        }
        collected.streams.append(&mut run.outcomes);
        if run.failures > UNAVAILABLE_MAX as u64 {
            run.notes.push(format!("{} files failed; the first {UNAVAILABLE_MAX} are named", run.failures));
        }
        collected.notes = run.told();
        Ok(collected)
    }
}

/// Names and types of the members of a row.
fn fields_of(row: &[u8]) -> Vec<(String, String)> {
    let members: serde_json::Map<String, Value> = serde_json::from_slice(row).unwrap_or_default();
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    members.iter().map(|(name, value)| (name.clone(), kind(value).to_owned())).collect()
}

/// Whether a file that failed so will fail again, and so is moved out of the way.
pub(crate) fn is_lasting(error: &FilesError) -> bool {
    matches!(error.kind(), ErrorKind::Report | ErrorKind::Fix)
}
