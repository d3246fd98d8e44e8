//! References between documents: edges to those that are there, patience with the others.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use stele_model::{
    Document, DocumentId, Edge, EdgeId, EdgeKind, Node, Provenance, Reference, ReferenceKind, SectionId,
};

use crate::extract::EXTRACTOR;
use crate::outline::slug;

/// What references can lead to: every document that is there now, by its URI and title, with the
/// places inside it. It is made anew, or brought up to date document by document.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    by_uri: HashMap<String, DocumentId, RandomState>,
    by_title: HashMap<String, Vec<DocumentId>, RandomState>,
    known: HashMap<DocumentId, Known, RandomState>,
}

/// What is known about one document.
#[derive(Debug, Clone)]
struct Known {
    uri: String,
    title: String,
    places: HashMap<String, SectionId, RandomState>,
    sections: HashSet<SectionId, RandomState>,
}

impl Targets {
    /// Adds a document, in the place of an older version of it.
    pub fn add(&mut self, document: &Document) {
        self.place(document.id, &document.source_uri, &document.title);
        for section in &document.sections {
            self.place_section(document.id, section.id, section.aliases.iter().chain([&section.anchor]));
        }
    }

    /// Adds a document without its sections, in the place of an older version of it.
    pub fn place(&mut self, document: DocumentId, source_uri: &str, title: &str) {
        self.remove(document);
        let (uri, title) = (plain(source_uri), squeezed(title));
        self.by_uri.insert(uri.clone(), document);
        self.by_title.entry(title.clone()).or_default().push(document);
        self.known.insert(document, Known { uri, title, places: <_>::default(), sections: <_>::default() });
    }

    /// Adds a section, with its names, to a document that was added before.
    pub fn place_section<'a>(
        &mut self,
        document: DocumentId,
        section: SectionId,
        names: impl Iterator<Item = &'a String>,
    ) {
        let Some(known) = self.known.get_mut(&document) else { return };
        for name in names {
            known.places.entry(name.to_lowercase()).or_insert(section);
        }
        known.sections.insert(section);
    }

    /// Takes a document out.
    pub fn remove(&mut self, document: DocumentId) {
        let Some(known) = self.known.remove(&document) else { return };
        if self.by_uri.get(&known.uri) == Some(&document) {
            self.by_uri.remove(&known.uri);
        }
        if let Some(ids) = self.by_title.get_mut(&known.title) {
            ids.retain(|id| *id != document);
        }
    }

    /// Where a reference leads, as far as that is there: a place, or the document around it.
    fn find(&self, reference: &Reference) -> Option<Node> {
        let document = match reference.uri.is_empty() {
            true => self.titled(&reference.title)?,
            false => self.at(&reference.uri)?,
        };
        if reference.anchor.is_empty() {
            return Some(Node::Document(document));
        }
        let known = self.known.get(&document)?;
        let anchor = reference.anchor.to_lowercase();
        let place = known.places.get(&anchor).or_else(|| known.places.get(&slug(&anchor)));
        // A place that is gone still leads to its document, but not from within.
        let within = known.sections.contains(&reference.section);
        match place {
            Some(section) => Some(Node::Section(*section)),
            None => (!within).then_some(Node::Document(document)),
        }
    }

    /// The document at a URI, or at what such a URI stands for: a page without its ending, the first
    /// page of a folder, the source of a rendered page.
    fn at(&self, uri: &str) -> Option<DocumentId> {
        let uri = plain(uri);
        let stem = uri.strip_suffix(".html").or_else(|| uri.strip_suffix(".htm")).unwrap_or(&uri);
        let tries = ["", ".md", ".markdown", ".html", "/index.md", "/README.md", "/_index.md", "/index.html"];
        let found = self.by_uri.get(&uri);
        found.or_else(|| tries.iter().find_map(|end| self.by_uri.get(&format!("{stem}{end}")))).copied()
    }

    /// The only document with this title.
    fn titled(&self, title: &str) -> Option<DocumentId> {
        match self.by_title.get(&squeezed(title))?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

/// A URI as targets are looked up by.
fn plain(uri: &str) -> String {
    uri.strip_prefix("./").unwrap_or(uri).trim_end_matches('/').to_owned()
}

fn squeezed(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// What became of references.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// An edge for each reference whose target is there.
    pub edges: Vec<Edge>,
    /// Indexes of the references whose target is not there yet.
    pub pending: Vec<usize>,
}

/// Looks for the targets of `references`. Asked again after documents came or went, it gives what is
/// right then: edges keep no memory of targets that are gone.
pub fn resolve(references: &[Reference], targets: &Targets) -> Resolved {
    let mut resolved = Resolved::default();
    let mut known: HashSet<EdgeId, RandomState> = HashSet::default();
    for (index, reference) in references.iter().enumerate() {
        let Some(to) = targets.find(reference) else {
            resolved.pending.push(index);
            continue;
        };
        let kind = match reference.kind {
            ReferenceKind::Related => EdgeKind::RelatedTo,
            _ => EdgeKind::References,
        };
        let from = Node::Section(reference.section);
        let provenance = Provenance {
            source: from,
            span: reference.span.clone(),
            confidence: reference.kind.confidence(),
            extractor: EXTRACTOR.to_owned(),
        };
        let edge = Edge::new(kind, from, to, None, provenance);
        if from != to && known.insert(edge.id) {
            resolved.edges.push(edge);
        }
    }
    resolved
}
