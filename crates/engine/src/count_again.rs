//! The catalogue made from nothing but the lake.
//!
//! [`rebuild`] goes over every input piece by piece, so it finds out again what discovery found out
//! while reading: the records, and the facts of each file such as rejected lines and holes in the
//! sequence. [`count_under`] counts only the records, under other fold rules; what is known about the
//! files does not depend on those.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use stele_discover::{Catalogue, FoldRule, Folding, Observed};
use stele_lake::Snapshot;
use stele_lake::pieces::{self, PieceIndex};
use stele_model::{FileId, FileState, ResidueClass};
use stele_sources::{Format, Piece, PieceKind};

use crate::EngineError;
use crate::catalogue_store::CatalogueStore;
use crate::engine::Engine;
use crate::judge::{Judge, Refused};
use crate::progress::{Cancel, NoProgress, Progress, Unit, Update};
use crate::scan;

/// Records between two reports of progress, and looks at whether somebody said stop.
const PROGRESS_EVERY: u64 = 10_000;

impl Engine {
    /// Makes the catalogue of a snapshot from its records, and everything that follows from it.
    pub(crate) fn count_again(
        &self,
        snapshot: &Snapshot,
        progress: &dyn Progress,
    ) -> Result<(), EngineError> {
        let store = CatalogueStore::of(self);
        let go_on = Cancel::default();
        let catalogue = rebuild(self, snapshot, progress, &go_on)?;
        let catalogue = store.settle(self, snapshot, catalogue, progress, &go_on)?;
        self.write_manifests(&catalogue, snapshot)
    }

    /// Fold rules of the profiles.
    pub(crate) fn fold_rules(&self) -> Vec<FoldRule> {
        if self.settings().fold != Folding::Auto {
            return Vec::new();
        }
        let rule = |path: &String, fold| FoldRule {
            event: None,
            path: path.clone(),
            fold,
            reason: "the profile says so".to_owned(),
        };
        self.profiles()
            .fold_rules()
            .flat_map(|rules| {
                let force = rules.force.iter().map(move |path| rule(path, true));
                force.chain(rules.forbid.iter().map(move |path| rule(path, false)))
            })
            .collect()
    }
}

/// Adds the folds that the counts give evidence for and counts again, until there are no more. Each
/// round folds at least one object and at least one level deeper, so there are never more rounds
/// than levels, and data is seldom the key of more than one.
pub(crate) fn fold_again(
    mut catalogue: Catalogue,
    mut count: impl FnMut(Vec<FoldRule>, &Catalogue) -> Result<Catalogue, EngineError>,
) -> Result<Catalogue, EngineError> {
    loop {
        let more = catalogue.propose_folds();
        if more.is_empty() {
            return Ok(catalogue);
        }
        let mut rules = catalogue.rules().to_vec();
        rules.extend(more);
        catalogue = count(rules, &catalogue)?;
    }
}

