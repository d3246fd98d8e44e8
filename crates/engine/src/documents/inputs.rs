//! Which inputs of a snapshot are documents, as a whole, in part or no more.

use std::collections::{BTreeMap, HashMap};

use stele_graph::{DocumentRow, Unread};
use stele_lake::{Pruned, Snapshot};
use stele_model::{FileEntry, FileId, FileState};

use super::is_document;
use crate::EngineError;
use crate::engine::Engine;

/// What is between the name of an archive and the name of a page in it.
pub(super) const INSIDE: &str = "!/";

/// The documents of one tenant in a snapshot.
#[derive(Default)]
pub(super) struct Inputs {
    /// Those that the lake holds as a whole, by name.
    pub(super) whole: BTreeMap<String, FileEntry>,
    /// Those that are being read, or whose reading was stopped. They go on saying what they said.
    pub(super) unfinished: BTreeMap<String, FileEntry>,
    /// Those that lost rows which nobody asked to remove.
    pub(super) lost: BTreeMap<String, FileEntry>,
}

impl Inputs {
    /// Why those that are not whole cannot be read.
    pub(super) fn not_whole(&self) -> impl Iterator<Item = Unread> {
        let unread = |entry: &FileEntry, reason: String| Unread {
            source: entry.uri.clone(),
            file_id: content_of(entry),
            reason,
            again: false,
        };
        let unfinished = self.unfinished.values().map(move |entry| {
            let held = entry.bytes_done;
            unread(entry, format!("the lake holds {held} bytes of it so far; `stele ingest` goes on with it"))
        });
        let lost = self.lost.values().map(move |entry| {
            unread(
                entry,
                "the lake lost a part of it with a damaged file; `stele ingest` reads it again".to_owned(),
            )
        });
        unfinished.chain(lost)
    }
}

impl Engine {
    /// The documents of this engine's tenant as a snapshot has them, by name; those that it has as a whole.
    pub(crate) fn documents_in(
        &self,
        snapshot: &Snapshot,
    ) -> Result<BTreeMap<String, FileEntry>, EngineError> {
        Ok(self.document_inputs(snapshot)?.whole)
    }

    /// The same with those that are not whole.
    pub(super) fn document_inputs(&self, snapshot: &Snapshot) -> Result<Inputs, EngineError> {
        let mut pruned: HashMap<FileId, Vec<Pruned>> = HashMap::new();
        for one in snapshot.pruned()? {
            pruned.entry(one.file_id).or_default().push(one);
        }
        let mut inputs = Inputs::default();
        let files = self.own(snapshot.files()?).into_iter();
        for entry in files.filter(|entry| is_document(entry) && entry.gone_at.is_none()) {
            let mut gone = pruned.get(&entry.file_id).into_iter().flatten().filter(|one| one.affects(&entry));
            let to = match gone.next() {
                None if entry.state == FileState::Partial => &mut inputs.unfinished,
                None => &mut inputs.whole,
                Some(first) if first.lost && gone.all(|one| one.lost) => &mut inputs.lost,
                Some(_) => continue,
            };
            to.insert(entry.uri.clone(), entry);
        }
        Ok(inputs)
    }
}

/// The documents of one version of the lake.
pub(crate) struct Known(BTreeMap<String, FileEntry>);

impl Known {
    /// In which state an input was, in the words of the graph; nothing if there was none.
    pub(super) fn content_of(&self, uri: &str) -> Option<String> {
        self.0.get(uri).map(content_of)
    }

    /// Whether the input of this document is in the same state in both versions, or in neither.
    pub(crate) fn agrees(&self, other: &Self, source: &str) -> bool {
        self.content_of(input_of(source, &self.0)) == other.content_of(input_of(source, &other.0))
    }

    /// Whether a document of the graph is one of them, and as it was.
    pub(crate) fn has(&self, document: &DocumentRow) -> bool {
        self.content_of(input_of(&document.source, &self.0))
            .is_some_and(|content| content == document.file_id)
    }
}

impl Engine {
    /// The documents of a version of the lake.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub(crate) fn documents_of(&self, snapshot: &Snapshot) -> Result<Known, EngineError> {
        Ok(Known(self.document_inputs(snapshot)?.whole))
    }
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
