//! What could not be read: an input, or a page of an archive, that fails in its present state. What it said
//! before still counts, it is told for as long as it is so, and the same bytes are not tried again.

use std::collections::{BTreeMap, HashSet};

use stele_documents::DocumentError;
use stele_graph::Unread;
use stele_model::FileEntry;
use stele_model::error::in_full;

use super::inputs::{INSIDE, content_of, input_of};
use super::parsing::Failure;

/// Pages of one archive that are told one by one. They stand in the pointer file, each with some hundred
/// bytes; of an archive of which more cannot be read, the rest is a number.
const PAGES_TOLD_MAX: usize = 1_000;

/// What could not be read, by input.
#[derive(Default)]
pub(super) struct Unreadable(BTreeMap<String, Vec<Unread>>);

impl Unreadable {
    /// What is remembered of it. `inputs` are those of the lake.
    pub(super) fn of(unread: &[Unread], inputs: &BTreeMap<String, FileEntry>) -> Self {
        let mut all = Self::default();
        for one in unread {
            all.0.entry(input_of(&one.source, inputs).to_owned()).or_default().push(one.clone());
        }
        all
    }

    /// What of an input could not be read.
    pub(super) fn of_input(&self, input: &str) -> &[Unread] {
        self.0.get(input).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes over what is known about an input.
    pub(super) fn keep(&mut self, input: &str, unread: &[Unread]) {
        self.0.insert(input.to_owned(), unread.to_vec());
    }

    /// Remembers an input.
    pub(super) fn add(&mut self, entry: &FileEntry, failure: Failure) {
        let Failure { reason, again } = failure;
        let unread = Unread { source: entry.uri.clone(), file_id: content_of(entry), reason, again };
        self.0.insert(entry.uri.clone(), vec![unread]);
    }

    /// Remembers pages of an archive.
    pub(super) fn add_pages(&mut self, entry: &FileEntry, failed: &[DocumentError]) {
        let unread = |source: &str, reason: String| Unread {
            source: source.to_owned(),
            file_id: content_of(entry),
            reason,
            again: false,
        };
        let told = failed.iter().take(PAGES_TOLD_MAX);
        let mut pages: Vec<Unread> = told.map(|page| unread(page.source_uri(), in_full(page))).collect();
        if failed.len() > PAGES_TOLD_MAX {
            let rest = failed.len() - PAGES_TOLD_MAX;
            pages.push(unread(&entry.uri, format!("{rest} more of its pages cannot be read")));
        }
        pages.sort_by(|one, two| one.source.cmp(&two.source));
        self.0.insert(entry.uri.clone(), pages);
    }

    /// Whether a document could not be read in the present state of its input: it itself, an archive that it
    /// is in, or the whole input.
    pub(super) fn covers(&self, entry: &FileEntry, source: &str) -> bool {
        let content = content_of(entry);
        let of_input = self.of_input(&entry.uri).iter().filter(|unread| unread.file_id == content);
        let names: HashSet<&str> = of_input.map(|unread| &*unread.source).collect();
        !names.is_empty() && around(source).any(|name| names.contains(name))
    }

    /// All of it, in the order of names.
    pub(super) fn into_all(self) -> Vec<Unread> {
        let mut all: Vec<Unread> = self.0.into_values().flatten().collect();
        all.sort_by(|one, two| one.source.cmp(&two.source));
        all
    }
}

/// A document and the archives that it is in, each by its name.
pub(super) fn around(source: &str) -> impl Iterator<Item = &str> {
    [source].into_iter().chain(source.match_indices(INSIDE).map(|(at, _)| &source[..at]))
}