/// Counts everything in `snapshot` again.
pub(crate) fn rebuild(
    engine: &Engine,
    snapshot: &Snapshot,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Catalogue, EngineError> {
    let catalogue = Catalogue::new(engine.settings().fold, engine.fold_rules());
    let work = Work { judge: Judge::default(), progress, cancel, total: snapshot.totals().records, done: 0 };
    let mut rebuild = Rebuild { catalogue, work };
    let index = PieceIndex::of_all(snapshot)?;
    for (input, stretches) in stretches(engine, snapshot)? {
        rebuild.input(&index, input, &stretches)?;
    }
    fold_again(rebuild.catalogue, |rules, before| {
        count_under(engine, snapshot, rules, before, progress, cancel)
    })
}

/// Counts the records of `snapshot` under `rules`; what is known about the files is taken over.
pub(crate) fn count_under(
    engine: &Engine,
    snapshot: &Snapshot,
    rules: Vec<FoldRule>,
    before: &Catalogue,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Catalogue, EngineError> {
    let mut catalogue = before.under(rules);
    let formats = engine.formats_of(snapshot)?;
    let mut work =
        Work { judge: Judge::default(), progress, cancel, total: snapshot.totals().records, done: 0 };
    scan::records(snapshot, |row| {
        let format = formats.get(&row).ok_or_else(|| unreadable(row.source, row.line_no))?;
        catalogue.revisit(row.source, format.name());
        let piece = record(row.line_no, row.byte_offset, row.raw.as_bytes());
        work.observe(&mut catalogue, format, row.source, &piece, row.event_type)
    })?;
    Ok(catalogue)
}

/// The catalogue of what the engine's tenant has: of a lake that is all its own the one that there is, and
/// else one that is counted over its records alone, under the same fold rules. It knows nothing of files.
pub(crate) fn own(engine: &Engine, snapshot: &Snapshot) -> Result<Catalogue, EngineError> {
    let all = engine.catalogue_of(snapshot)?;
    let contents = snapshot.contents()?;
    let count = contents.len();
    let own: HashSet<String> = engine.own(contents).iter().map(|entry| entry.file_id.to_string()).collect();
    if own.len() == count {
        return Ok(all);
    }
    let mut catalogue = Catalogue::new(engine.settings().fold, all.rules().to_vec());
    let formats = engine.formats_of(snapshot)?;
    let (progress, cancel) = (&NoProgress, &Cancel::default());
    let mut work =
        Work { judge: Judge::default(), progress, cancel, total: snapshot.totals().records, done: 0 };
    scan::records(snapshot, |row| {
        if !own.contains(row.file_id) {
            return Ok(());
        }
        let format = formats.get(&row).ok_or_else(|| unreadable(row.source, row.line_no))?;
        catalogue.revisit(row.source, format.name());
        let piece = record(row.line_no, row.byte_offset, row.raw.as_bytes());
        work.observe(&mut catalogue, format, row.source, &piece, row.event_type)
    })?;
    Ok(catalogue)
}

/// What one name accounts for of an input.
struct Stretch {
    uri: String,
    format: Arc<Format>,
    timezone: Option<String>,
    /// Content offsets.
    from: u64,
    to: u64,
    /// Lines before `from`, and lines up to `to`.
    lines_before: u64,
    lines_done: u64,
    /// Where its unfinished last line begins.
    tail: Option<u64>,
}

/// The names of every input in the order in which they came to account for it: a recording that was
/// renamed while it grew has several.
fn stretches(engine: &Engine, snapshot: &Snapshot) -> Result<Vec<(FileId, Vec<Stretch>)>, EngineError> {
    let mut inputs: Vec<(FileId, Vec<Stretch>)> = Vec::new();
    let mut numbers: HashMap<FileId, usize> = HashMap::new();
    for entry in snapshot.history()? {
        if entry.state == FileState::Duplicate {
            continue;
        }
        let number = *numbers.entry(entry.file_id).or_insert_with(|| {
            inputs.push((entry.file_id, Vec::new()));
            inputs.len() - 1
        });
        let known = &mut inputs[number].1;
        if let Some(last) = known.last_mut()
            && (&last.uri, last.format.name(), &last.timezone)
                == (&entry.uri, &*entry.format, &entry.timezone)
        {
            (last.to, last.lines_done, last.tail) = (entry.bytes_done, entry.lines_done, entry.tail_offset);
            continue;
        }
        // An unfinished line was read again by whoever came next.
        let (from, lines_before) = match known.last() {
            None => (0, 0),
            Some(Stretch { tail: Some(tail), lines_done, .. }) => (*tail, lines_done.saturating_sub(1)),
            Some(last) => (last.to, last.lines_done),
        };
        if from < entry.bytes_done {
            known.push(Stretch {
                format: engine.format_of(&entry),
                uri: entry.uri,
                timezone: entry.timezone,
                from,
                to: entry.bytes_done,
                lines_before,
                lines_done: entry.lines_done,
                tail: entry.tail_offset,
            });
        }
    }
    inputs.retain(|(_, stretches)| !stretches.is_empty());
    // Contents that one name held one after the other stay in that order.
    inputs.sort_by(|a, b| a.1[0].uri.cmp(&b.1[0].uri));
    Ok(inputs)
}

/// What counting needs besides the counts.
struct Work<'a> {
    judge: Judge,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    total: u64,
    done: u64,
}

impl Work<'_> {
    /// Counts a record that was accepted once.
    fn observe(
        &mut self,
        catalogue: &mut Catalogue,
        format: &Format,
        uri: &str,
        piece: &Piece<'_>,
        event: &str,
    ) -> Result<(), EngineError> {
        let text = std::str::from_utf8(piece.bytes).ok();
        let Ok(record) = self.judge.judge(format, piece, text) else {
            return Err(unreadable(uri, piece.line_no));
        };
        catalogue.observe(&Observed { event, ..record.observed(piece.line_no) });
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_EVERY) {
            self.progress.update(&Update {
                stage: "count",
                item: uri.to_owned(),
                done: self.done,
                total: Some(self.total),
                unit: Unit::Records,
                records: self.done,
            });
            self.cancel.check("everything was counted again")?;
        }
        Ok(())
    }
}

