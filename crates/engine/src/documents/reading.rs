//! Bringing the graph up to a snapshot: documents that are new or changed are read, those that are gone
//! are taken out, and all of it counts at once.
//!
//! A document that cannot be read in its new state keeps what it said before; the graph remembers that, and
//! does not try the same bytes again, unless something else was missing than the bytes.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use stele_graph::{Follows, GraphError, Home, Piece, Unread, Writer};
use stele_lake::Snapshot;
use stele_model::{DocumentId, FileEntry};

use super::annotating::{self, Annotating};
use super::inputs::{content_of, input_of};
use super::parsing::{Parser, Said};
use super::unread::{Unreadable, around};
use super::whole;
use crate::EngineError;
use crate::answering::graph_dir;
use crate::engine::Engine;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::summary::InputFailure;

/// What bringing the graph up came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GraphSummary {
    /// Documents in the graph now.
    pub documents: u64,
    /// Inputs that were read.
    pub read: u64,
    /// Inputs whose documents were there and stay.
    pub unchanged: u64,
    /// Documents that were taken out.
    pub removed: u64,
    /// Characters of the sources that were read, blanks and marks apart.
    pub characters_in: u64,
    /// Of these, those that are in exactly one section.
    pub characters_out: u64,
    /// Sections that were made.
    pub sections: u64,
    /// Things that readers should know about the documents that were read.
    pub warnings: u64,
    /// References whose target is not there.
    pub pending_references: u64,
    /// What a language model was asked, if the settings name one.
    pub annotations: Option<stele_annotate::Summary>,
    /// Inputs, and pages of archives, that cannot be read or that the lake does not hold as a whole; what
    /// they said before, if anything, still stands.
    pub failures: Vec<InputFailure>,
    /// The snapshot of the lake that the graph follows.
    pub lake_version: u64,
    /// Time from start to end.
    pub seconds: f64,
    /// Whether somebody asked to stop; nothing has changed then.
    pub cancelled: bool,
}

impl Engine {
    /// The graph of this engine's tenant, whether there is one or not.
    pub(crate) fn graph_home(&self) -> Result<Home, EngineError> {
        Ok(Home::with_faults(&graph_dir(self.data_dir(), &self.settings().tenant), self.faults())?)
    }

