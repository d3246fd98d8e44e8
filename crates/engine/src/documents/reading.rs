//! Bringing the graph up to a snapshot: documents that are new or changed are read, those that are gone
//! are taken out, and all of it counts at once.
//!
//! A document that cannot be read in its new state keeps what it said before; the graph remembers that,
//! and does not try the same bytes again.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use stele_documents::DocumentError;
use stele_graph::{Follows, GraphError, Home, Piece, Unread, Writer};
use stele_lake::Snapshot;
use stele_model::error::in_full;
use stele_model::{DocumentId, FileEntry, FileState};

use super::annotating::{self, Annotating};
use super::parsing::{Parser, Said};
use super::{is_document, whole};
use crate::EngineError;
use crate::answering::graph_dir;
use crate::engine::Engine;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::summary::InputFailure;

/// What is between the name of an archive and the name of a page in it.
const INSIDE: &str = "!/";

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
    /// Inputs that cannot be read; what they said before, if anything, still stands.
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
        let home = self.graph_home()?;
        if home.exists() && !is_whole(&home)? {
            progress.note("files of the graph are missing or damaged: it is made anew");
            return self.graph_rebuild(progress, cancel);
        }
        // After the lock is held, so that nobody has followed a newer one meanwhile.
        let writer = home.writer()?;
        self.follow(&self.snapshot()?, writer, false, progress, cancel)
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
        self.follow(&self.snapshot()?, writer, true, progress, cancel)
    }

    /// The documents of this engine's tenant as a snapshot has them, by name.
    pub(crate) fn documents_in(
        &self,
        snapshot: &Snapshot,
    ) -> Result<BTreeMap<String, FileEntry>, EngineError> {
        let pruned = snapshot.pruned()?;
        let there = |entry: &FileEntry| {
            is_document(entry)
                && entry.gone_at.is_none()
                && entry.state != FileState::Partial
                && !pruned.iter().any(|one| one.file_id == entry.file_id && one.affects(entry))
        };
        let entries = self.own(snapshot.files()?).into_iter().filter(there);
        Ok(entries.map(|entry| (entry.uri.clone(), entry)).collect())
    }

    fn follow(
        &self,
        snapshot: &Snapshot,
        writer: Writer,
        anew: bool,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<GraphSummary, EngineError> {
        let started = self.now();
        let base = writer.base().follows.clone();
        let annotating = Annotating::of(self)?;
        let extractor = annotating::wanted(annotating.as_ref());
        let same = !anew && base.lake == snapshot.lake_id() && base.extractor == extractor;
        let mut summary = GraphSummary { lake_version: snapshot.version(), ..GraphSummary::default() };
        if same && base.lake_version == snapshot.version() {
            summary.documents = writer.base().documents();
            summary.unchanged = summary.documents;
            summary.failures = base.unread.into_iter().map(failure).collect();
            return Ok(summary);
        }
        let current = self.documents_in(snapshot)?;
        let known = match self.graph_home()?.exists() && !anew {
            true => Known::of(&self.graph_home()?, &current)?,
            false => Known::default(),
        };
        let mut update = Following { writer, known, unread: BTreeMap::new(), changed: anew, summary };
        let mut wanted = Vec::new();
        for entry in current.values() {
            let content = content_of(entry);
            let before = base.unread.iter().find(|unread| unread.source == entry.uri);
            match (update.known.contents.get(&entry.uri), before) {
                _ if !same => wanted.push(entry.clone()),
                // A program that was not there may have been installed.
                (_, Some(unread)) if unread.file_id == content && !unread.again => {
                    update.unread.insert(entry.uri.clone(), unread.clone());
                }
                (Some(known), _) if *known == content => update.summary.unchanged += 1,
                _ => wanted.push(entry.clone()),
            }
        }
        // One that is being read, or whose reading was stopped, keeps what it said.
        let unfinished: HashSet<String> = self
            .own(snapshot.files()?)
            .into_iter()
            .filter(|entry| {
                is_document(entry) && entry.gone_at.is_none() && entry.state == FileState::Partial
            })
            .map(|entry| entry.uri)
            .collect();
        update.take_out(|input| !current.contains_key(input) && !unfinished.contains(input));
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
                done: update.summary.read + update.unread.len() as u64,
                total: Some(total),
                unit: Unit::Records,
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
        match changed || records_changed {
            true => summary.pending_references = whole::say(self, snapshot, &mut writer)?,
            false => writer.keep_whole(),
        }
        summary.failures.extend(unread.values().cloned().map(failure));
        let applied = writer.commit(Follows {
            lake: snapshot.lake_id().to_owned(),
            lake_version: snapshot.version(),
            extractor: annotating::found_by(extractor, summary.annotations.as_ref()),
            unread: unread.into_values().collect(),
        })?;
        summary.documents = applied.documents;
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

/// The bytes that an input stands for, in the words of the graph.
pub(super) fn content_of(entry: &FileEntry) -> String {
    format!("{}:{}", entry.file_id, entry.bytes_done)
}

/// The input of a document: its own, or the archive that it is a page of.
pub(super) fn input_of<'a>(source: &'a str, inputs: &BTreeMap<String, FileEntry>) -> &'a str {
    match source.split_once(INSIDE) {
        Some((archive, _)) if !inputs.contains_key(source) => archive,
        _ => source,
    }
}

fn failure(unread: Unread) -> InputFailure {
    InputFailure { uri: unread.source, reason: unread.reason }
}

/// What the graph has.
#[derive(Default)]
struct Known {
    /// What each input stood for when it was read.
    contents: HashMap<String, String>,
    /// Its documents.
    documents: HashMap<String, Vec<DocumentId>>,
}

impl Known {
    fn of(home: &Home, current: &BTreeMap<String, FileEntry>) -> Result<Self, EngineError> {
        let mut known = Self::default();
        for row in home.reader()?.documents() {
            let row = row?;
            let input = input_of(&row.source, current);
            known.contents.insert(input.to_owned(), row.file_id);
            known.documents.entry(input.to_owned()).or_default().push(row.id);
        }
        Ok(known)
    }
}

/// An update under way.
struct Following {
    writer: Writer,
    known: Known,
    unread: BTreeMap<String, Unread>,
    /// Whether any document came, went or changed.
    changed: bool,
    summary: GraphSummary,
}

impl Following {
    /// Takes out the documents of inputs that are gone.
    fn take_out(&mut self, is_gone: impl Fn(&str) -> bool) {
        let gone = self.known.documents.iter().filter(|(input, _)| is_gone(input));
        for id in gone.flat_map(|(_, ids)| ids) {
            self.summary.removed += u64::from(self.writer.remove(*id));
            self.changed = true;
        }
    }

    /// Puts in what an input says.
    fn take(&mut self, said: Said) -> Result<(), EngineError> {
        let Said { entry, documents, failed } = said;
        let file_id = content_of(&entry);
        let documents = match documents {
            Ok(documents) => documents,
            Err(error) => {
                let reason = in_full(&error);
                let again = matches!(error, DocumentError::ToolMissing { .. });
                let unread = Unread { source: entry.uri.clone(), file_id, reason, again };
                self.unread.insert(entry.uri, unread);
                return Ok(());
            }
        };
        for error in failed {
            self.summary.failures.push(InputFailure { uri: entry.uri.clone(), reason: in_full(&error) });
        }
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
        // Pages that an archive has no more.
        for id in self.known.documents.get(&entry.uri).into_iter().flatten().filter(|id| !given.contains(*id))
        {
            self.summary.removed += u64::from(self.writer.remove(*id));
        }
        Ok(())
    }
}