/// The catalogue as it comes about.
struct Rebuild<'a> {
    catalogue: Catalogue,
    work: Work<'a>,
}

/// A stretch on the way, and how far its content is accounted for.
struct Open<'s> {
    stretch: &'s Stretch,
    offset: u64,
    /// Where its last piece so far begins.
    last: Option<u64>,
}

impl Rebuild<'_> {
    /// Goes over the pieces of one input, handing each to the name that accounts for it.
    fn input(&mut self, index: &PieceIndex, input: FileId, stretches: &[Stretch]) -> Result<(), EngineError> {
        let mut left = stretches.iter();
        let mut open = left.next().map(|stretch| self.begin(stretch));
        index.each(input, |piece| {
            while let Some(current) = &mut open {
                let to = current.stretch.to;
                let starts_here = piece.byte_offset < to;
                if starts_here && piece.byte_offset + piece.bytes.len() as u64 <= to {
                    return self.piece(current, &piece);
                }
                if starts_here {
                    self.beginning(current, &piece);
                }
                self.end(current);
                open = left.next().map(|stretch| self.begin(stretch));
            }
            Ok::<(), EngineError>(())
        })?;
        while let Some(current) = &open {
            self.end(current);
            open = left.next().map(|stretch| self.begin(stretch));
        }
        Ok(())
    }

    fn begin<'s>(&mut self, stretch: &'s Stretch) -> Open<'s> {
        self.catalogue.begin(&stretch.uri, stretch.format.name(), stretch.lines_before + 1);
        Open { stretch, offset: stretch.from, last: None }
    }

    fn end(&mut self, open: &Open<'_>) {
        let Open { stretch, offset, last } = open;
        self.pass_over(stretch.to - offset);
        let lines = stretch.lines_done.saturating_sub(stretch.lines_before);
        // A last line that is gone cannot grow.
        let tail = stretch.tail.filter(|tail| *last == Some(*tail));
        self.catalogue.end(lines, stretch.to - stretch.from, tail.map(|tail| stretch.to - tail));
    }

    /// Passes over what no piece holds. One byte is the end of a line; more was pruned.
    fn pass_over(&mut self, bytes: u64) {
        if bytes > 1 {
            self.catalogue.pass_over(bytes);
        }
    }

    fn piece(&mut self, open: &mut Open<'_>, piece: &pieces::Piece<'_>) -> Result<(), EngineError> {
        self.pass_over(piece.byte_offset.saturating_sub(open.offset));
        open.offset = piece.byte_offset + piece.bytes.len() as u64;
        open.last = Some(piece.byte_offset);
        let Stretch { format, uri, .. } = open.stretch;
        match piece.kind {
            pieces::PieceKind::Record { event_type } => {
                let record = record(piece.line_no, piece.byte_offset, piece.bytes);
                self.work.observe(&mut self.catalogue, format, uri, &record, event_type)
            }
            pieces::PieceKind::Residue { class: ResidueClass::Rejected, reason, error_at } => {
                self.catalogue.reject(piece.line_no, error_at.unwrap_or(piece.byte_offset), reason);
                Ok(())
            }
            pieces::PieceKind::Residue { .. } => Ok(()),
        }
    }

    /// A line of which this stretch knew only the beginning: it was rejected then, and the lake has
    /// the whole of it now, under another name.
    fn beginning(&mut self, open: &mut Open<'_>, piece: &pieces::Piece<'_>) {
        self.pass_over(piece.byte_offset.saturating_sub(open.offset));
        let bytes = &piece.bytes[..(open.stretch.to - piece.byte_offset) as usize];
        let line = Piece { kind: PieceKind::Line, ..record(piece.line_no, piece.byte_offset, bytes) };
        let text = std::str::from_utf8(bytes).ok();
        if let Err(Refused::Rejected { error_at, reason }) =
            self.work.judge.judge(&open.stretch.format, &line, text)
        {
            self.catalogue.reject(line.line_no, error_at, &reason);
        }
        open.offset = open.stretch.to;
        open.last = Some(piece.byte_offset);
    }
}

/// A piece that was accepted as a record.
fn record(line_no: u64, byte_offset: u64, bytes: &[u8]) -> Piece<'_> {
    Piece { bytes, byte_offset, line_no, kind: PieceKind::Record, newline: false }
}

fn unreadable(uri: &str, line_no: u64) -> EngineError {
    EngineError::Unreadable { uri: uri.to_owned(), line_no }
}