    /// Brings the graph up to the newest snapshot; makes it if there is none.
    ///
    /// # Errors
    ///
    /// If there is no lake, somebody else writes to the graph, or the disk fails. What was there before
    /// answers then.
    pub fn graph_build(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<GraphSummary, EngineError> {
        self.graph_update(true, progress, cancel)
    }

    /// The same for whoever goes on from it: where the graph follows the newest snapshot already, nothing is
    /// tried again.
    pub(crate) fn graph_follow(
        &self,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<GraphSummary, EngineError> {
        self.graph_update(false, progress, cancel)
    }

    fn graph_update(
        &self,
        try_again: bool,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<GraphSummary, EngineError> {
        let home = self.graph_home()?;
        if home.exists() && !is_whole(&home)? {
            progress.note("files of the graph are missing or damaged: it is made anew");
            return self.graph_rebuild(progress, cancel);
        }
        let writer = home.writer()?;
        // After the lock is held, so that nobody has followed a newer one meanwhile.
        let snapshot = self.snapshot()?;
        let base = writer.base();
        if base.version > 0 && base.follows.lake != snapshot.lake_id() {
            progress.note("the graph is that of another lake: it is made anew");
            drop(writer);
            return self.graph_rebuild(progress, cancel);
        }
        let how = How { anew: false, try_again };
        self.follow(&snapshot, writer, how, progress, cancel)
    }

    /// Makes the graph anew from nothing but the lake. The old one answers until then.
    ///
    /// # Errors
    ///
    /// As [`Engine::graph_build`].
    pub fn graph_rebuild(
        &self,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<GraphSummary, EngineError> {
        let writer = self.graph_home()?.rebuild()?;
        let how = How { anew: true, try_again: true };
        self.follow(&self.snapshot()?, writer, how, progress, cancel)
    }

    fn follow(
        &self,
        snapshot: &Snapshot,
        writer: Writer,
        how: How,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<GraphSummary, EngineError> {
        let started = self.now();
        let base = writer.base().follows.clone();
        let annotating = Annotating::of(self)?;
        let extractor = annotating::wanted(annotating.as_ref());
        let same = !how.anew && base.lake == snapshot.lake_id() && base.extractor == extractor;
        let is_due = how.try_again && base.unread.iter().any(|unread| unread.again);
        let at_rest = GraphSummary {
            lake_version: snapshot.version(),
            documents: writer.base().documents(),
            pending_references: base.unresolved.unwrap_or_default(),
            ..GraphSummary::default()
        };
        if same && base.lake_version == snapshot.version() && base.unresolved.is_some() && !is_due {
            let failures = base.unread.into_iter().map(failure).collect();
            return Ok(GraphSummary { unchanged: at_rest.documents, failures, ..at_rest });
        }
        let inputs = self.document_inputs(snapshot)?;
        let known = match self.graph_home()?.exists() && !how.anew {
            true => Known::of(&self.graph_home()?, &inputs.whole)?,
            false => Known::default(),
        };
        let before = Unreadable::of(&base.unread, &inputs.whole);
        let unread = Unreadable::default();
        let summary = GraphSummary { documents: 0, pending_references: 0, ..at_rest };
        let mut update = Following { writer, known, unread, changed: how.anew, taken: 0, summary };
        let mut wanted = Vec::new();
        for entry in inputs.whole.values() {
            let content = content_of(entry);
            let failed = before.of_input(&entry.uri);
            let is_known = update.known.contents.get(&entry.uri) == Some(&content);
            if same && !failed.is_empty() && failed.iter().all(|one| one.file_id == content && !one.again) {
                update.unread.keep(&entry.uri, failed);
                update.summary.unchanged += u64::from(is_known);
            } else if same && failed.is_empty() && is_known {
                update.summary.unchanged += 1;
            } else {
                wanted.push(entry.clone());
            }
        }
        update.take_out(|input| !inputs.whole.contains_key(input) && !inputs.unfinished.contains_key(input));
        let total = wanted.len() as u64;
        let parser = Parser {
            tenant: &self.settings().tenant,
            reader: self.reader(),
            threads: self.threads(),
            cancel,
            annotating: annotating.as_ref(),
        };
        parser.each(snapshot, wanted, &mut |said| {
            progress.update(&Update {
                stage: "read",
                item: said.entry.uri.clone(),
                done: update.taken,
                total: Some(total),
                unit: Unit::Documents,
                records: update.summary.sections,
            });
            update.take(said)
        })?;
        if cancel.is_cancelled() {
            let seconds = (self.now() - started) as f64 / 1e6;
            return Ok(GraphSummary { cancelled: true, seconds, ..update.summary });
        }
        let records_changed = !same || self.records_changed(snapshot, base.lake_version);
        let Following { mut writer, unread, changed, mut summary, .. } = update;
        summary.annotations = annotating.map(Annotating::finish).transpose()?;
        let mut all = unread.into_all();
        all.extend(inputs.not_whole());
        all.sort_by(|one, two| one.source.cmp(&two.source));
        let unresolved = match base.unresolved {
            Some(unresolved) if !changed && !records_changed => {
                writer.keep_whole();
                unresolved
            }
            _ => whole::say(self, snapshot, &mut writer)?,
        };
        summary.pending_references = unresolved;
        summary.failures.extend(all.iter().cloned().map(failure));
        let follows = Follows {
            lake: snapshot.lake_id().to_owned(),
            lake_version: snapshot.version(),
            extractor: annotating::found_by(extractor, summary.annotations.as_ref()),
            unresolved: Some(unresolved),
            unread: all,
        };
        // What was tried again in vain is no new version.
        summary.documents = match !changed && !records_changed && follows == base {
            true => writer.base().documents(),
            false => writer.commit(follows)?.documents,
        };
        summary.seconds = (self.now() - started) as f64 / 1e6;
        Ok(summary)
    }

    /// Whether records came or went since a version; if it is not there any more, they may have.
    fn records_changed(&self, snapshot: &Snapshot, since: u64) -> bool {
        let Ok(before) = self.snapshot_at(since) else { return true };
        let paths = |snapshot: &Snapshot| -> HashSet<std::path::PathBuf> {
            snapshot.event_parts().iter().map(|part| part.path.clone()).collect()
        };
        paths(snapshot) != paths(&before)
    }
}

/// Whether everything that a graph names is there, as long as it was written. What is in the files is for
/// `stele graph verify` to check, which reads all of them.
fn is_whole(home: &Home) -> Result<bool, EngineError> {
    let reader = match home.reader() {
        // What cannot be opened today, or was written by a newer program, is not damaged.
        Err(GraphError::Damaged { .. }) => return Ok(false),
        reader => reader?,
    };
    let version = reader.version();
    Ok(version.parts.iter().chain(&version.whole).all(|part| {
        part.tables.iter().all(|(table, told)| {
            let path = home.dir().join(&part.dir).join(table.file());
            std::fs::metadata(path).is_ok_and(|found| found.len() == told.bytes)
        })
    }))
}

fn failure(unread: Unread) -> InputFailure {
    InputFailure { uri: unread.source, reason: unread.reason, passing: false }
}

/// How a graph is brought up.
struct How {
    /// From nothing.
    anew: bool,
    /// Whether what could not be read for want of something else than its bytes is tried again.
    try_again: bool,
}

/// What the graph has.
#[derive(Default)]
struct Known {
    /// What each input stood for when it was read.
    contents: HashMap<String, String>,
    /// Its documents, each with its source.
    documents: HashMap<String, Vec<(DocumentId, String)>>,
}

impl Known {
    fn of(home: &Home, current: &BTreeMap<String, FileEntry>) -> Result<Self, EngineError> {
        let mut known = Self::default();
        for row in home.reader()?.documents() {
            let row = row?;
            let input = input_of(&row.source, current);
            known.contents.insert(input.to_owned(), row.file_id);
            known.documents.entry(input.to_owned()).or_default().push((row.id, row.source));
        }
        Ok(known)
    }
}

/// An update under way.
struct Following {
    writer: Writer,
    known: Known,
    unread: Unreadable,
    /// Whether any document came, went or changed.
    changed: bool,
    /// Inputs that were looked at, whether they could be read or not.
    taken: u64,
    summary: GraphSummary,
}

impl Following {
    /// Takes out the documents of inputs that are gone.
    fn take_out(&mut self, is_gone: impl Fn(&str) -> bool) {
        let gone = self.known.documents.iter().filter(|(input, _)| is_gone(input));
        for (id, _) in gone.flat_map(|(_, documents)| documents) {
            self.summary.removed += u64::from(self.writer.remove(*id));
            self.changed = true;
        }
    }

    /// Puts in what an input says.
    fn take(&mut self, said: Said) -> Result<(), EngineError> {
        self.taken += 1;
        let Said { entry, documents, failed, .. } = said;
        let documents = match documents {
            Ok(documents) => documents,
            Err(failure) => {
                self.unread.add(&entry, failure);
                return Ok(());
            }
        };
        if !failed.is_empty() {
            self.unread.add_pages(&entry, &failed);
        }
        let file_id = content_of(&entry);
        self.summary.read += 1;
        self.changed = true;
        let mut given = HashSet::new();
        for (document, found) in documents {
            self.summary.characters_in += document.conservation.characters_in;
            self.summary.characters_out += document.conservation.characters_out;
            self.summary.sections += document.sections.len() as u64;
            self.summary.warnings += document.warnings.len() as u64;
            given.insert(document.id);
            self.writer.put(&Piece {
                document,
                file_id: file_id.clone(),
                entities: found.entities,
                mentions: found.mentions,
                edges: found.edges,
                references: found.references,
            })?;
        }
        // Pages that an archive has no more; one that is there and cannot be read says what it said.
        let failed: HashSet<&str> = failed.iter().map(|page| page.source_uri()).collect();
        for (id, source) in self.known.documents.get(&entry.uri).into_iter().flatten() {
            if !given.contains(id) && !around(source).any(|name| failed.contains(name)) {
                self.summary.removed += u64::from(self.writer.remove(*id));
            }
        }
        Ok(())
    }
}
